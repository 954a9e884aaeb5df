"""A laboratory's broker that is not there: what pages are given in tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from agent.dashboard.live.freshness import Freshness
from agent.dashboard.live.picture import Change, LabPicture
from agent.deciding.sending import Answer as Counted
from envs.errors import UserError
from instruments.profile.questions import Answer, Topic

if TYPE_CHECKING:
    from agent.dashboard.door.visitor import Visitor
    from agent.dashboard.ports import Listener
    from instruments.profile.decisions import Choice, PublishedProposal
    from instruments.profile.requests import Action, Argument

PASSWORD = "correct horse"  # noqa: S105  # of everybody in tests


class FakeLive:
    """``agent.dashboard.ports.Live`` over a picture that the test holds.

    Args:
        picture: what it shows.
        name: the laboratory's id.
        present: the laboratory's time.

    Attributes:
        fresh: what ``freshness`` says; may be set.
        present: what ``now`` says; may be set.
        listeners: that listen now.
    """

    def __init__(
        self, picture: LabPicture, name: str = "hall-3", present: datetime = datetime(2026, 6, 1, 12, tzinfo=UTC)
    ) -> None:
        self.picture = picture
        self.name = name
        self.fresh = Freshness("live", age_s=0.4)
        self.present = present
        self.listeners: list[Listener] = []

    def freshness(self) -> Freshness:
        """As it was set."""
        return self.fresh

    def now(self) -> datetime:
        """As it was set."""
        return self.present

    @contextmanager
    def listening(self, listener: Listener) -> Iterator[None]:
        """Have a function called by ``change``."""
        self.listeners.append(listener)
        try:
            yield
        finally:
            self.listeners.remove(listener)

    def change(self, *changes: Change) -> None:
        """Tell those who listen, at once; the test has changed ``picture`` before."""
        for listener in list(self.listeners):
            listener(frozenset(changes))


@dataclass(frozen=True)
class Call:
    """One thing that a page did with its voice."""

    name: str
    visitor: Visitor
    said: Mapping[str, Any]


@dataclass
class FakeVoice:
    """``agent.dashboard.ports.Voice`` that sends nothing.

    Attributes:
        calls: what was asked of it, the newest last.
        counted: what decisions and requests come to.
        answers: to questions, by what they are about.
        error: raised instead of any answer, where it is set.
    """

    calls: list[Call] = field(default_factory=list)
    counted: Counted = field(
        default_factory=lambda: Counted("counted", "hard-P001 approved by anna", "decision", "ab" * 16)
    )
    answers: dict[Topic, Answer] = field(default_factory=dict)
    error: Exception | None = None

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
        """What ``counted`` says."""
        said = {"password": password, "read": read, "choice": choice, "comment": comment, "changes": changes}
        self._note("decide", visitor, said)
        return self.counted

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
        """What ``counted`` says."""
        said = {"password": password, "action": action, "subject": subject, "arguments": arguments, "comment": comment}
        self._note("ask", visitor, said)
        return self.counted

    async def preview(self, visitor: Visitor, pid: str, changes: Mapping[str, float | str] | None = None) -> Answer:
        """What ``answers`` holds."""
        return self._answer("preview", visitor, {"pid": pid, "changes": changes})

    async def audit(self, visitor: Visitor, *, subject: str = "", before: int | None = None, limit: int = 50) -> Answer:
        """What ``answers`` holds."""
        return self._answer("audit", visitor, {"subject": subject, "before": before, "limit": limit})

    async def verify(self, visitor: Visitor) -> Answer:
        """What ``answers`` holds."""
        return self._answer("verify", visitor, {})

    async def picture(self, visitor: Visitor, sha256: str, edge: int = 1024) -> Answer:
        """What ``answers`` holds."""
        return self._answer("picture", visitor, {"sha256": sha256, "edge": edge})

    def _answer(self, about: Topic, visitor: Visitor, said: Mapping[str, Any]) -> Answer:
        self._note(about, visitor, said)
        if about not in self.answers:
            raise UserError(f"the test holds no answer to a question about {about}")
        return self.answers[about]

    def _note(self, name: str, visitor: Visitor, said: Mapping[str, Any]) -> None:
        self.calls.append(Call(name, visitor, said))
        if self.error is not None:
            raise self.error
