"""Settings of a watched folder: what its TOML file may say."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from instruments.adapters.local_path import LocalPath
from instruments.messages import Name

DAY_S = 86_400.0


def _with_sample(pattern: str) -> str:
    try:
        groups = re.compile(pattern).groupindex
    except re.error as error:
        raise ValueError(f"a regular expression is needed: {error}") from error
    if "sample" not in groups:
        raise ValueError("a group (?P<sample>...) is needed, which holds the sample's name")
    return pattern


class Settings(BaseModel):
    """What a file says about a watched folder; times in seconds.

    Attributes:
        kind: what the device calls itself.
        directory: the folder; it may be away for a while.
        patterns: shell patterns of the images' names, whatever their case.
        sample: regular expression for the whole of a file's path below the folder without its ending, with a group
            ``sample`` and, where wanted, ``field`` and ``index``.
        poll_s: time between two looks.
        stable_s: a file is finished when it has not changed for so long, and then is a whole image.
        hang_s: a listing, or a file's reading, that takes longer means that the share does not answer.
        wait_s: how long ``acquire`` waits where the order says nothing.
        pixel_size_um: for images that do not say it themselves.
        subdirectories: look into those, too.
        max_megabytes: larger files are never taken.
        sidecar: whether a text file of the image's name is waited for: never, for ``sidecar_wait_s`` where the image
            itself has no scale, or always.
        marker: name of a file in the folder without which the share counts as not mounted.
        concurrency: how many jobs may wait at a time.
        claims: SQLite file that remembers which job got which file; in the device's state directory by default.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Name = "sem"
    directory: LocalPath
    patterns: Annotated[tuple[str, ...], Field(min_length=1)] = ("*.tif", "*.tiff", "*.png", "*.jpg", "*.jpeg")
    sample: Annotated[str, AfterValidator(_with_sample)] = r"(?:.*/)?(?P<sample>[^/]+?)(?:_(?P<field>\d+))?"
    poll_s: Annotated[float, Field(gt=0.0, le=3600.0)] = 2.0
    stable_s: Annotated[float, Field(ge=0.0, le=3600.0)] = 3.0
    hang_s: Annotated[float, Field(gt=0.0, le=3600.0)] = 60.0
    wait_s: Annotated[float, Field(ge=0.0, le=DAY_S)] = 600.0
    pixel_size_um: Annotated[float, Field(gt=0.0, lt=1e4)] | None = None
    subdirectories: bool = False
    max_megabytes: Annotated[float, Field(gt=0.0, le=4096.0)] = 512.0
    sidecar: Literal["never", "wanted", "always"] = "wanted"
    sidecar_wait_s: Annotated[float, Field(ge=0.0, le=3600.0)] = 10.0
    marker: str = ""
    concurrency: Annotated[int, Field(ge=1, le=64)] = 4
    claims: LocalPath | None = None
