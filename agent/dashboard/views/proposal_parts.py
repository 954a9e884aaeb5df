"""What is said of one design, part by part: in a proposal, and in the preview of a changed one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from agent.dashboard.views import shares, words
from agent.words import NO_VALUE
from instruments.messages import Quantity
from instruments.profile.agent_messages import Estimate, Hazard, NearestSample
from instruments.profile.model_messages import Domain, FactorEffect, Goal

Tone = Literal["", "good", "warn", "bad", "info"]
"""How much attention something needs; a word always says the same."""
URGENT = 0.1
"""Share of its time that is left when a proposal is about to expire."""
SOON_S = 3600.0
"""The same in seconds, for those that wait for days."""
REAL_S = 3600.0
"""A laboratory whose time runs ahead leaves less than it says: within this the real time is told, too."""
_GRAVITY: Mapping[str, int] = {"danger": 0, "warning": 1, "note": 2}
_TONES: Mapping[str, Tone] = {"danger": "bad", "warning": "warn", "note": "info"}
_DOMAINS: Mapping[str, tuple[str, str, Tone]] = {
    "inside": (
        "Inside what the models know",
        "Designs much like it were measured: the prediction is as good as its interval says.",
        "good",
    ),
    "edge": (
        "At the edge of what the models know",
        "It is rather unlike everything that was measured: the prediction may be further off than its interval says.",
        "warn",
    ),
    "outside": (
        "Outside what the models know",
        "Nothing like it was measured: the prediction is little more than a guess.",
        "bad",
    ),
}


@dataclass(frozen=True)
class Prediction:
    """One property that the models expect.

    Args:
        name: for people.
        text: the value with its unit, and with its standard deviation where that says how it spreads.
        interval: the 90% interval with its unit.
        value: in the unit.
        low: 5% quantile.
        high: 95% quantile.
        unit: UCUM code.
        best: the best that was measured so far, in the same unit.
        gain: the same against the value, in words.
        scale: least and greatest value of its bar.
        is_goal: whether the campaign looks for it.
        is_median: whether the value is told without a standard deviation, as its spread is large or uneven.
    """

    name: str
    text: str
    interval: str
    value: float
    low: float
    high: float
    unit: str
    best: float | None
    gain: str
    scale: tuple[float, float]
    is_goal: bool
    is_median: bool = False


@dataclass(frozen=True)
class Effect:
    """What one factor does to the objective around a design.

    Args:
        path: in the design.
        name: for people.
        share: of the objective's spread over all factors.
        here: the design's own level, in words.
        index: of that level among the points; None where it is none of them.
        best: level at which the models expect most, in words; empty where that is the design's own.
        effect: its points.
    """

    path: str
    name: str
    share: float
    here: str
    index: int | None
    best: str
    effect: FactorEffect


@dataclass(frozen=True)
class Danger:
    """What can hurt, for people."""

    code: str
    severity: str
    text: str
    tone: Tone


@dataclass(frozen=True)
class Known:
    """Whether the models know designs like it.

    Args:
        title: the verdict in words.
        meaning: what follows from it, in a plain sentence.
        text: by what, for who knows the models.
        score: 0 known, 1 and more not.
        tone: of the verdict.
    """

    title: str
    meaning: str
    text: str
    score: float
    tone: Tone


@dataclass(frozen=True)
class Nearest:
    """The most alike sample so far.

    Args:
        experiment: its id.
        found: names and values with uncertainty.
        distance: in words; empty where it is not known.
        differs: what is another in it: factor, there, here.
        is_told: whether the experiment is still told, so that it has a page.
    """

    experiment: str
    found: tuple[tuple[str, str], ...]
    distance: str
    differs: tuple[tuple[str, str, str], ...]
    is_told: bool


@dataclass(frozen=True)
class Expiry:
    """How long a decision can wait.

    Args:
        at: when it is too late, by the laboratory's time.
        left_s: until then.
        share: of the whole time that is left, 0 to 1.
        speed: seconds that pass in the laboratory in one of the machine's.
    """

    at: datetime
    left_s: float
    share: float
    speed: float = 1.0

    @property
    def is_over(self) -> bool:
        """Whether it is too late."""
        return self.left_s <= 0.0

    @property
    def is_urgent(self) -> bool:
        """Whether it is about to be."""
        return self.share < URGENT

    @property
    def is_soon(self) -> bool:
        """Whether it is, or will be within the hour."""
        return self.is_urgent or self.left_s < SOON_S

    @property
    def words(self) -> str:
        """How long is left, and how soon that is for who reads it where the laboratory's time is not theirs."""
        if self.is_over:
            return "expired"
        left, real_s = f"{words.duration(self.left_s)} left", self.left_s / self.speed
        return left if self.speed == 1.0 or real_s > REAL_S else f"{left} ({words.duration(real_s)} of real time)"

    @property
    def tone(self) -> Tone:
        """Red where it is about to be too late."""
        return "bad" if self.is_urgent else "warn" if self.is_soon else ""


def expiry_of(created_at: datetime, expires_at: datetime, now: datetime, speed: float = 1.0) -> Expiry:
    """How long a decision can wait, from now on, in a laboratory whose time has this speed."""
    left_s = (expires_at - now) / timedelta(seconds=1)
    whole = max((expires_at - created_at) / timedelta(seconds=1), 1e-9)
    return Expiry(expires_at, left_s, min(max(left_s / whole, 0.0), 1.0), speed)


def predictions_of(
    estimates: Mapping[str, Estimate], goals: Sequence[Goal], best: Mapping[str, Quantity]
) -> tuple[Prediction, ...]:
    """What the models expect, what the campaign looks for first.

    Args:
        estimates: by property.
        goals: of the campaign.
        best: what was measured of its best sample.
    """
    wanted = {goal.property: goal for goal in goals}
    names = [name for name in wanted if name in estimates] + [name for name in estimates if name not in wanted]
    return tuple(_prediction(name, estimates[name], wanted.get(name), best.get(name)) for name in names)


def _prediction(name: str, estimate: Estimate, goal: Goal | None, best: Quantity | None) -> Prediction:
    low, high = words.bounds(estimate)
    record = best.value if best is not None and best.unit == estimate.unit and goal is not None else None
    seen = [low, high, estimate.value, *([record] if record is not None else [])]
    room = 0.12 * (max(seen) - min(seen)) or 1.0
    return Prediction(
        name=words.title(name),
        text=words.expected(estimate),
        interval=words.spread(estimate),
        value=estimate.value,
        low=low,
        high=high,
        unit=estimate.unit,
        best=record,
        gain="" if record is None or goal is None else _gain(estimate, record, goal),
        scale=(min(seen) - room, max(seen) + room),
        is_goal=goal is not None,
        is_median=words.is_uneven(estimate),
    )


def _gain(estimate: Estimate, best: float, goal: Goal) -> str:
    difference = estimate.value - best
    better = difference > 0.0 if goal.direction == "maximize" else difference < 0.0
    size = words.with_unit(words.number(abs(difference), 2), estimate.unit)
    if abs(difference) < 0.05 * estimate.std:
        return "as good as the best so far"
    return f"{size} {'better' if better else 'worse'} than the best so far"


def effects_of(
    effects: Iterable[FactorEffect], design: Mapping[str, Quantity | str], goal: Goal | None = None
) -> tuple[Effect, ...]:
    """What each factor does to the goal, the strongest first; without a goal more is better."""
    sign = -1.0 if goal is not None and goal.direction == "minimize" else 1.0
    ordered = sorted(effects, key=lambda effect: -effect.share)
    names = words.titles(effect.factor for effect in ordered)
    return tuple(_effect(effect, names[effect.factor], design.get(effect.factor), sign) for effect in ordered)


def _effect(effect: FactorEffect, name: str, own: Quantity | str | None, sign: float) -> Effect:
    level = own.value if isinstance(own, Quantity) else own
    levels = [point.at for point in effect.points]
    index = next((i for i, at in enumerate(levels) if _same(at, level)), None)
    top = max(range(len(levels)), key=lambda i: sign * effect.points[i].value)
    return Effect(
        path=effect.factor,
        name=name,
        share=effect.share,
        here=NO_VALUE if level is None else words.formula(words.plain(level, effect.unit)),
        index=index,
        best="" if top == index else words.formula(words.plain(levels[top], effect.unit)),
        effect=effect,
    )


def _same(one: float | str | None, other: float | str | None) -> bool:
    if isinstance(one, str) or isinstance(other, str) or one is None or other is None:
        return one == other
    return abs(one - other) <= 1e-9 * max(abs(one), abs(other), 1.0)


def dangers_of(hazards: Iterable[Hazard]) -> tuple[Danger, ...]:
    """What can hurt, the gravest first."""
    ordered = sorted(hazards, key=lambda hazard: _GRAVITY[hazard.severity])
    return tuple(
        Danger(
            hazard.code, hazard.severity, hazard.text.replace(" Cel", "\N{NO-BREAK SPACE}°C"), _TONES[hazard.severity]
        )
        for hazard in ordered
    )


def known_of(domain: Domain | None) -> Known | None:
    """Whether the models know designs like it; None where nothing is said."""
    if domain is None:
        return None
    title, meaning, tone = _DOMAINS[domain.verdict]
    return Known(title, meaning, domain.text, domain.score, tone)


def nearest_of(
    nearest: NearestSample | None,
    design: Mapping[str, Quantity | str],
    other: Mapping[str, Quantity | str] | None,
) -> Nearest | None:
    """The most alike sample so far, and what is another in it.

    Args:
        nearest: as it is told.
        design: of the proposal.
        other: the sample's own design; None where its experiment is not told any more.
    """
    if nearest is None:
        return None
    distance = "" if nearest.distance is None else _apart(nearest.distance)
    return Nearest(
        experiment=nearest.experiment,
        found=tuple(
            (shares.label(name, value.unit), shares.quantity(name, value)) for name, value in nearest.found.items()
        ),
        distance=distance,
        differs=differences(other, design) if other is not None else (),
        is_told=other is not None,
    )


def _apart(distance: float) -> str:
    """How far apart designs are, by how far those that were made are from each other."""
    if distance == 0.0:
        return "the same design"
    return f"{words.number(distance, 2)} times the usual distance between finished designs"


def differences(
    before: Mapping[str, Quantity | str], after: Mapping[str, Quantity | str]
) -> tuple[tuple[str, str, str], ...]:
    """What is another in two designs: name, before and after, to the last digit.

    Another crystal is told by its formula where that is another too; else it is another polymorph of the same.
    """
    names = words.titles(after)
    is_other = before.get("formula") != after.get("formula")
    return tuple(
        (names[path], words.ordered(before[path]) if path in before else NO_VALUE, words.ordered(value))
        for path, value in after.items()
        if before.get(path) != value and not (path == "crystal" and is_other)
    )
