"""The topics of the profile: built and read in one place, every level checked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, cast, get_args

from typing_extensions import override

from instruments.errors import TopicError

_LEVEL = re.compile(r"[A-Za-z0-9_.\-]{1,64}")
Channel = Literal["desc", "status", "telemetry", "cmd", "job", "ctl"]
_NAMED = {"telemetry", "cmd", "job"}


def _check(what: str, level: str) -> str:
    if not _LEVEL.fullmatch(level):
        raise TopicError(f"{what} {level!r} cannot be a topic level: use 1 to 64 of letters, digits, '_', '.' and '-'")
    return level


@dataclass(frozen=True)
class InstrumentTopic:
    """One topic below ``instrument/``, taken apart; ``name`` is the job or the telemetry channel, or empty.

    Raises:
        TopicError: when a level is not allowed, or the name is missing or too much.
    """

    lab: Lab
    iid: str
    channel: Channel
    name: str = ""

    def __post_init__(self) -> None:
        _check("instrument id", self.iid)
        if self.channel not in get_args(Channel):
            raise TopicError(f"{self.channel!r} is no channel of an instrument: one of {', '.join(get_args(Channel))}")
        if self.channel in _NAMED:
            _check(f"{self.channel} name", self.name)
        elif self.name:
            raise TopicError(f"{self.channel} takes no further level, but has {self.name!r}")

    @override
    def __str__(self) -> str:
        tail = f"/{self.name}" if self.name else ""
        return f"{self.lab.prefix}/instrument/{self.iid}/{self.channel}{tail}"


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

    def agent_status(self, agent: str) -> str:
        """An agent's presence."""
        return f"{self.prefix}/agent/{_check('agent id', agent)}/status"

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
