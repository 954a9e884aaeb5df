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
from datetime import datetime
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
NICENESS = 10
Reader = Callable[[], Awaitable[Verification]]


class RecordCheck:
    """Has the record read whole; what was found holds for as long as nothing is written.

    Args:
        read: reads it and judges.
        tip: hash of the record's last entry at this moment.
        wall: the machine's own time.
        patience_s: how long whoever asks waits, s.

    Attributes:
        found: what was found last; None where nobody has looked.
        at: when.
        on_found: told what was found, whoever asked.
    """

    def __init__(
        self, read: Reader, *, tip: Callable[[], str], wall: Callable[[], datetime], patience_s: float = PATIENCE_S
    ) -> None:
        self.found: Verification | None = None
        self.at: datetime | None = None
        self.on_found: Callable[[Verification], None] = lambda _found: None
        self._read = read
        self._tip = tip
        self._wall = wall
        self._patience_s = patience_s
        self._reading: asyncio.Task[None] | None = None

    async def answer(self, _question: Question) -> Mapping[str, Any]:
        """What was found.

        Raises:
            UserError: it is still being read.
            LabwrightError: the record could not be read at all.
        """
        if self._reading is None and not self._still_holds():
            self._reading = asyncio.create_task(self._look(), name="reads the record")
        if self._reading is not None:
            done, _ = await asyncio.wait([self._reading], timeout=self._patience_s)
            if not done:
                raise UserError("the whole record is being read, which takes a while: ask again in a minute")
            ended, self._reading = self._reading, None
            ended.result()
        return {"verification": self.found}

    async def close(self) -> None:
        """Stop reading."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    def _still_holds(self) -> bool:
        return self.found is not None and self.found.whole and self.found.tip == self._tip()

    async def _look(self) -> None:
        self.found = await self._read()
        self.at = self._wall()
        self.on_found(self.found)


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
