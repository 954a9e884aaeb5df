"""What goes wrong when: everything that a seed decides beforehand."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from .machines import MACHINES, Mishaps
from .weather import Weather


@dataclass(frozen=True)
class Blow:
    """One fault.

    Args:
        at: seconds since the schedule began.
        kind: which.
        what: whom it meets.
        size: how long, how far or how many.
    """

    at: float
    kind: str
    what: str = ""
    size: float = 0.0


@dataclass(frozen=True)
class CampaignPlan:
    """One campaign.

    Args:
        steps: how many steps its recipe has, 2 to 4.
        refused: share of images that are refused.
    """

    id: str
    experiments: int
    batch: int
    steps: int
    quorum: int
    at_once: int
    priority: int
    expires_s: float
    refused: float
    automatic: bool = False


@dataclass(frozen=True)
class Manners:
    """How people behave, as shares of all proposals that they see."""

    reject: float = 0.1
    edit: float = 0.1
    twice: float = 0.1
    late: float = 0.1
    stale: float = 0.1
    forge: float = 0.1
    replay: float = 0.1
    silent: float = 0.1


@dataclass(frozen=True)
class Plan:
    """One schedule."""

    seed: int
    campaigns: tuple[CampaignPlan, ...]
    blows: tuple[Blow, ...]
    weather: Weather
    mishaps: Mishaps
    manners: Manners
    quiet_from: float
    machines: tuple[str, ...] = tuple(MACHINES)
    extra: dict[str, float] = field(default_factory=dict)


KINDS: dict[str, float] = {
    "crash": 2.0,
    "crash at a touch": 5.0,
    "restart": 1.0,
    "machine restarts": 2.0,
    "machine dies at a touch": 1.5,
    "machine is away": 1.5,
    "machine's link": 1.5,
    "agent's link": 1.5,
    "broker restarts": 0.7,
    "broker forgets": 0.7,
    "clock jumps": 1.0,
    "disk is full": 1.2,
    "stop": 0.8,
    "clear": 0.8,
    "pause": 0.4,
    "limits change": 1.0,
    "maintenance": 0.4,
    "withdraw": 0.3,
}
"""Faults and what people do besides deciding, with their weights."""


def draw(seed: int, *, blows: int | None = None) -> Plan:
    """What a seed decides."""
    rng = random.Random(seed)
    campaigns = tuple(_campaign(rng, name) for name in ("alpha", "beta")[: 1 + (rng.random() < 0.3)])
    quiet_from = rng.uniform(120.0, 360.0)
    n = rng.randint(0, 6) if blows is None else blows
    kinds, weights = list(KINDS), list(KINDS.values())
    found = [_blow(rng, rng.choices(kinds, weights)[0], quiet_from) for _ in range(n)]
    bad = rng.random() < 0.6
    weather = Weather(
        lose=rng.choice((0.0, 0.0, 0.01, 0.05)) if bad else 0.0,
        double=rng.choice((0.0, 0.05, 0.2)) if bad else 0.0,
        late=rng.choice((0.0, 0.05, 0.2)) if bad else 0.0,
        late_s=rng.choice((0.5, 3.0, 20.0)),
        reorder=bad and rng.random() < 0.5,
    )
    troubled = rng.random() < 0.5
    mishaps = Mishaps(
        retryable=0.15 if troubled else 0.0,
        infeasible=0.05 if troubled else 0.0,
        other=0.03 if troubled else 0.0,
        slow=0.1,
    )
    return Plan(seed, campaigns, tuple(sorted(found, key=lambda b: b.at)), weather, mishaps, _manners(rng), quiet_from)


def _campaign(rng: random.Random, name: str) -> CampaignPlan:
    experiments = rng.randint(2, 3)
    return CampaignPlan(
        name,
        experiments=experiments,
        batch=rng.randint(1, 2),
        steps=rng.choice((2, 2, 3, 4)),
        quorum=rng.choice((1, 1, 1, 2)),
        at_once=rng.randint(1, 3),
        priority=rng.randint(0, 2),
        expires_s=rng.choice((300.0, 3600.0, 86_400.0)),
        refused=rng.choice((0.0, 0.3)),
        automatic=rng.random() < 0.15,
    )


def _manners(rng: random.Random) -> Manners:
    shares = [rng.choice((0.0, 0.1, 0.3)) for _ in range(8)]
    return Manners(*shares)


def _blow(rng: random.Random, kind: str, until: float) -> Blow:
    at, machine = rng.uniform(1.0, until), rng.choice(list(MACHINES))
    sizes: dict[str, float] = {
        "crash": rng.uniform(0.1, 30.0),
        "crash at a touch": float(rng.randint(1, 40)),
        "restart": rng.uniform(0.1, 10.0),
        "machine restarts": rng.uniform(0.5, 20.0),
        "machine dies at a touch": float(rng.randint(1, 12)),
        "machine is away": rng.uniform(20.0, 400.0),
        "machine's link": rng.uniform(0.5, 20.0),
        "agent's link": rng.uniform(0.5, 30.0),
        "broker restarts": rng.uniform(0.5, 40.0),
        "broker forgets": rng.uniform(0.5, 40.0),
        "clock jumps": rng.choice((-86_400.0, -700.0, -30.0, 5.0, 400.0, 7200.0)),
        "disk is full": rng.uniform(1.0, 60.0),
    }
    return Blow(round(at, 3), kind, machine, round(sizes.get(kind, rng.uniform(5.0, 120.0)), 3))
