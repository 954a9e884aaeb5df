"""Bulk and shear moduli of 1,181 compounds from DFT elastic tensors.

Source: M. de Jong et al., "Charting the complete elastic properties of inorganic crystalline compounds", Sci. Data 2,
150009 (2015); deposited under CC0 (Dryad, doi:10.5061/dryad.h505v). The structures are in ``envs.crystals``; the labels
are kept apart from them, so that a campaign can hand a part of them to its learner and keep the rest hidden. In the
packages only ``agent.wiring`` may import this module.
"""

from __future__ import annotations

import csv
from importlib import resources

from envs.moduli import Moduli

TABLE = "elastic_2015.csv"


def load() -> dict[str, Moduli]:
    """Moduli of every compound of the built-in library, by identifier."""
    text = (resources.files("surrogates.datasets") / TABLE).read_text()
    return {
        row["id"]: Moduli(bulk=float(row["bulk_modulus_GPa"]), shear=float(row["shear_modulus_GPa"]))
        for row in csv.DictReader(text.splitlines())
    }
