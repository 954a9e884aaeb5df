"""Judges the constants of ``envs.laws.melting_estimate`` on handbook values, and fits them anew beside that.

Usage::

    python -m tests.benchmarks.melting [--json]

Melting points, or decomposition points where a compound decomposes first, in K and rounded as handbooks give them;
sources differ by 50 K and more on the most refractory ones. MgB2 is left out: it loses its metal at 1,100 K, far below
where its bonding would hold. The fit is ordinary least squares on the kelvins, with the metals at their own melting
points, one constant for each of O, N, C, B and Si, and one for the charge transfer.
"""

from __future__ import annotations

import argparse
import json
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
from pymatgen.core import Composition

from envs import sintering_laws
from envs.descriptors import element_table
from envs.elements import SYMBOLS
from envs.laws import CERAMIC_FORMERS, melting_estimate

HANDBOOK = {
    "MgO": 3125, "Al2O3": 2345, "ZrO2": 2988, "Y2O3": 2712, "CaO": 2886, "TiO2": 2116, "SiO2": 1986, "Cr2O3": 2708,
    "HfO2": 3031, "NiO": 2228, "ZnO": 2247, "Fe2O3": 1838,
    "TiC": 3430, "SiC": 3100, "WC": 3058, "TaC": 4150, "HfC": 4220, "NbC": 3880, "VC": 3080, "ZrC": 3805, "B4C": 2720,
    "Cr3C2": 2168, "Mo2C": 2960,
    "TiB2": 3500, "ZrB2": 3520, "HfB2": 3650, "TaB2": 3370, "NbB2": 3323, "CrB2": 2473, "W2B": 2943,
    "TiN": 3220, "ZrN": 3250, "Si3N4": 2170, "TaN": 3360, "HfN": 3580, "VN": 2320, "AlN": 3270, "NbN": 2846,
    "MoSi2": 2300, "TiSi2": 1810, "WSi2": 2430, "NbSi2": 2200, "CrSi2": 1763, "TaSi2": 2473, "VSi2": 1950,
    "Mg2Si": 1375, "CoSi": 1733, "FeSi": 1683, "CoSi2": 1599, "Ti5Si3": 2403, "ZrSi2": 1890, "Nb5Si3": 2757,
    "CaSi2": 1313, "YSi": 2108, "PtSi": 1502,
}  # fmt: skip


def fractions(formula: str) -> dict[int, float]:
    """Atomic number to atomic fraction."""
    return {e.Z: float(x) for e, x in Composition(formula).fractional_composition.items()}


def estimates() -> npt.NDArray[np.float64]:
    """What the law says of each compound in K, in the order of the handbook."""
    table = element_table()
    elemental, chi = ({z: row[i] for z, row in table.items()} for i in (0, 1))
    return np.array([melting_estimate(fractions(formula), elemental, chi) for formula in HANDBOOK])


def fitted() -> npt.NDArray[np.float64]:
    """The constants that least squares gives in K: those of ``CERAMIC_FORMERS`` in order, then ``IONIC_BINDING``.

    The estimate is linear in them: its columns are what it says with one of them at 1 K and the others at zero.
    """
    zero = dict.fromkeys(CERAMIC_FORMERS, 0.0)
    bare = _with(zero, 0.0)
    columns = [_with({**zero, z: 1.0}, 0.0) - bare for z in CERAMIC_FORMERS] + [_with(zero, 1.0) - bare]
    return np.asarray(
        np.linalg.lstsq(np.stack(columns, axis=1), np.array(list(HANDBOOK.values())) - bare, rcond=None)[0]
    )


def _with(formers: dict[int, float], ionic: float) -> npt.NDArray[np.float64]:
    with patch.object(sintering_laws, "CERAMIC_FORMERS", formers), patch.object(sintering_laws, "IONIC_BINDING", ionic):
        return estimates()


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    handbook = np.array(list(HANDBOOK.values()), dtype=np.float64)
    errors = estimates() / handbook - 1.0
    for (formula, kelvin), error in zip(HANDBOOK.items(), errors, strict=True):
        print(f"{formula:8} {kelvin:6.0f} K   estimate {(1 + error) * kelvin:6.0f} K   {100 * error:+6.1f} %")
    in_use = [*CERAMIC_FORMERS.values(), sintering_laws.IONIC_BINDING]
    names = [*(SYMBOLS[z - 1] for z in CERAMIC_FORMERS), "ionic"]
    for name, value, best in zip(names, in_use, fitted(), strict=True):
        print(f"{name:6} in use {value:6.0f} K   fitted {best:6.0f} K")
    figures = {"compounds": len(HANDBOOK), "mean_relative_error": round(float(np.abs(errors).mean()), 4)}
    for name, figure in figures.items():
        print(f"{name:28} {figure:g}")
    if wanted.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
