"""What a broker of ours keeps over its restarts: its lab, its port, its users with their passwords."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_serializer

from envs.errors import UserError
from instruments.brokers.access import Access, BrokerUser, Role
from instruments.brokers.child import write_files
from instruments.topics import Lab

FILE, LOCK = "credentials.json", "lock"


class _Stored(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class StoredUser(_Stored):
    """A user; the password stands in the file as it is, and nowhere else."""

    name: str
    role: Role
    password: SecretStr

    @field_serializer("password", when_used="json")
    def _plain(self, password: SecretStr) -> str:
        return password.get_secret_value()


class StoredBroker(_Stored):
    """The file ``credentials.json``; ``port`` is the one on loopback."""

    version: Literal[1] = 1
    root: str
    lab: str
    port: Annotated[int, Field(ge=1, le=65535)]
    users: tuple[StoredUser, ...]

    @classmethod
    def of(cls, access: Access, lab: Lab, port: int) -> Self:
        """What is to be kept of a broker."""
        users = tuple(
            StoredUser(name=user.name, role=user.role, password=SecretStr(user.password)) for user in access.users
        )
        return cls(root=lab.root, lab=lab.lab, port=port, users=users)

    @property
    def topics(self) -> Lab:
        """The laboratory's part of the tree.

        Raises:
            TopicError: when a name cannot be a level of a topic.
        """
        return Lab(self.root, self.lab)

    @property
    def access(self) -> Access:
        """The users.

        Raises:
            ConfigError: when two have one name, or there is none.
            TopicError: when a name cannot be a level of a topic.
        """
        users = tuple(BrokerUser(user.name, user.role, user.password.get_secret_value()) for user in self.users)
        return Access(users, self.topics)


class BrokerStore:
    """A broker's directory.

    Args:
        directory: made when it is missing, for its owner alone.

    Raises:
        UserError: when it cannot be used.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.file = directory / FILE
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"{directory} cannot hold a broker: {error.strerror or error}") from error

    @contextmanager
    def locked(self) -> Iterator[bool]:
        """Be the one broker of this directory; False when there is one. The system lets go when the process ends.

        Raises:
            UserError: when the directory cannot be written.
        """
        try:
            handle = os.fdopen(os.open(self.directory / LOCK, os.O_RDWR | os.O_CREAT, 0o600), "r+")
        except OSError as error:
            raise UserError(f"{self.directory} cannot hold a broker: {error.strerror or error}") from error
        with handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True

    def load(self) -> StoredBroker | None:
        """What was kept; None when nothing was.

        Raises:
            UserError: when the file cannot be read or is not one of ours; the message holds no password.
        """
        try:
            stored = StoredBroker.model_validate_json(self.file.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise UserError(f"{self.file} cannot be read: {error.strerror or error}") from error
        except ValidationError as error:
            first = error.errors(include_input=False, include_context=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "the file"
            raise UserError(
                f"{self.file}: {where}: {first['msg']}. Mend it, or delete it for new passwords for everybody"
            ) from None
        _ = stored.access  # names that a person has mistyped are an error here, not later
        return stored

    def save(self, stored: StoredBroker) -> None:
        """Keep it, readable by its owner alone.

        Raises:
            UserError: when it cannot be written.
        """
        try:
            write_files(self.directory, {FILE: f"{stored.model_dump_json(indent=2)}\n"})
        except OSError as error:
            raise UserError(f"{self.file} cannot be written: {error.strerror or error}") from error

    def changed(self) -> int:
        """A number that is another one after each ``save``; 0 when there is no file."""
        try:
            return self.file.stat().st_mtime_ns
        except OSError:
            return 0
