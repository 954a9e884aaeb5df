"""Campaigns of every strategy against random with the same budget, paired by seed; prints a table.

Usage::

    python -m tests.benchmarks.campaigns [--first 11] [--seeds 10] [--experiments 24] [--workers 2] [--json] [--out F]

Seeds are consecutive from ``--first``; the planner was developed on 1 to 10, so that figures come from 11 on. Each
strategy starts from the same designs in the same laboratory with the same labels. A campaign's figure is the true
hardness of the design that it measured as the hardest, revealed after its end.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

STRATEGIES = ("random", "bo", "ppo", "hybrid")
MACHINE = "2 cores of a shared server processor (x86-64), one torch thread a process, no accelerator"
N_BOOTSTRAP = 10_000


def one(job: tuple[str, int, int]) -> dict[str, object]:
    """Run one campaign; returns its row."""
    from agent import core
    from agent import events as ev
    from agent.config import load_config
    from agent.simulate import run_campaign
    from agent.wiring import build_problem

    strategy, seed, experiments = job
    problem = build_problem(load_config(None, seed=seed, experiments=experiments, strategy=strategy))
    images = [0, 0]

    def observe(event: ev.Event, state: core.LabState, *, replayed: bool) -> None:
        if isinstance(event, ev.ImageRead):
            images[0] += 1
            images[1] += not event.accepted

    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as directory:
        result = run_campaign(problem, Path(directory), strategy=strategy, broker="none", observer=observe)
    return {
        "strategy": strategy,
        "seed": seed,
        "best_true": result.best_true,
        "best": result.best,
        "formula": result.formula,
        "failed": result.experiments - result.outcomes.get("completed", 0),
        "images": images[0],
        "refused": images[1],
        "days": round(result.simulated_days, 2),
        "seconds": round(time.perf_counter() - start, 1),
    }


def summary(rows: list[dict[str, object]], strategy: str) -> dict[str, object]:
    """Median with a 90% bootstrap interval, and wins over random by seed."""
    mine = {r["seed"]: float(str(r["best_true"] or 0.0)) for r in rows if r["strategy"] == strategy}
    random = {r["seed"]: float(str(r["best_true"] or 0.0)) for r in rows if r["strategy"] == "random"}
    values = np.array(list(mine.values()))
    draws = np.random.default_rng(0).choice(values, (N_BOOTSTRAP, len(values)))
    low, high = np.quantile(np.median(draws, axis=1), [0.05, 0.95])
    return {
        "median_best_true": round(float(np.median(values)), 2),
        "interval": [round(float(low), 2), round(float(high), 2)],
        "wins_over_random": sum(mine[s] > random[s] for s in mine),
        "seeds": len(mine),
    }


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=11)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--experiments", type=int, default=24)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--strategies", nargs="+", choices=STRATEGIES, default=list(STRATEGIES))
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--out", type=Path)
    wanted = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    seeds = range(wanted.first, wanted.first + wanted.seeds)
    strategies = ["random", *(s for s in wanted.strategies if s != "random")]
    jobs = [(strategy, seed, wanted.experiments) for seed in seeds for strategy in strategies]
    rows = []
    with ProcessPoolExecutor(wanted.workers) as pool:
        for row in pool.map(one, jobs):
            rows.append(row)
            print(*row.values(), sep="\t", flush=True)
    figures = {
        "command": f"python -m tests.benchmarks.campaigns --first {wanted.first} --seeds {wanted.seeds} "
        f"--experiments {wanted.experiments}",
        "date": "2026-11-23",
        "seeds": list(seeds),
        "machine": MACHINE,
        "data": "321 ceramics of the 1,181 DFT elastic tensors, virtual laboratory of the same seed",
        "strategies": {s: summary(rows, s) for s in strategies},
        "rows": rows,
    }
    print(f"{'strategy':10} {'median true GPa':>16} {'90% interval':>18} {'wins over random':>18}")
    for name, line in figures["strategies"].items():  # type: ignore[attr-defined]
        wins = f"{line['wins_over_random']}/{line['seeds']}"
        print(f"{name:10} {line['median_best_true']:16.1f} {line['interval']!s:>18} {wins:>18}")
    if wanted.out:
        wanted.out.write_text(json.dumps(figures, indent=1) + "\n")
    if wanted.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
