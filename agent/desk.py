"""The desk: every message passes over it into the core, the journal and the state, one after the other.

Nothing acts on an event before it is on the disk: ``tell`` returns when the transaction with the events, their
projections, the outbox and the inbox's mark is committed and folded. Where that fails nothing has happened.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime
from typing import Protocol

from agent import core
from agent import events as ev
from agent.core.messages import Effect
from agent.journal import Stored
from instruments.clock import Clock

_log = logging.getLogger(__name__)
_ENDS = ("order", "cancel")


class Named(Protocol):
    """An entry of the outbox."""

    @property
    def kind(self) -> str:
        """What is to be told."""
        ...

    @property
    def key(self) -> str:
        """Of what."""
        ...


class Record(Protocol):
    """What the desk needs of a journal."""

    def scan(self) -> Iterable[Stored]:
        """All events in order, a few at a time: those of years are never in memory together."""
        ...

    def append(
        self,
        happened: Sequence[ev.Event],
        at: datetime,
        *,
        outbox: Sequence[Effect] = (),
        done: Sequence[tuple[str, str]] = (),
        inbox: tuple[str, str] | None = None,
    ) -> Sequence[Stored]:
        """Write all of it in one transaction, or nothing."""
        ...

    def outbox(self) -> Sequence[Named]:
        """What has not been told yet, oldest first."""
        ...

    @property
    def seq(self) -> int:
        """Number of the last event."""
        ...

    def settle(self, done: Sequence[tuple[str, str]], *, upto: int | None = None) -> None:
        """Take what has been told out of the outbox, but for what was put there after the event ``upto``."""
        ...


class Observer(Protocol):
    """Told about every event once it is in the journal."""

    def __call__(self, event: ev.Event, state: core.LabState, *, replayed: bool) -> None:
        """Take note of an event; ``replayed`` when it was read back from the journal of an earlier run."""
        ...


class Desk:
    """The one place where state changes.

    Args:
        journal: open for writing.
        rules: what people fixed; may be replaced between messages.
        clock: gives the laboratory's time.
        observers: told about every event.
    """

    def __init__(
        self, journal: Record, rules: core.LabRules, clock: Clock, observers: Collection[Observer] = ()
    ) -> None:
        self._journal = journal
        self.rules = rules
        self._clock = clock
        self._observers = list(observers)
        self._wake: list[Callable[[Sequence[Effect]], None]] = []
        self.skipped: Counter[str] = Counter()
        self._counted = clock.now()
        self.state = core.LabState()
        self.last_at: datetime | None = None
        for stored in journal.scan():
            core.evolve(self.state, stored.event, stored.at)
            self.last_at = stored.at
            for observer in self._observers:
                observer(stored.event, self.state, replayed=True)

    def observe(self, observer: Observer) -> None:
        """Tell one more about every event from now on."""
        self._observers.append(observer)

    def on_change(self, wake: Callable[[Sequence[Effect]], None]) -> None:
        """Have a function called after every message that changed something, with what has to be told."""
        self._wake.append(wake)

    def tell(self, message: core.Message, *, inbox: tuple[str, str] | None = None) -> core.Decided:
        """Decide on a message, journal what follows, fold it.

        Args:
            message: what came.
            inbox: source and id of what it came in; committed with its events, so that it counts once.

        Raises:
            JournalError: it cannot be written now; nothing has changed, and it may be told again.
        """
        now = self._clock.now()
        decided = core.decide(self.state, message, self.rules, now)
        if decided.skipped:
            self.skipped[decided.skipped] += 1
        if not decided.events:
            return decided
        done = list(self._done(decided.events))
        if any(isinstance(e, ev.EnvelopeRefused) for e in decided.events):
            inbox = None  # the same bytes may come again, and then are refused again
        self._journal.append(decided.events, now, outbox=decided.effects, done=done, inbox=inbox)
        for event in decided.events:
            core.evolve(self.state, event, now)
            self._observed(event)
        for wake in self._wake:
            wake(decided.effects)
        return decided

    def _observed(self, event: ev.Event) -> None:
        for observer in self._observers:
            try:
                observer(event, self.state, replayed=False)
            except Exception:  # noqa: BLE001 - of whatever kind
                # It is in the journal: whoever only looks on must not keep the state from saying the same.
                _log.exception("an observer failed at %s", event.kind)

    def judge(self, message: core.Message) -> core.Decided:
        """What would follow from a message; nothing is written."""
        return core.decide(self.state, message, self.rules, self._clock.now())

    def tick(self, *, policies: bool = False) -> core.Decided:
        """Let time's own consequences happen."""
        now = self._clock.now()
        skipped = dict(self.skipped) if now - self._counted >= core.SPAN else {}
        decided = self.tell(core.Tick(skipped, policies))
        self._counted = now if skipped else self._counted
        self.skipped.subtract(skipped)
        self.skipped += Counter()
        return decided

    def due(self, world: core.World) -> list[core.Command]:
        """What is to be done next."""
        return core.due(self.state, self.rules, world, self._clock.now())

    def _done(self, happened: Iterable[ev.Event]) -> Iterable[tuple[str, str]]:
        for event in happened:
            job = event.job if isinstance(event, ev.StepEnded | ev.Reconciled) else ""
            if isinstance(event, ev.ExperimentEnded):
                job = self.state.experiments[event.experiment].job
            if job:
                yield from ((kind, job) for kind in _ENDS)
