"""Paths in an adapter's file: a relative one is meant from where the file lies, not from where the driver started."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, ValidationInfo


def _beside(path: Path, info: ValidationInfo) -> Path:
    directory = (info.context or {}).get("directory")
    return directory / path.expanduser() if isinstance(directory, Path) else path


LocalPath = Annotated[Path, AfterValidator(_beside)]
"""A path that validation with ``context={"directory": ...}`` makes absolute; ``~`` is the user's home."""
