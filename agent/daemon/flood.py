"""The same event over and over becomes one line with a count: a broken wire must not fill the disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

Key = tuple[str, int, str]
"""Logger, level, event."""

_KEYS = 1024


@dataclass
class _Span:
    until: float
    passed: int = 0
    left_out: int = 0


class Flood:
    """Lets so many of the same event through a minute.

    Args:
        per_minute: of one logger's same event at the same level.
        monotonic: s.
        keys: events that are counted at a time; the oldest is forgotten for a new one.
    """

    def __init__(self, per_minute: int, monotonic: Callable[[], float], *, keys: int = _KEYS) -> None:
        self._limit, self._monotonic, self._keys = per_minute, monotonic, keys
        self._spans: dict[Key, _Span] = {}

    def admits(self, key: Key) -> bool:
        """Whether this one is written."""
        now = self._monotonic()
        span = self._spans.get(key)
        if span is None:
            span = self._spans[key] = _Span(now + 60.0)
        if span.passed < self._limit:
            span.passed += 1
            return True
        span.left_out += 1
        return False

    def over(self, *, end: bool = False) -> Iterator[tuple[Key, int]]:
        """What was left out in the minutes that are over, once each; all of it at the ``end``."""
        now = self._monotonic()
        while self._spans:
            key = next(iter(self._spans))  # the one whose minute began first, and ends first
            if not end and self._spans[key].until > now and len(self._spans) <= self._keys:
                return
            span = self._spans.pop(key)
            if span.left_out:
                yield key, span.left_out
