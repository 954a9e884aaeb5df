"""Who may do what at a broker of ours: users with passwords, and the access list that Mosquitto enforces.

Rights follow the profile's table of channels: an instrument writes what is its own to say and reads what is said to it,
a person reads what people need to know and writes decisions, requests and questions of their own, a dashboard does the
same for all people (what it writes counts by their signatures alone), an agent works in all of its lab's tree.
Nobody does anything else.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from envs.errors import ConfigError, UserError
from instruments.errors import TopicError
from instruments.profile.channels import CHANNELS, Identity, Party
from instruments.topics import DecisionTopic, Lab

Role = Party | Literal["dashboard"]
"""Who a user of a broker is: a party of the profile, or a dashboard, through which many people read and write."""
ROLES: tuple[Role, ...] = (*get_args(Party), "dashboard")
_IDENTITY: dict[Role, Identity] = {"agent": "aid", "instrument": "iid", "person": "user"}

_ROUNDS = 101
"""Of PBKDF2, as ``mosquitto_passwd`` 2.0 takes: our passwords are random, there is nothing that many rounds protect."""


@dataclass(frozen=True)
class BrokerUser:
    """A user name with its password; an instrument's name is its id, a person's the one that signs decisions.

    Raises:
        ConfigError: when the role or the password cannot be one.
    """

    name: str
    role: Role
    password: str = field(repr=False)

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise ConfigError("broker.user.role", self.role, f"one of {', '.join(ROLES)}")
        if not self.password:
            raise ConfigError("broker.user.password", "", f"a password for {self.name}")

    @classmethod
    def new(cls, name: str, role: Role) -> BrokerUser:
        """A user with a random password of 192 bits."""
        return cls(name, role, secrets.token_urlsafe(24))


@dataclass(frozen=True)
class Access:
    """All users of a broker.

    Args:
        users: at least one; names differ.
        lab: the part of the topic tree that they share; without one every user may do everything, which is only for
            one program talking to itself.

    Raises:
        ConfigError: when two users have one name, or there is none.
        TopicError: when a name cannot be a level of a topic.
    """

    users: tuple[BrokerUser, ...]
    lab: Lab | None = None

    def __post_init__(self) -> None:
        if not self.users:
            raise ConfigError("broker.users", [], "at least one user")
        names = [user.name for user in self.users]
        for user in self.users:
            if names.count(user.name) > 1:
                raise ConfigError("broker.users", user.name, "names that differ: an instrument and a person, too")
            try:
                place = Lab("users", user.name)  # a name stands in topics and in files: the same characters
            except TopicError as error:
                raise TopicError(
                    f"{user.name!r} cannot be the name of a user: use 1 to 64 of letters, digits, '_', '.' and '-'"
                ) from error
            if user.role == "person":
                DecisionTopic(place, user.name, "any")

    @classmethod
    def new(
        cls,
        lab: Lab,
        *,
        agents: tuple[str, ...] = ("agent",),
        instruments: tuple[str, ...] = (),
        persons: tuple[str, ...] = (),
        dashboards: tuple[str, ...] = (),
    ) -> Access:
        """Users with random passwords.

        Raises:
            ConfigError: when two have one name.
            TopicError: when a name cannot be a level of a topic.
        """
        named: list[tuple[Role, tuple[str, ...]]] = [
            ("agent", agents),
            ("instrument", instruments),
            ("person", persons),
            ("dashboard", dashboards),
        ]
        return cls(tuple(BrokerUser.new(name, role) for role, names in named for name in names), lab)

    def user(self, name: str) -> BrokerUser:
        """A user by name.

        Raises:
            UserError: when there is none of this name.
        """
        for user in self.users:
            if user.name == name:
                return user
        raise UserError(f"the broker has no user {name!r}: it has {', '.join(user.name for user in self.users)}")

    def with_user(self, user: BrokerUser) -> Access:
        """The same with one more user.

        Raises:
            ConfigError: when the name is taken.
            TopicError: when the name cannot be a level of a topic.
        """
        return replace(self, users=(*self.users, user))

    def without(self, name: str) -> Access:
        """The same without one user.

        Raises:
            UserError: when there is none of this name.
            ConfigError: when nobody would be left.
        """
        gone = self.user(name)
        return replace(self, users=tuple(user for user in self.users if user is not gone))

    def rules(self, user: BrokerUser) -> list[tuple[Literal["read", "write", "readwrite"], str]]:
        """What a user may do, as access and topic pattern."""
        if self.lab is None:
            return [("readwrite", "#")]
        if user.role == "agent":
            return [("readwrite", self.lab.everything)]
        acts_as: Party = "person" if user.role == "dashboard" else user.role
        level = _IDENTITY.get(user.role)
        name = {level: user.name} if level is not None else {}
        rules: list[tuple[Literal["read", "write", "readwrite"], str]] = []
        for key, channel in CHANNELS.items():
            own = name if level in channel.parameters and (user.role == "instrument" or channel.private) else {}
            if channel.writer == acts_as:
                rules.append(("write", self.lab.pattern(key, **name)))
            if acts_as in channel.readers:
                rules.append(("read", self.lab.pattern(key, **own)))
        return rules

    def mosquitto_acl(self) -> str:
        """The text of Mosquitto's access list."""
        lines = [
            "# What no line grants is refused.",
            "# Names are spelled out: 'pattern write .../decision/%u/#' would also serve instruments and every",
            "# holder of a client certificate.",
        ]
        for user in self.users:
            lines += ["", f"user {user.name}", *(f"topic {what} {topic}" for what, topic in self.rules(user))]
        return "\n".join([*lines, ""])

    def mosquitto_passwords(self) -> str:
        """The text of Mosquitto's password file."""
        return "".join(mosquitto_password_line(user.name, user.password) for user in self.users)


def mosquitto_password_line(username: str, password: str) -> str:
    """A line of Mosquitto's password file: PBKDF2-HMAC-SHA512, as ``mosquitto_passwd`` 2.x writes it."""
    salt = secrets.token_bytes(12)
    key = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ROUNDS, 64)
    return f"{username}:$7${_ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(key).decode()}\n"
