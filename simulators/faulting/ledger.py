"""The ledger of faults: which orders were judged, and what was done to them; in a file where one is given."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from envs.errors import JournalError
from simulators.faulting.kinds import Kind

DRAWS = "fault_draws.jsonl"
"""File beside the faults: what was drawn for each order, most often nothing."""


@dataclass(frozen=True)
class Fault:
    """One fault that was injected.

    Args:
        kind: what went wrong.
        iid: at which instrument.
        job: the order that met it.
        sample: label of its sample; empty where it names none.
        detail: how it went wrong, in words.
    """

    kind: Kind
    iid: str
    job: str
    sample: str
    detail: str


@dataclass(frozen=True)
class Judged:
    """What was drawn for one order.

    Args:
        job: its id.
        what: instrument and digest: equal for orders of the same.
        number: how many orders of the same came before it.
        kind: the fault that it meets; None for none.
    """

    job: str
    what: str
    number: int
    kind: Kind | None


class FaultLedger:
    """Counts faults, once for each order.

    Args:
        path: a line of JSON is added to this file for each fault that took place, and to ``DRAWS`` beside it for each
            order that was judged; both are read at the start, so that what is continued goes on counting. In memory
            alone where none is given.

    Raises:
        JournalError: the file cannot be read, or is no ledger.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self.faults: list[Fault] = []
        self.judged: dict[str, Judged] = {}
        self._met: set[str] = set()
        self._times: Counter[str] = Counter()
        self._draws = None if path is None else path.with_name(DRAWS)
        _read(self._draws, self._put_back_draw)
        _read(self._path, self._put_back_fault)

    def __len__(self) -> int:
        return len(self.faults)

    @property
    def injected(self) -> dict[str, int]:
        """Number of faults by kind, in the order of ``Kind``; those that never happened are left out."""
        found = Counter(fault.kind for fault in self.faults)
        return {str(kind): found[kind] for kind in Kind if found[kind]}

    def times(self, what: str) -> int:
        """How many orders of the same were judged."""
        return self._times[what]

    def judge(self, judged: Judged) -> None:
        """Remember what was drawn for an order.

        Raises:
            JournalError: it cannot be written.
        """
        self._take(judged)
        self._write(self._draws, asdict(judged))

    def add(self, fault: Fault) -> None:
        """Count a fault; one of the same order counts once.

        Raises:
            JournalError: it cannot be written.
        """
        if fault.job in self._met:
            return
        self._met.add(fault.job)
        self.faults.append(fault)
        self._write(self._path, asdict(fault))

    def _take(self, judged: Judged) -> None:
        self.judged[judged.job] = judged
        self._times[judged.what] += 1

    @staticmethod
    def _write(path: Path | None, entry: dict[str, Any]) -> None:
        if path is None:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")
        except OSError as error:
            raise JournalError(f"{path} cannot be written ({error.strerror or error})") from error

    def _put_back_draw(self, entry: dict[str, Any]) -> None:
        self._take(Judged(**{**entry, "kind": Kind(entry["kind"]) if entry["kind"] else None}))

    def _put_back_fault(self, entry: dict[str, Any]) -> None:
        fault = Fault(**{**entry, "kind": Kind(entry["kind"])})
        self._met.add(fault.job)
        self.faults.append(fault)


def _read(path: Path | None, put_back: Callable[[dict[str, Any]], None]) -> None:
    """Hand over every entry of a file; one that was cut off at the end is taken out of it."""
    if path is None or not path.exists():
        return
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise JournalError(f"{path} cannot be read: {error}") from error
    for number, line in enumerate(lines, 1):
        try:
            put_back(json.loads(line))
        except (ValueError, KeyError, TypeError) as error:
            if number == len(lines):  # the process was killed in the middle of its last line
                _cut(path, lines[:-1])
                return
            raise JournalError(f"{path}, line {number}, is no entry of a ledger of faults: {error}") from error


def _cut(path: Path, whole: list[str]) -> None:
    try:
        path.write_text("".join(f"{line}\n" for line in whole), encoding="utf-8")
    except OSError as error:
        raise JournalError(f"{path} cannot be written ({error.strerror or error})") from error
