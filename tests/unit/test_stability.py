"""Compounds that handbooks say fall apart do so in every laboratory, and those that stand heat win its campaigns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from envs.crystals import Crystal, CrystalLibrary, ceramics
from envs.design import Design
from simulators.sintering import Outcome
from simulators.truth import Batch, LabTruth
from simulators.truth.stability import ceiling
from surrogates.datasets.elastic import load

LIBRARY = ceramics(CrystalLibrary.builtin())
MODULI = load()
PROCESS: dict[str, float | str] = {
    "powder_size": 0.4,
    "additive": "none",
    "hold": 2.0,
    "heating_rate": 10.0,
    "pressure": 40.0,
}

LABS = [LabTruth(seed, LIBRARY, MODULI) for seed in range(4)]


def named(formula: str) -> Crystal:
    from pymatgen.core import Composition

    numbers = [e.Z for e, n in Composition(formula).items() for _ in range(int(n))]
    return replace(LIBRARY["mp-1145"], formula=formula, numbers=np.array(numbers))


@pytest.mark.parametrize(
    ("formula", "celsius", "lost"),
    [
        ("Li2O2", 1400.0, True), ("TeO3", 1000.0, True), ("GaN", 1400.0, True),
        ("Fe2C", 1200.0, True), ("Au2O3", 1000.0, True), ("Al2O3", 1500.0, False),
        ("TiB2", 1800.0, False), ("Si3N4", 1500.0, False), ("SiC", 1900.0, False),
    ],
)  # fmt: skip
def test_what_falls_apart_in_handbooks_does_so_here(formula: str, celsius: float, lost: bool) -> None:
    """Above the published range of its class a compound is gone in every laboratory; firm ones are sintered hot."""
    crystal = next(c.id for c in LIBRARY if c.formula == formula)
    design = Design(crystal, {**PROCESS, "temperature": celsius})
    for lab in LABS:
        (outcome,) = lab.sinter([design]).outcome
        assert (outcome is Outcome.DECOMPOSED) == lost
        assert lost == (lab.melting(crystal) < celsius + 273.0)
        found = lab.loss(design, Batch())
        assert (found is not None) == lost
        assert found is None or "decomposed: mass loss" in found.why


@pytest.mark.parametrize(
    ("formula", "low", "high"),
    [
        ("Li2O2", 550.0, 750.0), ("BaO2", 950.0, 1150.0), ("TeO3", 650.0, 720.0), ("CrO3", 450.0, 620.0),
        ("MnO2", 750.0, 850.0), ("Mn2O3", 1150.0, 1280.0), ("Co3O4", 1150.0, 1250.0), ("Ag2O", 450.0, 560.0),
        ("PdO", 1050.0, 1180.0), ("CuO", 1290.0, 1350.0), ("InN", 850.0, 950.0), ("GaN", 1050.0, 1300.0),
        ("Si3N4", 2100.0, 2200.0), ("TiN", 2900.0, 3500.0), ("Fe3C", 900.0, 1200.0), ("BP", 1300.0, 1450.0),
        ("NaCoO2", 1100.0, 1300.0),
    ],
)  # fmt: skip
def test_ceilings_are_near_handbooks(formula: str, low: float, high: float) -> None:
    found = ceiling(named(formula))
    assert found is not None
    assert low < found.kelvin < high


@pytest.mark.parametrize(
    "formula", ["Al2O3", "MgAl2O4", "BaTiO3", "TiO2", "V3O5", "WC", "TiC", "Fe3AlC", "TiB2", "SnO2"]
)
def test_what_melts_first_has_no_low_ceiling(formula: str) -> None:
    found = ceiling(named(formula))
    assert found is None or found.kelvin > 1800.0


def test_the_hardest_designs_are_real_ceramics() -> None:
    from envs.space import flagship
    from simulators.optimum import best_design

    space = flagship()
    best = best_design(LabTruth(5, space.library, MODULI), space)
    assert space.library[best.design.crystal].name in {"TiB2", "WC", "B6O", "BP", "SiC", "BN"}
