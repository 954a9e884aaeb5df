"""All that a broker has said of a laboratory, as it was said last; and when that was heard."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from instruments.messages import Description, JobState, Status
from instruments.profile.agent_messages import AgentEvent, Outcome, Proposal
from instruments.profile.campaign_messages import CampaignState
from instruments.profile.decisions import PublishedProposal
from instruments.profile.experiment_messages import ExperimentState
from instruments.profile.laboratory import Laboratory
from instruments.profile.model_messages import CampaignModel, CampaignSpace

MAX_EVENTS = 1000
"""Events of the agent that are remembered."""
MAX_READINGS = 720
"""Readings of one channel of telemetry that are remembered."""
MAX_JOBS = 50
"""Jobs of one instrument that are remembered."""

Kind = Literal[
    "link", "agent", "lab", "campaign", "proposal", "outcome", "experiment", "instrument", "telemetry", "event"
]
"""What changed: the connection, or something of what is kept."""


@dataclass(frozen=True)
class Change:
    """Something that is not as it was.

    Args:
        kind: what.
        id: of it: a campaign, a proposal, an experiment, an instrument; else empty.
    """

    kind: Kind
    id: str = ""


@dataclass(frozen=True)
class Waiting:
    """A proposal that waits for people.

    Args:
        proposal: what it says.
        published: what a signature of it names: exactly the body that came.
    """

    proposal: Proposal
    published: PublishedProposal


@dataclass
class CampaignPicture:
    """One campaign; any part may not have come yet."""

    state: CampaignState | None = None
    space: CampaignSpace | None = None
    model: CampaignModel | None = None


@dataclass
class InstrumentPicture:
    """One instrument.

    Attributes:
        jobs: states by job, the newest last.
        telemetry: readings by channel, the newest last: time and value in the channel's unit.
        heard_s: monotonic time at which its status came last; None where it never did.
    """

    description: Description | None = None
    status: Status | None = None
    jobs: dict[str, JobState] = field(default_factory=dict)
    telemetry: dict[str, deque[tuple[datetime, float]]] = field(default_factory=dict)
    heard_s: float | None = None


@dataclass
class LabPicture:
    """A laboratory; only ``agent.dashboard.live`` changes it.

    Attributes:
        proposals: that wait, by id.
        campaigns: by id.
        experiments: by id, in the order in which they were first heard of.
        outcomes: of proposals, by id.
        instruments: by id.
        agents: presences by agent.
        labs: what agents say of the laboratory as a whole.
        events: the newest last.
        heard_s: monotonic time at which anything of an agent came last.
        unreadable: what is wrong, by topic, with what is not as the profile says.
    """

    proposals: dict[str, Waiting] = field(default_factory=dict)
    campaigns: dict[str, CampaignPicture] = field(default_factory=dict)
    experiments: dict[str, ExperimentState] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    instruments: dict[str, InstrumentPicture] = field(default_factory=dict)
    agents: dict[str, Status] = field(default_factory=dict)
    labs: dict[str, Laboratory] = field(default_factory=dict)
    events: deque[AgentEvent] = field(default_factory=lambda: deque(maxlen=MAX_EVENTS))
    heard_s: float | None = None
    unreadable: dict[str, str] = field(default_factory=dict)

    @property
    def lab(self) -> Laboratory | None:
        """What the agent that spoke last says of the laboratory as a whole."""
        return max(self.labs.values(), key=lambda one: one.wall, default=None)

    def votes(self, pid: str) -> tuple[str, ...]:
        """Who has approved a proposal so far."""
        states = (campaign.state for campaign in self.campaigns.values())
        return next((state.votes[pid] for state in states if state is not None and pid in state.votes), ())

    def of_campaign(self, cid: str) -> Iterable[ExperimentState]:
        """A campaign's experiments."""
        return (experiment for experiment in self.experiments.values() if experiment.campaign == cid)
