"""Reads micrographs for a campaign: fetch, measure, keep the overlay, advise on the next image."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from PIL import Image

from agent import events as ev
from agent.store import ArtefactStore
from envs.errors import UserError
from surrogates.micrograph_io import Micrograph, read_micrograph
from surrogates.micrograph_overlay import overlay
from surrogates.micrograph_reader import MicrographReader
from surrogates.micrograph_reading import Estimate
from surrogates.stereology import diameter_histogram


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
        the pixel size that was ordered counts.

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
        scale = micrograph.pixel_size_um or pixel_size
        return ev.ImageRead(
            experiment=experiment,
            attempt=attempt,
            image=image,
            accepted=reading.accepted,
            reason=f"{reading.reason}: {reading.advice}" if reading.reason else "",
            pixel_size=scale,
            scale_source=micrograph.scale_source,
            next_pixel_size=None if reading.accepted else scale * reading.pixel_factor,
            grain_size=_pair(reading.grain_size),
            porosity=_pair(reading.porosity),
            n_grains=reading.n_grains,
            overlay=ev.ArtefactRecord(sha256=digest, media_type="image/png", bytes=len(drawn)),
            diameters=_histogram(reading.diameters),
        )


def _png(picture: npt.NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="PNG", compress_level=3)
    return buffer.getvalue()


def _scaled(micrograph: Micrograph, pixel_size: float) -> Micrograph:
    if micrograph.pixel_size_um is not None:
        return micrograph
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
    if not len(diameters):
        return None
    edges, counts = diameter_histogram(diameters)
    return ev.HistogramRecord(edges=edges, counts=counts)


def _pair(estimate: Estimate | None) -> ev.Reading | None:
    return (estimate.value, estimate.std) if estimate is not None and estimate.std > 0 else None
