"""What waits for a person, of all that a broker has said."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from agent.dashboard.notices.settings import About
from agent.dashboard.views import words
from agent.dashboard.views.proposal_parts import dangers_of
from agent.roles import Role, may, may_ask

if TYPE_CHECKING:
    from agent.dashboard.live.picture import LabPicture
    from instruments.profile.agent_messages import Proposal
    from instruments.profile.experiment_messages import ExperimentState
    from instruments.profile.laboratory import Laboratory

MAX_TITLE = 160
_DECIDERS = frozenset(role for role in Role if may(role, "approve"))
_RECONCILERS = frozenset(role for role in Role if may_ask(role, "reconcile"))
_CLEARERS = frozenset(role for role in Role if may_ask(role, "clear-lab"))
_RESUMERS = frozenset(role for role in Role if may_ask(role, "resume"))


@dataclass(frozen=True)
class Item:
    """One thing that waits.

    Args:
        about: which kind of thing.
        id: of it.
        mark: the same for one and the same wait; a later wait of the same thing has another where that can be told.
        title: what waits, in a line.
        text: what to know, for people; empty of a proposal, whose words ``detail`` makes.
        page: of the dashboard, where it is settled.
        roles: who may settle it.
        done: who has done their part already.
        until: when it is too late, by the laboratory's time.
        returns: whether a later wait of the same thing has the same mark.
        proposal: that waits, where it is one.
    """

    about: About
    id: str
    mark: str
    title: str
    text: str
    page: str
    roles: frozenset[Role]
    done: tuple[str, ...] = ()
    until: datetime | None = None
    returns: bool = False
    proposal: Proposal | None = None

    @property
    def detail(self) -> str:
        """What to know, for people; of a proposal it is put into words only here, as most are never told."""
        return self.text if self.proposal is None else _told(self.proposal, self.done)


def waiting_in(picture: LabPicture, about: Collection[About]) -> tuple[Item, ...]:
    """What waits for a person: a stop that holds first, then the most pressing.

    Args:
        picture: all that the broker has said.
        about: kinds of things that matter.
    """
    lab = picture.lab
    found: list[Item] = []
    if "stop" in about:
        found += _stop(lab)
    if "reconcile" in about:
        found += _lost(picture.experiments.values())
    if "campaign" in about:
        found += _paused(picture, {person.name for person in lab.people} if lab else set())
    if "proposal" in about:
        found += sorted(_proposals(picture), key=lambda item: (item.until is None, item.until, item.id))
    return tuple(found)


def _stop(lab: Laboratory | None) -> Iterator[Item]:
    if lab is None or lab.stop is None:
        return
    stop = lab.stop
    mark = f"stop:{stop.by}:{stop.at.isoformat() if stop.at else stop.reason}"
    title = f"{lab.lab} is stopped by {stop.by}"
    yield Item("stop", lab.lab, mark, title[:MAX_TITLE], stop.reason, "/", _CLEARERS, returns=stop.at is None)


def _lost(experiments: Iterable[ExperimentState]) -> Iterator[Item]:
    for experiment in experiments:
        if experiment.phase != "needs_reconcile":
            continue
        lost = [step.job for step in experiment.steps if step.state == "lost" and step.job]
        made = words.formula_of(experiment.design)
        yield Item(
            "reconcile",
            experiment.experiment,
            f"reconcile:{experiment.experiment}:{','.join(lost)}",
            f"Nobody knows what became of {experiment.experiment} ({made})"[:MAX_TITLE],
            experiment.reason
            or f"Look at the sample, then say what became of it: step {experiment.step or 'unknown'}.",
            f"/experiments/{experiment.experiment}",
            _RECONCILERS,
            returns=not lost,
        )


def _paused(picture: LabPicture, people: Collection[str]) -> Iterator[Item]:
    for cid, campaign in sorted(picture.campaigns.items()):
        state = campaign.state
        if state is None or state.phase != "paused":
            continue
        by, reason = _who(state.reason)
        if by in people:
            continue  # a person who pauses knows it
        title = f"{state.goal or cid} is paused by {by.removeprefix('policy:') or 'a rule'}"
        page = f"/campaigns/{cid}"
        yield Item(
            "campaign", cid, f"campaign:{cid}:{state.reason}", title[:MAX_TITLE], reason, page, _RESUMERS, returns=True
        )


def _who(reason: str) -> tuple[str, str]:
    """Who paused, and why: ``policy:limits: too hot`` was the policy ``limits``."""
    prefix = "policy:" if reason.startswith("policy:") else ""
    by, colon, why = reason.removeprefix(prefix).partition(": ")
    return (prefix + by, why) if colon else ("", reason)


def _proposals(picture: LabPicture) -> Iterator[Item]:
    now = _now(picture)
    for pid, waiting in picture.proposals.items():
        proposal = waiting.proposal
        if now is not None and proposal.expires_at <= now:
            continue
        done = picture.votes(pid)
        yield Item(
            "proposal",
            pid,
            f"proposal:{pid}:{proposal.revision}",
            _asked(proposal, len(done))[:MAX_TITLE],
            "",
            f"/proposals/{pid}",
            _DECIDERS,
            done,
            proposal.expires_at,
            proposal=proposal,
        )


def _now(picture: LabPicture) -> datetime | None:
    lab = picture.lab
    return lab.ts if lab else None


def _asked(proposal: Proposal, n_votes: int) -> str:
    made = words.formula_of(proposal.design)
    more = f", {n_votes} of {proposal.quorum} have approved" if proposal.quorum > 1 else ""
    revised = f", revision {proposal.revision}" if proposal.revision > 1 else ""
    return f"Approve {made}? {proposal.proposal}{revised}{more}"


def _told(proposal: Proposal, done: tuple[str, ...]) -> str:
    parts = [
        "; ".join(f"{name} {value}" for name, value in words.process_of(proposal.design)),
        "; ".join(f"{words.label(name)} {words.estimated(one)} expected" for name, one in proposal.prediction.items()),
        "; ".join(f"costs {words.lasting(one)} ({words.label(name)})" for name, one in proposal.cost.items()),
        "; ".join(f"{one.severity}: {one.text}" for one in dangers_of(proposal.hazards) if one.severity != "note"),
        f"approved by {words.listed(done)} so far" if done else "",
    ]
    return ". ".join(_sentence(part) for part in parts if part)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".")
