"""What one reader is told, and when: each thing once, several together, again after a while; never what is over."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from agent.dashboard.notices.waiting import Item

MAX_TOLD = 10_000
"""Things that are remembered as told."""
SETTLED_S = 120.0
"""How long something must have been gone until its return is news, s: a broker that comes and goes is none."""
FIRST_RETRY_S, LONGEST_RETRY_S = 30.0, 1800.0
_HOUR = 3600.0


@dataclass(frozen=True)
class Notice:
    """What is told at once.

    Args:
        lab: the laboratory.
        new: what began to wait.
        again: what was told before and still waits.
        others: how much else waits and is not told now.
    """

    lab: str
    new: tuple[Item, ...]
    again: tuple[Item, ...] = ()
    others: int = 0

    @property
    def items(self) -> tuple[Item, ...]:
        """Everything in it."""
        return self.new + self.again


@dataclass
class Bulletin:
    """What one reader knows already. Times are of a monotonic clock, s.

    Args:
        after_s: how long something waits before it is told.
        again_s: after how long it is told again; never for 0.
    """

    after_s: float
    again_s: float
    _seen: dict[str, float] = field(default_factory=dict)
    _gone: dict[str, float] = field(default_factory=dict)
    _told: OrderedDict[str, float] = field(default_factory=OrderedDict)
    _returning: set[str] = field(default_factory=set)
    _tries: int = 0
    _not_before: float = 0.0

    def due(self, lab: str, items: Sequence[Item], now_s: float) -> Notice | None:
        """What is to be told now, None where that is nothing. To be called on live data alone.

        Args:
            lab: the laboratory.
            items: all that waits, and is for this reader.
            now_s: the present.
        """
        self._look(items, now_s)
        if now_s < self._not_before:
            return None
        new = tuple(item for item in items if item.mark not in self._told)
        waited = max((now_s - self._seen[item.mark] for item in new), default=-1.0)
        again = tuple(item for item in items if self._is_due_again(item, now_s))
        if waited < self.after_s:
            new = ()
        if not new and not again:
            return None
        return Notice(lab, new, again, len(items) - len(new) - len(again))

    def told(self, notice: Notice, now_s: float) -> None:
        """It was sent."""
        for item in notice.items:
            self._told[item.mark] = now_s
            self._told.move_to_end(item.mark)
        while len(self._told) > MAX_TOLD:
            self._told.popitem(last=False)
        self._tries, self._not_before = 0, 0.0

    def failed(self, now_s: float) -> float:
        """It could not be sent; the next try says what waits then.

        Returns:
            How long nothing is tried, s.
        """
        wait = min(FIRST_RETRY_S * 2.0**self._tries, LONGEST_RETRY_S)
        self._tries, self._not_before = min(self._tries + 1, 30), now_s + wait
        return wait

    def _look(self, items: Sequence[Item], now_s: float) -> None:
        here = {item.mark: item for item in items}
        for mark in here:
            self._seen.setdefault(mark, now_s)
            self._gone.pop(mark, None)
        for mark in [mark for mark in self._seen if mark not in here]:
            if now_s - self._gone.setdefault(mark, now_s) >= SETTLED_S:
                del self._seen[mark], self._gone[mark]
                if mark in self._returning:
                    self._told.pop(mark, None)
                    self._returning.discard(mark)
        self._returning.update(mark for mark, item in here.items() if item.returns)

    def _is_due_again(self, item: Item, now_s: float) -> bool:
        told = self._told.get(item.mark)
        return told is not None and self.again_s > 0.0 and now_s - told >= self.again_s


def bulletin(after_s: float, again_h: float) -> Bulletin:
    """A reader who knows of nothing yet.

    Args:
        after_s: how long something waits before it is told, s.
        again_h: after how long it is told again, h; never for 0.
    """
    return Bulletin(after_s, again_h * _HOUR)
