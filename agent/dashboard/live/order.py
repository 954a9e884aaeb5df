"""Which of two messages was written first."""

from __future__ import annotations

from typing import Protocol


class Ordered(Protocol):
    """What has a place in its writer's order."""

    @property
    def boot_id(self) -> str:
        """The run of its writer."""
        ...

    @property
    def seq(self) -> int:
        """Its place in that run."""
        ...


def is_older(news: Ordered, known: Ordered | None) -> bool:
    """Whether a message was written before another by the same run of its writer: by its order, not by when it came.

    Two runs have no order but that in which they were heard: the ids of runs begin with their machines' time, and a
    machine that was off, or whose time was put right, begins anew with an earlier one.
    """
    return known is not None and news.boot_id == known.boot_id and news.seq < known.seq
