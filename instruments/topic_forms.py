"""The topics of the profile, one class a form: every level checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Literal, get_args

from typing_extensions import override

from instruments.errors import TopicError
from instruments.profile import channels
from instruments.profile.channels import CHANNELS
from instruments.profile.decisions import PERSON_PATTERN

if TYPE_CHECKING:
    from instruments.topics import Lab

_LEVEL = re.compile(r"[A-Za-z0-9_.\-]{1,64}")
_PERSON = re.compile(PERSON_PATTERN)
Channel = Literal["desc", "status", "telemetry", "cmd", "job", "ctl"]
AgentChannel = Literal["status", "event", "lab"]
CampaignChannel = Literal["state", "space", "model"]
NAMED: Mapping[str, str] = MappingProxyType({"telemetry": "channel", "cmd": "job", "job": "job"})
"""What the last level of an instrument's channel names, where there is one."""


def check_level(what: str, level: str) -> str:
    """Return a level that a topic may have.

    Args:
        what: it is, for people.
        level: it.

    Raises:
        TopicError: when it may not.
    """
    if not _LEVEL.fullmatch(level):
        raise TopicError(f"{what} {level!r} cannot be a topic level: use 1 to 64 of letters, digits, '_', '.' and '-'")
    return level


def _check_person(name: str) -> None:
    if not _PERSON.fullmatch(name):
        raise TopicError(f"{name!r} cannot be a person's name: a letter or digit stands first and last")


@dataclass(frozen=True)
class _Topic:
    """What all forms have; ``key`` names a form's row of the profile.

    Raises:
        TopicError: when a level of the address cannot be one of a topic.
    """

    _key: ClassVar[str] = ""
    lab: Lab

    @override
    def __init_subclass__(cls, key: str = "") -> None:
        super().__init_subclass__()
        cls._key = key or cls._key

    def __post_init__(self) -> None:
        for field in fields(self):
            if field.name != "lab":
                check_level(_WORDS[field.name], getattr(self, field.name))

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
        check_level("instrument id", self.iid)
        if self.channel not in get_args(Channel):
            raise TopicError(f"{self.channel!r} is no channel of an instrument: one of {', '.join(get_args(Channel))}")
        if self.channel in NAMED:
            check_level(f"{self.channel} name", self.name)
        elif self.name:
            raise TopicError(f"{self.channel} takes no further level, but has {self.name!r}")

    @property
    @override
    def row(self) -> channels.Channel:
        return CHANNELS[self.channel]

    @property
    @override
    def levels(self) -> dict[str, str]:
        return {"iid": self.iid, **({NAMED[self.channel]: self.name} if self.name else {})}


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
class ExperimentTopic(_Topic, key="experiment"):
    """Where an experiment's state is kept."""

    eid: str


@dataclass(frozen=True)
class _OfProposal(_Topic):
    pid: str


class ProposalTopic(_OfProposal, key="proposal"):
    """Where a proposal waits for people."""


class OutcomeTopic(_OfProposal, key="outcome"):
    """Where people read what became of a proposal."""


@dataclass(frozen=True)
class _OfPerson(_Topic):
    """Raises a TopicError too when the name cannot be a person's."""

    user: str

    @override
    def __post_init__(self) -> None:
        super().__post_init__()
        _check_person(self.user)


@dataclass(frozen=True)
class DecisionTopic(_OfPerson, key="decision"):
    """Where one person sends a decision about one proposal."""

    pid: str


@dataclass(frozen=True)
class RequestTopic(_OfPerson, key="request"):
    """Where one person asks for something."""

    rid: str


@dataclass(frozen=True)
class _OfQuestion(_OfPerson):
    qid: str


class QuestionTopic(_OfQuestion, key="question"):
    """Where one person's program asks something that changes nothing."""


class AnswerTopic(_OfQuestion, key="answer"):
    """Where one person's question is answered."""


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
