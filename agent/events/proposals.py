"""Events of proposals: what the agent would make, and what people say to it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from agent.events.base import CAMPAIGN, EventModel, Factor


class DesignRecord(EventModel):
    """A design as stored."""

    crystal: str
    formula: str
    process: dict[str, Factor]


class ForecastRecord(EventModel):
    """What the models expected when the design was proposed; the objective in its unit, grain size in um."""

    median: float
    low: float
    high: float
    porosity: float
    grain_size: float
    feasibility: float


class Terms(EventModel):
    """What an approval of one revision is bound to.

    ``digest`` is of the body as it is published, ``body`` that body as text: what people sign must be the same bytes
    after any restart. Times are RFC 3339 in UTC. ``cost`` is by name as in the budget, in the budget's units.
    """

    revision: int = 1
    digest: str
    body: str
    created_at: str
    expires_at: str
    quorum: int = 1
    recipe_hash: str
    limits_version: str
    cost: dict[str, float] = Field(default_factory=dict)


class ProposalMade(EventModel):
    """A design was proposed; ``terms`` are there where people may decide on it."""

    kind: Literal["proposal.made"] = "proposal.made"
    campaign: str = CAMPAIGN
    proposal: str
    round: int
    design: DesignRecord
    pool: str
    acquisition: float | None
    forecast: ForecastRecord | None
    nearest: str
    terms: Terms | None = None


class ProposalRefused(EventModel):
    """A design that the planner chose was not proposed: the limits forbid it."""

    kind: Literal["proposal.refused"] = "proposal.refused"
    campaign: str
    round: int
    design: DesignRecord
    pool: str
    reasons: tuple[str, ...]


class VoteCast(EventModel):
    """One person approved, and more have to."""

    kind: Literal["vote.cast"] = "vote.cast"
    proposal: str
    revision: int
    by: str
    comment: str
    nonce: str
    envelope: str


class ProposalRevised(EventModel):
    """A person changed the design: the next revision, without any vote of the last."""

    kind: Literal["proposal.revised"] = "proposal.revised"
    proposal: str
    design: DesignRecord
    changes: dict[str, Factor]
    by: str
    comment: str
    nonce: str
    envelope: str
    terms: Terms


class ProposalDecided(EventModel):
    """A proposal reached its end: by whom and on what ground.

    ``by`` is a person, several with commas between, ``policy:`` and a rule's name, or empty where nobody decided.
    ``envelope`` is the signed decision that settled it.
    """

    kind: Literal["proposal.decided"] = "proposal.decided"
    proposal: str
    revision: int = 1
    verdict: Literal["approved", "rejected", "expired", "withdrawn"]
    by: str
    reason: str
    nonce: str = ""
    envelope: str = ""
