"""What the pages need of the rest of the dashboard."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from agent.dashboard.door.visitor import Visitor
    from agent.dashboard.live.freshness import Freshness
    from agent.dashboard.live.picture import Change, LabPicture
    from agent.deciding.sending import Answer as Counted
    from instruments.profile.decisions import Choice, PublishedProposal
    from instruments.profile.questions import Answer
    from instruments.profile.requests import Action, Argument

Listener = Callable[[frozenset["Change"]], None]
"""Called in the event loop with what has changed since it was called last."""


class Live(Protocol):
    """The laboratory as the broker tells it, kept up to date."""

    @property
    def picture(self) -> LabPicture:
        """All of it, as it is now; not to be changed."""
        ...

    @property
    def name(self) -> str:
        """The laboratory's id."""
        ...

    def freshness(self) -> Freshness:
        """Whether it is how things stand."""
        ...

    def now(self) -> datetime:
        """The laboratory's time, going on from what the agent said last; a virtual laboratory's runs ahead."""
        ...

    def listening(self, listener: Listener) -> AbstractContextManager[None]:
        """Have a function called a few times a second at most, when anything has changed, while the context lasts."""
        ...


class Voice(Protocol):
    """What leaves the dashboard. A password opens its owner's key for the one message, and is forgotten."""

    async def decide(
        self,
        visitor: Visitor,
        password: str,
        read: PublishedProposal,
        choice: Choice,
        *,
        comment: str = "",
        changes: Mapping[str, float | str] | None = None,
    ) -> Counted:
        """Sign a decision on what was read, send it, and wait for the agent's word.

        Raises:
            UserError: the password is wrong, the proposal is not what was read any more, or it cannot be said so.
            TransportError: the broker is not there.
        """
        ...

    async def ask(
        self,
        visitor: Visitor,
        password: str,
        action: Action,
        subject: str = "",
        *,
        arguments: Mapping[str, Argument] | None = None,
        comment: str = "",
    ) -> Counted:
        """Sign a request, send it, and wait for the agent's word.

        Raises:
            UserError: the password is wrong, or it cannot be asked for so.
            TransportError: the broker is not there.
        """
        ...

    async def preview(self, visitor: Visitor, pid: str, changes: Mapping[str, float | str] | None = None) -> Answer:
        """Ask the agent what a proposal would be with some changes.

        Raises:
            UserError: the agent refuses, or does not answer in time.
            TransportError: the broker is not there.
        """
        ...

    async def audit(self, visitor: Visitor, *, subject: str = "", before: int | None = None, limit: int = 50) -> Answer:
        """Ask for entries of the record, the newest first; raises as ``preview`` does."""
        ...

    async def verify(self, visitor: Visitor) -> Answer:
        """Have the whole record read and judged; raises as ``preview`` does."""
        ...

    async def picture(self, visitor: Visitor, sha256: str, edge: int = 1024) -> Answer:
        """Ask for a picture, made at most ``edge`` pixels wide and high; raises as ``preview`` does."""
        ...


@dataclass(frozen=True)
class Hall:
    """Everything that a page is given.

    Args:
        live: the laboratory.
        voice: what leaves.
        visitor: whose session a request bears; None where it has none any more. By the session's key.
        prefix: path below which the pages are, such as ``/dashboard``.
        notices: whether browsers may be told that something waits.
    """

    live: Live
    voice: Voice
    visitor: Callable[[str], Visitor | None]
    prefix: str = "/dashboard"
    notices: bool = False
