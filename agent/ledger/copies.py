"""A copy of a journal, as a backup holds it: a file of SQLite, or lines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from agent.events import Event, RoundPlanned, StepEnded
from agent.events.experiments import ImageRead
from agent.journal import FILE, Journal
from agent.ledger import chain, dump, reading
from envs.errors import JournalError


def tip_of(copy: Path) -> chain.Tip:
    """Check a copy's chain; where it ends.

    Raises:
        JournalError: it is damaged.
    """
    if copy.name == FILE:
        with Journal(copy.parent, write=False) as journal:
            journal.verify()
            return chain.Tip(journal.seq, journal.hash)
    tip = chain.Tip()
    if wrong := chain.broken(dump.events_of(copy), tip):
        raise JournalError(f"{copy.name}: {wrong}")
    return tip


def events_of(copy: Path) -> Iterator[Event]:
    """A copy's events, in order.

    Raises:
        JournalError: one is damaged, or of another release.
    """
    if copy.name == FILE:
        with Journal(copy.parent, write=False) as journal:
            yield from (stored.event for stored in journal.scan())
    else:
        yield from (reading.parsed(row, copy.name) for row in dump.events_of(copy))


def artefacts_of(event: Event) -> list[str]:
    """SHA-256 of every file that an event refers to."""
    if isinstance(event, StepEnded):
        return [one.sha256 for one in event.artefacts.values()]
    if isinstance(event, ImageRead):
        return [one.sha256 for one in (event.image, event.overlay) if one is not None]
    if isinstance(event, RoundPlanned) and event.checkpoint:
        return [event.checkpoint]
    return []
