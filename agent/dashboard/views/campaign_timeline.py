"""What happened in a campaign, the newest first; only what is looked at is put into words."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Literal

from agent.dashboard.live.picture import LabPicture
from agent.dashboard.views import shares, words
from agent.words import who
from instruments.profile.agent_messages import AgentEvent, Outcome
from instruments.profile.experiment_messages import Correction, ExperimentState

Level = Literal["info", "warning", "error"]
_KEPT = frozenset({"experiment.ended", "proposal.decided", "result.amended", "result.retracted"})
"""Events of what retained messages say too: these are still there for a browser that comes later."""


@dataclass(frozen=True)
class Moment:
    """One thing that happened.

    Args:
        at: when, in lab time.
        level: how much attention it needs.
        text: for people, not escaped.
        page: address of what it is about, below the mount; empty where there is none.
        about: id of it.
    """

    at: datetime
    level: Level
    text: str
    page: str = ""
    about: str = ""


@dataclass(frozen=True)
class Timeline:
    """Part of what happened.

    Args:
        moments: the newest first.
        begin: number of the first of them, from 0.
        total: how many there are in all.
    """

    moments: tuple[Moment, ...]
    begin: int
    total: int


_Told = tuple[datetime, str, Callable[[], Moment]]


def timeline_of(picture: LabPicture, cid: str, begin: int = 0, limit: int | None = None) -> Timeline:
    """Events, decisions and ends of experiments of one campaign, the newest first.

    Args:
        picture: what the broker says.
        cid: the campaign.
        begin: number of the first that is wanted, from 0; the last ones where there are fewer.
        limit: so many at most; all where it is left out.
    """
    experiments = {one.experiment: one for one in picture.of_campaign(cid)}
    proposals = _proposals(picture, cid, experiments)
    found = [*_ends(experiments.values()), *_decided(picture.outcomes.values(), proposals, experiments)]
    found += _said(picture, cid, experiments, proposals)
    found.sort(key=lambda one: one[:2], reverse=True)
    step = limit or max(len(found), 1)
    begin = max(0, min(begin, (len(found) - 1) // step * step))
    return Timeline(tuple(make() for _, _, make in found[begin : begin + step]), begin, len(found))


def _proposals(picture: LabPicture, cid: str, experiments: Mapping[str, ExperimentState]) -> frozenset[str]:
    ids = {one.proposal for one in experiments.values()}
    ids |= {pid for pid, waiting in picture.proposals.items() if waiting.proposal.campaign == cid}
    # An outcome does not name its campaign: a proposal that became no experiment is known by its id.
    alone = len(picture.campaigns) == 1
    ids |= {pid for pid in picture.outcomes if alone or pid.startswith(f"{cid}-")}
    return frozenset(ids)


def _ends(experiments: Iterable[ExperimentState]) -> Iterable[_Told]:
    for one in experiments:
        if one.phase == "ended" and one.ended_at is not None:
            yield one.ended_at, one.experiment, partial(_end, one, one.ended_at)
        for change in one.corrections:
            yield change.at, one.experiment, partial(_change, one, change)


def _end(one: ExperimentState, at: datetime) -> Moment:
    found = words.listed([f"{shares.label(name, q.unit)} {shares.quantity(name, q)}" for name, q in one.found.items()])
    told = found if one.outcome == "completed" and found else one.reason
    text = f"{one.experiment} ({words.formula_of(one.design)}) {words.label(one.outcome or 'ended')}"
    level: Level = "info" if one.outcome == "completed" else "warning"
    return Moment(at, level, f"{text}: {told}".rstrip(": "), f"/experiments/{one.experiment}", one.experiment)


def _change(one: ExperimentState, change: Correction) -> Moment:
    said = "corrected the result" if change.kind == "amended" else "took back the result"
    text = f"{change.by} {said} of {one.experiment}: {change.reason}"
    return Moment(change.at, "warning", text, f"/experiments/{one.experiment}", one.experiment)


def _decided(outcomes: Iterable[Outcome], proposals: frozenset[str], experiments: Container[str]) -> Iterable[_Told]:
    for one in outcomes:
        if one.proposal in proposals:
            yield one.ts, one.experiment or one.proposal, partial(_decision, one, experiments)


def _decision(one: Outcome, experiments: Container[str]) -> Moment:
    by = f" by {who(','.join(one.by))}" if one.by else ""
    became = f", now {one.experiment}" if one.experiment else ""
    text = f"{one.proposal} {one.verdict}{by}{became}: {one.reason}".rstrip(": ")
    if one.experiment in experiments:
        return Moment(one.ts, "info", text, f"/experiments/{one.experiment}", one.experiment or "")
    return Moment(one.ts, "info", text, f"/proposals/{one.proposal}", one.proposal)


def _said(
    picture: LabPicture, cid: str, experiments: Mapping[str, ExperimentState], proposals: frozenset[str]
) -> Iterable[_Told]:
    for event in picture.events:
        page = _page(event, cid, experiments, proposals)
        if page is None or _told_already(event, picture):
            continue
        about = event.reference.id if event.reference is not None else ""
        yield event.ts, about, partial(Moment, event.ts, event.level, event.text, page, about)


def _page(
    event: AgentEvent, cid: str, experiments: Mapping[str, ExperimentState], proposals: frozenset[str]
) -> str | None:
    """Address of what an event is about, empty where it has none; None where that is not of this campaign."""
    about = event.reference
    if about is None:
        return "" if event.kind.startswith("lab.") else None
    if about.kind == "campaign":
        return "" if about.id == cid else None
    if about.kind == "experiment":
        return f"/experiments/{about.id}" if about.id in experiments else None
    return f"/proposals/{about.id}" if about.kind == "proposal" and about.id in proposals else None


def _told_already(event: AgentEvent, picture: LabPicture) -> bool:
    about = event.reference
    if event.kind not in _KEPT or about is None:
        return False
    return about.id in (picture.outcomes if about.kind == "proposal" else picture.experiments)
