"""The table of experiments: which, in what order, and what each line says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from agent.dashboard.live.picture import LabPicture
from agent.dashboard.views import shares, words
from agent.dashboard.views.campaign import goals_of
from agent.words import typeset, who
from instruments.profile.experiment_messages import ExperimentState
from instruments.profile.model_messages import Goal

PAGE = 20
"""Experiments on one page of the table."""
Sorting = Literal["newest", "oldest", "best", "formula", "surprise"]
Filter = Literal["all", "open", "attention", "completed", "infeasible", "other"]
SORTINGS: dict[Sorting, str] = {
    "newest": "Newest first",
    "oldest": "Oldest first",
    "best": "Best first",
    "surprise": "Farthest from the prediction first",
    "formula": "By formula",
}
FILTERS: dict[Filter, str] = {
    "all": "All",
    "open": "Under way",
    "attention": "A person must look",
    "completed": "Completed",
    "infeasible": "Cannot be made",
    "other": "Ended without a result",
}
_TONES = {"queued": "info", "running": "info", "needs_reconcile": "bad"}
_OUTCOMES = {"completed": "good", "infeasible": "warn", "superseded": "info"}


@dataclass(frozen=True)
class Row:
    """One experiment in the table.

    Args:
        id: of it.
        formula: what is made.
        process: how, in a line.
        stands: its phase or its outcome, for people.
        tone: how that looks.
        detail: its step, or why it ended so.
        measured: the goal's property with uncertainty and unit; empty where there is none.
        struck: whether that was taken back.
        predicted: what was expected, likewise.
        approved_by: who.
        at: when it ended, began or was approved, the latest of them.
    """

    id: str
    formula: str
    process: str
    stands: str
    tone: str
    detail: str
    measured: str
    struck: bool
    predicted: str
    approved_by: str
    at: datetime


@dataclass(frozen=True)
class Table:
    """One page of the table.

    Args:
        rows: on it.
        found: experiments that the filter and the search leave.
        page: which, from 0.
        pages: how many, at least 1.
        property: the goal that values are of, for people.
    """

    rows: tuple[Row, ...]
    found: int
    page: int
    pages: int
    property: str


def standing(one: ExperimentState) -> tuple[str, str]:
    """How an experiment stands, for people, and its tone."""
    if one.phase != "ended":
        said = {"needs_reconcile": "a person must look"}.get(one.phase, one.phase)
        return said, _TONES[one.phase]
    if one.retracted:
        return "taken back", "warn"
    outcome = one.outcome or "ended"
    said = {"infeasible": "cannot be made", "invalid_measurement": "image refused"}.get(outcome, words.label(outcome))
    return said, _OUTCOMES.get(outcome, "bad")


def table_of(
    picture: LabPicture, *, chosen: Filter = "all", sorting: Sorting = "newest", search: str = "", page: int = 0
) -> Table:
    """One page of all experiments.

    Args:
        picture: what the broker says.
        chosen: which are shown.
        sorting: in which order.
        search: what an id, a formula, a process, a pool or an approver must contain, every word of it.
        page: from 0; the last one where there are fewer.
    """
    goals = {cid: goals_of(campaign, list(picture.of_campaign(cid))) for cid, campaign in picture.campaigns.items()}
    firsts = {cid: found[0] for cid, found in goals.items() if found}
    wanted = search.casefold().split()
    found = [
        one for one in picture.experiments.values()
        if _passes(one, chosen) and all(word in _text(one) for word in wanted)
    ]  # fmt: skip
    found.sort(key=lambda one: one.experiment)
    found.sort(key=_key(sorting, firsts), reverse=sorting == "newest")
    pages = max(1, -(-len(found) // PAGE))
    page = min(max(page, 0), pages - 1)
    rows = tuple(_row(one, firsts.get(one.campaign)) for one in found[page * PAGE : (page + 1) * PAGE])
    names = {goal.property for goal in firsts.values()}
    return Table(rows, len(found), page, pages, words.title(names.pop()) if len(names) == 1 else "Measured")


def _passes(one: ExperimentState, chosen: Filter) -> bool:
    return {
        "all": True,
        "open": one.phase != "ended",
        "attention": one.phase == "needs_reconcile",
        "completed": one.outcome == "completed",
        "infeasible": one.outcome == "infeasible",
        "other": one.phase == "ended" and one.outcome not in {"completed", "infeasible"},
    }[chosen]


def _text(one: ExperimentState) -> str:
    design = " ".join(value if isinstance(value, str) else words.quantity(value) for value in one.design.values())
    parts = (one.experiment, design, words.formula_of(one.design), one.pool, *one.approved_by)
    return " ".join(parts).casefold()


def _key(sorting: Sorting, goals: dict[str, Goal]) -> Callable[[ExperimentState], Any]:
    def best(one: ExperimentState) -> tuple[bool, str, float]:
        goal = goals.get(one.campaign)
        found = one.found.get(goal.property) if goal is not None and not one.retracted else None
        if found is None or goal is None:
            return True, one.campaign, 0.0
        # What two campaigns look for cannot be compared: each has its own best.
        return False, one.campaign, -found.value if goal.direction == "maximize" else found.value

    def surprise(one: ExperimentState) -> float:
        goal = goals.get(one.campaign)
        return -(deviation(one, goal.property) or 0.0) if goal is not None else 0.0

    keys: dict[Sorting, Callable[[ExperimentState], Any]] = {
        "newest": when, "oldest": when, "best": best, "surprise": surprise,
        "formula": lambda one: words.formula_of(one.design),
    }  # fmt: skip
    return keys[sorting]


def deviation(one: ExperimentState, name: str) -> float | None:
    """How far a measured value lies from its prediction, in combined standard deviations; None where it is not known.

    The prediction's standard deviation and the measurement's standard uncertainty are added in quadrature (GUM, 5.1.2).
    """
    expected, found = one.prediction.get(name), one.found.get(name)
    if expected is None or found is None or expected.unit != found.unit:
        return None
    spread = (expected.std**2 + (found.std or 0.0) ** 2) ** 0.5
    return abs(found.value - expected.value) / spread if spread > 0.0 else None


def when(one: ExperimentState) -> datetime:
    """When an experiment ended, began or was approved, the latest of them."""
    return one.ended_at or one.begun_at or one.queued_at


def _row(one: ExperimentState, goal: Goal | None) -> Row:
    stands, tone = standing(one)
    name = goal.property if goal is not None else next(iter(one.found), "")
    found, expected = one.found.get(name), one.prediction.get(name)
    before = next((c.before[name] for c in reversed(one.corrections) if name in c.before), None)
    shown = found or (before if one.retracted else None)
    return Row(
        id=one.experiment,
        formula=words.formula_of(one.design),
        process=typeset(", ".join(f"{label} {value}" for label, value in words.process_of(one.design))),
        stands=stands,
        tone=tone,
        detail=_detail(one),
        measured=shares.quantity(name, shown) if shown is not None else "",
        struck=one.retracted,
        predicted=words.estimated(shares.told(name, expected)) if expected is not None else "",
        approved_by=who(",".join(one.approved_by)),
        at=when(one),
    )


def _detail(one: ExperimentState) -> str:
    if one.phase != "ended":
        return f"{words.label(one.step)}{f': {one.reason}' if one.reason else ''}" if one.step else one.reason
    return "" if one.outcome == "completed" else one.reason
