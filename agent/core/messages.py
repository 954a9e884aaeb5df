"""What comes into the core, and what it answers with: events to be journaled, and effects to be carried out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, cast

from agent import events as ev
from agent.rules.outlook import Outlook
from agent.rules.recipe import Order
from envs.design import Design

Mode = Literal["live", "virtual", "shadow", "dry-run"]
"""Whether orders reach instruments: in ``live`` and ``virtual`` they do."""


EffectKind = Literal["order", "cancel", "proposal", "outcome", "campaign"]


@dataclass(frozen=True)
class Effect:
    """One entry of the outbox: what the world has to be told. Entries of one kind and key are one entry.

    Args:
        kind: ``order`` (send the job), ``cancel`` (have it ended), ``proposal``, ``outcome`` or ``campaign`` (say again
            how it stands).
        key: id of the job, the proposal or the campaign.
    """

    kind: EffectKind
    key: str

    @classmethod
    def of(cls, kind: str, key: str) -> Effect:
        """An entry as it was stored."""
        return cls(cast("EffectKind", kind), key)


@dataclass(frozen=True)
class Decided:
    """What follows from a message.

    Args:
        events: what happened, to be journaled in one transaction.
        effects: what has to be told, written in the same transaction.
        skipped: under whom a refusal counts that was not recorded, because there were so many; empty for none.
    """

    events: Sequence[ev.Event] = ()
    effects: Sequence[Effect] = ()
    skipped: str = ""


# ---- What comes in


@dataclass(frozen=True)
class Planned:
    """The planner's answer: a round's proposals, each with what is to be recorded of it."""

    round: ev.RoundPlanned
    proposals: Sequence[ev.ProposalMade]
    refused: Sequence[ev.ProposalRefused] = ()


@dataclass(frozen=True)
class DecisionArrived:
    """A signed decision came.

    Args:
        user: whom the topic names.
        proposal: that the topic names.
        token: as it came.
        wall: the machine's own time: ages of signatures are judged by it.
        body: of the proposal as it was published; empty where there is none of that id.
        previews: what the models said lately of designs of its campaign, with the history as it still is: an edit
            that makes one of them shows it.
    """

    user: str
    proposal: str
    token: str
    wall: datetime
    body: str = ""
    previews: Mapping[Design, Outlook] = field(default_factory=dict)


@dataclass(frozen=True)
class RequestArrived:
    """A signed request came; ``request`` is the id that the topic names."""

    user: str
    request: str
    token: str
    wall: datetime


@dataclass(frozen=True)
class Dispatching:
    """The shell is about to send an order: journal the intent first."""

    experiment: str
    step: str
    attempt: int
    tries: int
    order: Order
    instrument: str
    job: str


@dataclass(frozen=True)
class Holding:
    """An order that is due cannot be sent now, and why; an empty ``code`` says that it can again."""

    experiment: str
    step: str
    code: str
    reason: str


@dataclass(frozen=True)
class Lost:
    """What became of a job cannot be told from here."""

    experiment: str
    job: str
    reason: str


@dataclass(frozen=True)
class Settled:
    """What becomes of a lost job, said by a policy where there are no people: not where anybody may decide.

    Args:
        experiment: whose.
        job: that is lost.
        verdict: order it ``again`` under a new id, or end the experiment as ``aborted``.
        by: name of the policy.
        reason: why, for people.
    """

    experiment: str
    job: str
    verdict: Literal["again", "aborted"]
    by: str
    reason: str


@dataclass(frozen=True)
class Tick:
    """Time went by.

    Args:
        skipped: refusals that were not recorded, by sender.
        policies: whether the rules that approve shall look at what waits: now and then is enough.
    """

    skipped: Mapping[str, int] = field(default_factory=dict)
    policies: bool = False


Message = (
    ev.AgentStarted
    | ev.AgentStopped
    | ev.LabChanged
    | ev.LabStopped
    | ev.CampaignCreated
    | ev.CampaignChanged
    | ev.CampaignPhaseChanged
    | ev.PlanFailed
    | ev.StepAccepted
    | ev.StepEnded
    | ev.ImageRead
    | Planned
    | DecisionArrived
    | RequestArrived
    | Dispatching
    | Holding
    | Lost
    | Settled
    | Tick
)

# ---- What is due


@dataclass(frozen=True)
class PlanRound:
    """Ask the planner of a campaign for ``n`` proposals."""

    campaign: str
    round: int
    n: int


@dataclass(frozen=True)
class SendOrder:
    """Send an order to an instrument; ``job`` is set when its intent is journaled, and then it is asked first.

    One that is lost is only asked after: a person says what becomes of it, unless its instrument does. One that was
    ``accepted`` is never sent again, whatever its instrument says.
    """

    experiment: str
    step: str
    attempt: int
    tries: int
    order: Order
    instrument: str
    job: str
    accepted: bool = False


@dataclass(frozen=True)
class ReadImage:
    """Let the CNN read an image."""

    experiment: str
    attempt: int
    image: ev.ArtefactRecord
    pixel_size: float


Command = PlanRound | SendOrder | ReadImage | Holding


@dataclass(frozen=True)
class InstrumentView:
    """An instrument as it looks from here at this moment.

    Args:
        kind: its capability.
        places: jobs that it takes at once.
        code: why nothing can be sent to it now, such as ``instrument_stale``; empty when it is ready.
        reason: the same for people.
    """

    kind: str
    places: int = 1
    code: str = ""
    reason: str = ""


World = Mapping[str, InstrumentView]
"""The instruments in sight, by id."""
