"""Speed and accuracy of the virtual furnace's integration, and what the flagship's random designs become in it.

Usage::

    python -m tests.benchmarks.sintering [--json] [--plot FILE]

The firings are those of random feasible designs of the flagship space in one laboratory. Errors are largest differences
from the same integration at tolerances of 1e-10. ``--plot`` draws alumina by the mean constants of its class.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from envs.crystals import CrystalLibrary
from envs.space import flagship
from simulators.sintering import Kinetics, Outcome, Schedule, SinterResult, follow, ramp_hold_cool, sinter
from simulators.sintering.rates import REFERENCE
from simulators.sintering.solver import ATOL, RTOL
from simulators.truth import Batch, Constants, LabTruth, Powders
from simulators.truth.compounds import Compound
from surrogates.datasets.elastic import load

Array = npt.NDArray[np.float64]
SEED, BATCHES, MEASURED = 1, (1, 100, 1000), 3.0
ALUMINA, ALUMINA_MELTING = "mp-1143", 2327.0
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def firings(n: int) -> tuple[Schedule, Kinetics]:
    """Of random feasible designs of the flagship space."""
    space = flagship()
    truth = LabTruth(SEED, space.library, load())
    return truth._firing(space.sample(np.random.default_rng(SEED), n), [Batch()] * n)


def part(plan: Schedule, powder: Kinetics, begin: int, n: int) -> tuple[Schedule, Kinetics]:
    return plan.part(slice(begin, begin + n)), powder.part(slice(begin, begin + n))


def speed(plan: Schedule, powder: Kinetics, n: int) -> float:
    """Firings a second in batches of n."""
    begin, done, started = 0, 0, time.perf_counter()
    while (passed := time.perf_counter() - started) < MEASURED or not done:
        sinter(*part(plan, powder, begin, n))
        begin, done = (begin + n) % (plan.n - n + 1), done + n
    return done / passed


def accuracy(plan: Schedule, powder: Kinetics, n: int, exact: SinterResult) -> dict[str, float]:
    """Largest errors of as many firings as there are, in batches of n; of 200 of them where they are fired alone."""
    reach = plan.n if n > 1 else 200
    parts = [sinter(*part(plan, powder, begin, n)) for begin in range(0, reach, n)]
    density, grain, abnormal = (
        np.concatenate([getattr(p, name) for p in parts]) for name in ("density", "grain_size", "abnormal")
    )
    return {
        "density": float(np.abs(density - exact.density[:reach]).max()),
        "grain_size_relative": float(np.abs(grain / exact.grain_size[:reach] - 1.0).max()),
        "abnormal": float(np.abs(abnormal - exact.abnormal[:reach]).max()),
    }


def random_designs(seed: int, n: int = 300) -> dict[str, object]:
    """What becomes of random feasible designs."""
    space = flagship()
    truth = LabTruth(seed, space.library, load())
    designs = space.sample(np.random.default_rng(seed), n)
    result, hardness = truth.sinter(designs), truth.true_hardness_many(designs)
    whole = np.array([o is Outcome.SINTERED for o in result.outcome])
    counts = Counter(str(o) for o in result.outcome)
    return {
        "seed": seed,
        "outcomes": {name: round(count / n, 3) for name, count in sorted(counts.items())},
        "density": np.quantile(result.density[whole], QUANTILES).round(3).tolist(),
        "grain_size_um": np.quantile(result.grain_size[whole], QUANTILES).round(2).tolist(),
        "hardness_GPa": np.quantile(hardness, QUANTILES).round(2).tolist(),
        "with_abnormal_grains": round(float((result.abnormal[whole] > 0.01).mean()), 3),
        "with_cracks": round(float((result.cracks[whole] > 0.01).mean()), 3),
    }


def alumina(n: int, size: float, additive: str = "MgO") -> Kinetics:
    """Alumina by the mean constants of oxides, at its handbook melting point."""
    compound = Compound(CrystalLibrary.builtin()[ALUMINA], None, 0.0, ALUMINA_MELTING)
    lab = replace(Constants.draw(np.random.default_rng(0), np.random.default_rng(0)), abnormal_onset=0.84)
    return Powders.mean().kinetics([compound] * n, [additive] * n, np.full(n, size), lab, [Batch()] * n)


def isothermal(kelvin: Array, hours: float) -> Schedule:
    return Schedule(
        np.array([0.0 * kelvin, 0.0 * kelvin + hours]), np.array([kelvin, kelvin]), np.zeros((2, len(kelvin)))
    )


def work(kelvin: Array, hours: Array, q: float) -> Array:
    """Logarithm of the thermal work of one firing up to each moment (Su and Johnson, 1996)."""
    rate = np.exp(-q * (ALUMINA_MELTING / kelvin - 1.0 / REFERENCE)) / kelvin
    total = np.cumsum(0.5 * (rate[1:] + rate[:-1]) * np.diff(hours))
    return np.asarray(np.log(np.maximum(total, 1e-300)))


def draw(file: Path) -> None:
    """Densification, grain growth, trajectories, and heating rates that fall on one curve."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 2, figsize=(11.0, 8.4), constrained_layout=True)
    _draw_isothermal(axes[0, 0])
    _draw_trajectories(axes[0, 1])
    _draw_master_curve(axes[1, 0])
    _draw_abnormal(axes[1, 1])
    for axis in axes.ravel():
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(file, dpi=110)
    plt.close(figure)


def _draw_isothermal(axis: Any) -> None:
    celsius = np.array([1250.0, 1300.0, 1350.0, 1400.0, 1450.0, 1500.0])
    path = follow(isothermal(celsius + 273.15, 24.0), alumina(len(celsius), 0.3), 300)
    for i, label in enumerate(celsius):
        axis.semilogx(
            path.hours[1:, i], 1.0 - path.porosity[1:, i], color=_colour(i, len(celsius)), label=f"{label:.0f} °C"
        )
    axis.set(
        xlabel="time at temperature / h",
        ylabel="relative density",
        title="Isothermal densification, 0.3 µm alumina, MgO",
        xlim=(1e-2, 24.0),
        ylim=(0.54, 1.0),
    )
    axis.legend(frameon=False, fontsize=8)


def _draw_trajectories(axis: Any) -> None:
    cases = [(0.15, "MgO"), (0.3, "MgO"), (0.6, "MgO"), (0.15, "none"), (0.3, "none"), (0.6, "none")]
    for i, (size, additive) in enumerate(cases):
        path = follow(isothermal(np.array([1500.0 + 273.15]), 24.0), alumina(1, size, additive), 400)
        axis.semilogy(
            1.0 - path.porosity[:, 0],
            path.grain_size[:, 0],
            "-" if additive == "MgO" else "--",
            color=_colour(i % 3, 3),
            label=f"{size:g} µm, {additive}",
        )
    axis.set(
        xlabel="relative density", ylabel="grain size / µm", title="Sintering trajectories at 1500 °C", xlim=(0.54, 1.0)
    )
    axis.set_yticks([0.2, 0.5, 1.0, 2.0, 4.0], ["0.2", "0.5", "1", "2", "4"])
    axis.minorticks_off()
    axis.legend(frameon=False, fontsize=8)


def _draw_master_curve(axis: Any) -> None:
    rates = np.array([2.0, 5.0, 10.0, 20.0])
    plan, powder = ramp_hold_cool(np.full(4, 1600.0 + 273.15), 0.0, rates), alumina(4, 0.3)
    path = follow(plan, powder, 300)
    rows = slice(0, 300)
    other = axis.twiny()
    for i, rate in enumerate(rates):
        kelvin, density = path.temperature[rows, i], 1.0 - path.porosity[rows, i]
        spent = work(kelvin, path.hours[rows, i], 0.9 * float(powder.lattice_q[i]))
        axis.plot(spent, density[1:], color=_colour(i, 4), label=f"{rate:g} K/min")
        other.plot(kelvin - 273.15, density, ":", color=_colour(i, 4))
    axis.set(xlabel="ln of thermal work (lines)", ylabel="relative density", xlim=(-16.0, -6.0), ylim=(0.54, 1.0))
    other.set(xlabel="temperature / °C (dots)", xlim=(1000.0, 2200.0))
    axis.set_title("Constant heating: apart by temperature, one master curve by work", fontsize=10)
    axis.legend(frameon=False, fontsize=8, loc="center right")


def _draw_abnormal(axis: Any) -> None:
    celsius = np.linspace(1100.0, 1880.0, 60)
    for i, additive in enumerate(("MgO", "none")):
        result = sinter(ramp_hold_cool(celsius + 273.15, 2.0, 5.0), alumina(60, 0.4, additive))
        axis.plot(celsius, result.density, "-", color=_colour(i, 3), label=f"density, {additive}")
        axis.plot(celsius, result.abnormal, "--", color=_colour(i, 3), label=f"abnormal, {additive}")
        axis.plot(celsius, result.open_share, ":", color=_colour(i, 3), label=f"open pores, {additive}")
    axis.set(
        xlabel="hold temperature / °C",
        ylabel="share",
        title="Two hours at temperature, 0.4 µm alumina",
        ylim=(0.0, 1.03),
    )
    axis.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(0.0, 0.3))


def _colour(i: int, n: int) -> tuple[float, ...]:
    import matplotlib as mpl

    return tuple(mpl.colormaps["viridis"](0.05 + 0.85 * i / max(n - 1, 1)))


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw curves of alumina")
    wanted = parser.parse_args()
    plan, powder = firings(max(BATCHES))
    exact = sinter(plan, powder, rtol=1e-10, atol=1e-10)
    rows = []
    print(f"{'batch':>6} {'firings/s':>10} {'density':>9} {'grain':>9} {'abnormal':>9}   largest errors")
    for n in BATCHES:
        row = {"batch": n, "per_second": round(speed(plan, powder, n)), **accuracy(plan, powder, n, exact)}
        rows.append(row)
        errors = " ".join(f"{row[name]:9.1e}" for name in ("density", "grain_size_relative", "abnormal"))
        print(f"{n:6} {row['per_second']:10} {errors}")
    designs = [random_designs(seed) for seed in range(3)]
    for one in designs:
        print(", ".join(f"{name} {figure}" for name, figure in one.items()))
    if wanted.plot:
        draw(wanted.plot)
    if wanted.json:
        print(json.dumps({
            "command": "python -m tests.benchmarks.sintering --json", "date": datetime.now(UTC).date().isoformat(),
            "machine": f"one core, {platform.machine()}, {platform.system()}", "python": platform.python_version(),
            "seed": SEED, "tolerances": [RTOL, ATOL], "firings": rows, "quantiles": QUANTILES,
            "random_flagship_designs": designs,
        }))  # fmt: skip


if __name__ == "__main__":
    main()
