"""How far the interatomic potential behind the generated crystals is to be believed.

Usage::

    python -m tests.benchmarks.potential [--softening N] [--keep DIRECTORY] [--json]

Relaxes twelve compounds of the library and computes their tensors, beside the moduli that DFT gives (de Jong et al.,
Sci. Data 2, 150009, 2015), and a few generated crystals that the library has not. With ``--softening N`` it first fits
the correction of the moduli to N other ceramics of the library, drawn at random among those of up to eight atoms in the
primitive cell, and says what it is worth on the crystal left out. Prints tables; with ``--json`` one line of
JSON, as kept in docs/results/potential.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from envs.crystals import Crystal, CrystalLibrary, ceramics
from envs.moduli import Moduli
from envs.prototypes import generate, parse
from simulators.potential import PotentialTruth
from simulators.potential_chgnet import SOFTENING, Chgnet
from simulators.potential_softening import Softening
from surrogates.datasets.elastic import load

KNOWN = (
    "mp-631", "mp-21075", "mp-1265", "mp-661", "mp-1145", "mp-1894", "mp-2592", "mp-1143", "mp-8062", "mp-12990",
    "mp-3536", "mp-5229",
)  # fmt: skip
GENERATED = (
    "gen:rocksalt:Ti-N", "gen:rocksalt:Zr-C", "gen:rocksalt:V-N", "gen:rocksalt:Ta-C", "gen:alb2:Hf-B", "gen:wc:W-N",
    "gen:max-211:Cr-Al-C", "gen:perovskite:Al-C-Ti", "gen:cab6:La-B", "gen:zincblende:W-N", "gen:bcc:Ti",
)  # fmt: skip
SEED = 2
LARGEST_CELL = 8


def row(truth: PotentialTruth, crystal: Crystal) -> dict[str, Any]:
    """What the potential says of one crystal, by itself and corrected, and how long it took."""
    began = time.perf_counter()
    record = truth.record(crystal)
    seconds = time.perf_counter() - began
    own, at_rest = record.moduli, record.crystal
    mended = own and SOFTENING.corrected(own)
    stretch = (at_rest.volume / at_rest.n_atoms / (crystal.volume / crystal.n_atoms)) ** (1.0 / 3.0) - 1.0
    return {
        "id": crystal.id,
        "name": crystal.name,
        "seconds": round(seconds, 2),
        "lattice_change": round(float(stretch), 4),
        "bulk_by_itself": own and round(own.bulk, 1),
        "bulk": mended and round(mended.bulk, 1),
        "shear_by_itself": own and round(own.shear, 1),
        "shear": mended and round(mended.shear, 1),
        "reason": record.reason,
    }


def known(truth: PotentialTruth) -> dict[str, Any]:
    """Compounds of the library beside DFT, and the mean absolute errors of the logarithms."""
    library, reference = CrystalLibrary.builtin(), load()
    rows = [row(truth, library[i]) for i in KNOWN]
    for line in rows:
        line |= {"bulk_dft": reference[line["id"]].bulk, "shear_dft": reference[line["id"]].shear}
    stable = [line for line in rows if line["bulk"]]

    def error(own: str, dft: str) -> float:
        return round(float(np.mean([abs(np.log10(line[own] / line[dft])) for line in stable])), 3)

    return {
        "rows": rows,
        "n_stable": len(stable),
        "mae_log10_bulk_by_itself": error("bulk_by_itself", "bulk_dft"),
        "mae_log10_bulk": error("bulk", "bulk_dft"),
        "mae_log10_shear_by_itself": error("shear_by_itself", "shear_dft"),
        "mae_log10_shear": error("shear", "shear_dft"),
        "seconds_per_crystal": round(float(np.mean([line["seconds"] for line in rows])), 2),
    }


def softening(truth: PotentialTruth, count: int) -> dict[str, Any]:
    """The correction fitted to so many ceramics, none of them among ``KNOWN``, and its error on the one left out."""
    crystals, reference = _drawn(count), load()
    moduli = [(truth.record(c).moduli, reference[c.id]) for c in crystals]
    pairs = [(own, dft) for own, dft in moduli if own is not None]
    fitted = _fitted(pairs)
    left_out = [_fitted(pairs[:i] + pairs[i + 1 :]).corrected(own) for i, (own, _) in enumerate(pairs)]

    def errors(values: Sequence[float], dft: Sequence[float]) -> dict[str, float]:
        logs = np.log10(np.array(values) / np.array(dft))
        return {"mae_log10": round(float(np.mean(np.abs(logs))), 3), "bias_log10": round(float(np.mean(logs)), 3)}

    bulk, shear = [dft.bulk for _, dft in pairs], [dft.shear for _, dft in pairs]
    return {
        "seed": SEED,
        "n": len(crystals),
        "n_stable": len(pairs),
        "stiffening": round(fitted.stiffening, 4),
        "offset": round(fitted.offset, 4),
        "exponent": round(fitted.exponent, 4),
        "bulk_by_itself": errors([own.bulk for own, _ in pairs], bulk),
        "bulk_left_out": errors([m.bulk for m in left_out], bulk),
        "shear_by_itself": errors([own.shear for own, _ in pairs], shear),
        "shear_left_out": errors([m.shear for m in left_out], shear),
        "pugh": _pugh(left_out, [dft for _, dft in pairs]),
    }


def _pugh(moduli: Sequence[Moduli], reference: Sequence[Moduli]) -> dict[str, float]:
    """How much of the spread of log10(G / K) the correction leaves, and how far it is off where G / K is greatest."""
    own, dft = (np.log10([m.shear / m.bulk for m in side]) for side in (moduli, reference))
    stiffest = dft >= np.quantile(dft, 0.8)
    return {
        "spread_dft": round(float(dft.std()), 3),
        "spread_left_out": round(float(own.std()), 3),
        "bias_stiffest_fifth": round(float(np.mean((own - dft)[stiffest])), 3),
    }


def _fitted(pairs: Sequence[tuple[Moduli, Moduli]]) -> Softening:
    return Softening.fitted([own for own, _ in pairs], [dft for _, dft in pairs])


def _drawn(count: int) -> list[Crystal]:
    from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

    pool = [c for c in ceramics(CrystalLibrary.builtin()) if c.id not in KNOWN]
    drawn: list[Crystal] = []
    for index in np.random.default_rng(SEED).permutation(len(pool)):
        if len(drawn) == count:
            break
        structure = SpacegroupAnalyzer(pool[index].structure()).get_primitive_standard_structure()
        if len(structure) <= LARGEST_CELL:
            drawn.append(pool[index])
    return drawn


def show(figures: dict[str, Any]) -> None:
    """The tables."""
    if "softening" in figures:
        print(json.dumps(figures["softening"], indent=1))
    print(f"\n{'':24}{'K':>6}{'DFT':>6}{'G':>7}{'own':>6}{'DFT':>6}{'da/a':>8}{'s':>6}")
    for line in [*figures["known"]["rows"], *figures["generated"]]:
        if not line["bulk"]:
            print(f"{line['id']:24}{line['reason']}")
            continue
        bulk, shear = (f"{line[key]:6.0f}" if key in line else f"{'':6}" for key in ("bulk_dft", "shear_dft"))
        name = line["id"] if line["id"].startswith("gen:") else f"{line['name']} ({line['id']})"
        print(
            f"{name:24}{line['bulk']:6.0f}{bulk}{line['shear']:7.0f}{line['shear_by_itself']:6.0f}{shear}"
            f"{line['lattice_change']:8.1%}{line['seconds']:6.1f}"
        )
    print({key: value for key, value in figures["known"].items() if key != "rows"})


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--softening", type=int, default=0, metavar="N", help="fit the correction to N ceramics")
    parser.add_argument("--keep", type=Path, help="directory of the fit's crystals; those found there cost nothing")
    parser.add_argument("--json", action="store_true", help="end in one line of JSON")
    wanted = parser.parse_args()
    potential = Chgnet(softening=None)
    with potential.calculator():
        pass  # loads it, so that the first crystal's time is its own
    truth = PotentialTruth(None, potential)
    figures: dict[str, Any] = {
        "command": f"python -m tests.benchmarks.potential --softening {wanted.softening} --json",
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}; one thread",
        "potential": potential.name,
        "known": known(truth),
        "generated": [row(truth, generate(*parse(i))) for i in GENERATED],
    }
    if wanted.softening:
        figures["softening"] = softening(PotentialTruth(wanted.keep, potential), wanted.softening)
    show(figures)
    if wanted.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
