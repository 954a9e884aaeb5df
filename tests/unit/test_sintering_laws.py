"""The integrated rate laws against analytic limits and against what is published of real powders."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from scipy.integrate import quad, solve_ivp
from test_sintering import MELTING, kinetics, programme, repeated

from envs.crystals import CrystalLibrary
from simulators.sintering import Kinetics, Schedule, follow, ramp_hold_cool, sinter
from simulators.sintering.rates import REFERENCE, Rates
from simulators.truth.compounds import Compound
from simulators.truth.constants import Batch, Constants
from simulators.truth.powders import Powders

Array = npt.NDArray[np.float64]
ALUMINA_MELTING = 2327.0
FROZEN: dict[str, float] = {"growth_rate": 1e-30, "surface_rate": 1e-30}


def isothermal(kelvin: float, hours: Array | float, n: int = 1) -> Schedule:
    """At temperature from the first moment on."""
    ends = np.broadcast_to(np.atleast_1d(hours), n)
    return Schedule(np.array([np.zeros(n), ends]), np.full((2, n), kelvin), np.zeros((2, n)))


def hours_to(density: float, kelvin: float, powder: Kinetics, longest: Array) -> Array:
    path = follow(isothermal(kelvin, longest, len(longest)), powder, 400)
    reached = [np.interp(density, 1.0 - path.porosity[:, i], path.hours[:, i]) for i in range(len(longest))]
    assert (1.0 - path.porosity[-1] > density).all()
    return np.array(reached)


@pytest.mark.parametrize("exponent", [2.0, 3.0])
def test_isothermal_grain_growth_is_exact(exponent: float) -> None:
    """G^n = G0^n + K t in a dense body (Burke and Turnbull, 1952)."""
    kelvin, n = 0.78 * MELTING, 5
    hours = np.array([0.01, 0.3, 1.0, 8.0, 24.0])
    powder = kinetics(n, green_density=1.0 - 1e-5, residual=0.0, growth_exponent=exponent, surface_rate=1e-30)
    found = sinter(isothermal(kelvin, hours, n), powder).grain_size
    constant = 3.0 * np.exp(-16.0 * (MELTING / kelvin - 1.0 / REFERENCE))
    np.testing.assert_allclose(found, (0.4**exponent + constant * hours) ** (1.0 / exponent), rtol=3e-5)


def test_the_slope_of_cubic_growth_is_a_third() -> None:
    powder = kinetics(1, green_density=1.0 - 1e-5, residual=0.0, surface_rate=1e-30, powder_size=0.1)
    path = follow(isothermal(0.8 * MELTING, 24.0), powder)
    late = path.hours[:, 0] > 1.0
    slope = np.polyfit(np.log(path.hours[late, 0]), np.log(path.grain_size[late, 0]), 1)[0]
    assert slope == pytest.approx(1.0 / 3.0, abs=0.002)


def test_densification_at_a_frozen_grain_size_is_exact() -> None:
    """dP/dt = -A P^1.5 gives P^-0.5 = P0^-0.5 + A t / 2 where no gas is shut in and nothing grows."""
    kelvin, hours = 0.72 * MELTING, np.array([0.05, 0.5, 2.0, 10.0])
    powder = kinetics(4, residual=0.0, **FROZEN)
    found = sinter(isothermal(kelvin, hours, 4), powder).density
    x = MELTING / kelvin - 1.0 / REFERENCE
    diffusion = np.exp(-19.0 * x) / 0.4**2 + 0.05 * np.exp(-13.0 * x) / 0.4**3
    rate = (1.0 / 0.4) * REFERENCE * MELTING / kelvin * diffusion / np.sqrt(0.4)
    np.testing.assert_allclose(found, 1.0 - (0.44**-0.5 + 0.5 * rate * hours) ** -2.0, atol=1e-5)


@pytest.mark.parametrize(("path", "exponent"), [("boundary_rate", 3.0), ("lattice_rate", 4.0)])
def test_herrings_exponents(path: str, exponent: float) -> None:
    """Without the other path, time grows as size cubed (lattice) or to the fourth power (boundary; Herring, 1950)."""
    sizes = np.array([0.25, 0.5, 1.0])
    powder = kinetics(3, powder_size=sizes, **{path: 1e-30}, **FROZEN)
    taken = hours_to(0.85, 0.75 * MELTING, powder, 400.0 * (sizes / 0.25) ** exponent)
    assert np.diff(np.log(taken)) / np.log(2.0) == pytest.approx([exponent] * 2, abs=0.01)


def test_density_is_linear_in_the_logarithm_of_time() -> None:
    """Over the intermediate stage, grains growing with the cube root of time (Coble, J. Appl. Phys. 32, 793, 1961)."""
    powder = replace(alumina(1, 0.3), boundary_rate=np.array([1e-30]))
    path = follow(isothermal(0.70 * ALUMINA_MELTING, 24.0), powder, 400)
    density = 1.0 - path.porosity[:, 0]
    stage = (density > 0.70) & (density < 0.90)
    assert stage.sum() > 40
    assert np.corrcoef(np.log(path.hours[stage, 0]), density[stage])[0, 1] > 0.99


def test_three_heating_rates_fall_on_one_master_curve() -> None:
    """Su and Johnson (1996): with one mechanism, density is a function of the thermal work alone."""
    powder = kinetics(3, boundary_rate=1e-30, **FROZEN)
    plan = ramp_hold_cool(0.80 * MELTING, 0.0, np.array([3.0, 10.0, 30.0]))
    path = follow(plan, powder, 200)
    work = np.zeros((200, 3))
    for i in range(3):
        rate = np.exp(-19.0 * (MELTING / path.temperature[:200, i] - 1.0 / REFERENCE)) / path.temperature[:200, i]
        work[1:, i] = np.cumsum(0.5 * (rate[1:] + rate[:-1]) * np.diff(path.hours[:200, i]))
    density = 1.0 - path.porosity[:200]
    common = np.linspace(-14.0, np.log(work[-1].min()), 50)
    curves = [np.interp(common, np.log(work[1:, i]), density[1:, i]) for i in range(3)]
    assert np.ptp(curves[0]) > 0.15
    assert np.ptp(curves, axis=0).max() < 2e-3
    # Against temperature they are far apart: the slow one is far ahead.
    apart = [np.interp(0.72 * MELTING, path.temperature[:200, i], density[:, i]) for i in (0, 2)]
    assert apart[0] - apart[1] > 0.04


def test_grains_grow_steeply_once_pores_are_few() -> None:
    """Sintering trajectory of alumina (as in Zhao and Harmer, J. Am. Ceram. Soc. 75, 830, 1992): flat, then steep."""
    path = follow(isothermal(0.74 * ALUMINA_MELTING, 24.0), alumina(1, 0.3), 400)
    density, grain = 1.0 - path.porosity[:, 0], path.grain_size[:, 0]

    def slope(low: float, high: float) -> float:
        return float((np.interp(high, density, np.log(grain)) - np.interp(low, density, np.log(grain))) / (high - low))

    assert slope(0.65, 0.85) < 3.0
    assert slope(0.96, 0.985) > 6.0 * slope(0.65, 0.85)


def mean_laboratory() -> Constants:
    lab = Constants.draw(np.random.default_rng(0), np.random.default_rng(0))
    return replace(lab, abnormal_onset=0.86, skin=0.4, furnace_offset=0.0)


def alumina(n: int, size: float | Array, additive: str = "MgO") -> Kinetics:
    """Alumina by the mean constants of its class, at its handbook melting point."""
    corundum = CrystalLibrary.builtin()["mp-1143"]
    compound = Compound(corundum, None, 0.0, ALUMINA_MELTING)
    sizes = np.broadcast_to(np.asarray(size, dtype=np.float64), n)
    return Powders.mean().kinetics([compound] * n, [additive] * n, sizes, mean_laboratory(), [Batch()] * n)


def test_alumina_is_about_as_dense_and_as_fine_as_people_make_it() -> None:
    """Submicrometre alumina is dense after hours at 1,350 to 1,550 Cel, with grains of few um (orders of magnitude)."""
    kelvin = np.array([1000.0, 1200.0, 1350.0, 1450.0, 1550.0]) + 273.15
    found = sinter(ramp_hold_cool(kelvin, 2.0, 5.0), alumina(5, 0.3))
    assert found.density[0] < 0.62
    assert found.density[1] < 0.85
    assert 0.85 < found.density[2] < 0.98
    assert (found.density[3:] > 0.96).all()
    assert ((found.grain_size[3:] > 0.4) & (found.grain_size[3:] < 6.0)).all()
    coarse = sinter(ramp_hold_cool(kelvin[-2:], 2.0, 5.0), alumina(2, 3.0))
    assert (coarse.density < 0.8).all()


@pytest.mark.parametrize(
    ("celsius", "hours", "low", "high"), [(1550.0, 2.0, 1.0, 2.0), (1600.0, 3.0, 2.0, 5.0), (1750.0, 8.0, 8.0, 20.0)]
)
def test_aluminas_grains_are_as_coarse_as_published(celsius: float, hours: float, low: float, high: float) -> None:
    """0.3 um powder with MgO; ranges of what is reported for such firings, dense all the while."""
    found = sinter(ramp_hold_cool(celsius + 273.15, hours, 5.0), alumina(1, 0.3))
    assert low < found.grain_size[0] < high
    assert found.density[0] > 0.98


def test_aluminas_apparent_activation_energy_is_the_published_one() -> None:
    """440 +- 45 kJ/mol: Wang and Raj, J. Am. Ceram. Soc. 73, 1172 (1990).

    From constant heating rates: the slope of ln(T dT/dt drho/dT) over 1/T at one density.
    """
    rates = np.array([2.0, 5.0, 10.0, 20.0])
    path = follow(ramp_hold_cool(1900.0, 0.0, rates), alumina(4, 0.3), 400)
    kelvin, density = path.temperature[:400], 1.0 - path.porosity[:400]
    for level in (0.65, 0.70, 0.75):
        at = np.array([np.interp(level, density[:, i], kelvin[:, i]) for i in range(4)])
        steep = [np.interp(level, density[:, i], np.gradient(density[:, i], kelvin[:, i])) for i in range(4)]
        energy = -8.314e-3 * np.polyfit(1.0 / at, np.log(at * steep * rates), 1)[0]
        assert energy == pytest.approx(440.0, abs=45.0)


def test_fast_heating_refines_nanometre_alumina_as_published() -> None:
    """100 nm alumina heated to 1,400 Cel: grains of 875 nm at 2 K/min, of 443 nm at 25 K/min, both dense.

    From the abstract of "Sintering behavior of nano alumina powder shaped by pressure filtration" (Ceram. Int., 2010).
    The size is an order of magnitude, for the powder is another; the ratio is the rate laws' own.
    """
    found = sinter(ramp_hold_cool(1400.0 + 273.15, 0.0, np.array([2.0, 25.0])), alumina(2, 0.1, "none"))
    assert found.grain_size[0] / found.grain_size[1] == pytest.approx(875.0 / 443.0, rel=0.15)
    assert (np.abs(np.log(found.grain_size / np.array([0.875, 0.443]))) < np.log(2.5)).all()
    assert (found.density > 0.9).all()


@pytest.mark.parametrize("additive", ["none", "Y2O3"])
def test_a_firing_is_what_a_tight_integration_says_alone_or_in_company(additive: str) -> None:
    n = 40
    rng = np.random.default_rng(5)
    sizes = rng.choice([0.1, 0.4, 1.6], n)
    powder = alumina(n, sizes, additive)
    plan = ramp_hold_cool(
        rng.uniform(0.55, 0.92, n) * ALUMINA_MELTING, rng.choice([0.5, 8.0], n), rng.choice([2.0, 50.0], n),
        rng.choice([0.0, 80.0], n),
    )  # fmt: skip
    together, tight = sinter(plan, powder), sinter(plan, powder, rtol=1e-10, atol=1e-11)
    np.testing.assert_allclose(together.density, tight.density, atol=2e-5)
    np.testing.assert_allclose(together.grain_size, tight.grain_size, rtol=1e-4)
    np.testing.assert_allclose(together.abnormal, tight.abnormal, atol=1e-4)
    for i in range(0, n, 8):
        alone = sinter(plan.part(slice(i, i + 1)), powder.part(slice(i, i + 1)))
        assert alone.density[0] == pytest.approx(tight.density[i], abs=2e-5)
        assert alone.outcome[0] is tight.outcome[i]
    again = sinter(plan, powder)
    assert (again.density == together.density).all()


def test_another_solver_agrees() -> None:
    """The same laws by Radau's method, in plain time, one compact."""
    powder = alumina(1, 0.2, "none")
    plan = programme([0.0, 1.0, 4.0, 5.0], [300.0, 1500.0, 1800.0, 1000.0])
    rates = Rates(powder)
    state = rates.start()[0]
    for start in range(3):
        hours, kelvin = plan.hours[start : start + 2, 0], plan.temperature[start : start + 2, 0]

        def derivative(t: float, y: Array, hours: Array = hours, kelvin: Array = kelvin) -> Array:
            return np.asarray(rates(y[None], np.array([np.interp(t, hours, kelvin)]), np.zeros(1))[0])

        state = solve_ivp(derivative, hours, state, method="Radau", rtol=1e-9, atol=1e-10).y[:, -1]
    found = sinter(plan, powder)
    assert found.density[0] == pytest.approx(1.0 - rates.porosity(state[None])[0], abs=2e-5)
    assert found.grain_size[0] == pytest.approx(np.exp(state[1]), rel=1e-4)


def test_mass_loss_is_the_integral_of_its_rate() -> None:
    plan = programme([0.0, 2.0, 5.0, 6.0], [300.0, 2100.0, 2180.0, 900.0])
    powder = kinetics(1, decomposition_rate=0.05)
    total = 0.0
    for i in range(3):
        hours, kelvin = plan.hours[i : i + 2, 0], plan.temperature[i : i + 2, 0]

        def rate(t: float, hours: Array = hours, kelvin: Array = kelvin) -> float:
            return float(0.05 * np.exp(-40.0 * (MELTING / np.interp(t, hours, kelvin) - 1.0 / 0.93)))

        total += quad(rate, *hours, limit=400)[0]
    assert sinter(plan, powder).mass_loss[0] == pytest.approx(1.0 - np.exp(-total), rel=1e-5)


def test_parts_of_a_batch_are_their_own() -> None:
    plan = repeated(ramp_hold_cool(1800.0, 2.0, 10.0), 3)
    whole = sinter(plan, kinetics(3, powder_size=np.array([0.2, 0.4, 0.8])))
    assert len(set(whole.density)) == 3
