"""Faults of the whole daemon, counted: kill -9, torn write-ahead logs, flipped bits; real processes, a real broker.

Usage::

    python -m tests.faults.kill [--json] [--scale 0.1] [--seed N] [--only sqlite|postgres|torn|flipped] [--write FILE]

Prints a table, and with ``--json`` one line of JSON instead; the exit status is 1 when a floor is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from instruments.broker import find_mosquitto

from .killing.flipped import flipped_bits
from .killing.laboratory import StuckError
from .killing.runs import POSTGRES_MISSING, postgres_kills, sqlite_kills
from .killing.torn import torn_logs
from .mqtt import about, table_of
from .outcome import Outcome

BEYOND = (
    "The daemon is forked from a process that has read its modules and worked out its design spaces: the restart times "
    "are those of its own work, and a second or two of the interpreter come on top. Its planner and its image reader "
    "answer at once. A kill leaves what the operating system holds: that a disk keeps what it was told to keep is not "
    "tried here, torn logs are."
)
Run = Callable[[int, int, Callable[[str], None]], Awaitable[Outcome]]
RUNS: dict[str, tuple[Run, int, int]] = {
    "sqlite": (sqlite_kills, 150, 3),
    "postgres": (postgres_kills, 40, 3),
    "torn": (torn_logs, 300, 12),
    "flipped": (flipped_bits, 500, 12),
}
"""Each run with its full count and its smallest."""


def conduct(names: list[str], scale: float, seed: int, tell: Callable[[str], None]) -> list[Outcome]:
    """Make the runs, one after the other."""
    found = []
    for name in names:
        run, full, least = RUNS[name]
        begun = time.monotonic()
        tell(f"{name} ...")
        if name == "postgres" and POSTGRES_MISSING:
            tell(f"{name}: left out, {POSTGRES_MISSING}")
            found.append(Outcome(name, {"left out": POSTGRES_MISSING}))
            continue
        try:
            outcome = asyncio.run(_made(run, max(least, round(full * scale)), seed, tell))
        except StuckError as error:
            outcome = Outcome(name, misses=[f"{name}: {error}"])
        outcome.counts["seconds"] = round(time.monotonic() - begun, 1)
        tell(f"{name}: {'; '.join(outcome.misses) or 'all floors held'} ({outcome.counts['seconds']} s)")
        found.append(outcome)
    return found


async def _made(run: Run, n: int, seed: int, tell: Callable[[str], None]) -> Outcome:
    return await run(n, seed, tell)


def main() -> int:
    """Count and print."""
    parser = argparse.ArgumentParser(description="faults of the daemon, counted")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON, without the table")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full counts")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=RUNS, action="append", help="this run alone; may be given again")
    parser.add_argument("--write", type=Path, help="also write the JSON to a file")
    options = parser.parse_args()
    if find_mosquitto() is None:
        sys.exit("Mosquitto is not installed: the daemon under test needs a broker that outlives it")
    outcomes = conduct(
        options.only or list(RUNS), options.scale, options.seed, lambda text: print(text, file=sys.stderr, flush=True)
    )
    misses = [miss for outcome in outcomes for miss in outcome.misses]
    found: dict[str, Any] = {
        "command": f"python -m tests.faults.kill --scale {options.scale:g} --seed {options.seed}",
        "seed": options.seed,
        **about(),
        "runs": {outcome.name: outcome.counts for outcome in outcomes},
        "not covered": BEYOND,
        "misses": misses,
    }
    if options.write is not None:
        options.write.write_text(json.dumps(found, indent=1) + "\n")
    if not options.json:
        Console().print(table_of(outcomes))
    print(json.dumps(found))
    return 1 if misses else 0


if __name__ == "__main__":
    sys.exit(main())
