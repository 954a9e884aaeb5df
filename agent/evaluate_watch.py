"""What an evaluation shows while it runs, on standard error."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Self, TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

T = TypeVar("T")


class Watch:
    """Bars for one stage after the other."""

    def __init__(self) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def over(self, name: str, things: Iterable[T], total: int) -> Iterator[T]:
        """The same things, counted under a name; one counts as done when the next is asked for."""
        task = self._bar.add_task(name, total=total)
        for each in things:
            yield each
            self._bar.advance(task)

    def counter(self, name: str, total: int) -> Callable[[int], None]:
        """To be told how many of one stage are done."""
        task = self._bar.add_task(name, total=total)
        return lambda done: self._bar.update(task, completed=done)
