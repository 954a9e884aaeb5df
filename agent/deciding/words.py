"""Proposals as people read them: what waits, in a table; one of them, whole."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from rich.console import Console
from rich.text import Text

from agent.deciding.board import Board
from agent.deciding.design import brief_process, compound_of, short, shown, with_unit
from agent.sheet import Sheet
from agent.words import NO_VALUE, chemical
from instruments.messages import Quantity
from instruments.profile.agent_messages import Estimate, Proposal
from instruments.profile.legibility import printable
from instruments.profile.model_messages import FactorEffect

LEAST_SHARE = 0.01
"""Of the spread over all factors: a factor below it is not told."""
_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0


def table_of(board: Board, waiting: Sequence[Proposal]) -> Sheet:
    """Proposals that wait, one in a line where there is room for it."""
    # Ids mostly begin with the campaign: then a column of it would only make the others narrow.
    names_campaign = any(not proposal.proposal.startswith(f"{proposal.campaign}-") for proposal in waiting)
    own = ("campaign",) if names_campaign else ()
    headings = ("id", *own, "compound", "process", "prediction", "cost", "left", "votes")
    table = Sheet("", headings, frozenset({"id", "compound", "left", "votes"}))
    for proposal in waiting:
        cells = (
            proposal.proposal,
            *([proposal.campaign] if names_campaign else []),
            chemical(compound_of(proposal.design)),
            brief_process(proposal.design),
            predictions(proposal) or NO_VALUE,
            costs(proposal.cost) or NO_VALUE,
            left(proposal.expires_at, board.now),
            f"{len(board.votes(proposal.proposal))} of {proposal.quorum}",
        )
        table.add(*(Text(printable(cell)) for cell in cells))
    return table


def in_order(board: Board, campaign: str = "") -> list[Proposal]:
    """The proposals that wait, of one campaign or of all, the first to expire first."""
    waiting = [found for found in board.proposals.values() if campaign in {"", found.campaign}]
    return sorted(waiting, key=lambda proposal: (proposal.expires_at, proposal.proposal))


def rows_of(board: Board, waiting: Sequence[Proposal]) -> list[dict[str, Any]]:
    """What waits, for programs: each proposal as published, with its digest and votes and the laboratory's time."""
    now = board.now.isoformat() if board.now else None
    return [
        {
            **json.loads(board.bodies[proposal.proposal]),
            "digest": board.published[proposal.proposal].digest,
            "votes": [*board.votes(proposal.proposal)],
            "lab_time": now,
        }
        for proposal in waiting
    ]


def show(proposal: Proposal, board: Board, console: Console) -> None:
    """One proposal, all of it."""
    votes = board.votes(proposal.proposal)
    head = f"{proposal.proposal}, revision {proposal.revision}, of the campaign {proposal.campaign}"
    _say(console, head, style="bold")
    _pairs(console, "make", {key: shown(value) for key, value in proposal.design.items()})
    expected = {name: estimate(value) for name, value in proposal.prediction.items()}
    if proposal.feasibility is not None:
        expected["can be made"] = f"{proposal.feasibility:.0%}"
    _pairs(console, "expect", expected)
    if proposal.domain is not None:
        _pairs(console, "known", {proposal.domain.verdict: proposal.domain.text})
    _pairs(console, "matters", {e.factor.removeprefix("process."): _effect(e, proposal) for e in _main(proposal)})
    if proposal.rationale:
        _pairs(console, "why", {"": proposal.rationale})
    _pairs(console, "chosen by", _chosen(proposal))
    if proposal.nearest is not None:
        _pairs(console, "most alike", _nearest(proposal))
    _pairs(console, "costs", {name: cost_of(value) for name, value in proposal.cost.items()})
    if proposal.duration is not None:
        _pairs(console, "takes", {"": cost_of(proposal.duration)})
    _pairs(console, "hazards", {f"{h.severity} {h.code}": h.text for h in proposal.hazards})
    _pairs(console, "limits", _checked(proposal))
    if proposal.edited_by:
        before = {short(path): shown(value) for path, value in proposal.changes.items()}
        _pairs(console, "edited by", {proposal.edited_by: "", **{f"{name} was": was for name, was in before.items()}})
    _pairs(console, "people", {"": _people(proposal, votes)})
    expires = f"{_stamp(proposal.expires_at)} (in {left(proposal.expires_at, board.now)} of the laboratory's time)"
    _pairs(console, "time", {"made": _stamp(proposal.created_at), "expires": expires})
    _pairs(
        console,
        "signed is",
        {
            "body": board.published[proposal.proposal].digest,
            "recipe": proposal.recipe_hash,
            "limits": proposal.limits_version,
            "models": proposal.model_version,
        },
    )


def predictions(proposal: Proposal) -> str:
    """What is expected, in one line."""
    return ", ".join(f"{name} {estimate(value, brief=True)}" for name, value in proposal.prediction.items())


def estimate(value: Estimate, *, brief: bool = False) -> str:
    """An expectation with its spread."""
    text = with_unit(f"{value.value:.3g} ± {value.std:.2g}", value.unit)
    if brief or value.low is None or value.high is None:
        return text
    return f"{text} (90% between {value.low:.3g} and {value.high:.3g})"


def costs(cost: Mapping[str, Quantity]) -> str:
    """What it would spend, in one line."""
    return ", ".join(f"{name} {cost_of(value)}" for name, value in cost.items())


def cost_of(value: Quantity) -> str:
    """A cost to two significant digits, or whole: it is an estimate."""
    rounded = round(value.value) if abs(value.value) >= 10.0 else float(f"{value.value:.2g}")
    return with_unit(f"{rounded:g}" if abs(rounded) < 1e6 else f"{rounded:.0f}", value.unit)


def left(expires_at: datetime, now: datetime | None) -> str:
    """How much time is left, by the laboratory's clock."""
    if now is None:
        return f"until {_stamp(expires_at)}"
    seconds = (expires_at - now) / timedelta(seconds=1)
    if seconds <= 0:
        return "expired"
    for size, unit in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}" if unit != "min" else f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _people(proposal: Proposal, votes: Sequence[str]) -> str:
    """How many must approve, who has, and who cannot."""
    needs = f"{proposal.quorum} to approve; so far: {', '.join(votes) or 'nobody'}"
    if proposal.edited_by and proposal.editor_may_approve is False:
        return f"{needs}; {proposal.edited_by} made this revision and cannot approve it"
    return needs


def _chosen(proposal: Proposal) -> dict[str, str]:
    found = {"policy": proposal.proposed_by.policy, "pool": proposal.proposed_by.pool}
    if proposal.acquisition is not None:
        found[proposal.acquisition.function] = f"{proposal.acquisition.value:.4g}"
    return found


def _main(proposal: Proposal) -> list[FactorEffect]:
    """The factors that matter most for the objective around this design, the first one first."""
    return sorted((e for e in proposal.effects if e.share >= LEAST_SHARE), key=lambda e: -e.share)


def _effect(effect: FactorEffect, proposal: Proposal) -> str:
    """Where the models see the least and the most of the objective along a factor."""
    unit = next((value.unit for value in proposal.prediction.values()), "1")
    least, most = min(effect.points, key=lambda p: p.value), max(effect.points, key=lambda p: p.value)
    ends = (f"{with_unit(f'{p.value:.3g}', unit)} at {_level(p.at, effect.unit)}" for p in (least, most))
    return f"{effect.share:.0%} of what the process can change: from {' to '.join(ends)}"


def _level(at: float | str, unit: str) -> str:
    return at if isinstance(at, str) else with_unit(f"{at:g}", unit)


def _checked(proposal: Proposal) -> dict[str, str]:
    """Each value of the orders with its bounds; those without any are not told."""
    told: dict[str, str] = {}
    for check in proposal.checks:
        if check.low is None and check.high is None:
            continue
        bounds = [f"at least {check.low:g}"] if check.low is not None else []
        bounds += [f"at most {check.high:g}"] if check.high is not None else []
        both = check.low is not None and check.high is not None
        allowed = f"{check.low:g} to {check.high:g}" if both else bounds[0]
        told[f"{check.instrument} {check.command} {check.parameter}"] = f"{shown(check.value)} (allowed {allowed})"
    return told


def _nearest(proposal: Proposal) -> dict[str, str]:
    near = proposal.nearest
    if near is None:
        return {}
    found = {"sample": near.experiment}
    if near.distance is not None:
        found["distance"] = _apart(near.distance)
    for name, value in near.found.items():
        spread = f" ± {value.std:.2g}" if value.std is not None else ""
        found[name] = with_unit(f"{value.value:.3g}{spread}", value.unit)
    return found


def _apart(distance: float) -> str:
    """How far apart designs are, by how far those that were made are from each other."""
    return f"{distance:.2g} times the usual one between finished designs" if distance else "none: the same design"


def _stamp(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M} UTC"


def _pairs(console: Console, title: str, pairs: Mapping[str, str]) -> None:
    for index, (name, value) in enumerate(pairs.items()):
        first = title if index == 0 else ""
        _say(console, f"  {first:<11}{name + '  ' if name else ''}{value}")


def _say(console: Console, text: str, *, style: str = "") -> None:
    console.print(Text(printable(text), style=style), soft_wrap=True)
