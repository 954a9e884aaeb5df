"""Laws of heat, charge, firing, density and line width, against published values and their own limits."""

from __future__ import annotations

import numpy as np
import pytest

from envs import laws


@pytest.mark.parametrize(
    ("name", "poisson", "published"),
    # As Belomestnykh and Tesleva compare them, and Slack: NaCl 1.5 to 1.6, alumina 1.32 to 1.4, MgO 1.4 to 1.5.
    [("NaCl", 0.252, 1.55), ("Al2O3", 0.235, 1.36), ("MgO", 0.183, 1.44)],
)
def test_grueneisen_parameter(name: str, poisson: float, published: float) -> None:
    assert laws.gruneisen_parameter(poisson) == pytest.approx(published, rel=0.2), name


@pytest.mark.parametrize(
    ("name", "mass", "acoustic", "volume", "gamma", "atoms", "measured"),
    [
        # Acoustic Debye temperature, Grueneisen parameter (Slack, 1973) and measured conductivity at 300 K.
        ("diamond", 12.01, 1450.0, 5.673, 0.75, 2, 3000.0),
        ("Si", 28.09, 395.0, 20.02, 0.56, 2, 166.0),
        ("MgO", 20.15, 600.0, 9.337, 1.44, 2, 60.0),
    ],
)
def test_slack_is_right_to_a_factor_of_two(
    name: str, mass: float, acoustic: float, volume: float, gamma: float, atoms: int, measured: float
) -> None:
    found = laws.slack_conductivity(mass, acoustic * atoms ** (1.0 / 3.0), volume, gamma, atoms)
    assert 0.5 < found / measured < 2.0, name
    cold, hot = laws.slack_conductivity(mass, acoustic, volume, gamma, atoms, np.array([300.0, 600.0]))
    assert cold / hot == pytest.approx(2.0)


def test_least_conductivity_of_a_lattice() -> None:
    # Cahill, Watson and Pohl, figure of a-SiO2: about 1.0 W/(m K) calculated at 300 K, 1.3 measured.
    found = laws.cahill_conductivity(5980.0, 3740.0, 1e3 / 66.2, 300.0)
    assert found == pytest.approx(1.05, rel=0.15)
    # Alumina at high temperature: about 3 W/(m K), half of what polycrystals have left at 1,500 K.
    limit = laws.cahill_conductivity(10_900.0, 6_400.0, 8.495)
    assert limit == pytest.approx(3.2, rel=0.05)
    kelvin = np.array([5.0, 50.0, 300.0, 2000.0, 1e5])
    rising = laws.cahill_conductivity(10_900.0, 6_400.0, 8.495, kelvin)
    assert (np.diff(rising) > 0).all()
    assert rising[-1] == pytest.approx(limit, rel=1e-4)
    assert rising[1] / rising[0] == pytest.approx(100.0, rel=0.01)  # T squared far below the Debye temperature


def test_pores_and_conductivity() -> None:
    porosity = np.array([0.0, 0.05, 0.2, 0.3])
    maxwell = laws.maxwell_eucken_conductivity(30.0, porosity)
    np.testing.assert_allclose(maxwell, 30.0 * (1.0 - porosity) / (1.0 + porosity / 2.0))
    assert laws.maxwell_eucken_conductivity(30.0, 0.4, 30.0) == pytest.approx(30.0)
    assert laws.maxwell_eucken_conductivity(30.0, 1.0, 0.025) == pytest.approx(0.025)
    # Bruggeman lies below the bound, and all start with the slope of round pores, 3/2.
    assert (laws.archie_conductivity(30.0, porosity) <= maxwell + 1e-12).all()
    for law in (laws.maxwell_eucken_conductivity, laws.archie_conductivity, laws.loeb_conductivity):
        assert law(1.0, 1e-5) == pytest.approx(1.0 - 1.5e-5, abs=1e-9)
    assert laws.loeb_conductivity(30.0, 0.9) == 0.0


def test_electrons_carry_heat() -> None:
    # Copper: 5.96e7 S/m at 293 K and 401 W/(m K). TiB2: some 1e7 S/m and 96 (Munro, 2000), most of it electrons.
    assert laws.electronic_conductivity(5.96e7, 293.0) == pytest.approx(401.0, rel=0.1)
    assert laws.electronic_conductivity(1.0e7, 293.0) == pytest.approx(72.0, rel=0.02)


def test_grains_grow_to_the_nth_root_of_time() -> None:
    given = {"rate": 5e14, "activation": 420e3}
    start = laws.grain_growth(0.5, 0.0, 1800.0, **given)
    one, eight = laws.grain_growth(0.0, np.array([1.0, 8.0]), 1800.0, **given)
    assert start == pytest.approx(0.5)
    assert eight / one == pytest.approx(2.0)
    hot, cold = laws.grain_growth(0.0, 1.0, np.array([1900.0, 1800.0]), **given)
    ratio = np.exp(420e3 / (3.0 * laws.GAS_CONSTANT) * (1.0 / 1800.0 - 1.0 / 1900.0))
    assert hot / cold == pytest.approx(ratio)


def test_equal_thermal_work_gives_equal_density() -> None:
    hours = np.linspace(0.0, 2.0, 400)
    steady = laws.thermal_work(hours, np.full(400, 1700.0), 440e3)
    exact = 2.0 / 1700.0 * np.exp(-440e3 / (laws.GAS_CONSTANT * 1700.0))
    assert steady[0] == 0.0
    assert steady[-1] == pytest.approx(exact)
    ramp = laws.thermal_work(hours, 1500.0 + 100.0 * hours, 440e3)
    assert 0.0 < ramp[-1] < steady[-1]
    curve = laws.master_sintering_curve(np.array([-1e3, -30.0, 1e3]), 0.55, -30.0, 0.8)
    np.testing.assert_allclose(curve, [0.55, 0.775, 1.0])
    rho = laws.master_sintering_curve(-29.0, 0.55, -30.0, 0.8)
    assert np.log((rho - 0.55) / (1.0 - rho)) == pytest.approx(1.0 / 0.8)


@pytest.mark.parametrize(
    ("celsius", "density"),
    # The table of Tanaka et al. (2001), air-free water.
    [(4.0, 999.9749), (20.0, 998.2067), (25.0, 997.0470)],
)
def test_density_of_water(celsius: float, density: float) -> None:
    assert laws.water_density(celsius) == pytest.approx(density, abs=5e-4)


def test_weighing_in_water() -> None:
    # A body of 1 cm3 with 0.1 cm3 of open pores, of 3.6 g: weighed in air of 1.2 kg/m3, its open pores full of air.
    water, air, volume, pores, mass = 998.2, 1.2, 1e-6, 1e-7, 3.6e-3
    dry = mass - air * (volume - pores)
    soaked = mass + (water * pores) - air * volume
    immersed = mass + (water * pores) - water * volume
    assert laws.archimedes_density(dry, immersed, soaked, water, air=air) == pytest.approx(3600.0, rel=1e-4)
    assert laws.archimedes_density(dry, immersed, soaked, water) == pytest.approx(3603.25, abs=0.01)
    assert laws.archimedes_open_porosity(dry, immersed, soaked) == pytest.approx(0.1, rel=1e-3)
    assert laws.water_absorption(dry, soaked) == pytest.approx(0.1 * 0.998 / 3.6, rel=2e-3)


def test_density_of_crystals() -> None:
    # Corundum: 12 Al and 18 O in 254.8 cubic angstrom; silicon: 8 atoms in 5.4310 cubed.
    assert laws.x_ray_density(12 * 26.982 + 18 * 15.999, 254.8) == pytest.approx(3987.0, rel=1e-3)
    assert laws.x_ray_density(8 * 28.0855, 5.4310**3) == pytest.approx(2329.0, rel=1e-3)


def test_small_and_strained_crystallites_broaden_reflections() -> None:
    # Copper K alpha: 10 nm at 2 theta = 40 degrees is 0.85 degrees wide.
    width = laws.scherrer_width(10.0, 1.5406, 40.0)
    assert width == pytest.approx(0.845, rel=0.005)
    assert laws.scherrer_size(width, 1.5406, 40.0) == pytest.approx(10.0)
    angles = np.array([30.0, 60.0, 90.0, 120.0])
    theta = np.radians(angles) / 2.0
    total = np.radians(laws.williamson_hall_width(25.0, 2e-3, 1.5406, angles)) * np.cos(theta)
    slope, intercept = np.polyfit(4.0 * np.sin(theta), total, 1)
    assert slope == pytest.approx(2e-3)
    assert 0.9 * 0.15406 / intercept == pytest.approx(25.0)
