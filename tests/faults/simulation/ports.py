"""What a laboratory needs from outside, and what it gives."""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from .host import Process

if TYPE_CHECKING:
    from .lab import Lab


class Storage(Protocol):
    """A disk with a journal on it, in memory or real."""

    full: bool

    def rows_of(self, table: Any) -> list[dict[str, Any]]:
        """All rows of a projection."""
        ...

    def problems(self) -> list[str]:
        """What is wrong with chain and projections."""
        ...

    def entries(self) -> list[tuple[int, Any, float, Any]]:
        """All events, read back from their bytes."""
        ...

    def left(self) -> list[str]:
        """What is still to be told."""
        ...

    def crashed(self) -> None:
        """The process that had it open is dead."""
        ...


class RunAgent(Protocol):
    """The agent's main function, made anew for each of its lives."""

    def __call__(self, lab: Lab, process: Process) -> Coroutine[Any, Any, None]:
        """Run until it is told to stop."""
        ...


@dataclass
class Outcome:
    """What came of one schedule."""

    seed: int
    broken: list[str]
    digest: str
    virtual_s: float
    counts: dict[str, int]
    lines: list[str] = field(repr=False, default_factory=list)
