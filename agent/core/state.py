"""Everything that the core knows, folded from the journal alone; and what is fixed beforehand.

The parts are frozen; the whole is folded in place, since a copy of ten thousand experiments for each event would make a
restart take minutes. Only ``evolve`` changes it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from agent import events as ev
from agent.core.messages import Mode
from agent.events.base import CAMPAIGN
from agent.rules.budgets import Budgets, Spent
from agent.rules.limits import Limits
from agent.rules.policy import AutoApprove, Policy
from agent.rules.recipe import Recipe
from envs.design import Design
from envs.factors import Factor
from instruments.messages import Value
from instruments.profile.agent_messages import Hazard

APPROVER = AutoApprove().by


_NOTHING: Mapping[str, Any] = {}
"""One for all: ten thousand empty mappings of their own would take their room."""


def _nothing() -> Mapping[str, Any]:
    return _NOTHING


def _admit(_design: Design) -> tuple[str, ...]:
    return ()


def _free(_design: Design) -> Mapping[str, float]:
    return {}


def _harmless(_design: Design) -> tuple[Hazard, ...]:
    return ()


@dataclass(frozen=True)
class CampaignRules:
    """What a campaign fixes beforehand.

    Args:
        experiments: budget, starting ones included.
        batch: experiments a round.
        initial: experiments of the first round.
        recipe: steps of each experiment.
        factors: give the process's units.
        priority: of two campaigns that want an instrument the higher one gets it.
        at_once: experiments under way at the same time.
        policy: who approves.
        budgets: how much it may spend.
        crystals: names of the compounds that an edit may choose, by id.
        admits: why a design is outside the design space; empty when it is inside.
        costs: what a design would spend.
        hazards: what can hurt.
        instruments: those that it may order from; None for all that the limits allow.
    """

    experiments: int
    batch: int
    initial: int
    recipe: Recipe
    factors: tuple[Factor, ...]
    priority: int = 0
    at_once: int = 1
    policy: Policy = field(default_factory=AutoApprove)
    budgets: Budgets = field(default_factory=Budgets)
    crystals: Mapping[str, str] = field(default_factory=dict)
    admits: Callable[[Design], tuple[str, ...]] = _admit
    costs: Callable[[Design], Mapping[str, float]] = _free
    hazards: Callable[[Design], Sequence[Hazard]] = _harmless
    instruments: frozenset[str] | None = None


@dataclass(frozen=True)
class LabRules:
    """What the laboratory fixes beforehand.

    Args:
        campaigns: by id.
        lab: its id in topics and signatures.
        mode: whether orders reach instruments.
        instruments: ids that are known beside those of the limits.
        limits: of every order.
        budgets: of all campaigns together.
        people: who may decide; a ``People`` of ``agent.identity``.
    """

    campaigns: Mapping[str, CampaignRules]
    lab: str = "virtual"
    mode: Mode = "virtual"
    instruments: frozenset[str] = frozenset()
    limits: Limits = field(default_factory=Limits)
    budgets: Budgets = field(default_factory=Budgets)
    people: object = None


@dataclass(frozen=True, slots=True)
class Bond:
    """What an approval of one revision is bound to: what the core needs of its ``Terms``, in little room.

    Args:
        revision: number of it.
        digest: of the body as it was published.
        expires_at: when it is too late to approve, RFC 3339 in UTC.
        quorum: how many must approve.
        recipe_hash: of the steps that would be ordered.
        limits_version: of the limits that it was checked against.
        cost: estimates by name, in the budget's units.
    """

    revision: int
    digest: str
    expires_at: str
    quorum: int
    recipe_hash: str
    limits_version: str
    cost: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class ProposalState:
    """A proposal's life so far.

    Args:
        terms: what an approval is bound to; None in an offline campaign.
        phase: ``proposed`` while it waits, else its end.
        votes: who approved this revision.
        edited_by: who made this revision; empty for the first.
    """

    id: str
    campaign: str
    design: Design
    formula: str = ""
    terms: Bond | None = None
    phase: str = "proposed"
    votes: tuple[str, ...] = ()
    edited_by: str = ""


@dataclass(frozen=True, slots=True)
class ExperimentState:
    """One experiment's life so far.

    Args:
        n: place in the laboratory's queue: experiments are numbered as they are approved.
        step: the step it is at; ``read`` while an image waits for the CNN, ``done`` in its final state.
        image_step: the step whose image waits, or was read last.
        attempt: image of this sample, from 0: it chooses the field, and only a refused image raises it.
        tries: times that this order was sent and failed for a passing reason, interruptions included.
        interruptions: those of them that a restart of the instrument cut short, or that never began.
        job: the open job's id, ``""`` between jobs.
        instrument: that has the open job.
        capability: its kind.
        begun: whether anything was ever ordered for it.
        accepted: whether the instrument confirmed the open job.
        lost: why nobody knows what became of its job; a person must look.
        kept: what later steps take.
        found: what was measured so far, by property.
        worked: hours that instruments were at work for it, by kind.
        rests_until: no order before then: an instrument had no room for the last one; None where there is no such time.
        image: the artefact that waits to be read.
        refusals: why each of its images since the last good one was refused.
    """

    id: str
    proposal: str
    campaign: str
    design: Design
    n: int
    step: str = "sinter"
    image_step: str = ""
    attempt: int = 0
    tries: int = 0
    interruptions: int = 0
    job: str = ""
    instrument: str = ""
    capability: str = ""
    begun: bool = False
    accepted: bool = False
    lost: str = ""
    recipe_hash: str = ""
    kept: Mapping[str, Value] = field(default_factory=_nothing)
    found: Mapping[str, ev.Reading] = field(default_factory=_nothing)
    worked: Mapping[str, float] = field(default_factory=_nothing)
    rests_until: datetime | None = None
    image: ev.ArtefactRecord | None = None
    reading: ev.ImageRead | None = None
    refusals: tuple[str, ...] = ()
    outcome: str = ""
    reason: str = ""
    retracted: bool = False

    @property
    def hardness(self) -> ev.Reading | None:
        """Measured hardness and its standard uncertainty, GPa; None before the end, and where it was taken back."""
        return self.found.get("hardness") if self.outcome == "completed" and not self.retracted else None


@dataclass
class CampaignState:
    """A campaign's life so far; dictionaries without values are sets in order.

    Attributes:
        designs: designs that were proposed or refused, in order: none is proposed twice.
        n_proposals: made so far.
        experiments: ids, in the order of approval.
        queue: those of which nothing was ordered yet.
        begun: those under way.
        waiting: proposals that wait for people.
        failed_plans: planner failures in a row.
        empty_rounds: rounds in a row of which nothing became an experiment or waits.
        counted: proposals and experiments that ended, by how; and edits.
        spent: what it has spent so far.
    """

    id: str
    phase: str = "draft"
    reason: str = ""
    by: str = ""
    name: str = ""
    round: int = -1
    checkpoint: str = ""
    end: str = ""
    designs: dict[Design, None] = field(default_factory=dict)
    n_proposals: int = 0
    experiments: dict[str, None] = field(default_factory=dict)
    queue: dict[str, None] = field(default_factory=dict)
    begun: dict[str, None] = field(default_factory=dict)
    waiting: dict[str, None] = field(default_factory=dict)
    failed_plans: int = 0
    empty_rounds: int = 0
    counted: Counter[str] = field(default_factory=Counter)
    spent: Spent = field(default_factory=Spent)

    @property
    def prefix(self) -> str:
        """Begins the ids of its proposals and experiments; nothing in the record of an offline campaign."""
        return "" if self.id == CAMPAIGN else f"{self.id}-"

    @property
    def idle(self) -> bool:
        """Whether nothing of it waits or is under way."""
        return not (self.queue or self.begun or self.waiting)


@dataclass
class LabState:
    """Everything.

    Attributes:
        stopped: why the latching stop holds; empty when it does not.
        jobs: open jobs: experiment by job id.
        busy: number of open jobs by instrument.
        nonces: of every envelope that counted.
        requests: ids of every request that counted.
        maintenance: instruments out of service, with the reason.
        held: what was said last of an experiment's order that waits: its step, and the code.
        refused: refusals of each sender: begin of the present span, and number recorded in it.
        places: where samples are.
    """

    stopped: str = ""
    stopped_by: str = ""
    boot: str = ""
    campaigns: dict[str, CampaignState] = field(default_factory=dict)
    proposals: dict[str, ProposalState] = field(default_factory=dict)
    experiments: dict[str, ExperimentState] = field(default_factory=dict)
    jobs: dict[str, str] = field(default_factory=dict)
    busy: dict[str, int] = field(default_factory=dict)
    nonces: set[str] = field(default_factory=set)
    requests: set[str] = field(default_factory=set)
    maintenance: dict[str, str] = field(default_factory=dict)
    held: dict[str, tuple[str, str]] = field(default_factory=dict)
    refused: dict[str, tuple[datetime, int]] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    spent: Spent = field(default_factory=Spent)

    def open_of(self, campaign: str) -> list[ExperimentState]:
        """Experiments of a campaign that are not done."""
        found = self.campaigns[campaign]
        return [self.experiments[e] for e in (*found.begun, *found.queue)]


__all__ = [
    "APPROVER",
    "Bond",
    "CampaignRules",
    "CampaignState",
    "ExperimentState",
    "LabRules",
    "LabState",
    "ProposalState",
]
