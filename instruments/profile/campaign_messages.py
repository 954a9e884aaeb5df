"""What an agent tells of one campaign: where it stands, what it has spent, the best so far.

It follows the rules of ``instruments.profile.agent_messages``.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from instruments.messages import PROTO, Name, Number, Payload, Proto, Unit, Utc
from instruments.profile.agent_messages import MAX_PROPERTIES, Count, Design, Line, Quantities, Text, Thumbnail
from instruments.profile.decisions import PersonName

Votes = Annotated[tuple[PersonName, ...], Field(min_length=1, max_length=9)]
CampaignPhase = Literal["draft", "running", "paused", "stopping", "completed", "stopped"]


class BudgetLine(Payload):
    """One thing that a campaign may spend.

    Attributes:
        used: so far.
        limit: at most; there is none when it is left out.
        unit: UCUM code of both; 1 for counts.
    """

    used: Annotated[Number, Field(ge=0.0)]
    limit: Annotated[Number, Field(ge=0.0)] | None = None
    unit: Unit = "1"


class Best(Payload):
    """The best sample so far.

    Attributes:
        experiment: that made it.
        design: what it is.
        found: what was measured of it, by property.
        thumbnail: a picture of it.
    """

    experiment: Name
    design: Design
    found: Quantities
    thumbnail: Thumbnail | None = None


class Counts(Payload):
    """How many proposals and experiments of a campaign are in each state.

    Attributes:
        proposed: proposals that wait for people.
        approved: proposals that people or a policy allowed.
        rejected: proposals that were refused.
        edited: proposals that a later revision replaced.
        expired: proposals that nobody decided in time.
        withdrawn: proposals that the agent took back.
        queued: experiments that wait for an instrument.
        running: experiments on an instrument.
        needs_reconcile: experiments of which nobody knows how far they came: a person must look.
        completed: experiments that gave what they should.
        failed: experiments that ended without.
    """

    proposed: Count = 0
    approved: Count = 0
    rejected: Count = 0
    edited: Count = 0
    expired: Count = 0
    withdrawn: Count = 0
    queued: Count = 0
    running: Count = 0
    needs_reconcile: Count = 0
    completed: Count = 0
    failed: Count = 0


class CampaignState(Payload):
    """``campaign/{cid}/state``: where a campaign stands. Retained.

    Attributes:
        campaign: its id, as in the topic.
        phase: of its life; only a named person ends stopped.
        reason: why it is in this phase, for people.
        goal: what it looks for, for people.
        budget: what it may spend, by name.
        best: the best sample, once there is one.
        counts: proposals and experiments by state.
        votes: who has approved so far, by proposal that waits for more; those without any vote are left out.
    """

    proto: Proto = PROTO
    campaign: Name
    boot_id: Name
    seq: Count
    ts: Utc
    phase: CampaignPhase
    reason: Text = ""
    goal: Line = ""
    budget: Annotated[dict[Name, BudgetLine], Field(max_length=MAX_PROPERTIES)] = Field(default_factory=dict)
    best: Best | None = None
    counts: Counts = Counts()
    votes: Annotated[dict[Name, Votes], Field(max_length=MAX_PROPERTIES)] = Field(default_factory=dict)
