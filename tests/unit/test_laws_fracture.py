"""Laws of hardness at a load and of cracks, against published ceramics."""

from __future__ import annotations

import numpy as np
import pytest

from envs import laws


def test_an_impression_and_its_hardness() -> None:
    # ISO 6507-4, HV 1: a diagonal of 32.7 um is 1,734 kgf/mm2, hence 17.0 GPa.
    assert laws.vickers_hardness(9.807, 32.7) == pytest.approx(17.0, rel=0.003)
    assert laws.vickers_diagonal(9.807, laws.vickers_hardness(9.807, 32.7)) == pytest.approx(32.7)


def test_small_indents_read_harder_and_large_ones_the_plateau() -> None:
    loads = np.array([0.5, 1.0, 9.81, 98.1, 1e5])
    found = laws.resisted_hardness(loads, 15.5, 3.0)
    assert (np.diff(found) < 0).all()
    assert found[-1] == pytest.approx(15.5, rel=0.005)
    # As sintered alumina of a few micrometres reads: some 20 GPa at HV 0.1 and 17 at HV 1.
    assert found[1] == pytest.approx(20.0, rel=0.05)
    assert found[2] == pytest.approx(17.0, rel=0.03)
    d = laws.resisted_diagonal(loads, 15.5, 3.0)
    np.testing.assert_allclose(found, 15.5 * (1.0 + 3.0 / d))
    np.testing.assert_allclose(loads, 15.5 / (laws.VICKERS * 1e3) * (3.0 * d + d**2))


def test_other_forms_of_the_size_effect() -> None:
    assert laws.meyer_hardness(9.81, 17.0) == pytest.approx(17.0)
    assert laws.meyer_hardness(0.981, 17.0, index=2.0) == pytest.approx(17.0)
    assert laws.meyer_hardness(0.981, 17.0, index=1.85) == pytest.approx(17.0 * 10 ** (0.15 / 1.85))
    # Nix and Gao's own example, (111) copper single crystal: H0 = 0.581 GPa and h* = 1.6 um.
    assert laws.nix_gao_hardness(0.581, 1.6, 1.6) == pytest.approx(0.581 * np.sqrt(2.0))


def test_toughness_from_radial_cracks() -> None:
    # Alumina in the range that Anstis et al. tested: K_IC of 3 to 4 MPa m^0.5 is c of some 34 to 41 um at 9.81 N.
    assert laws.anstis_toughness(9.81, 37.0, 400.0, 17.0) == pytest.approx(3.4, rel=0.05)
    short = laws.niihara_toughness(18.0, 16.3, 400.0, 17.0)
    assert short == pytest.approx(3.4, rel=0.4)  # the two equations differ by so much (Ponton and Rawlings, 1989)


def test_brittle_solids_crack_at_small_loads() -> None:
    # Lawn and Evans: silicon from some hundredths of a newton, steel not before a hammer.
    assert 0.005 < laws.crack_threshold(0.9, 10.0) < 0.1
    assert laws.crack_threshold(50.0, 5.0) > 1e5
    assert laws.crack_threshold(3.5, 17.0, factor=2e5) > laws.crack_threshold(3.5, 17.0)


@pytest.mark.parametrize(
    ("name", "bulk", "shear", "volume", "measured", "tolerance"),
    [
        # Measured K_IC in MPa m^0.5: silicon 0.83 to 0.95 and diamond some 5 (cleavage), TiB2 6.2 and alumina 3.3
        # (Munro, 2000 and NISTIR 6853); polycrystals are tougher than their crystals.
        ("diamond", 442.3, 535.5, 5.673, 5.0, 0.35),
        ("Si", 98.0, 66.6, 20.02, 0.95, 0.5),
        ("Al2O3", 252.0, 163.0, 8.495, 3.3, 0.3),
        ("TiB2", 240.0, 255.0, 8.51, 6.2, 0.45),
    ],
)
def test_toughness_of_crystals(
    name: str, bulk: float, shear: float, volume: float, measured: float, tolerance: float
) -> None:
    assert laws.niu_toughness(bulk, shear, volume) == pytest.approx(measured, rel=tolerance), name


def test_strength_falls_with_the_flaw() -> None:
    # Alumina with K_IC = 3.5 and round flaws of 50 um: 350 to 450 MPa, as sintered parts have.
    assert laws.griffith_strength(3.5, 50.0) == pytest.approx(438.0, rel=0.01)
    assert laws.griffith_strength(3.5, 200.0) / laws.griffith_strength(3.5, 50.0) == pytest.approx(0.5)
