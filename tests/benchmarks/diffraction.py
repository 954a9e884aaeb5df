"""How fast and how readable the virtual diffractometer's scans are.

Usage::

    python -m tests.benchmarks.diffraction [--json]

Scans every ceramic of the library twice (20 to 80 degrees by 0.02: 3,001 angles): the first time the reflections are
computed, the second time they are remembered. Then it reads the share of spinel in alumina off scans of 50 minutes, by
least squares on two scaled reference patterns and a background. Times are of the processor, so that what runs beside
does not count. Prints tables; with ``--json`` one line of JSON, as kept in docs/results/diffraction.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from envs.crystals import CrystalLibrary, ceramics
from simulators.diffraction import Optics, Phase, rate, sticks
from simulators.peak import strongest
from simulators.second_phases import reflections

SEED = 1
GRID = 20.0 + 0.02 * np.arange(3001, dtype=np.float64)
SHARES = (0.01, 0.03, 0.10, 0.30)
REPEATS = 10


def speed(rng: np.random.Generator) -> dict[str, Any]:
    """Milliseconds of a scan on a processor of its own, counts and the fit of its strongest reflection included."""
    rows: list[tuple[float, float]] = []
    library = ceramics(CrystalLibrary.builtin())
    sticks(next(iter(library)))  # what is imported once is nobody's scan
    for crystal in library:
        took = []
        for _ in range(2):
            began = time.process_time()
            expected = rate(GRID, [Phase(sticks(crystal), 1.0, 0.3, 4e-4)], Optics())
            strongest(GRID, rng.poisson(expected))
            took.append(1e3 * (time.process_time() - began))
        rows.append((took[0], took[1]))
    table = np.array(rows)
    return {
        name: {"median_ms": round(float(np.median(column)), 2), "slowest_ms": round(float(column.max()), 1)}
        for name, column in zip(("first", "again"), table.T, strict=True)
    } | {"crystals": len(rows)}


def fractions(rng: np.random.Generator) -> list[dict[str, float]]:
    """Shares of spinel in alumina as read, with displaced samples and by references that know nothing of it."""
    alumina, spinel = sticks(CrystalLibrary.builtin()["mp-1143"]), reflections("MgAl2O4")
    shifts = np.linspace(-0.06, 0.06, 25)
    columns = [
        [rate(GRID, [Phase(s, 1.0, 0.25)], Optics(displacement=d)) * s.attenuation for s in (alumina, spinel)]
        for d in shifts
    ]
    background = np.polynomial.chebyshev.chebvander((GRID - 50.0) / 30.0, 6)
    found = []
    for share in SHARES:
        read = []
        for _ in range(REPEATS):
            optics = Optics(displacement=float(rng.normal(0.0, 0.02)))
            phases = [Phase(alumina, 1.0 - share, 0.25), Phase(spinel, share, 0.15)]
            counts = rng.poisson(rate(GRID, phases, optics)).astype(np.float64)
            read.append(_read(counts, columns, background))
        found.append({"share": share, "mean": round(float(np.mean(read)), 4), "scatter": round(float(np.std(read)), 4)})
    return found


def _read(counts: np.ndarray[Any, Any], columns: Sequence[Sequence[Any]], background: np.ndarray[Any, Any]) -> float:
    """The second share, at the displacement that explains the counts best."""
    weight = 1.0 / np.sqrt(np.maximum(counts, 10.0))
    best = (np.inf, 0.0)
    for pair in columns:
        table = np.column_stack([*pair, background]) * weight[:, None]
        solved = np.linalg.lstsq(table, counts * weight, rcond=None)[0]
        cost = float(np.sum((table @ solved - counts * weight) ** 2))
        best = min(best, (cost, float(solved[1] / solved[:2].sum())))
    return best[1]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(arguments)
    rng = np.random.default_rng(SEED)
    timed, read = speed(rng), fractions(rng)
    for name in ("first", "again"):
        print(f"{name:>6}: median {timed[name]['median_ms']} ms, slowest {timed[name]['slowest_ms']} ms")
    for each in read:
        print(f"spinel {each['share']:.2f}: read {each['mean']:.4f} +- {each['scatter']:.4f}")
    if given.json:
        about = {
            "command": "python -m tests.benchmarks.diffraction --json",
            "date": datetime.now(UTC).date().isoformat(),
            "machine": f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}; one thread",
            "seed": SEED,
        }
        print(json.dumps({**about, "speed": timed, "fractions": read}))


if __name__ == "__main__":
    main()
