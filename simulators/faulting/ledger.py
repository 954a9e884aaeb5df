"""The ledger of faults: which orders were judged, and what was done to them; in a file where one is given."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from envs.errors import JournalError
from simulators.faulting.kinds import Kind


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
        path: lines of JSON are added to this file, and read from it at the start, so that what is continued goes on
            counting; in memory alone where none is given.

    Raises:
        JournalError: the file cannot be read, or is no ledger.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self.faults: list[Fault] = []
        self.judged: dict[str, Judged] = {}
        self._met: set[str] = set()
        self._times: Counter[str] = Counter()
        if path is not None and path.exists():
            self._read(path)

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
        self._write({"judged": asdict(judged)})

    def add(self, fault: Fault) -> None:
        """Count a fault; one of the same order counts once.

        Raises:
            JournalError: it cannot be written.
        """
        if fault.job in self._met:
            return
        self._met.add(fault.job)
        self.faults.append(fault)
        self._write({"fault": asdict(fault)})

    def _take(self, judged: Judged) -> None:
        self.judged[judged.job] = judged
        self._times[judged.what] += 1

    def _write(self, line: dict[str, Any]) -> None:
        if self._path is None:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        except OSError as error:
            raise JournalError(f"{self._path} cannot be written ({error.strerror or error})") from error

    def _read(self, path: Path) -> None:
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError) as error:
            raise JournalError(f"{path} cannot be read: {error}") from error
        for number, line in enumerate(lines, 1):
            try:
                self._put_back(json.loads(line))
            except (ValueError, KeyError, TypeError) as error:
                if number == len(lines):  # the process was killed in the middle of its last line
                    self._cut(path, lines[:-1])
                    return
                raise JournalError(f"{path}, line {number}, is no entry of a ledger of faults: {error}") from error

    def _put_back(self, entry: dict[str, Any]) -> None:
        if "judged" in entry:
            judged = entry["judged"]
            self._take(Judged(**{**judged, "kind": Kind(judged["kind"]) if judged["kind"] else None}))
        else:
            fault = entry["fault"]
            self._met.add(fault["job"])
            self.faults.append(Fault(**{**fault, "kind": Kind(fault["kind"])}))

    def _cut(self, path: Path, whole: list[str]) -> None:
        try:
            path.write_text("".join(f"{line}\n" for line in whole), encoding="utf-8")
        except OSError as error:
            raise JournalError(f"{path} cannot be written ({error.strerror or error})") from error
