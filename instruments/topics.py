"""The topics of the profile: built and read in one place, every level checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import cast

from instruments.errors import TopicError
from instruments.profile.channels import CHANNELS
from instruments.topic_forms import (
    NAMED,
    AgentTopic,
    AnswerTopic,
    CampaignTopic,
    Channel,
    DecisionTopic,
    ExperimentTopic,
    InstrumentTopic,
    OutcomeTopic,
    ProposalTopic,
    QuestionTopic,
    RequestTopic,
    Topic,
    check_level,
)


@dataclass(frozen=True)
class Lab:
    """A laboratory's part of the topic tree, ``{root}/v1/{lab}``.

    Raises:
        TopicError: when the root or the lab cannot be a topic level.
    """

    root: str
    lab: str

    def __post_init__(self) -> None:
        check_level("root", self.root)
        check_level("lab", self.lab)

    @property
    def prefix(self) -> str:
        """The first three levels, without a trailing slash."""
        return f"{self.root}/v1/{self.lab}"

    def desc(self, iid: str) -> str:
        """An instrument's description."""
        return str(InstrumentTopic(self, iid, "desc"))

    def status(self, iid: str) -> str:
        """An instrument's presence."""
        return str(InstrumentTopic(self, iid, "status"))

    def telemetry(self, iid: str, channel: str) -> str:
        """One channel of readings."""
        return str(InstrumentTopic(self, iid, "telemetry", channel))

    def command(self, iid: str, job: str) -> str:
        """The order of one job."""
        return str(InstrumentTopic(self, iid, "cmd", job))

    def job(self, iid: str, job: str) -> str:
        """The states of one job."""
        return str(InstrumentTopic(self, iid, "job", job))

    def control(self, iid: str) -> str:
        """Cancel, query, republish, lease."""
        return str(InstrumentTopic(self, iid, "ctl"))

    def campaign_state(self, cid: str) -> str:
        """Where a campaign stands."""
        return str(CampaignTopic(self, cid))

    def campaign_space(self, cid: str) -> str:
        """What a campaign chooses from."""
        return str(CampaignTopic(self, cid, "space"))

    def campaign_model(self, cid: str) -> str:
        """What a campaign's models have learned."""
        return str(CampaignTopic(self, cid, "model"))

    def experiment(self, eid: str) -> str:
        """Where an experiment stands."""
        return str(ExperimentTopic(self, eid))

    def proposal(self, pid: str) -> str:
        """A proposal that waits for people."""
        return str(ProposalTopic(self, pid))

    def decision(self, user: str, pid: str) -> str:
        """One person's decision about one proposal."""
        return str(DecisionTopic(self, user, pid))

    def request(self, user: str, rid: str) -> str:
        """One person's request."""
        return str(RequestTopic(self, user, rid))

    def question(self, user: str, qid: str) -> str:
        """One person's question."""
        return str(QuestionTopic(self, user, qid))

    def answer(self, user: str, qid: str) -> str:
        """The answer to one person's question."""
        return str(AnswerTopic(self, user, qid))

    def outcome(self, pid: str) -> str:
        """What became of a proposal."""
        return str(OutcomeTopic(self, pid))

    def agent_status(self, agent: str) -> str:
        """An agent's presence."""
        return str(AgentTopic(self, agent, "status"))

    def agent_lab(self, agent: str) -> str:
        """How an agent's laboratory stands as a whole."""
        return str(AgentTopic(self, agent, "lab"))

    def agent_event(self, agent: str) -> str:
        """What happens at an agent."""
        return str(AgentTopic(self, agent, "event"))

    def pattern(self, key: str, **levels: str) -> str:
        """Subscription to a channel of the profile; variable levels that are not given match anything.

        Args:
            key: of ``CHANNELS``, such as ``proposal``.
            levels: what to hold fast, such as ``user="anna"``.

        Raises:
            TopicError: when there is no such channel or level, or a level is not allowed.
        """
        row = CHANNELS.get(key)
        if row is None:
            raise TopicError(f"the profile has no channel {key!r}: one of {', '.join(CHANNELS)}")
        for name, level in levels.items():
            if name not in row.parameters:
                raise TopicError(f"{row.address} has no level {name!r}: one of {', '.join(row.parameters)}")
            check_level(name, level)
        return f"{self.prefix}/{row.fill(levels)}"

    @property
    def everything(self) -> str:
        """Subscription to all of this lab."""
        return f"{self.prefix}/#"

    def commands_of(self, iid: str) -> str:
        """Pattern of all orders to one instrument."""
        return f"{self.prefix}/instrument/{check_level('instrument id', iid)}/cmd/+"

    def every(self, channel: Channel) -> str:
        """Pattern of one channel of all instruments."""
        return f"{self.prefix}/instrument/+/{channel}{'/+' if channel in NAMED else ''}"

    def parse(self, topic: str) -> InstrumentTopic:
        """Take an instrument's topic apart; the inverse of ``str``.

        Raises:
            TopicError: when the topic is not one of this lab's instruments.
        """
        head = f"{self.prefix}/instrument/"
        levels = topic.removeprefix(head).split("/")
        if not topic.startswith(head) or not 2 <= len(levels) <= 3:
            raise TopicError(f"{topic!r} is not an instrument's topic below {head}")
        return InstrumentTopic(self, levels[0], cast("Channel", levels[1]), "".join(levels[2:]))

    def read(self, topic: str) -> Topic:
        """Take any of this lab's topics apart; the inverse of ``str``.

        Raises:
            TopicError: when the topic is not one of the profile in this lab.
        """
        head, _, address = topic.partition(f"{self.prefix}/")
        if head or not address:
            raise TopicError(f"{topic!r} is not a topic below {self.prefix}/")
        if address.startswith("instrument/"):
            return self.parse(topic)
        for key, build in _BUILDERS.items():
            levels = CHANNELS[key].levels_of(address)
            if levels is not None:
                return build(self, levels)
        raise TopicError(f"{topic!r} is no topic of the profile: below {self.prefix}/ there is no {address!r}")


_BUILDERS: Mapping[str, Callable[[Lab, Mapping[str, str]], Topic]] = MappingProxyType(
    {
        "campaign": lambda lab, levels: CampaignTopic(lab, levels["cid"]),
        "campaignSpace": lambda lab, levels: CampaignTopic(lab, levels["cid"], "space"),
        "campaignModel": lambda lab, levels: CampaignTopic(lab, levels["cid"], "model"),
        "experiment": lambda lab, levels: ExperimentTopic(lab, **levels),
        "proposal": lambda lab, levels: ProposalTopic(lab, **levels),
        "decision": lambda lab, levels: DecisionTopic(lab, **levels),
        "request": lambda lab, levels: RequestTopic(lab, **levels),
        "question": lambda lab, levels: QuestionTopic(lab, **levels),
        "answer": lambda lab, levels: AnswerTopic(lab, **levels),
        "outcome": lambda lab, levels: OutcomeTopic(lab, **levels),
        "agentStatus": lambda lab, levels: AgentTopic(lab, levels["aid"], "status"),
        "agentLab": lambda lab, levels: AgentTopic(lab, levels["aid"], "lab"),
        "agentEvent": lambda lab, levels: AgentTopic(lab, levels["aid"], "event"),
    }
)


def matches(pattern: str, topic: str) -> bool:
    """Whether a topic falls under a subscription, with ``+`` and a trailing ``#`` (MQTT 3.1.1, section 4.7)."""
    wanted, given = pattern.split("/"), topic.split("/")
    if given[0].startswith("$") and wanted[0] in {"+", "#"}:
        return False
    for index, level in enumerate(wanted):
        if level == "#":
            return True
        if index >= len(given) or level not in {"+", given[index]}:
            return False
    return len(wanted) == len(given)


def check_pattern(pattern: str) -> str:
    """Return a subscription pattern that is well formed.

    Raises:
        TopicError: when it is empty, ``#`` is not last, or a wildcard shares its level.
    """
    levels = pattern.split("/")
    for index, level in enumerate(levels):
        if ("#" in level and (level != "#" or index != len(levels) - 1)) or ("+" in level and level != "+"):
            raise TopicError(f"{pattern!r} is no subscription: a wildcard stands alone in its level, '#' only last")
    if not pattern:
        raise TopicError("a subscription cannot be empty")
    return pattern


__all__ = [
    "CHANNELS",
    "AgentTopic",
    "AnswerTopic",
    "CampaignTopic",
    "Channel",
    "DecisionTopic",
    "ExperimentTopic",
    "InstrumentTopic",
    "Lab",
    "OutcomeTopic",
    "ProposalTopic",
    "QuestionTopic",
    "RequestTopic",
    "Topic",
    "check_pattern",
    "matches",
]
