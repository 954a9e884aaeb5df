"""Judges what the virtual testers say of their own errors, on bodies fired at random, and how long an order takes us.

Usage::

    python -m tests.benchmarks.virtual_testers [--bodies N] [--json]

For each result: how many were read, their mean distance from the truth in standard uncertainties, its standard
deviation (1 where the uncertainty is right), and the share within one (0.68) and two (0.95). The apparent porosity is
low by what water does not fill, and no uncertainty says so: see ``simulators.devices.balance``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import numpy as np

from envs.crystals import CrystalLibrary, ceramics
from envs.design import Design
from envs.laws import poisson_ratio, youngs_modulus
from instruments.clock import SystemClock
from instruments.device import DeviceFault, JobContext, JobResult, Quantity
from instruments.ids import SystemIds
from instruments.local import LocalBus
from simulators.devices.balance import Balance
from simulators.devices.bench import Bench, BenchDevice
from simulators.devices.indenter import Indenter
from simulators.devices.solid import disc, stiffness
from simulators.devices.ultrasonic import Ultrasonic
from simulators.samples import Sample, SampleStore
from simulators.sintering import Outcome
from simulators.truth import ADDITIVES, LabTruth
from surrogates.datasets.elastic import load

TESTERS: tuple[tuple[type[BenchDevice], str, dict[str, float]], ...] = (
    (Indenter, "indent", {"load": 9.81, "count": 10}),
    (Ultrasonic, "measure", {}),
    (Balance, "weigh", {}),
)


class Job:
    """A job at speed 0."""

    async def progress(self, share: float, *, remaining_s: float | None = None) -> None:
        """Nobody looks."""

    def spend(self, seconds: float) -> None:
        """Lab time, which nobody counts here."""


def bodies(truth: LabTruth, n: int) -> Iterator[Sample]:
    """What came out whole of n firings at random."""
    rng, ids = np.random.default_rng(1), truth.library.ids
    designs = [
        Design(
            ids[rng.integers(len(ids))],
            {
                "powder_size": float(rng.choice([0.1, 0.2, 0.5, 1.0, 2.0])),
                "additive": str(rng.choice(ADDITIVES)),
                "temperature": float(rng.uniform(1100.0, 2000.0)),
                "hold": float(rng.choice([0.5, 1.0, 2.0, 4.0])),
                "heating_rate": float(rng.choice([2.0, 5.0, 10.0, 20.0])),
                "pressure": float(rng.choice([0.0, 20.0, 40.0])),
            },
        )
        for _ in range(n)
    ]
    fired = truth.sinter(designs)
    for i, design in enumerate(designs):
        if fired.outcome[i] is Outcome.SINTERED:
            yield Sample(f"s{i}", design, fired.body(i), Outcome.SINTERED)


def true_values(truth: LabTruth, made: Sample) -> dict[str, float]:
    """The truth behind the results that have one."""
    found = {
        "hardness": truth.body_hardness(made.design.crystal, str(made.design.process["additive"]), made.body),
        "bulk_density": disc(truth, made).density,
        "apparent_porosity": made.body.open_porosity,
    }
    if (moduli := stiffness(truth, made)) is not None:
        found |= {
            "youngs_modulus": float(youngs_modulus(moduli.bulk, moduli.shear)),
            "shear_modulus": moduli.shear,
            "poisson_ratio": float(poisson_ratio(moduli.bulk, moduli.shear)),
        }
    return found


def carry_out(order: Callable[..., object], sample: str, parameters: dict[str, float]) -> dict[str, Quantity] | str:
    """What an order gives, or the code of its fault."""

    async def whole() -> JobResult:
        return cast("JobResult", await order(cast("JobContext", Job()), sample=sample, **parameters))  # type: ignore[misc]

    try:
        values = asyncio.run(whole()).values
    except DeviceFault as fault:
        return fault.code
    return {name: value for name, value in values.items() if isinstance(value, Quantity)}


def judge(n: int) -> dict[str, dict[str, float]]:
    """The figures by result or by device."""
    truth = LabTruth(1, ceramics(CrystalLibrary.builtin()), load())
    shelf = SampleStore()
    bench = Bench(truth, shelf, Path("unused"))
    off: dict[str, list[float]] = defaultdict(list)
    figures: dict[str, dict[str, float]] = {}
    made = list(bodies(truth, n))
    for sample in made:
        shelf.put(sample)
    for kind, command, parameters in TESTERS:
        device = kind(kind.kind, LocalBus().transport(), bench=bench, lab="b", clock=SystemClock(), ids=SystemIds())
        begun, faults = time.perf_counter(), 0
        read = [carry_out(getattr(device, command), sample.id, parameters) for sample in made]
        spent = time.perf_counter() - begun
        for sample, values in zip(made, read, strict=True):
            if isinstance(values, str):
                faults += 1
                continue
            for name, true in true_values(truth, sample).items():
                if name in values:
                    off[name].append((values[name].value - true) / (values[name].std or np.nan))
        figures[kind.kind] = {
            "orders": len(made), "faults": faults, "ms_an_order": round(1e3 * spent / len(made), 2)
        }  # fmt: skip
    for name, distances in off.items():
        z = np.array(distances)
        within = {f"within_{k}": round(float((np.abs(z) < k).mean()), 3) for k in (1, 2)}
        figures[name] = {
            "read": len(z), "mean": round(float(z.mean()), 3), "deviation": round(float(z.std()), 3), **within
        }  # fmt: skip
    return figures


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bodies", type=int, default=1500, help="firings; about half of them come out whole")
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    figures = judge(wanted.bodies)
    for name, row in figures.items():
        print(f"{name:18}", "  ".join(f"{key} {value:g}" for key, value in row.items()))
    if wanted.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
