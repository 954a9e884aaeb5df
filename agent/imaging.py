"""Reads micrographs for a campaign: fetch, measure, keep the overlay, advise on the next image."""

from __future__ import annotations

import io
from collections.abc import Callable

from agent import events as ev
from agent.store import ArtefactStore
from surrogates.micrograph_reader import Estimate, MicrographReader, overlay


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
        """What the image says, or why it is refused and what pixel size to use next."""
        from PIL import Image

        from surrogates.micrograph_io import read_micrograph

        if self._network is None:
            self._network = self._load()
        micrograph = read_micrograph(self._store.get(image.sha256))
        reading = self._network.read(micrograph)
        buffer = io.BytesIO()
        Image.fromarray(overlay(micrograph, reading)).save(buffer, format="PNG", compress_level=3)
        drawn = buffer.getvalue()
        digest = self._store.put(drawn, "image/png")
        scale = micrograph.pixel_size_um or pixel_size
        return ev.ImageRead(
            experiment=experiment,
            attempt=attempt,
            image=image,
            accepted=reading.accepted,
            reason=f"{reading.reason}: {reading.advice}" if reading.reason else "",
            pixel_size=scale,
            next_pixel_size=None if reading.accepted else scale * reading.pixel_factor,
            grain_size=_pair(reading.grain_size),
            porosity=_pair(reading.porosity),
            n_grains=reading.n_grains,
            overlay=ev.ArtefactRecord(sha256=digest, media_type="image/png", bytes=len(drawn)),
        )


def _pair(estimate: Estimate) -> ev.Reading | None:
    return (estimate.value, estimate.std) if estimate.std > 0 else None
