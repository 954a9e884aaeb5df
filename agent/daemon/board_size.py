"""Boards of a size that the bus and a phone can bear: where one is too long, the oldest is left out first."""

from __future__ import annotations

from collections.abc import Iterator

from instruments.bus.delivery import PAYLOAD_LIMIT
from instruments.messages import Payload
from instruments.profile.experiment_messages import ExperimentState, ImageState, StepState

MOST_BYTES = 256 * 1024
"""Of an experiment; as instruments are meant to answer it takes a tenth of that, and five hundred stand on the bus."""
WORDS = 200
"""Most characters of a text of which all were too much."""


class TooLongError(ValueError):
    """A board that cannot be made short enough for a message."""


def fitting(message: Payload) -> bytes:
    """A message as bytes, shortened where it has to be.

    Args:
        message: as it should stand there.

    Raises:
        TooLongError: it cannot be made short enough.
    """
    most = MOST_BYTES if isinstance(message, ExperimentState) else PAYLOAD_LIMIT
    said = message.to_bytes()
    if len(said) > most and isinstance(message, ExperimentState):
        shorter = (state.to_bytes() for state in _shorter(message))
        said = next((short for short in shorter if len(short) <= most), said)
    if len(said) > most:
        raise TooLongError(f"it would have {len(said) // 1000} kB, where at most {most // 1000} kB are allowed")
    return said


def _shorter(state: ExperimentState) -> Iterator[ExperimentState]:
    """Always shorter: old orders lose what they were given and gave, then everything its long texts, then they go."""
    steps, images = state.steps, state.images
    for share in (2, 4, len(steps)):
        old = len(steps) - len(steps) // share
        steps = (*(_bare(step) for step in steps[:old]), *steps[old:])
        yield state.model_copy(update={"steps": steps})
    steps, images = tuple(map(_bare, steps)), tuple(map(_terse, images))
    state = _short(state.model_copy(update={"images": images}))
    while steps or images:
        yield state.model_copy(update={"steps": steps, "images": images})
        steps, images = steps[_half(len(steps)) :], images[_half(len(images)) :]
    yield state.model_copy(update={"steps": (), "images": (), "corrections": ()})


def _half(n: int) -> int:
    return max(1, n // 2)


def _bare(step: StepState) -> StepState:
    return step.model_copy(update={"parameters": {}, "found": {}, "error": _cut(step.error)})


def _terse(image: ImageState) -> ImageState:
    return image.model_copy(update={"reason": _cut(image.reason), "diameters": None, "descriptors": {}})


def _short(state: ExperimentState) -> ExperimentState:
    corrections = tuple(one.model_copy(update={"reason": _cut(one.reason)}) for one in state.corrections)
    return state.model_copy(update={"corrections": corrections, "reason": _cut(state.reason)})


def _cut(text: str) -> str:
    return text if len(text) <= WORDS else f"{text[:WORDS]} …"
