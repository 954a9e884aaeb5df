"""Which kill comes when."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from agent.crash_points import CRASH_POINTS

What = Literal["point", "random", "backend", "connections", "server"]
FIRST = "during-migration"
"""Only a database that is not of this release's schema yet gets there."""
MOST: dict[str, int] = {
    "before-commit": 12, "in-commit": 12, "after-commit": 12, "before-send": 4, "after-send": 4, "after-accepted": 6,
    "before-publish": 5, "after-publish": 5, "before-settle": 5, "after-settle": 5, "before-acknowledge": 3,
    "before-artefact": 2, "after-artefact": 2,
}  # fmt: skip
"""How often a moment may pass before the process ends at it; once for those that are not named."""
PENDING = ("before-acknowledge", "before-acknowledge", "before-acknowledge", "before-publish", "before-publish")
"""Moments at which something has been decided and not been told: the window is so short that chance seldom meets it."""
EARLY_S, LATE_S = 0.6, 3.0
EARLY = 0.45
"""Share of the random kills that come while the daemon starts and asks after old orders."""


@dataclass(frozen=True)
class Kill:
    """One death.

    Args:
        what: at a crash point, or at a moment; or something dies that the daemon needs, and then it does.
        point: ``NAME:N``.
        after_s: of the start, of those at a moment.
    """

    what: What
    point: str = ""
    after_s: float = 0.0

    @property
    def name(self) -> str:
        """By which it is counted."""
        return self.point.partition(":")[0] or self.what


def at_point(name: str, rng: random.Random) -> Kill:
    """A death at a crash point."""
    return Kill("point", f"{name}:{rng.randint(1, MOST.get(name, 1))}")


def at_random(rng: random.Random, what: What = "random") -> Kill:
    """A death at any moment."""
    early = what == "random" and rng.random() < EARLY
    return Kill(what, after_s=rng.uniform(0.0, EARLY_S) if early else rng.uniform(EARLY_S, LATE_S))


def plan(
    n: int, rng: random.Random, *, points: Sequence[str] = CRASH_POINTS, others: Sequence[What] = ()
) -> list[Kill]:
    """Deaths of one laboratory: each of the points, each of the others, and random ones up to ``n``, shuffled."""
    rest: list[Kill] = [at_point(name, rng) for name in points if name != FIRST]
    rest += [at_random(rng, what) for what in others]
    first = [at_point(FIRST, rng)] if FIRST in points else []
    rest += [at_random(rng) for _ in range(n - len(rest) - len(first))]
    rng.shuffle(rest)
    return [*first, *rest[: max(0, n - len(first))]]
