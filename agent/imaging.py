"""Reads micrographs for a campaign: fetch, measure, keep the overlay, advise on the next image."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from PIL import Image

from agent import events as ev
from agent.descriptors import DESCRIPTORS, NEEDED
from agent.store import ArtefactStore
from agent.words import length
from envs.errors import UserError
from surrogates.micrograph_io import Micrograph, read_micrograph
from surrogates.micrograph_overlay import overlay
from surrogates.micrograph_reader import MicrographReader
from surrogates.micrograph_reading import Estimate, MicrographReading
from surrogates.stereology import diameter_histogram

OTHER_PLACE = "image another place; where none shows more, polish and etch the section again"
ASTRAY = 1.5
"""Pixel size that was ordered over that of the picture, or the other way round, from which it is another magnification:
knobs click, but not as coarsely."""


class CampaignImageReader:
    """The CNN between the artefact store and the journal.

    Args:
        store: where images are, and overlays go.
        load: loads the network when the first image comes.
    """

    def __init__(self, store: ArtefactStore, load: Callable[[], MicrographReader]) -> None:
        self._store = store
        self._load = load
        self._network: MicrographReader | None = None

    def read(self, experiment: str, attempt: int, image: ev.ArtefactRecord, pixel_size: float) -> ev.ImageRead:
        """What the image says, or why it is refused and what pixel size to use next.

        A file that is no image is refused like a bad one: the next image may be better. Where a file states no scale,
        the pixel size that was ordered counts; 0 where none was.

        Raises:
            JournalError: the file is missing from the store, or changed there.
        """
        content = self._store.get(image.sha256)
        try:
            micrograph = _scaled(read_micrograph(content), pixel_size)
        except UserError as error:
            return _unreadable(experiment, attempt, image, pixel_size, str(error))
        if self._network is None:
            self._network = self._load()
        reading = self._network.read(micrograph)
        drawn = _png(overlay(micrograph, reading))
        digest = self._store.put(drawn, "image/png")
        reason, taken = _against(reading), micrograph.pixel_size_um or pixel_size
        if reason and _astray(taken, pixel_size):
            reason += f"; it was taken at {length(taken)} a pixel, where {length(pixel_size)} were ordered"
        return ev.ImageRead(
            experiment=experiment,
            attempt=attempt,
            image=image,
            accepted=not reason,
            reason=reason,
            pixel_size=taken,
            scale_source=micrograph.scale_source,
            next_pixel_size=_next_pixel_size(taken, reading, pixel_size) if reason else None,
            grain_size=_pair(reading.grain_size),
            porosity=_pair(reading.porosity),
            n_grains=reading.n_grains,
            overlay=ev.ArtefactRecord(sha256=digest, media_type="image/png", bytes=len(drawn)),
            diameters=_histogram(reading.diameters),
            microstructure=reading.microstructure,
            class_probabilities=_known(reading.class_probabilities),
            descriptors=_recorded({name: getattr(reading, name) for name in DESCRIPTORS}),
            withheld=dict(reading.withheld),
            further=_recorded(reading.further),
        )


def _against(reading: MicrographReading) -> str:
    """Why an image is no datum for a campaign, and what to do; empty for one that is.

    The models learn from grain size and porosity alike: a picture that shows only one of them is measured, and yet
    another one is needed.
    """
    if not reading.accepted:
        return f"{reading.reason}: {reading.advice}" if reading.advice else reading.reason or "not accepted"
    missing = [name for name in NEEDED if _pair(getattr(reading, name)) is None]
    if not missing:
        return ""
    why = "; ".join(dict.fromkeys(reading.withheld.get(name, "it cannot be told") for name in missing))
    return f"no {' and no '.join(NEEDED[name] for name in missing)} ({why}): {OTHER_PLACE}"


def _next_pixel_size(taken: float, reading: MicrographReading, ordered: float) -> float:
    """In um. A picture of another magnification than was ordered says nothing against the order: it is given again."""
    return ordered if _astray(taken, ordered) else taken * reading.pixel_factor


def _astray(taken: float, ordered: float) -> bool:
    return ordered > 0.0 and not 1.0 / ASTRAY < taken / ordered < ASTRAY


def _png(picture: npt.NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="PNG", compress_level=3)
    return buffer.getvalue()


def _scaled(micrograph: Micrograph, pixel_size: float) -> Micrograph:
    if micrograph.pixel_size_um is not None:
        return micrograph
    if pixel_size <= 0.0:
        raise UserError(
            "the image states no scale, and none was ordered: save images with their metadata, or let the recipe keep "
            "a pixel_size"
        )
    return replace(micrograph, pixel_size_um=pixel_size, scale_source="ordered")


def _unreadable(
    experiment: str, attempt: int, image: ev.ArtefactRecord, pixel_size: float, reason: str
) -> ev.ImageRead:
    return ev.ImageRead(
        experiment=experiment,
        attempt=attempt,
        image=image,
        accepted=False,
        reason=reason,
        pixel_size=pixel_size,
        next_pixel_size=None,
        grain_size=None,
        porosity=None,
        n_grains=0,
        overlay=None,
    )


def _histogram(diameters: npt.NDArray[np.float64]) -> ev.HistogramRecord | None:
    sizes = diameters[np.isfinite(diameters) & (diameters > 0.0)]
    if not len(sizes):
        return None
    edges, counts = diameter_histogram(sizes)
    return ev.HistogramRecord(edges=edges, counts=counts)


def _pair(estimate: Estimate | None) -> ev.Reading | None:
    if estimate is None or not _finite(estimate) or estimate.std <= 0.0:
        return None
    return float(estimate.value), float(estimate.std)


def _recorded(estimates: Mapping[str, Estimate | None]) -> dict[str, ev.DescriptorRecord]:
    return {
        name: ev.DescriptorRecord(value=float(one.value), std=float(one.std), unit=one.unit)
        for name, one in estimates.items()
        if one is not None and _finite(one)
    }


def _known(probabilities: Mapping[str, float]) -> dict[str, float]:
    return {name: float(value) for name, value in probabilities.items() if math.isfinite(value)}


def _finite(estimate: Estimate) -> bool:
    return math.isfinite(estimate.value) and math.isfinite(estimate.std)
