"""What a broker keeps that people need to know: proposals, campaigns, outcomes, and whether an agent is there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from envs.errors import UserError
from instruments.bus.waiting import Bell
from instruments.clock import Sleeper
from instruments.messages import MalformedMessageError, Status
from instruments.profile.agent_messages import Outcome, Proposal
from instruments.profile.campaign_messages import CampaignState
from instruments.profile.decisions import PublishedProposal
from instruments.topics import AgentTopic, CampaignTopic, Lab, OutcomeTopic, ProposalTopic
from instruments.transport import Message, Transport

PATIENCE_S = 3.0
"""How long a retained message may take to come."""
QUIET_S = 0.3
"""Some brokers send retained messages a little after they have granted a subscription."""


@dataclass
class Board:
    """What was kept, as it came; what cannot be read is left out, and noted.

    Attributes:
        bodies: of proposals that wait, by id, as they came.
        published: what a signature of one names: it is of exactly that body, with what a newer version has added.
        proposals: what they say.
        campaigns: by id.
        outcomes: of proposals, by id.
        agents: presences, by agent.
        unreadable: what is wrong, by topic, with what is not as the profile says.
    """

    bodies: dict[str, bytes] = field(default_factory=dict)
    published: dict[str, PublishedProposal] = field(default_factory=dict)
    proposals: dict[str, Proposal] = field(default_factory=dict)
    campaigns: dict[str, CampaignState] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    agents: dict[str, Status] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)

    @property
    def online(self) -> bool:
        """Whether an agent says that it is there."""
        return any(status.state != "offline" for status in self.agents.values())

    @property
    def now(self) -> datetime | None:
        """The laboratory's time, as it was published last; a virtual laboratory's runs ahead of the machine's."""
        times = [status.ts for status in self.agents.values()] + [state.ts for state in self.campaigns.values()]
        return max(times, default=None)

    def votes(self, pid: str) -> tuple[str, ...]:
        """Who has approved a proposal so far."""
        return next((state.votes[pid] for state in self.campaigns.values() if pid in state.votes), ())


async def read_board(
    transport: Transport, topics: Lab, *, proposal: str = "", sleeper: Sleeper = asyncio.sleep
) -> Board:
    """Read what is kept.

    Args:
        transport: connected.
        topics: the laboratory.
        proposal: wait for this one for at most ``PATIENCE_S``, and read no other; else for whatever comes.
        sleeper: waits.
    """
    reading = _Reading(topics, sleeper)
    rows = {"pid": proposal} if proposal else {}
    patterns = [topics.pattern("agentStatus"), topics.pattern("campaign")]
    patterns += [topics.pattern("proposal", **rows), topics.pattern("outcome", **rows)]
    for pattern in patterns:
        await transport.subscribe(pattern, reading.note)
    board = reading.board
    if proposal:
        await reading.within(PATIENCE_S, lambda: bool(board.bodies or board.outcomes or board.unreadable))
    count = -1
    # Presences are asked for first: where one is here with the proposal, everything is.
    while reading.n > count and not (proposal and board.agents):
        count = reading.n
        await sleeper(QUIET_S)
    for pattern in patterns:
        await transport.unsubscribe(pattern, reading.note)
    return board


class _Reading:
    def __init__(self, topics: Lab, sleeper: Sleeper) -> None:
        self.board = Board()
        self.n = 0
        self._topics = topics
        self._bell = Bell(sleeper)

    async def within(self, seconds: float, true: Callable[[], bool]) -> None:
        await self._bell.until(true, seconds)

    async def note(self, message: Message) -> None:
        self.n += 1
        self.board.unreadable.pop(message.topic, None)
        try:
            self._take(message)
        except (MalformedMessageError, UserError) as error:
            self.board.unreadable[message.topic] = str(error)
        self._bell.ring()

    def _take(self, message: Message) -> None:
        topic, board = self._topics.read(message.topic), self.board
        match topic:
            case ProposalTopic(pid=pid):
                for kept in (board.bodies, board.published, board.proposals):
                    kept.pop(pid, None)
                if message.payload:
                    read, published = checked(message.payload, pid, self._topics)
                    board.bodies[pid], board.published[pid], board.proposals[pid] = message.payload, published, read
            case OutcomeTopic(pid=pid) if message.payload:
                board.outcomes[pid] = Outcome.parse(message.payload)
            case CampaignTopic(cid=cid, channel="state") if message.payload:
                board.campaigns[cid] = CampaignState.parse(message.payload)
            case AgentTopic(aid=aid, channel="status") if message.payload:
                board.agents[aid] = Status.parse(message.payload)
            case _:
                pass


def checked(body: bytes, pid: str, topics: Lab) -> tuple[Proposal, PublishedProposal]:
    """A proposal that is what its topic says, and what a signature of it names.

    Raises:
        MalformedMessageError: it is none.
        UserError: it is another's, or of another laboratory, or can be read in two ways.
    """
    read, published = Proposal.parse(body), PublishedProposal.parse(body)
    if (read.lab, read.proposal) != (topics.lab, pid):
        raise UserError(
            f"on {topics.proposal(pid)} there is {read.proposal} of the laboratory {read.lab}: nothing there is signed"
        )
    return read, published
