"""The whole record read and judged, by a process of its own: it takes long, and must hold nobody up.

As a program this is that process: orders on standard input, the finding on standard output, both JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from agent.daemon.children import die_with_parent
from agent.identity import People
from agent.journal import Journal
from agent.ledger import tables as t
from envs.errors import LabwrightError, UserError
from instruments.profile.questions import Question, Verification

MODULE = "agent.daemon.question_verify"
PATIENCE_S = 15.0
"""How long whoever asks waits; the record is read on all the same, and the finding kept for who asks again."""
LONGEST_S = 3600.0
"""A record of years is read in less."""
HOLDS_S = 30.0
"""How long a finding is said again to whoever asks, with how old it is: many who ask together have it read once."""
KEPT_S = 600.0
"""How long one is kept that nobody was told yet, for those who were asked to come back."""
AT_ONCE_S = 1.0
NICENESS = 10
MAX_FAULTS = 20
Reader = Callable[[], Awaitable[Verification]]


class RecordCheck:
    """Has the record read whole, as it stands on the disk at that moment.

    What the writer remembers is no sign that a finding still holds: whoever changes the record behind its back is whom
    one looks for.

    Args:
        read: reads it and judges.
        monotonic: seconds that only go forward.
        patience_s: how long whoever asks waits, s.

    Attributes:
        on_found: told what was found, whoever asked.
    """

    def __init__(
        self, read: Reader, *, monotonic: Callable[[], float] = time.monotonic, patience_s: float = PATIENCE_S
    ) -> None:
        self.on_found: Callable[[Verification], None] = lambda _found: None
        self._read = read
        self._monotonic = monotonic
        self._patience_s = patience_s
        self._found: Verification | None = None
        self._began_s = self._ended_s = 0.0
        self._holds_until_s = 0.0
        self._told = False
        self._reading: asyncio.Task[None] | None = None

    async def answer(self, _question: Question) -> Mapping[str, Any]:
        """What was found; where it is not of this moment, how old it is.

        Raises:
            UserError: it is still being read.
            LabwrightError: the record could not be read at all.
        """
        if self._reading is not None and self._reading.done():
            ended, self._reading = self._reading, None
            if ended.cancelled() or ended.exception() is not None:
                self._found = None  # whoever had it read has gone: it is read again for this one
        if self._found is None or self._monotonic() >= self._holds_until_s:
            await self._have_it_read()
        return {"verification": self._said()}

    async def _have_it_read(self) -> None:
        if self._reading is None:
            self._reading = asyncio.create_task(self._look(), name="reads the record")
        done, _ = await asyncio.wait([self._reading], timeout=self._patience_s)
        if not done:
            raise UserError("the whole record is being read, which takes a while: ask again in a minute")
        ended, self._reading = self._reading, None
        ended.result()

    def _said(self) -> Verification | None:
        """The finding, which from now on is said for a little while only."""
        now, found = self._monotonic(), self._found
        if not self._told:
            self._told, self._holds_until_s = True, now + HOLDS_S
        if found is None or now - self._ended_s < AT_ONCE_S:
            return found
        age_s, left_s = now - self._began_s, max(self._holds_until_s - now, 1.0)
        words = f"this was read {age_s:.0f} s ago; it is read again {left_s:.0f} s from now"
        return found.model_copy(update={"faults": (*found.faults[: MAX_FAULTS - 1], words)})

    async def close(self) -> None:
        """Stop reading."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    async def _look(self) -> None:
        self._began_s = self._monotonic()
        self._found = await self._read()
        self._ended_s = self._monotonic()
        self._told, self._holds_until_s = False, self._ended_s + KEPT_S
        self.on_found(self._found)


async def read_apart(place: Path | str, people: Path) -> Verification:
    """Have another process read the record; it ends with this one, and when nobody waits for it any more.

    Args:
        place: of the journal.
        people: directory of the public keys.

    Raises:
        UserError: the process found nothing out, or took too long.
    """
    orders = {"place": str(place), "is_path": isinstance(place, Path), "people": str(people), "parent": os.getpid()}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", MODULE, cwd=_HERE,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with asyncio.timeout(LONGEST_S):
            said, _ = await process.communicate(json.dumps(orders).encode())
    except TimeoutError as error:
        raise UserError(
            f"the record was not read within {LONGEST_S / 3600.0:.0f} h: see labwright audit verify"
        ) from error
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    try:
        return Verification.model_validate_json(said)
    except ValueError as error:
        raise UserError(
            "the record could not be read by the process that was to: see labwright audit verify"
        ) from error


_HERE = str(Path(__file__).resolve().parents[2])


def verification(place: Path | str, people: Path) -> Verification:
    """Read a record as ``labwright audit verify`` does; what is wrong is in what is found."""
    from agent.reading.audit import verify
    from agent.reading.journal_view import JournalView

    began, entries, tip = time.monotonic(), 0, None
    try:
        with JournalView(place) as view:
            entries, tip = view.journal.seq, view.journal.hash
            report = verify(view, People.from_directory(people))
            entries, tip = report.events, _hash_of(view.journal, report.events) or tip
        took = time.monotonic() - began
        unknown = f"{report.unknown} signatures are of keys that nobody here has any more"
        return Verification(
            whole=True, entries=entries, signatures=report.signatures, tip=tip, took_s=round(took, 3),
            faults=(unknown,) if report.unknown else (),
        )  # fmt: skip
    except LabwrightError as error:
        took = time.monotonic() - began
        return Verification(
            whole=False, entries=entries, tip=tip or None, took_s=round(took, 3), faults=(str(error)[:2000],)
        )


def _hash_of(journal: Journal, seq: int) -> str:
    rows = journal.table(sa.select(t.events.c.hash).where(t.events.c.seq == seq))
    return str(rows[0]["hash"]) if rows else ""


def main() -> None:
    """Read what is asked for, and say what was found."""
    orders = json.loads(sys.stdin.read())
    die_with_parent(int(orders["parent"]))
    os.nice(NICENESS)
    place = Path(orders["place"]) if orders["is_path"] else orders["place"]
    found = verification(place, Path(orders["people"]))
    sys.stdout.write(found.model_dump_json())


if __name__ == "__main__":
    main()
