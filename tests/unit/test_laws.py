"""The laws against published values: elastic constants and results from the papers that state the laws."""

from __future__ import annotations

import numpy as np
import pytest

from envs import laws
from envs.crystals import CrystalLibrary
from envs.descriptors import CompositionTable


@pytest.mark.parametrize(
    ("name", "bulk", "shear", "measured"),
    [
        # Measured K and G (Voigt-Reuss-Hill of the single-crystal constants of McSkimin and Andreatch 1972, Grimsditch
        # et al. 1994, and of sintered SiC) and measured Vickers hardness (Andrievski, Int. J. Refract. Met. Hard
        # Mater. 19, 447, 2001: 96, 62 to 66, 34 GPa). The law's own scatter on hard solids is about 10%.
        ("diamond", 442.3, 535.5, 96.0),
        ("c-BN", 400.0, 409.0, 64.0),
        ("SiC", 224.9, 196.6, 34.0),
    ],
)
def test_chen_hardness_of_superhard_solids(name: str, bulk: float, shear: float, measured: float) -> None:
    assert laws.chen_hardness(bulk, shear) == pytest.approx(measured, rel=0.1), name


def test_tian_agrees_with_chen_on_superhard_solids_and_stays_positive() -> None:
    assert laws.tian_hardness(442.3, 535.5) == pytest.approx(laws.chen_hardness(442.3, 535.5), rel=0.05)
    soft = np.array([[30.0, 5.0], [100.0, 10.0]])
    assert (laws.tian_hardness(soft[:, 0], soft[:, 1]) > 0).all()
    assert (laws.chen_hardness(soft[:, 0], soft[:, 1]) == laws.MIN_HARDNESS).all()


@pytest.mark.parametrize(
    ("name", "bulk", "shear", "young", "poisson"),
    [
        # Munro, J. Res. Natl. Inst. Stand. Technol. 105, 709 (2000): polycrystalline TiB2 at room temperature.
        ("TiB2", 240.0, 255.0, 565.0, 0.108),
        # Munro, NISTIR 6853 (2002): sintered alumina.
        ("Al2O3", 252.0, 169.0, 416.0, 0.231),
    ],
)
def test_isotropic_moduli_of_ceramics(name: str, bulk: float, shear: float, young: float, poisson: float) -> None:
    assert laws.youngs_modulus(bulk, shear) == pytest.approx(young, rel=0.01), name
    assert laws.poisson_ratio(bulk, shear) == pytest.approx(poisson, abs=0.01), name


def test_isotropic_moduli_are_consistent() -> None:
    bulk, shear = np.array([442.0, 160.0, 76.0]), np.array([535.0, 130.0, 26.0])
    young, poisson = laws.youngs_modulus(bulk, shear), laws.poisson_ratio(bulk, shear)
    np.testing.assert_allclose(shear, young / (2 * (1 + poisson)))
    np.testing.assert_allclose(bulk, young / (3 * (1 - 2 * poisson)))


def test_pugh_ratio_tells_gold_from_diamond() -> None:
    assert laws.pugh_ratio(180.0, 27.0) > 1.75 > laws.pugh_ratio(442.0, 535.0)


@pytest.mark.parametrize(
    ("name", "bulk", "shear", "density", "volume_per_atom", "published"),
    [
        # Elastic Debye temperatures: diamond 2240 K and MgO 946 K (Anderson, J. Phys. Chem. Solids 24, 909, 1963, and
        # Kittel), alumina 1035 K (Anderson, Schreiber and Soga, J. Geophys. Res. 71, 1966).
        ("diamond", 442.3, 535.5, 3515.0, 5.673, 2240.0),
        ("MgO", 162.8, 131.1, 3584.0, 9.337, 946.0),
        ("Al2O3", 252.0, 163.0, 3986.0, 8.495, 1035.0),
    ],
)
def test_debye_temperature(
    name: str, bulk: float, shear: float, density: float, volume_per_atom: float, published: float
) -> None:
    assert laws.debye_temperature(bulk, shear, density, volume_per_atom) == pytest.approx(published, rel=0.02), name


def test_debye_temperature_of_titanium_diboride_is_near_the_calorimetric_one() -> None:
    # Castaing and Costa (1977) and later low-temperature heat capacities: 1100 to 1220 K.
    assert 1050.0 < laws.debye_temperature(240.0, 255.0, 4520.0, 8.51) < 1250.0


def test_hardness_of_a_porous_polycrystal() -> None:
    assert laws.polycrystal_hardness(20.0, 0.0, 1.0, hall_petch=1.5) == pytest.approx(21.5)
    ratio = laws.polycrystal_hardness(20.0, 0.1, 1.0) / laws.polycrystal_hardness(20.0, 0.0, 1.0)
    assert ratio == pytest.approx(np.exp(-0.5))
    sizes = np.array([0.2, 1.0, 5.0, 25.0])
    assert (np.diff(laws.polycrystal_hardness(20.0, 0.02, sizes)) < 0).all()


@pytest.mark.parametrize(
    ("intercept_mm", "number"),
    # ASTM E112, table 4: mean lineal intercept and grain-size number.
    [(0.3200, 0.0), (0.1131, 3.0), (0.0566, 5.0), (0.0200, 8.0), (0.0100, 10.0)],
)
def test_astm_grain_size_number_matches_the_standard(intercept_mm: float, number: float) -> None:
    assert laws.astm_grain_size_number(intercept_mm * 1000.0) == pytest.approx(number, abs=0.02)


def test_melting_estimates_are_a_cooks_guess_of_the_handbook() -> None:
    table = CompositionTable(CrystalLibrary.builtin())
    handbook = {
        "MgO": 3098.0,
        "TiC": 3340.0,
        "TiN": 3220.0,
        "ZrC": 3805.0,
        "TaC": 4153.0,
        "HfO2": 3031.0,
        "Y2O3": 2712.0,
    }
    found = {f: float(t) for f, t in zip(table.formulas, table.melting, strict=True) if f in handbook}
    assert len(found) >= 5
    errors = [abs(t - handbook[f]) / handbook[f] for f, t in found.items()]
    assert np.mean(errors) < 0.16
