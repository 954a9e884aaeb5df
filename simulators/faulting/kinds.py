"""What can go wrong with an order, and with which."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Kind(StrEnum):
    """A fault of real life."""

    NO_ANSWER = "no_answer"
    """The order, or what is said about it, is lost on its way for a while."""
    LATE = "late"
    """The order, or what is said about it, comes late."""
    DUPLICATE = "duplicate"
    """The order and every answer are delivered twice."""
    REORDERED = "reordered"
    """Answers overtake each other."""
    DISCONNECT = "disconnect"
    """The instrument loses its connection in mid-job, its last will is published, and it comes back later."""
    RESTART = "restart"
    """The instrument restarts in mid-job or right after it, and remembers none of its jobs."""
    WRONG_UNIT = "wrong_unit"
    """A result comes in another unit, in one of something else, or without any."""
    STALE = "stale"
    """A retained message of an earlier boot, or an older one of this job, is on the bus again."""
    FAILED_SYNTHESIS = "failed_synthesis"
    """A synthesis fails through no fault of its design."""
    BLUR = "blur"
    """An image is out of focus."""
    DRIFT = "drift"
    """What an instrument reads wanders away until it is recalibrated."""


MESSAGES = (
    Kind.NO_ANSWER, Kind.LATE, Kind.DUPLICATE, Kind.REORDERED, Kind.DISCONNECT, Kind.RESTART, Kind.WRONG_UNIT,
    Kind.STALE,
)  # fmt: skip
"""Those that any order can meet."""
INSIDE: Mapping[str, Kind] = MappingProxyType(
    {
        "sinter": Kind.FAILED_SYNTHESIS,
        "acquire": Kind.BLUR,
        "indent": Kind.DRIFT,
        "measure": Kind.DRIFT,
        "weigh": Kind.DRIFT,
        "scan": Kind.DRIFT,
        "prepare": Kind.DRIFT,
    }
)
"""Those inside an instrument, by the command that can meet them."""
KINDS: tuple[Kind, ...] = tuple(Kind)


def possible(command: str, kinds: tuple[Kind, ...]) -> tuple[Kind, ...]:
    """The kinds that an order can meet, of those that are wanted."""
    return tuple(kind for kind in kinds if kind in MESSAGES or INSIDE.get(command) is kind)
