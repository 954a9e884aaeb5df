"""What every ceramist expects of a furnace holds for the simulated one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from simulators.sintering import Kinetics, Outcome, Schedule, SinterResult, furnace_hours, sinter, thermal_history

MELTING = 2400.0
Array = npt.NDArray[np.float64]


def kinetics(n: int) -> Kinetics:
    one = np.ones(n)
    return Kinetics(
        melting=MELTING * one, green_density=0.56 * one, lattice_rate=1.0 * one, lattice_q=19.0 * one,
        boundary_rate=0.05 * one, boundary_q=13.0 * one, growth_rate=3.0 * one, growth_q=16.0 * one,
        growth_exponent=3.0 * one, surface_rate=0.02 * one, surface_q=9.5 * one, residual=0.004 * one,
        abnormal_onset=0.86 * one, abnormal_factor=20.0 * one, melting_share=0.93 * one, crack_rate=30.0 * one,
        decomposes=np.zeros(n, dtype=np.bool_),
    )  # fmt: skip


def schedule(**varied: Array | float) -> Schedule:
    given = {
        "powder_size": 0.4, "temperature": 0.75 * MELTING, "hold": 2.0, "heating_rate": 10.0, "pressure": 0.0, **varied
    }  # fmt: skip
    columns = np.broadcast_arrays(*(np.atleast_1d(np.asarray(v, dtype=np.float64)) for v in given.values()))
    return Schedule(**dict(zip(given, columns, strict=True)))


def fire(**varied: Array | float) -> SinterResult:
    plan = schedule(**varied)
    return sinter(plan, kinetics(len(plan.hold)))


SHARES = np.linspace(0.5, 0.84, 18)


def test_hotter_is_denser_and_coarser() -> None:
    result = fire(temperature=SHARES[:-1] * MELTING)
    assert (np.diff(result.density) > 0).all()
    assert (np.diff(result.grain_size) > 0).all()


def test_longer_is_denser_and_coarser() -> None:
    result = fire(hold=np.array([0.1, 0.5, 1.0, 2.0, 4.0, 8.0, 24.0]))
    assert (np.diff(result.density) > 0).all()
    assert (np.diff(result.grain_size) > 0).all()


def test_finer_powder_is_denser() -> None:
    result = fire(powder_size=np.array([0.1, 0.2, 0.4, 0.8, 1.6, 3.2]))
    assert (np.diff(result.density) < 0).all()


def test_pressure_helps_a_coarse_powder() -> None:
    result = fire(powder_size=1.6, pressure=np.array([0.0, 20.0, 40.0, 80.0]))
    assert (np.diff(result.density) > 0).all()
    assert result.density[-1] - result.density[0] > 0.2


def test_slow_heating_costs_fine_grains() -> None:
    result = fire(powder_size=0.1, heating_rate=np.array([2.0, 5.0, 20.0]), hold=0.5, temperature=0.65 * MELTING)
    assert (np.diff(result.grain_size) < 0).all()


def test_typical_firings() -> None:
    cold = fire(temperature=0.57 * MELTING, hold=4.0)
    good = fire(temperature=0.80 * MELTING, powder_size=0.2, hold=np.array([1.0, 4.0]))
    assert cold.density[0] < 0.65
    assert cold.grain_size[0] < 0.6
    pressed = fire(temperature=0.80 * MELTING, pressure=40.0)
    assert pressed.density[0] > 0.98
    assert ((good.density > 0.95) & (good.density < 0.998)).all()
    assert ((good.grain_size > 1.0) & (good.grain_size < 20.0)).all()


def test_abnormal_growth_shuts_pores_in() -> None:
    plan = schedule(temperature=0.88 * MELTING, hold=4.0, powder_size=0.8)
    normal = sinter(plan, replace(kinetics(1), abnormal_onset=np.array([2.0])))
    abnormal = sinter(plan, kinetics(1))
    assert abnormal.grain_size[0] > 1.25 * normal.grain_size[0]
    assert abnormal.density[0] < normal.density[0]


def test_losses() -> None:
    melted = fire(temperature=0.95 * MELTING).outcome
    cracked = fire(powder_size=0.1, heating_rate=50.0).outcome
    pressed = fire(powder_size=0.1, heating_rate=50.0, pressure=80.0).outcome
    decomposed = sinter(schedule(temperature=2300.0), replace(kinetics(1), decomposes=np.array([True]))).outcome
    assert melted == (Outcome.MELTED,)
    assert cracked == (Outcome.CRACKED,)
    assert pressed == (Outcome.SINTERED,)
    assert decomposed == (Outcome.DECOMPOSED,)


@pytest.mark.parametrize("powder_size", [0.1, 0.8, 3.2])
@pytest.mark.parametrize("pressure", [0.0, 80.0])
def test_integration_is_stable_and_converges(powder_size: float, pressure: float) -> None:
    plan = schedule(powder_size=powder_size, pressure=pressure, temperature=SHARES * MELTING, hold=8.0)
    coarse, fine = sinter(plan, kinetics(len(SHARES))), sinter(plan, kinetics(len(SHARES)), refine=8)
    assert np.isfinite(coarse.density).all()
    np.testing.assert_allclose(coarse.density, fine.density, atol=0.01)
    np.testing.assert_allclose(coarse.grain_size, fine.grain_size, rtol=0.05)


def test_herring_scaling() -> None:
    """Lattice diffusion under capillarity alone: twice the size takes 2^3 times the time (Herring, 1950)."""
    rates = replace(kinetics(2), boundary_rate=np.zeros(2), growth_rate=np.zeros(2), surface_rate=np.zeros(2))
    plan = schedule(
        powder_size=np.array([0.5, 1.0]), hold=np.array([6.0, 48.0]), heating_rate=1e6, temperature=0.68 * MELTING
    )
    result = sinter(plan, rates)
    assert result.density[0] == pytest.approx(result.density[1], abs=0.01)


def test_furnace_time() -> None:
    plan = schedule()
    _, hours = thermal_history(plan, np.array([MELTING]))
    total = furnace_hours(float(plan.temperature[0]), 2.0, 10.0)
    assert hours.sum() < total
    assert total == pytest.approx(2.0 + 1502 / 600 + 1502 / 900)
