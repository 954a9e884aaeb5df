"""People's private keys: opened by their password for one login or one signature, and let go of.

A key stands in the directory of identities on the dashboard's machine, or its owner brings its two files along with
the login: then they are kept with the session alone, in memory, the private half encrypted as it came.
"""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path
from typing import Final

from agent.dashboard.door.sessions import session_id
from agent.dashboard.door.visitor import Visitor
from agent.identity import SCRYPT_N, IdentityStore, KeyPair, SigningKey, default_directory
from envs.errors import UserError

AT_ONCE: Final = 2
"""Keys that are opened at one time: each takes 128 MiB."""
QUEUE: Final = 16
"""Openings that may wait for their turn."""


class BusyError(UserError):
    """Too many keys are being opened: the same may be tried again in a moment."""

    def __init__(self) -> None:
        super().__init__("too many people are signing at this moment: try again in a few seconds")


class UnknownKeyError(UserError):
    """There is no key of this name here."""


class Keys:
    """The keys that this dashboard can open; safe to use from several threads.

    Args:
        directory: of identities; the user's own where it is None.
        at_once: how many are opened at one time.
        queue: how many more may wait.
        cost: scrypt's N of the keys here: what it costs to say that there is none.
    """

    def __init__(
        self, directory: Path | None = None, *, at_once: int = AT_ONCE, queue: int = QUEUE, cost: int = SCRYPT_N
    ) -> None:
        self._store = IdentityStore(directory or default_directory())
        self._cost = cost
        self._turn = threading.BoundedSemaphore(at_once)
        self._places = threading.BoundedSemaphore(at_once + queue)
        self._brought: dict[str, KeyPair] = {}

    @property
    def directory(self) -> Path:
        """Where identities are on this machine."""
        return self._store.directory

    def has(self, name: str) -> bool:
        """Whether there is a key of this name on this machine."""
        try:
            return self._store.person(name).name == name
        except UserError:
            return False

    def open(self, visitor: Visitor, password: str) -> SigningKey:
        """Open a visitor's key: what they brought along, else the one of their name on this machine.

        It computes for a good third of a second: call it in a thread.

        Raises:
            BusyError: too many are being opened.
            UserError: there is none, it is damaged, or the password is wrong.
        """
        brought = self._brought.get(session_id(visitor.session)) if visitor.session else None
        if brought is not None:
            return self.open_pair(brought, password)
        return self.open_here(visitor.name, password)

    def open_here(self, name: str, password: str) -> SigningKey:
        """Open the key of this name on this machine; raises as ``open`` does.

        That there is none takes as long, and as much memory, as that the password is wrong: nobody learns by trying
        whose keys are here.

        Raises:
            UnknownKeyError: there is none.
        """
        with _Place(self._places, self._turn):
            if self.has(name) and self._is_usable(name):
                return self._store.open(name, password)
            hashlib.scrypt(
                password.encode(errors="replace"), salt=os.urandom(16), n=self._cost, r=8, p=1,
                maxmem=256 * 8 * self._cost, dklen=32,
            )  # fmt: skip
        if self.has(name):
            return self._store.open(name, password)  # says what is wrong with it
        raise UnknownKeyError(f"there is no key of {name} on the dashboard's machine: log in with your key's files")

    def _is_usable(self, name: str) -> bool:
        return self._store.person(name).revoked is None and self._store.private_path(name).exists()

    def open_pair(self, pair: KeyPair, password: str) -> SigningKey:
        """Open a key that somebody brought; raises as ``open`` does."""
        with _Place(self._places, self._turn):
            return pair.open(password)

    def bring(self, session: str, pair: KeyPair) -> None:
        """Keep what somebody brought with their session."""
        self._brought[session_id(session)] = pair

    def forget(self, session: str) -> None:
        """Let go of what was brought with a session, by its ``session_id``."""
        self._brought.pop(session, None)


class _Place:
    """A place in the queue, and then a turn."""

    def __init__(self, places: threading.BoundedSemaphore, turn: threading.BoundedSemaphore) -> None:
        self._places, self._turn = places, turn

    def __enter__(self) -> None:
        if not self._places.acquire(blocking=False):
            raise BusyError
        self._turn.acquire()

    def __exit__(self, *_error: object) -> None:
        self._turn.release()
        self._places.release()
