"""The topics of the profile: built and read in one place, every level checked."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import ClassVar, Literal, cast, get_args

from typing_extensions import override

from instruments.errors import TopicError
from instruments.profile import channels
from instruments.profile.channels import CHANNELS as CHANNELS  # noqa: PLC0414 - those who use topics find the table here
from instruments.profile.decisions import PERSON_PATTERN

_LEVEL = re.compile(r"[A-Za-z0-9_.\-]{1,64}")
_PERSON = re.compile(PERSON_PATTERN)
Channel = Literal["desc", "status", "telemetry", "cmd", "job", "ctl"]
AgentChannel = Literal["status", "event", "lab"]
CampaignChannel = Literal["state", "space", "model"]
_NAMED: Mapping[str, str] = MappingProxyType({"telemetry": "channel", "cmd": "job", "job": "job"})


def _check(what: str, level: str) -> str:
    if not _LEVEL.fullmatch(level):
        raise TopicError(f"{what} {level!r} cannot be a topic level: use 1 to 64 of letters, digits, '_', '.' and '-'")
    return level


def _check_person(name: str) -> None:
    if not _PERSON.fullmatch(name):
        raise TopicError(f"{name!r} cannot be a person's name: a letter or digit stands first and last")


@dataclass(frozen=True)
class _Topic:
    _key: ClassVar[str] = ""
    lab: Lab

    def __post_init__(self) -> None:
        for field in fields(self):
            if field.name != "lab":
                _check(_WORDS[field.name], getattr(self, field.name))

    @property
    def row(self) -> channels.Channel:
        """What the profile says of this channel: who writes, delivery, message."""
        return CHANNELS[self._key]

    @property
    def levels(self) -> dict[str, str]:
        """The variable levels of its address."""
        return {name: getattr(self, name) for name in self.row.parameters}

    @override
    def __str__(self) -> str:
        return f"{self.lab.prefix}/{self.row.fill(self.levels)}"


_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "iid": "instrument id",
        "cid": "campaign id",
        "pid": "proposal id",
        "user": "person's name",
        "aid": "agent id",
        "rid": "request id",
        "eid": "experiment id",
        "qid": "question id",
        "channel": "channel",
    }
)


@dataclass(frozen=True)
class InstrumentTopic(_Topic):
    """One topic below ``instrument/``, taken apart; ``name`` is the job or the telemetry channel, or empty.

    Raises:
        TopicError: when a level is not allowed, or the name is missing or too much.
    """

    iid: str
    channel: Channel
    name: str = ""

    @override
    def __post_init__(self) -> None:
        _check("instrument id", self.iid)
        if self.channel not in get_args(Channel):
            raise TopicError(f"{self.channel!r} is no channel of an instrument: one of {', '.join(get_args(Channel))}")
        if self.channel in _NAMED:
            _check(f"{self.channel} name", self.name)
        elif self.name:
            raise TopicError(f"{self.channel} takes no further level, but has {self.name!r}")

    @property
    @override
    def row(self) -> channels.Channel:
        return CHANNELS[self.channel]

    @property
    @override
    def levels(self) -> dict[str, str]:
        return {"iid": self.iid, **({_NAMED[self.channel]: self.name} if self.name else {})}


@dataclass(frozen=True)
class CampaignTopic(_Topic):
    """One topic below ``campaign/``: where its state, its space or its model is kept.

    Raises:
        TopicError: when the id cannot be a topic level, or the channel is unknown.
    """

    cid: str
    channel: CampaignChannel = "state"

    @override
    def __post_init__(self) -> None:
        super().__post_init__()
        if self.channel not in _CAMPAIGN:
            raise TopicError(f"{self.channel!r} is no channel of a campaign: one of {', '.join(_CAMPAIGN)}")

    @property
    @override
    def row(self) -> channels.Channel:
        return CHANNELS[_CAMPAIGN[self.channel]]


@dataclass(frozen=True)
class ExperimentTopic(_Topic):
    """Where an experiment's state is kept.

    Raises:
        TopicError: when the id cannot be a topic level.
    """

    _key: ClassVar[str] = "experiment"
    eid: str


@dataclass(frozen=True)
class ProposalTopic(_Topic):
    """Where a proposal waits for people.

    Raises:
        TopicError: when the id cannot be a topic level.
    """

    _key: ClassVar[str] = "proposal"
    pid: str


@dataclass(frozen=True)
class _PersonTopic(_Topic):
    user: str

    @override
    def __post_init__(self) -> None:
        super().__post_init__()
        _check_person(self.user)


@dataclass(frozen=True)
class DecisionTopic(_PersonTopic):
    """Where one person sends a decision about one proposal.

    Raises:
        TopicError: when the name cannot be a person's or the id cannot be a topic level.
    """

    _key: ClassVar[str] = "decision"
    pid: str


@dataclass(frozen=True)
class RequestTopic(_PersonTopic):
    """Where one person asks for something.

    Raises:
        TopicError: when the name cannot be a person's or the id cannot be a topic level.
    """

    _key: ClassVar[str] = "request"
    rid: str


@dataclass(frozen=True)
class QuestionTopic(_PersonTopic):
    """Where one person's program asks something that changes nothing.

    Raises:
        TopicError: when the name cannot be a person's or the id cannot be a topic level.
    """

    _key: ClassVar[str] = "question"
    qid: str


@dataclass(frozen=True)
class AnswerTopic(_PersonTopic):
    """Where one person's question is answered.

    Raises:
        TopicError: when the name cannot be a person's or the id cannot be a topic level.
    """

    _key: ClassVar[str] = "answer"
    qid: str


@dataclass(frozen=True)
class OutcomeTopic(_Topic):
    """Where people read what became of a proposal.

    Raises:
        TopicError: when the id cannot be a topic level.
    """

    _key: ClassVar[str] = "outcome"
    pid: str


@dataclass(frozen=True)
class AgentTopic(_Topic):
    """One topic below ``agent/``.

    Raises:
        TopicError: when the id cannot be a topic level, or the channel is unknown.
    """

    aid: str
    channel: AgentChannel

    @override
    def __post_init__(self) -> None:
        super().__post_init__()
        if self.channel not in get_args(AgentChannel):
            raise TopicError(f"{self.channel!r} is no channel of an agent: one of {', '.join(get_args(AgentChannel))}")

    @property
    @override
    def row(self) -> channels.Channel:
        return CHANNELS[f"agent{self.channel.capitalize()}"]


_CAMPAIGN: Mapping[str, str] = MappingProxyType(
    {"state": "campaign", "space": "campaignSpace", "model": "campaignModel"}
)
Topic = (
    InstrumentTopic | CampaignTopic | ExperimentTopic | ProposalTopic | DecisionTopic | RequestTopic | QuestionTopic
    | AnswerTopic | OutcomeTopic | AgentTopic
)  # fmt: skip


@dataclass(frozen=True)
class Lab:
    """A laboratory's part of the topic tree, ``{root}/v1/{lab}``.

    Raises:
        TopicError: when the root or the lab cannot be a topic level.
    """

    root: str
    lab: str

    def __post_init__(self) -> None:
        _check("root", self.root)
        _check("lab", self.lab)

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
            _check(name, level)
        return f"{self.prefix}/{row.fill(levels)}"

    @property
    def everything(self) -> str:
        """Subscription to all of this lab."""
        return f"{self.prefix}/#"

    def commands_of(self, iid: str) -> str:
        """Pattern of all orders to one instrument."""
        return f"{self.prefix}/instrument/{_check('instrument id', iid)}/cmd/+"

    def every(self, channel: Channel) -> str:
        """Pattern of one channel of all instruments."""
        return f"{self.prefix}/instrument/+/{channel}{'/+' if channel in _NAMED else ''}"

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
