"""Diffraction patterns: where lines lie, how wide and how strong they are, against what is published of them."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
import pytest
from pymatgen.core import Lattice, Structure
from scipy.optimize import curve_fit

from envs.broadening_laws import scherrer_size
from envs.crystals import CrystalLibrary
from simulators.attenuation import fluorescence, linear_attenuation
from simulators.diffraction import (
    K_ALPHA_1,
    Optics,
    Phase,
    Sticks,
    march,
    pseudo_voigt,
    rate,
    sticks,
    structure_sticks,
)
from simulators.peak import strongest
from simulators.second_phases import PUBLISHED, Residue, published, reflections, residue

Array = npt.NDArray[np.float64]
LIBRARY = CrystalLibrary.builtin()
ALUMINA, TIB2, ALN, SI3N4, TIN, SIC = "mp-1143", "mp-1145", "mp-661", "mp-988", "mp-492", "mp-8062"
GRID: Array = 20.0 + 0.02 * np.arange(3001, dtype=np.float64)
SHARP = Optics(u=0.0, v=0.0, w=0.0016)


@cache
def pure(name: str) -> Sticks:
    """A standard with its published lattice."""
    if name == "Al2O3":  # NIST SRM 676a
        cell = Lattice.hexagonal(4.759091, 12.991779)
        return structure_sticks(
            Structure.from_spacegroup("R-3c", cell, ["Al", "O"], [[0, 0, 0.35219], [0.30633, 0, 0.25]])
        )
    if name == "Si":  # NIST SRM 640
        return structure_sticks(Structure.from_spacegroup("Fd-3m", Lattice.cubic(5.43119), ["Si"], [[0, 0, 0]]))
    return reflections(name)


def angles(found: Sticks) -> Array:
    return np.asarray(2.0 * np.degrees(np.arcsin(K_ALPHA_1 / 2.0 / found.spacing)))


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("Si", (28.44, 47.30, 56.12, 69.13, 76.38)),
        ("Al2O3", (25.58, 35.15, 37.78, 43.36, 52.55, 57.50)),
        ("MgO", (36.94, 42.92, 62.30, 74.69, 78.63)),
        ("Y2O3", (29.15, 33.78, 48.53, 57.61)),
        ("MgAl2O4", (31.27, 36.85, 44.83, 59.37, 65.24)),
        ("Y3Al5O12", (18.08, 33.35, 46.60, 55.12)),
        ("B4C", (23.50, 34.95, 37.81)),
        ("BN", (26.75,)),
        ("Mg2SiO4", (22.88, 35.73, 36.53, 52.30)),
        ("SiC", (35.65, 60.0, 71.8)),
    ],
)
def test_strong_lines_lie_where_powder_files_have_them(name: str, known: tuple[float, ...]) -> None:
    found = pure(name)
    strong = angles(found)[found.strength > 0.05 * found.strength.max()]
    assert all(np.abs(strong - place).min() < 0.06 for place in known)


def test_strengths_are_those_of_powder_files() -> None:
    """Heights of silicon's lines (PDF 27-1402) and corundum's (PDF 46-1212); areas grow a little against them."""
    for name, known in {
        "Si": {28.44: 100, 47.30: 55, 56.12: 30, 69.13: 6, 76.38: 11},
        "Al2O3": {25.58: 70, 35.15: 98, 37.78: 44, 43.36: 100, 52.55: 48, 57.50: 96},
    }.items():
        found = pure(name)
        place = angles(found)
        strength = np.array([found.strength[np.abs(place - at).argmin()] for at in known])
        np.testing.assert_allclose(100.0 * strength / strength.max(), list(known.values()), atol=10.0)


def test_corundum_is_as_strong_against_its_standards_as_published() -> None:
    """Reference intensity ratios I/Ic by weight, of strongest lines in equal weights: MgO 3.0, Si 4.7 (ICDD)."""
    corundum = pure("Al2O3")
    for name, density, known in (("MgO", 3.58, 3.0), ("Si", 2.33, 4.7)):
        found = pure(name)
        ratio = found.strength.max() / density / (corundum.strength.max() / 3.987)
        assert ratio == pytest.approx(known, rel=0.15)


def test_the_librarys_lattices_are_wider_than_real_ones_by_a_per_cent() -> None:
    computed, real = sticks(LIBRARY[ALUMINA]), pure("Al2O3")
    strongest_of = [s.spacing[s.strength > 0.2 * s.strength.max()].max() for s in (computed, real)]
    assert 1.0 < strongest_of[0] / strongest_of[1] < 1.015


def test_a_crystal_scatters_the_same_in_whatever_cell_it_is_given() -> None:
    whole = LIBRARY[ALUMINA].structure()
    small = whole.get_primitive_structure()
    assert len(small) < len(whole)
    given, other = structure_sticks(whole), structure_sticks(small)
    a, b = (rate(GRID, [Phase(found, 1.0, 0.1, texture=0.8)], Optics()) for found in (given, other))
    np.testing.assert_allclose(a, b, rtol=0.02)


def test_every_structure_of_a_second_phase_is_dense_as_its_crystals() -> None:
    known = {
        "MgO": 3.58, "Y2O3": 5.03, "MgAl2O4": 3.58, "Y3Al5O12": 4.55, "B4C": 2.52, "BN": 2.28, "Mg2SiO4": 3.22,
        "Y2Si2O7": 4.03, "SiC": 3.21,
    }  # fmt: skip
    assert known.keys() == PUBLISHED.keys()
    for name, density in known.items():
        structure = published(name)
        distances = structure.distance_matrix + 9.0 * np.eye(len(structure))
        assert structure.density == pytest.approx(density, rel=0.012), name
        assert distances.min() > 1.4, name


def test_what_an_additive_becomes() -> None:
    def of(crystal: str, additive: str) -> str:
        return residue(LIBRARY[crystal], additive).compound

    assert [of(ALUMINA, a) for a in ("MgO", "Y2O3", "B4C")] == ["MgAl2O4", "Y3Al5O12", "B4C"]
    assert [of(ALN, a) for a in ("MgO", "Y2O3", "B4C")] == ["MgAl2O4", "Y3Al5O12", "BN"]
    assert residue(LIBRARY[SI3N4], "Y2O3") == Residue("Y2Si2O7", 0.5)
    assert [of(TIB2, a) for a in ("MgO", "Y2O3", "B4C")] == ["MgO", "Y2O3", "B4C"]
    assert of(SIC, "B4C") == "B4C"
    assert residue(LIBRARY[SIC], "none") == Residue("", 1.0)
    assert residue(LIBRARY["mp-1265"], "MgO").compound == residue(LIBRARY["mp-3536"], "MgO").compound == ""
    assert len(reflections("TiB2").spacing) > 10
    with pytest.raises(KeyError, match="no structure of NaCl3"):
        reflections("NaCl3")


def test_absorption_is_that_of_tables() -> None:
    """126 /cm for corundum (International Tables C, 4.2.4: 31.7 cm2/g), 1,800 to 2,300 /cm for iron with its light."""
    assert pure("Al2O3").attenuation == pytest.approx(3.987 * 31.7, rel=0.02)
    iron = {"Fe": 2 * 55.845}
    assert linear_attenuation(iron, 2.8665**3) == pytest.approx(308 * 7.87, rel=0.03)
    assert fluorescence(iron) == pytest.approx(0.34)
    assert fluorescence({"Al": 27.0, "O": 16.0}) == 0.0


def test_texture_keeps_the_mean_over_all_directions() -> None:
    tilt = np.linspace(0.0, 1.0, 20_001)
    for r in (0.7, 1.0, 1.3):
        assert np.trapezoid(march(tilt, r), tilt) == pytest.approx(1.0, abs=1e-3)
    plates = march(np.array([1.0, 0.0]), 0.8)
    assert plates[0] == pytest.approx(0.8**-3)
    assert plates[1] < 1.0


def test_a_pseudo_voigt_is_as_wide_as_the_voigt_profile() -> None:
    """Against the width of the exact convolution by Olivero and Longbothum, J. Quant. Spectrosc. 17, 233 (1977)."""
    lorentz = np.linspace(0.0, 0.3, 31)
    width, mixing = pseudo_voigt(np.full(31, 0.1), lorentz)
    exact = 0.5346 * lorentz + np.sqrt(0.2166 * lorentz**2 + 0.01)
    np.testing.assert_allclose(width, exact, rtol=0.01)
    assert mixing[0] == 0.0
    assert (np.diff(mixing) > 0.0).all()


def _fitted_width(x: Array, y: Array, place: float) -> float:
    """Full width of the first line of a doublet, as people fit it."""
    part = np.abs(x - place) < 1.5

    def model(at: Array, p: float, h: float, w: float, m: float, b: float) -> Array:
        total = np.full(len(at), b)
        second = 2.0 * np.degrees(np.arcsin(1.5444274 / K_ALPHA_1 * np.sin(np.radians(p) / 2.0)))
        for q, share in ((p, 1.0), (second, 0.5)):
            z = ((at - q) / w) ** 2
            total = total + share * h * (m / (1.0 + 4.0 * z) + (1.0 - m) * np.exp(-4.0 * np.log(2.0) * z))
        return np.asarray(total)

    begin = (place, float(y[part].max()), 0.2, 0.5, float(y[part].min()))
    return float(curve_fit(model, x[part], y[part], begin, bounds=(0.0, [150, 1e7, 3, 1, 1e6]))[0][2])


@pytest.mark.parametrize("size", [0.015, 0.03, 0.06])
def test_the_width_of_a_line_gives_the_size_of_fine_grains(size: float) -> None:
    rng = np.random.default_rng(1)
    counts = rng.poisson(10.0 * rate(GRID, [Phase(pure("MgO"), 1.0, size)], Optics())).astype(np.float64)
    blank = rate(GRID, [Phase(pure("MgO"), 1.0, 50.0)], Optics())
    instrument, measured = _fitted_width(GRID, blank, 42.92), _fitted_width(GRID, counts, 42.92)
    # A parabola's difference of widths lies between those of Gaussian and Lorentzian profiles (Wagner and Aqua, 1964).
    size_width = measured - instrument**2 / measured
    assert 1e-3 * float(scherrer_size(size_width, K_ALPHA_1, 42.92)) == pytest.approx(size, rel=0.1)


def test_size_and_strain_part_by_angle() -> None:
    """Williamson and Hall: widths times cos theta rise with sin theta by the strain alone."""
    lines = np.array([42.92, 62.30, 78.63])
    widths = {
        strain: np.array([
            _fitted_width(GRID, rate(GRID, [Phase(pure("MgO"), 1.0, 0.04, strain)], SHARP), at) for at in lines
        ])
        for strain in (0.0, 2e-3)
    }  # fmt: skip
    added = np.radians(widths[2e-3] - widths[0.0]) / (4.0 * np.tan(np.radians(lines) / 2.0))
    np.testing.assert_allclose(added, 2e-3, rtol=0.12)


def test_a_sample_out_of_height_moves_low_lines_most() -> None:
    def places(displacement: float) -> Array:
        y = rate(GRID, [Phase(pure("Si"), 1.0, 1.0)], Optics(displacement=displacement))
        return np.array([GRID[np.where(np.abs(GRID - at) < 0.5, y, 0.0).argmax()] for at in (28.44, 69.13)])

    moved = places(0.2) - places(0.0)  # mm below the circle
    expected = -2.0 * 0.2 / 217.5 * np.cos(np.radians([28.44, 69.13]) / 2.0)
    np.testing.assert_allclose(moved, np.degrees(expected), atol=0.021)
    assert moved[0] < moved[1] < 0.0


def test_a_glass_shows_as_a_hump_and_a_vanadium_compound_by_its_own_light() -> None:
    host = Phase(pure("Al2O3"), 0.9, 0.3)
    hump = rate(GRID, [host], Optics(), glass=0.1) - rate(GRID, [host], Optics())
    assert 27.0 < GRID[hump.argmax()] < 32.0
    vanadium = next(c for c in LIBRARY if c.formula in {"V2O3", "VC"})
    shining = rate(GRID, [Phase(sticks(vanadium), 1.0, 0.3)], Optics())
    assert np.median(shining) > 2.0 * np.median(rate(GRID, [host], Optics()))
    with pytest.raises(ValueError, match="no attenuation"):
        rate(GRID, [], Optics(), glass=0.1)


def test_halves_of_a_scan_are_the_scan() -> None:
    whole = rate(GRID, [Phase(pure("Al2O3"), 1.0, 0.1)], Optics())
    half = rate(GRID[1500:], [Phase(pure("Al2O3"), 1.0, 0.1)], Optics())
    np.testing.assert_allclose(half, whole[1500:], rtol=2e-3)


def test_the_strongest_reflection_is_found_with_its_error() -> None:
    rng = np.random.default_rng(2)
    expected = rate(GRID, [Phase(pure("MgO"), 1.0, 0.2)], Optics())
    for seconds in (0.02, 1.0):
        place = angles(pure("MgO"))[1]
        # It is seen from inside the sample: by -sin 2 theta / 2 mu R at lower angles.
        deep = np.degrees(np.sin(np.radians(place)) / (2.0 * pure("MgO").attenuation * 21.75))
        true, pulls = float(place - deep), []
        for _ in range(20):
            found = strongest(GRID, rng.poisson(seconds * expected))
            assert found is not None
            pulls.append((found[0] - true) / np.hypot(found[1], 5e-4))
        assert np.std(pulls) < 2.0
        assert abs(np.mean(pulls)) < 1.5
    assert strongest(GRID, rng.poisson(np.full(len(GRID), 30.0))) is None
    assert strongest(GRID[:2], np.array([30, 31])) is None


def test_weak_absorbers_are_seen_from_their_inside() -> None:
    optics, place = Optics(), np.array([40.0])
    thick = -np.degrees(np.sin(np.radians(40.0)) / (2.0 * 100.0 * 21.75))
    assert optics.shift(place, 100.0)[0] == pytest.approx(thick, rel=1e-3)
    light, heavy = (optics.shift(place, mu)[0] for mu in (5.0, 1000.0))
    assert light < -0.05 < heavy < 0.0
    # However weakly it absorbs, nothing comes from below its back: half of 3 mm deep on the mean.
    assert optics.shift(place, 1e-3)[0] == pytest.approx(-np.degrees(3.0 * np.cos(np.radians(20.0)) / 217.5), rel=0.01)


def test_a_filter_lets_a_little_k_beta_through() -> None:
    y = rate(GRID, [Phase(pure("Si"), 1.0, 1.0)], Optics())
    at = 2.0 * np.degrees(np.arcsin(1.392234 / K_ALPHA_1 * np.sin(np.radians(28.44) / 2.0)))
    ghost = y[np.abs(GRID - at) < 0.05].max() - y[np.abs(GRID - at - 0.6) < 0.05].max()
    assert 0.001 < ghost / y.max() < 0.006
