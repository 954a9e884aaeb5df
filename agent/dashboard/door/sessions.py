"""Who is logged in: sessions that the server keeps, and the role that each has at this moment.

A session is a random key of 256 bits in a cookie; here stands only its hash. What its owner may do is looked up in
the laboratory's list each time, so that a role that is taken away, or a key that is given up, counts at once.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from agent.dashboard.door.visitor import Visitor
from agent.roles import Role
from instruments.profile.laboratory import Laboratory, PersonEntry

IDLE_S: Final = 1800.0
"""How long a session lasts in which nobody does anything, s."""
ABSOLUTE_S: Final = 12 * 3600.0
"""How long any session lasts, s: a shift."""
PER_PERSON: Final = 8
IN_ALL: Final = 500
KEY_BYTES: Final = 32


@dataclass
class _Session:
    name: str
    kid: str
    begun_s: float
    used_s: float
    id: str


class Roster:
    """The people whom the laboratory knows, as it says at this moment.

    Args:
        laboratory: what it says; None while nothing was heard.
    """

    def __init__(self, laboratory: Callable[[], Laboratory | None]) -> None:
        self._laboratory = laboratory

    @property
    def known(self) -> bool:
        """Whether the laboratory has said who its people are."""
        return self._laboratory() is not None

    def find(self, kid: str) -> PersonEntry | None:
        """The owner of a key, given up or not; None where nobody has it."""
        laboratory = self._laboratory()
        people = laboratory.people if laboratory is not None else ()
        return next((entry for entry in people if entry.kid == kid), None)


class Sessions:
    """All sessions of one dashboard.

    Args:
        roster: whom the laboratory knows.
        clock: monotonic time, s.
        ended: called with the ``session_id`` of a session that is over.
        idle_s: how long one lasts in which nobody does anything.
        absolute_s: how long one lasts at most.
        per_person: how many one person has at most; the one used longest ago makes way.
        in_all: how many there are at most.
    """

    def __init__(
        self,
        roster: Roster,
        clock: Callable[[], float],
        ended: Callable[[str], None] = lambda _key: None,
        *,
        idle_s: float = IDLE_S,
        absolute_s: float = ABSOLUTE_S,
        per_person: int = PER_PERSON,
        in_all: int = IN_ALL,
    ) -> None:
        self._roster, self._clock, self._ended = roster, clock, ended
        self._idle_s, self._absolute_s = idle_s, absolute_s
        self._per_person, self._in_all = per_person, in_all
        self._sessions: dict[str, _Session] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def begin(self, name: str, kid: str) -> str:
        """Begin a session of a person whose key was opened; its key, for the cookie alone.

        Args:
            name: who.
            kid: thumbprint of the key that was opened.
        """
        self.sweep()
        self._make_way([one for one in self._sessions.values() if one.name == name], self._per_person)
        self._make_way(list(self._sessions.values()), self._in_all)
        key = secrets.token_urlsafe(KEY_BYTES)
        now = self._clock()
        self._sessions[session_id(key)] = _Session(name, kid, now, now, session_id(key))
        return key

    def visitor(self, key: str) -> Visitor | None:
        """Whose session this is, with the role of this moment; None where it is over or there is none.

        To be asked is no use of the session: a page that stands open asks every few seconds.
        """
        session = self._sessions.get(session_id(key)) if key else None
        if session is None:
            return None
        if self._over(session):
            self.end(key)
            return None
        entry = self._roster.find(session.kid)
        if entry is None or entry.revoked is not None or entry.name != session.name:
            if self._roster.known:
                self.end(key)
            return None
        return Visitor(session.name, Role(entry.role), key)

    def touch(self, key: str) -> None:
        """Note that somebody has done something in a session."""
        session = self._sessions.get(session_id(key)) if key else None
        if session is not None and not self._over(session):
            session.used_s = self._clock()

    def end(self, key: str) -> None:
        """End a session, if there is one."""
        if self._sessions.pop(session_id(key), None) is not None:
            self._ended(session_id(key))

    def sweep(self) -> None:
        """Forget sessions that are over."""
        for session in [one for one in self._sessions.values() if self._over(one)]:
            self._drop(session)

    def _over(self, session: _Session) -> bool:
        now = self._clock()
        return now - session.used_s > self._idle_s or now - session.begun_s > self._absolute_s

    def _make_way(self, among: list[_Session], most: int) -> None:
        oldest_first = sorted(among, key=lambda one: one.used_s)
        for session in oldest_first[: max(0, len(among) - most + 1)]:
            self._drop(session)

    def _drop(self, session: _Session) -> None:
        if self._sessions.pop(session.id, None) is not None:
            self._ended(session.id)


def session_id(key: str) -> str:
    """What a session's key is kept as."""
    return hashlib.sha256(key.encode()).hexdigest()
