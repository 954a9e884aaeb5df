"""Who may do what at a broker of ours: users with passwords, and the access list that Mosquitto enforces.

An agent works in all of its lab's tree. An instrument writes what it says about itself and reads what is said to it. A
person reads everything and writes decisions of their own. Nobody does anything else.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from envs.errors import ConfigError, UserError
from instruments.topics import Lab

UserRole = Literal["agent", "instrument", "person"]

_ROUNDS = 101
"""Of PBKDF2, as ``mosquitto_passwd`` 2.0 takes: our passwords are random, there is nothing that many rounds protect."""


@dataclass(frozen=True)
class BrokerUser:
    """A user name with its password; an instrument's name is its id, a person's the one that signs decisions.

    Raises:
        ConfigError: when the role or the password cannot be one.
    """

    name: str
    role: UserRole
    password: str = field(repr=False)

    def __post_init__(self) -> None:
        if self.role not in get_args(UserRole):
            raise ConfigError("broker.user.role", self.role, f"one of {', '.join(get_args(UserRole))}")
        if not self.password:
            raise ConfigError("broker.user.password", "", f"a password for {self.name}")

    @classmethod
    def new(cls, name: str, role: UserRole) -> BrokerUser:
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
        for name in names:
            if names.count(name) > 1:
                raise ConfigError("broker.users", name, "names that differ: an instrument and a person, too")
            Lab("users", name)  # a name stands in topics and in files: the same characters

    @classmethod
    def new(
        cls,
        lab: Lab,
        *,
        agents: tuple[str, ...] = ("agent",),
        instruments: tuple[str, ...] = (),
        persons: tuple[str, ...] = (),
    ) -> Access:
        """Users with random passwords.

        Raises:
            ConfigError: when two have one name.
            TopicError: when a name cannot be a level of a topic.
        """
        named: list[tuple[UserRole, tuple[str, ...]]] = [
            ("agent", agents),
            ("instrument", instruments),
            ("person", persons),
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

    def rules(self, user: BrokerUser) -> list[tuple[Literal["read", "write", "readwrite"], str]]:
        """What a user may do, as access and topic pattern."""
        if self.lab is None:
            return [("readwrite", "#")]
        head = self.lab.prefix
        if user.role == "agent":
            return [("readwrite", f"{head}/#")]
        if user.role == "person":
            return [("read", f"{head}/#"), ("write", f"{head}/decision/{user.name}/#")]
        own = f"{head}/instrument/{user.name}"
        return [
            *(("write", f"{own}/{what}") for what in ("desc", "status", "telemetry/+", "job/+")),
            *(("read", f"{own}/{what}") for what in ("cmd/+", "ctl")),
            ("read", f"{head}/agent/+/status"),
        ]

    def mosquitto_acl(self) -> str:
        """The text of Mosquitto's access list."""
        lines = [
            "# What no line grants is refused.",
            "# A person's decisions are spelled out for each: 'pattern write .../decision/%u/#' would also serve",
            "# instruments and every holder of a client certificate.",
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
