"""Faults, counted: kills, cut connections, hostile messages, duplicates, on a real broker and real processes.

Usage::

    python -m tests.faults.mqtt [--json] [--scale 0.1] [--seed N] [--only RUN] [--write FILE]

Prints a table, and with ``--json`` one line of JSON instead; the exit status is 1 when a floor is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from instruments.broker import find_mosquitto

from .hostility import hostile_messages
from .kills import broker_kills, subscriber_kills
from .network import cut_connections, doubled_and_reordered
from .outcome import Outcome
from .together import all_together
from .workshop import StuckError

BEYOND = (
    "What only a broker's access list tells from the truth is not among the hostile messages: well-formed new orders, "
    "cancellations, newer statuses, and newer job states with the right digest, from somebody who has every right. "
    "With the access list of our own broker an instrument writes its own topics alone, and nobody but the agents and "
    "the instrument itself reaches its orders and job states."
)
Run = Callable[[int, int], Coroutine[Any, Any, Outcome]]
RUNS: dict[str, tuple[Run, int, int]] = {
    "kills": (subscriber_kills, 30, 2),
    "broker": (broker_kills, 20, 1),
    "cuts": (cut_connections, 20, 2),
    "hostile": (hostile_messages, 20_000, 200),
    "duplicates": (doubled_and_reordered, 4_000, 100),
    "together": (all_together, 10, 1),
}
"""Each run with its full count and its smallest."""


def about() -> dict[str, str]:
    """Where and with what it was counted."""
    banner = subprocess.run([find_mosquitto() or "", "-h"], capture_output=True, text=True, check=False)  # noqa: S603
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{os.cpu_count()} cores of {_processor()}, {platform.machine()}, {platform.system()}",
        "python": platform.python_version(),
        "paho-mqtt": version("paho-mqtt"),
        "pydantic": version("pydantic"),
        "mosquitto": banner.stdout.split("\n")[0].removeprefix("mosquitto version "),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "an unnamed processor"
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unnamed")


def conduct(names: list[str], scale: float, seed: int, tell: Callable[[str], None]) -> list[Outcome]:
    """Make the runs, one after the other."""
    found = []
    for name in names:
        run, full, least = RUNS[name]
        begun = time.monotonic()
        tell(f"{name} ...")
        try:
            outcome = asyncio.run(run(max(least, round(full * scale)), seed))
        except StuckError as error:
            outcome = Outcome(name, misses=[f"{name}: {error}"])
        outcome.counts["seconds"] = round(time.monotonic() - begun, 1)
        tell(f"{name}: {'; '.join(outcome.misses) or 'all floors held'} ({outcome.counts['seconds']} s)")
        found.append(outcome)
    return found


def table_of(outcomes: list[Outcome]) -> Table:
    """What a person reads."""
    table = Table("run", "count", "", title="Faults, counted")
    for outcome in outcomes:
        for index, (what, count) in enumerate(outcome.counts.items()):
            text = ", ".join(f"{k}: {v}" for k, v in count.items()) if isinstance(count, dict) else str(count)
            table.add_row(outcome.name if index == 0 else "", what, text)
        table.add_row("", "floors", "; ".join(outcome.misses) or "all held", end_section=True)
    return table


def main() -> int:
    """Count and print."""
    parser = argparse.ArgumentParser(description="faults of the instrument bus, counted")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON, without the table")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full counts")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=RUNS, action="append", help="this run alone; may be given again")
    parser.add_argument("--write", type=Path, help="also write the JSON to a file")
    options = parser.parse_args()
    if find_mosquitto() is None:
        sys.exit("Mosquitto is not installed: it is what these faults are about")
    outcomes = conduct(
        options.only or list(RUNS), options.scale, options.seed, lambda text: print(text, file=sys.stderr, flush=True)
    )
    misses = [miss for outcome in outcomes for miss in outcome.misses]
    found: dict[str, Any] = {
        "command": f"python -m tests.faults.mqtt --scale {options.scale:g} --seed {options.seed}",
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
