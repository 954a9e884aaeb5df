"""What happened in a campaign, the newest first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from agent.dashboard.live.picture import LabPicture
from agent.dashboard.views import words
from instruments.profile.agent_messages import AgentEvent, Outcome
from instruments.profile.experiment_messages import ExperimentState

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


def timeline_of(picture: LabPicture, cid: str) -> tuple[Moment, ...]:
    """Events, decisions and ends of experiments of one campaign, the newest first."""
    experiments = {one.experiment: one for one in picture.of_campaign(cid)}
    proposals = _proposals(picture, cid, experiments)
    found = [*_ends(experiments.values()), *_decided(picture.outcomes.values(), proposals)]
    found += _said(picture, cid, experiments, proposals)
    return tuple(sorted(found, key=lambda one: (one.at, one.about, one.text), reverse=True))


def _proposals(picture: LabPicture, cid: str, experiments: dict[str, ExperimentState]) -> frozenset[str]:
    ids = {one.proposal for one in experiments.values()}
    ids |= {pid for pid, waiting in picture.proposals.items() if waiting.proposal.campaign == cid}
    # An outcome does not name its campaign: a proposal that became no experiment is known by its id.
    alone = len(picture.campaigns) == 1
    ids |= {pid for pid in picture.outcomes if alone or pid.startswith(f"{cid}-")}
    return frozenset(ids)


def _ends(experiments: Iterable[ExperimentState]) -> Iterable[Moment]:
    for one in experiments:
        page, formula = f"/experiments/{one.experiment}", words.formula_of(one.design)
        if one.phase == "ended" and one.ended_at is not None:
            found = words.listed([f"{words.label(name)} {words.quantity(q)}" for name, q in one.found.items()])
            told = found if one.outcome == "completed" and found else one.reason
            text = f"{one.experiment} ({formula}) {words.label(one.outcome or 'ended')}"
            level: Level = "info" if one.outcome == "completed" else "warning"
            yield Moment(one.ended_at, level, f"{text}: {told}".rstrip(": "), page, one.experiment)
        for change in one.corrections:
            said = "corrected the result" if change.kind == "amended" else "took back the result"
            text = f"{change.by} {said} of {one.experiment}: {change.reason}"
            yield Moment(change.at, "warning", text, page, one.experiment)


def _decided(outcomes: Iterable[Outcome], proposals: frozenset[str]) -> Iterable[Moment]:
    for one in outcomes:
        if one.proposal not in proposals:
            continue
        by = f" by {words.listed(one.by)}" if one.by else ""
        became = f", now {one.experiment}" if one.experiment else ""
        text = f"{one.proposal} {one.verdict}{by}{became}: {one.reason}".rstrip(": ")
        page = f"/experiments/{one.experiment}" if one.experiment else f"/proposals/{one.proposal}"
        yield Moment(one.ts, "info", text, page, one.experiment or one.proposal)


def _said(
    picture: LabPicture, cid: str, experiments: dict[str, ExperimentState], proposals: frozenset[str]
) -> Iterable[Moment]:
    for event in picture.events:
        about = event.reference
        if about is None:
            if event.kind.startswith("lab."):
                yield Moment(event.ts, event.level, event.text)
        elif about.kind == "campaign" and about.id == cid:
            yield Moment(event.ts, event.level, event.text, about=about.id)
        elif about.kind == "experiment" and about.id in experiments and not _told_already(event, picture):
            yield Moment(event.ts, event.level, event.text, f"/experiments/{about.id}", about.id)
        elif about.kind == "proposal" and about.id in proposals and not _told_already(event, picture):
            yield Moment(event.ts, event.level, event.text, f"/proposals/{about.id}", about.id)


def _told_already(event: AgentEvent, picture: LabPicture) -> bool:
    about = event.reference
    if event.kind not in _KEPT or about is None:
        return False
    return about.id in (picture.outcomes if about.kind == "proposal" else picture.experiments)
