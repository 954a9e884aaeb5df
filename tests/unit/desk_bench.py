"""A laboratory whose messages pass over the desk into a real journal, on a disk that can be full."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from lab_bench import CAMPAIGN, Bench
from typing_extensions import override

from agent import core
from agent import events as ev
from agent.core.messages import Effect
from agent.desk import Desk
from agent.journal import Journal, Stored
from envs.errors import JournalError


class FullDisk:
    """A journal on a disk that can be full."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.full = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    def append(self, happened: Sequence[ev.Event], at: datetime, **more: Any) -> Sequence[Stored]:
        if self.full:
            raise JournalError("journal.sqlite: the disk is full")
        return self._journal.append(happened, at, **more)


class Lab(Bench):
    """A bench whose messages pass over a desk into a journal on the disk."""

    def __init__(self, journal: Any, **more: Any) -> None:
        self.desk: Desk | None = None
        self.journal = journal
        super().__init__(replace(CAMPAIGN, experiments=4), **more)

    @override
    def tell(self, message: core.Message, *, inbox: tuple[str, str] | None = None) -> list[ev.Event]:
        if self.desk is None:
            self.desk = Desk(self.journal, self.rules, LabTime(self))
            self.state = self.desk.state
        self.desk.rules = self.rules
        decided = self.desk.tell(message, inbox=inbox)
        for event in decided.events:
            if isinstance(event, ev.ProposalMade | ev.ProposalRevised) and event.terms:
                self.bodies[event.proposal] = event.terms.body
        self.events += decided.events
        self.effects = list(decided.effects)
        return list(decided.events)

    @property
    def at(self) -> Desk:
        assert self.desk is not None
        return self.desk

    @property
    def told(self) -> set[Effect]:
        """What is still to be told, as the disk has it."""
        return set(self.journal.outbox())


class LabTime:
    """The bench's time."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab

    def now(self) -> datetime:
        return self._lab.now

    def elapsed(self) -> float:
        return 0.0
