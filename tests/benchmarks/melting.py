"""Judges the constants of ``envs.laws.melting_estimate`` on handbook values, and fits them anew beside that.

Usage::

    python -m tests.benchmarks.melting [--json]

Melting points, or decomposition points where a compound decomposes first, in K and rounded as handbooks give them;
sources differ by 50 K and more on the most refractory ones. The fit is ordinary least squares on the kelvins, with the
metals at their own melting points and one constant for each of O, N, C, B and Si.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from pymatgen.core import Composition

from envs.descriptors import element_table
from envs.elements import SYMBOLS
from envs.laws import CERAMIC_FORMERS

HANDBOOK = {
    "MgO": 3125, "Al2O3": 2345, "ZrO2": 2988, "Y2O3": 2712, "CaO": 2886, "TiO2": 2116, "SiO2": 1986, "Cr2O3": 2708,
    "HfO2": 3031, "NiO": 2228, "ZnO": 2247, "Fe2O3": 1838,
    "TiC": 3430, "SiC": 3100, "WC": 3058, "TaC": 4150, "HfC": 4220, "NbC": 3880, "VC": 3080, "ZrC": 3805, "B4C": 2720,
    "Cr3C2": 2168, "Mo2C": 2960,
    "TiB2": 3500, "ZrB2": 3520, "HfB2": 3650, "TaB2": 3370, "NbB2": 3323, "CrB2": 2473, "W2B": 2943, "MgB2": 1103,
    "TiN": 3220, "ZrN": 3250, "Si3N4": 2170, "TaN": 3360, "HfN": 3580, "VN": 2320, "AlN": 3270, "NbN": 2846,
    "MoSi2": 2300, "TiSi2": 1810, "WSi2": 2430, "NbSi2": 2200, "CrSi2": 1763, "TaSi2": 2473, "VSi2": 1950,
    "Mg2Si": 1375, "CoSi": 1733, "FeSi": 1683, "CoSi2": 1599, "Ti5Si3": 2403, "ZrSi2": 1890, "Nb5Si3": 2757,
    "CaSi2": 1313, "YSi": 2108, "PtSi": 1502,
}  # fmt: skip


def fractions(formula: str) -> dict[int, float]:
    """Atomic number to atomic fraction."""
    return {e.Z: float(x) for e, x in Composition(formula).fractional_composition.items()}


def errors(constants: Mapping[int, float]) -> npt.NDArray[np.float64]:
    """Relative error of the estimate of each compound, in the order of the handbook."""
    elemental = {z: row[0] for z, row in element_table().items()} | dict(constants)
    found = [sum(x * elemental[z] for z, x in fractions(formula).items()) for formula in HANDBOOK]
    return np.asarray(np.array(found) / list(HANDBOOK.values()) - 1.0)


def fitted() -> dict[int, float]:
    """Atomic number to the constant that least squares gives, K."""
    elemental = {z: row[0] for z, row in element_table().items()}
    shares = [fractions(formula) for formula in HANDBOOK]
    metals = [sum(x * elemental[z] for z, x in share.items() if z not in CERAMIC_FORMERS) for share in shares]
    design = np.array([[share.get(z, 0.0) for z in CERAMIC_FORMERS] for share in shares])
    found = np.linalg.lstsq(design, np.array(list(HANDBOOK.values())) - metals, rcond=None)[0]
    return dict(zip(CERAMIC_FORMERS, found.tolist(), strict=True))


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    in_use, best = dict(CERAMIC_FORMERS), fitted()
    for (formula, kelvin), error in zip(HANDBOOK.items(), errors(in_use), strict=True):
        print(f"{formula:8} {kelvin:6.0f} K   estimate {(1 + error) * kelvin:6.0f} K   {100 * error:+6.1f} %")
    for z, value in in_use.items():
        print(f"{SYMBOLS[z - 1]:2}   in use {value:6.0f} K   fitted {best[z]:6.0f} K")
    figures: dict[str, float] = {"compounds": len(HANDBOOK)}
    for name, constants in (("in_use", in_use), ("fitted", best)):
        figures[f"mean_relative_error_{name}"] = round(float(np.abs(errors(constants)).mean()), 4)
    for name, figure in figures.items():
        print(f"{name:28} {figure:g}")
    if wanted.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
