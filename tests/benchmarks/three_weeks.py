"""Three weeks of a virtual laboratory in minutes: people approve by command line, and the daemon is killed in between.

Usage::

    python -m tests.benchmarks.three_weeks [--json] [--weeks 3] [--speed 3600] [--kills 6] [--seed 0] [--write FILE]

Everything is the real thing: ``labwright run --virtual`` in a process of its own, ``labwright proposals``, ``approve``,
``reject`` and ``edit`` as a person would type them, SIGKILL without warning. At the end ``labwright audit verify``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from rich.console import Console

from agent.journal import Journal
from agent.ledger.tables import experiments, jobs

LABWRIGHT = [sys.executable, "-c", "from agent.cli import main; main()"]
PEOPLE = {"anna": "approver", "bob": "safety"}
PASSWORD = "three-weeks-of-work"  # noqa: S105 - of identities that are thrown away


class Weeks:
    """One run.

    Args:
        directory: thrown away afterwards.
        given: the command line's options.
        console: for progress.
    """

    def __init__(self, directory: Path, given: argparse.Namespace, console: Console) -> None:
        self._directory = directory
        self._given = given
        self._console = console
        self._rng = random.Random(given.seed)
        self._environment = {**os.environ, "LABWRIGHT_PASSWORD": PASSWORD}
        self._daemon: subprocess.Popen[bytes] | None = None
        self.said: Counter[str] = Counter()
        self.kills = 0

    @property
    def state(self) -> Path:
        """The laboratory's record."""
        return self._directory / "lab"

    def _labwright(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603
            [*LABWRIGHT, *words], capture_output=True, text=True, env=self._environment, check=False, timeout=120
        )

    def people(self) -> None:
        """Make their keys."""
        for name, role in PEOPLE.items():
            self._labwright("identity", "new", name, "--role", role, "--dir", str(self._directory / "ids"))

    def start(self) -> None:
        """Start the daemon; it goes on where it stood."""
        command = [
            *LABWRIGHT, "run", "--virtual", "--state", str(self.state), "--dir", str(self._directory / "ids"),
            "--speed", str(self._given.speed), "--seed", str(self._given.seed), "--experiments", "400",
        ]  # fmt: skip
        with (self._directory / "daemon.log").open("ab") as log:
            self._daemon = subprocess.Popen(command, stdout=log, stderr=log, env=self._environment)  # noqa: S603

    def kill(self) -> None:
        """No warning."""
        if self._daemon is not None:
            self._daemon.send_signal(signal.SIGKILL)
            self._daemon.wait()
            self.kills += 1

    def end(self) -> int:
        """In order."""
        if self._daemon is None:
            return 0
        self._daemon.send_signal(signal.SIGTERM)
        return self._daemon.wait(180)

    def decide(self) -> None:
        """What a person does who looks in: most is approved, some rejected, some changed."""
        told = self._labwright("proposals", "--json", *self._as("anna"))
        if told.returncode:
            self.said["nobody answered"] += 1
            return
        for proposal in self._listed(told.stdout):
            self._decide(proposal)

    @staticmethod
    def _listed(text: str) -> list[dict[str, Any]]:
        found = json.loads(text.strip().splitlines()[-1])
        return list(found["proposals"] if isinstance(found, dict) else found)

    def _decide(self, proposal: dict[str, Any]) -> None:
        pid, draw = str(proposal["proposal"]), self._rng.random()
        if proposal.get("revision", 1) > 1 or draw < 0.85:
            words = ("approve", pid, *self._as("anna"))
        elif draw < 0.93:
            words = ("reject", pid, "--comment", "not this one", *self._as("bob"))
        else:
            words = ("edit", pid, "hold=2", "--comment", "two hours", *self._as("bob"))
        told = self._labwright(*words)
        self.said[f"{words[0]}: {'counted' if told.returncode == 0 else 'did not count'}"] += 1

    def _as(self, name: str) -> tuple[str, ...]:
        return ("--as", name, "--dir", str(self._directory / "ids"), "--state", str(self.state))

    def lab_time(self) -> tuple[datetime, datetime] | None:
        """First and last stamp of the record."""
        try:
            with Journal(self.state, write=False) as journal:
                stored = journal.read()
        except Exception:  # noqa: BLE001 - of whatever kind: it is not there yet
            return None
        return (stored[0].at, stored[-1].at) if stored else None

    def run(self) -> dict[str, object]:
        """Until the weeks are over."""
        begun = time.monotonic()
        self.people()
        self.start()
        length = timedelta(weeks=self._given.weeks)
        moments = sorted(self._rng.uniform(0.05, 0.95) for _ in range(self._given.kills))
        while (passed := self._passed()) < length:
            self.decide()
            if moments and passed / length >= moments[0]:
                moments.pop(0)
                self.kill()
                self._console.print(f"day {passed.days}: killed")
                self.start()
            time.sleep(1.0)
        status = self.end()
        return {**self._found(), "exit": status, "wall_s": round(time.monotonic() - begun, 1)}

    def _passed(self) -> timedelta:
        known = self.lab_time()
        return known[1] - known[0] if known else timedelta()

    def _found(self) -> dict[str, object]:
        audit = self._labwright("audit", "verify", "--state", str(self.state))
        with Journal(self.state, write=False) as journal:
            ended = journal.table(sa.select(experiments.c.outcome, sa.func.count()).group_by(experiments.c.outcome))
            made = journal.table(sa.select(jobs.c.state, sa.func.count()).group_by(jobs.c.state))
            best = journal.table(sa.select(sa.func.max(experiments.c.hardness).label("best")))[0]["best"]
        return {
            "lab_days": round(self._passed().total_seconds() / 86_400, 1), "kills": self.kills,
            "said": dict(sorted(self.said.items())),
            "experiments": {str(r["outcome"] or "open"): r["count_1"] for r in ended},
            "jobs": {str(r["state"]): r["count_1"] for r in made}, "best_gpa": best,
            "audit": audit.stdout.strip() or audit.stderr.strip(), "audit_exit": audit.returncode,
        }  # fmt: skip


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--weeks", type=float, default=3.0)
    parser.add_argument("--speed", type=float, default=3600.0)
    parser.add_argument("--kills", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", type=Path)
    given = parser.parse_args()
    console = Console(stderr=True)
    with tempfile.TemporaryDirectory(prefix="labwright-weeks-") as name:
        weeks = Weeks(Path(name), given, console)
        try:
            found = weeks.run()
        finally:
            weeks.kill()
    line = {
        **found, "weeks": given.weeks, "speed": given.speed, "seed": given.seed,
        "date": datetime.now(UTC).date().isoformat(), "machine": f"{os.cpu_count()} cores, {platform.machine()}",
        "python": platform.python_version(), "labwright": version("labwright"),
    }  # fmt: skip
    if given.write:
        given.write.write_text(json.dumps(line, indent=2) + "\n")
    if given.json:
        print(json.dumps(line))
    else:
        console.print_json(json.dumps(line))
    sys.exit(1 if found["audit_exit"] or found["exit"] else 0)


if __name__ == "__main__":
    main()
