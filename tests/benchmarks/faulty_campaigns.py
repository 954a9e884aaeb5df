"""Campaigns at several rates of faults: how they end, what was injected, and what it costs them.

Run ``python -m tests.benchmarks.faulty_campaigns [--json]``. Each campaign is run to its end in a directory of its own,
and its record is gone through: every experiment has exactly one final state, nothing was done twice, and no value of
another unit is in it. The best is compared with that of the same campaign without faults.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from rich.console import Console
from rich.table import Table
from sound_record import violations

from agent import core
from agent import events as ev
from agent.config import load_config
from agent.journal import Journal
from agent.simulate import run_campaign
from agent.wiring import build_problem

RATES = (0.0, 0.05, 0.2, 0.5)
PLAN = (("random", 16, (0, 1, 2)), ("hybrid", 12, (0,)))
"""Strategy, experiments and seeds."""


@dataclass(frozen=True)
class Row:
    """One campaign."""

    strategy: str
    rate: float
    seed: int
    experiments: int
    outcomes: dict[str, int]
    injected: dict[str, int]
    settled: int
    orders: int
    best: float | None
    best_true: float | None
    simulated_days: float
    wall_s: float
    broken: list[str]


def _watch(event: ev.Event, state: core.LabState, *, replayed: bool) -> None:
    """Nobody watches."""


def run(strategy: str, rate: float, seed: int, experiments: int) -> Row:
    """Run one campaign and go through its record."""
    config = load_config(
        None, experiments=experiments, initial=min(8, experiments), strategy=strategy, seed=seed, fault_rate=rate
    )
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        result = run_campaign(build_problem(config), directory, strategy=strategy, broker="none", observer=_watch)
        wall_s = time.perf_counter() - begun
        with Journal(directory, write=False) as journal:
            record = [stored.event for stored in journal.read()]
        broken = list(violations(record, len(list((directory / "laboratory" / "samples").glob("*.json")))))
    told = (result.faults or {}).get("injected", {})
    return Row(
        strategy, rate, seed, result.experiments, result.outcomes, dict(told) if isinstance(told, dict) else {},
        sum(isinstance(e, ev.Reconciled) for e in record), sum(isinstance(e, ev.StepDispatched) for e in record),
        result.best, result.best_true, round(result.simulated_days, 2), round(wall_s, 1), broken,
    )  # fmt: skip


def table(rows: list[Row]) -> Table:
    """One line a campaign."""
    shown = Table(title="Campaigns with faults", title_justify="left")
    for heading in (
        "strategy", "rate", "seed", "outcomes", "orders", "faults", "settled by policy", "best, GPa",
        "without faults", "days", "s", "broken",
    ):  # fmt: skip
        shown.add_column(heading, overflow="fold")
    faultless = {(r.strategy, r.seed): r.best for r in rows if r.rate == 0.0}
    for r in rows:
        outcomes = ", ".join(f"{n} {name}" for name, n in sorted(r.outcomes.items()))
        faults = ", ".join(f"{n} {kind}" for kind, n in r.injected.items()) or "none"
        best = f"{r.best:.1f}" if r.best is not None else "-"
        base = faultless.get((r.strategy, r.seed))
        shown.add_row(
            r.strategy, f"{r.rate:g}", str(r.seed), outcomes, str(r.orders), faults, str(r.settled), best,
            f"{base:.1f}" if base is not None else "-", f"{r.simulated_days:.1f}", f"{r.wall_s:.0f}",
            "; ".join(r.broken) or "nothing",
        )  # fmt: skip
    return shown


def main() -> None:
    """Run them all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--rates", type=float, nargs="+", default=list(RATES))
    parser.add_argument("--seeds", type=int, nargs="+", help="in place of the plan's")
    parser.add_argument("--strategies", nargs="+", default=[name for name, *_ in PLAN])
    asked = parser.parse_args()
    rows = []
    for strategy, experiments, seeds in PLAN:
        for seed in (asked.seeds or seeds) if strategy in asked.strategies else ():
            for rate in asked.rates:
                rows.append(row := run(strategy, rate, seed, experiments))
                print(strategy, seed, rate, row.outcomes, f"{row.wall_s} s", file=sys.stderr, flush=True)
    console = Console(width=200)
    console.print(table(rows))
    kinds = Counter[str]()
    for row in rows:
        kinds.update(row.injected)
    if asked.json:
        found = {
            "what": "campaigns with faults",
            "date": datetime.now(UTC).date().isoformat(),
            "machine": f"{platform.machine()}, Python {platform.python_version()}",
            "campaigns": len(rows),
            "broken": sum(bool(row.broken) for row in rows),
            "faults_by_kind": dict(kinds),
            "rows": [asdict(row) for row in rows],
        }
        print(json.dumps(found))


if __name__ == "__main__":
    main()
