"""A disk that outlives processes: the journal's promises in memory, with the moments at which a power cut may come.

What is committed stays, as bytes; what is not is gone. The same stands on the real journal in ``real_disk``.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

import sqlalchemy as sa

from agent.core.messages import Effect
from agent.crash_points import reached
from agent.events import Event, parse_event
from agent.journal import AlreadyHandledError, Stored
from agent.ledger import chain
from agent.ledger.boxes import Key, Named
from agent.ledger.projections import Entry, project, rebuilt
from agent.ledger.rows import MemoryRows
from agent.ledger.streams import stream_of
from envs.errors import JournalError

from .selecting import selected

Touch = Callable[[str], None]


@dataclass
class Disk:
    """What no crash takes away.

    Attributes:
        rows: the journal's rows.
        times: seconds since the schedule began when each was committed.
        full: whether nothing more fits.
    """

    time: Callable[[], float]
    rows: list[chain.Row] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    tables: MemoryRows = field(default_factory=MemoryRows)
    outbox: dict[Key, int] = field(default_factory=dict)
    inbox: set[tuple[str, str]] = field(default_factory=set)
    homes: dict[str, str] = field(default_factory=dict)
    full: bool = False
    note: Callable[..., None] = lambda *_words: None

    def problems(self) -> list[str]:
        """What is wrong with the chain and the projections, in sentences."""
        found: list[str] = []
        if wrong := chain.broken(iter(self.rows), chain.Tip()):
            found.append(f"chain: {wrong}")
        again = rebuilt(Entry(r.seq, r.stream, r.at, r.hash, parse_event(r.payload)) for r in self.rows)
        for name, rows in again.tables.items():
            stored = self.tables.tables[name]
            found += [
                f"projections: {name} {key} is {stored.get(key)}, the events say {rows.get(key)}"
                for key in [*rows, *(k for k in stored if k not in rows)]
                if rows.get(key) != stored.get(key)
            ]
        return found

    def entries(self) -> list[tuple[int, datetime, float, Event]]:
        """Everything, read back from the bytes."""
        return [
            (row.seq, datetime.fromisoformat(row.at), t, parse_event(row.payload))
            for row, t in zip(self.rows, self.times, strict=True)
        ]

    def rows_of(self, table: sa.Table) -> list[dict[str, Any]]:
        """All rows of a projection."""
        return list(self.tables.tables[table.name].values())

    def open(self, touch: Touch) -> SimJournal:
        """The journal, for a process that dies at one of its touches."""
        return SimJournal(self, touch)

    def crashed(self) -> None:
        """The process that had it open is dead: what it had committed is all that stays."""

    def left(self) -> list[str]:
        """What is still to be told."""
        return [f"{kind} {key}" for kind, key in self.outbox]


class SimJournal:
    """``agent.journal.Journal`` on a ``Disk``.

    Args:
        disk: what was committed before, and will be.
        touch: called before and after each commit; may raise ``Killed``.
    """

    name = "the simulated disk"
    lost = False
    """The lease on a disk in memory is never lost."""

    def __init__(self, disk: Disk, touch: Touch) -> None:
        self._disk = disk
        self._touch = touch
        self._tip = chain.Tip()
        for row in disk.rows:
            self._tip.seq, self._tip.hash, self._tip.versions[row.stream] = row.seq, row.hash, row.version

    @property
    def seq(self) -> int:
        """Number of the last event."""
        return self._tip.seq

    @property
    def hash(self) -> str:
        """Hash of that event."""
        return self._tip.hash

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Nothing to release."""

    # ---- Writing

    def append(
        self,
        happened: Sequence[Event],
        at: datetime,
        *,
        outbox: Sequence[Named] = (),
        done: Sequence[Key] = (),
        inbox: tuple[str, str] | None = None,
    ) -> list[Stored]:
        """Write events and all that goes with them: everything or nothing."""
        self._touch("before commit")
        disk = self._disk
        if inbox is not None and inbox in disk.inbox:
            raise AlreadyHandledError(f"{inbox[1]} from {inbox[0]} was handled before")
        self._room()
        homes: ChainMap[str, str] = ChainMap({}, disk.homes)
        tip = chain.Tip(self._tip.seq, self._tip.hash, dict(self._tip.versions))
        rows = [self._linked(tip, event, at.isoformat(), homes) for event in happened]
        reached("in-commit")  # here the real one has written, and not committed
        for row, event in zip(rows, happened, strict=True):
            project(disk.tables, Entry(row.seq, row.stream, row.at, row.hash, event))
            disk.rows.append(row)
            disk.times.append(disk.time())
            disk.note("journal", row.seq, row.payload)
        disk.homes.update(homes.maps[0])
        for key in done:
            disk.outbox.pop(tuple(key), None)  # type: ignore[arg-type]
        for effect in outbox:
            disk.outbox[effect.kind, effect.key] = tip.seq
        if inbox is not None:
            disk.inbox.add(inbox)
        self._tip = tip
        self._touch("after commit")
        return [Stored(r.seq, at, e, r.stream, r.hash) for r, e in zip(rows, happened, strict=True)]

    def _linked(self, tip: chain.Tip, event: Event, stamp: str, homes: ChainMap[str, str]) -> chain.Row:
        try:
            stream = stream_of(event, homes)
        except KeyError as error:
            raise JournalError(f"{self.name}: {event.kind} names {error.args[0]}, which was never made") from error
        version, payload = tip.versions.get(stream, 0) + 1, event.model_dump_json()
        tip.hash = chain.link(tip.hash, stream, version, stamp, payload)
        tip.seq, tip.versions[stream] = tip.seq + 1, version
        return chain.Row(tip.seq, stream, version, event.kind, stamp, payload, tip.hash)

    def settle(self, done: Sequence[Key], *, upto: int | None = None) -> None:
        """Take effects out of the outbox that were carried out."""
        self._touch("before settling")
        self._room()
        for key in done:
            put = self._disk.outbox.get(tuple(key))  # type: ignore[arg-type]
            if put is not None and (upto is None or put <= upto):
                del self._disk.outbox[tuple(key)]  # type: ignore[arg-type]
        self._touch("after settling")

    def rebuild(self) -> None:
        """Make the projections again from the events."""
        self._disk.tables = rebuilt(
            Entry(r.seq, r.stream, r.at, r.hash, parse_event(r.payload)) for r in self._disk.rows
        )

    def _room(self) -> None:
        if self._disk.full:
            raise JournalError(f"{self.name} cannot be written (database or disk is full)")

    # ---- Reading

    def outbox(self) -> list[Effect]:
        """What has still to be carried out."""
        return [Effect(kind, key) for kind, key in self._disk.outbox]  # type: ignore[arg-type]

    def seen(self, source: str, id_: str) -> bool:
        """Whether a message was handled."""
        return (source, id_) in self._disk.inbox

    def scan(self, after: int = 0, *, checked: bool = False) -> Iterator[Stored]:
        """Events after a number, parsed from their bytes."""
        if checked:
            self.verify()
        for row in self._disk.rows[after:]:
            yield Stored(row.seq, datetime.fromisoformat(row.at), parse_event(row.payload), row.stream, row.hash)

    def read(self, after: int = 0) -> list[Stored]:
        """All events after a number."""
        return list(self.scan(after))

    def table(self, query: sa.Select[Any]) -> list[dict[str, object]]:
        """Rows of a query on the projections."""
        return selected(query, self._disk.tables.tables)

    def verify(self, *, projections: bool = False) -> int:
        """Check the chain."""
        if wrong := chain.broken(iter(self._disk.rows), chain.Tip()):
            raise JournalError(wrong)
        if projections and (wrong := "; ".join(self.differences())):
            raise JournalError(wrong)
        return len(self._disk.rows)

    def differences(self) -> list[str]:
        """Where the projections say something else than the events."""
        return [text for text in self._disk.problems() if text.startswith("projections")]
