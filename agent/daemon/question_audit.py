"""Pages of the record: its entries, the newest first, each in words."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from agent.daemon.question_words import entry_of, names_of
from agent.journal import Journal, Stored
from agent.ledger import reading
from agent.ledger import tables as t
from agent.ledger.chain import Row
from instruments.profile.questions import Entry, Question

AT_ONCE = 200
"""Entries that are read together."""
MAX_READ = 20_000
"""Most entries that are looked through for one page."""


class AuditPages:
    """Reads the record over a connection of its own, in a thread: the writer is never waited for, nor kept waiting.

    Args:
        place: of the journal: its directory, or ``postgresql://...``.
    """

    def __init__(self, place: Path | str) -> None:
        self._place = place

    async def answer(self, question: Question) -> Mapping[str, Any]:
        """One page.

        Raises:
            JournalError: the record cannot be read.
        """
        entries, more = await asyncio.to_thread(self.page, question)
        return {"entries": entries, "more": more}

    def page(self, question: Question) -> tuple[tuple[Entry, ...], bool]:
        """Entries, the newest first, and whether older ones follow.

        Raises:
            JournalError: the record cannot be read.
        """
        with Journal(self._place, write=False) as journal:
            names = _with_what_it_led_to(journal, question.subject) if question.subject else frozenset()
            due = _newest_first(journal, question.before, question.subject or "", names)
            found = [entry_of(stored) for stored in islice(due, question.limit)]
            return tuple(found), next(due, None) is not None


def _with_what_it_led_to(journal: Journal, subject: str) -> frozenset[str]:
    """A subject with what belongs to it: an experiment's proposal was decided on, a proposal's experiment was made."""
    query = sa.select(t.experiments.c.experiment, t.experiments.c.proposal, t.experiments.c.sample).where(
        sa.or_(*(column == subject for column in (t.experiments.c.experiment, t.experiments.c.proposal)))
    )
    linked = {str(value) for row in journal.table(query) for value in row.values() if value}
    return frozenset({subject} | linked)


def _newest_first(journal: Journal, before: int | None, subject: str, names: frozenset[str]) -> Iterator[Stored]:
    """Entries before one, backwards; those alone that name one of some names, or are in the stream of the subject."""
    events, read = t.events, 0
    query = sa.select(events).order_by(events.c.seq.desc()).limit(AT_ONCE)
    if names:
        # A quick look at the text first; whether the name stands where a name stands is seen when it is read. Several
        # people's names have commas between them.
        quoted = [f"{left}{name}{right}" for name in sorted(names) for left in '",' for right in '",']
        texts = [events.c.payload.contains(text, autoescape=True) for text in quoted]
        query = query.where(sa.or_(events.c.stream == subject, *texts))
    while read < MAX_READ:
        page = query.where(events.c.seq < before) if before is not None else query
        rows = [Row(**row) for row in journal.table(page)]  # type: ignore[arg-type]  # as its columns are
        for row in rows:
            stored = reading.stored(row, journal.name)
            if not names or row.stream == subject or names_of(stored.event) & names:
                yield stored
        if len(rows) < AT_ONCE:
            return
        before, read = rows[-1].seq, read + len(rows)
