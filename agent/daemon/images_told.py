"""The images of an experiment and what the network read in them, as the bus retains them."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import ValidationError

from agent import events as ev
from agent.daemon.steps_told import LINE, READ, TEXT, Happened
from agent.descriptors import DESCRIPTORS
from instruments.messages import Quantity
from instruments.profile.experiment_messages import MAX_STEPS, Histogram, ImageState


def images_of(history: Sequence[Happened]) -> tuple[ImageState, ...]:
    """Images in the order in which they were taken; one of which nothing is read yet has no verdict.

    Args:
        history: all that happened to the experiment.
    """
    images: list[ImageState] = []
    for one in history:
        event = one.event
        if isinstance(event, ev.StepEnded) and event.then == READ and event.reads in event.artefacts:
            taken = event.artefacts[event.reads]
            images.append(_image(event.attempt, taken))
        elif isinstance(event, ev.ImageRead):
            waits = [n for n, image in enumerate(images) if image.accepted is None]
            read = _read(event)
            if waits and images[waits[-1]].image == event.image.sha256:
                images[waits[-1]] = read
            else:
                images.append(read)
    return tuple(images[-MAX_STEPS:])


def _image(attempt: int, record: ev.ArtefactRecord) -> ImageState:
    return ImageState(
        attempt=attempt, image=record.sha256, media_type=record.media_type[:LINE], bytes=max(record.bytes, 0)
    )  # fmt: skip


def _read(event: ev.ImageRead) -> ImageState:
    return _image(event.attempt, event.image).model_copy(
        update={
            "overlay": event.overlay.sha256 if event.overlay else None,
            "accepted": event.accepted,
            "reason": event.reason[:TEXT],
            "pixel_size": Quantity(value=event.pixel_size, unit="um") if event.pixel_size > 0.0 else None,
            "scale_source": event.scale_source[:LINE],
            "n_grains": max(event.n_grains, 0),
            "grain_size": _quantity(event.grain_size, "um"),
            "porosity": _quantity(event.porosity, "1"),
            "diameters": _histogram(event.diameters),
            "microstructure": event.microstructure[:LINE],
            "class_probability": _probability(event),
            "descriptors": {
                name: Quantity(value=found.value, unit=found.unit, std=found.std if found.std > 0.0 else None)
                for name, found in event.descriptors.items()
                if name in DESCRIPTORS
            },
        }
    )


def _probability(event: ev.ImageRead) -> float | None:
    found = event.class_probabilities.get(event.microstructure)
    return None if found is None else min(max(found, 0.0), 1.0)


def _histogram(record: ev.HistogramRecord | None) -> Histogram | None:
    """None, too, where the record holds none that a message can: the picture says it all the same."""
    if record is None:
        return None
    try:
        return Histogram(edges=record.edges, counts=record.counts, unit=record.unit)
    except ValidationError:
        return None


def _quantity(reading: ev.Reading | None, unit: str) -> Quantity | None:
    return None if reading is None else Quantity(value=reading[0], unit=unit, std=reading[1] or None)
