"""What every ceramist expects of a furnace holds for the simulated one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from simulators.sintering import Kinetics, Outcome, Schedule, SinterResult, furnace_hours, ramp_hold_cool, sinter
from simulators.sintering.outcome import open_share
from simulators.sintering.solver import DORMANT

MELTING = 2400.0
Array = npt.NDArray[np.float64]


def kinetics(n: int, **changed: float | Array | bool) -> Kinetics:
    values = {
        "powder_size": 0.4, "melting": MELTING, "green_density": 0.56, "lattice_rate": 1.0, "lattice_q": 19.0,
        "boundary_rate": 0.05, "boundary_q": 13.0, "growth_rate": 3.0, "growth_q": 16.0, "growth_exponent": 3.0,
        "surface_rate": 0.02, "surface_q": 9.5, "residual": 0.004, "eutectic": np.inf, "liquid_rate": 0.0,
        "liquid_growth": 0.0, "abnormal_onset": 0.86, "abnormal_factor": 20.0, "melting_share": 0.93,
        "decomposition": np.inf, "decomposes": False, "decomposition_rate": 0.01, "decomposition_q": 40.0,
        "crack_rate": 30.0, "shock_rate": 60.0, "critical_grain": np.inf, "residue": 0.0,
    }  # fmt: skip
    return Kinetics.broadcast(n, **{**values, **changed})


FACTORS = {"temperature": 0.75 * MELTING, "hold": 2.0, "heating_rate": 10.0, "pressure": 0.0, "cooling_rate": 15.0}


def fire(**varied: Array | float | bool) -> SinterResult:
    """Plain firings; what is no factor of the furnace is the powder's."""
    plan = ramp_hold_cool(**{**FACTORS, **{k: v for k, v in varied.items() if k in FACTORS}})
    powder = {k: v for k, v in varied.items() if k not in FACTORS}
    n = max(plan.n, *(np.size(v) for v in powder.values()), 1)
    return sinter(repeated(plan, n), kinetics(n, **powder))


def repeated(plan: Schedule, n: int) -> Schedule:
    wide = (len(plan.hours), n)
    return Schedule(*(np.broadcast_to(a, wide).copy() for a in (plan.hours, plan.temperature, plan.pressure)))


def programme(hours: list[float], kelvin: list[float]) -> Schedule:
    return Schedule(np.array(hours)[:, None], np.array(kelvin)[:, None], np.zeros((len(hours), 1)))


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
    pressed = fire(temperature=0.80 * MELTING, pressure=40.0)
    assert cold.density[0] < 0.65
    assert cold.grain_size[0] < 0.6
    assert pressed.density[0] > 0.98
    assert ((good.density > 0.95) & (good.density < 0.998)).all()
    assert ((good.grain_size > 1.0) & (good.grain_size < 20.0)).all()


def test_abnormal_grains_take_over_past_the_threshold_and_shut_pores_in() -> None:
    hot: dict[str, float | Array] = {
        "hold": 2.0,
        "powder_size": 0.8,
        "temperature": np.array([0.80, 0.84, 0.86, 0.88]) * MELTING,
    }
    result, without = fire(**hot), fire(**hot, abnormal_onset=2.0)
    assert result.abnormal[0] < 0.01
    assert (np.diff(result.abnormal) > 0).all()
    assert result.abnormal[-1] > 0.5
    assert result.density[-1] < without.density[-1] - 0.002


def test_a_eutectic_liquid_speeds_both_and_more_for_finer_powders() -> None:
    wet = {"eutectic": 1700.0, "liquid_rate": 0.5, "liquid_growth": 1.0}
    below, above = ({"temperature": 1700.0 + step, "hold": 1.0} for step in (-120.0, 40.0))
    assert fire(**below, **wet).density[0] == pytest.approx(fire(**below).density[0], abs=1e-3)
    wets, drys = (fire(**above, **more, powder_size=np.array([0.4, 3.2])).density for more in (wet, {}))
    gain = wets - drys
    assert gain[0] > 0.05
    assert gain[0] > 3.0 * gain[1]
    assert fire(**above, **wet).grain_size[0] > 1.1 * fire(**above).grain_size[0]


def test_losses() -> None:
    melted = fire(temperature=0.95 * MELTING).outcome
    cracked = fire(powder_size=0.1, heating_rate=50.0).outcome
    pressed = fire(powder_size=0.1, heating_rate=50.0, pressure=80.0).outcome
    shocked = fire(cooling_rate=80.0).outcome
    decomposed = fire(temperature=2300.0, decomposes=True).outcome
    assert melted == (Outcome.MELTED,)
    assert cracked == (Outcome.CRACKED,)
    assert pressed == (Outcome.SINTERED,)
    assert shocked == (Outcome.CRACKED,)
    assert decomposed == (Outcome.DECOMPOSED,)


def test_decomposition_begins_below_the_limit_and_leaves_pores() -> None:
    warm = fire(temperature=np.array([0.80, 0.86, 0.89, 0.91]) * MELTING, hold=4.0, decomposition_rate=0.1)
    assert (np.diff(warm.mass_loss) > 0).all()
    assert warm.outcome[:2] == (Outcome.SINTERED,) * 2
    assert warm.outcome[-1] is Outcome.DECOMPOSED
    tight = fire(temperature=0.86 * MELTING, hold=4.0, decomposition_rate=0.0)
    assert warm.density[1] == pytest.approx(tight.density[0] * (1.0 - warm.mass_loss[1]), abs=1e-4)


def test_short_of_breaking_micro_cracks_stay() -> None:
    # 0.4 um powder just survives 30 * 0.4**0.4 = 20.8 K/min.
    heated = fire(heating_rate=np.array([10.0, 17.0, 20.5]))
    cooled = fire(cooling_rate=np.array([15.0, 50.0, 59.0]))
    for found in (heated, cooled):
        assert found.outcome == (Outcome.SINTERED,) * 3
        assert found.cracks[0] == 0.0
        assert (np.diff(found.cracks) > 0).all()
    coarse = fire(temperature=0.84 * MELTING, hold=8.0, critical_grain=np.array([np.inf, 3.0]))
    assert coarse.cracks[0] == 0.0
    assert coarse.cracks[1] > 0.1


def test_pores_close_between_90_and_95_per_cent() -> None:
    none = np.zeros(4)
    found = open_share(1.0 - np.array([0.60, 0.88, 0.925, 0.96]), none, none)
    assert found[0] == pytest.approx(1.0, abs=1e-6)
    assert found[1] > 0.95
    assert found[2] == pytest.approx(0.5)
    assert found[3] < 0.05
    # Abnormal grains shut pores in, gas that leaves opens them.
    assert open_share(none + 0.2, none + 0.5, none)[0] == pytest.approx(0.5)
    assert open_share(none + 0.02, none, none + 0.04)[0] > 0.4


def test_what_is_inside_comes_out() -> None:
    body = fire(residue=0.02, heating_rate=18.0, temperature=0.86 * MELTING, hold=1.0).body(0)
    assert body.second_phase == 0.02
    assert body.cracks > 0.0
    assert body.abnormal > 0.0
    assert body.open_share < 0.1


def test_any_programme_can_be_fired() -> None:
    """A knot more changes nothing, a hold on the way densifies, one in the cold does nothing."""
    top = 0.74 * MELTING
    plain = programme([0.0, 3.0, 5.0, 7.0], [300.0, top, top, 300.0])
    knotted = programme([0.0, 1.5, 3.0, 3.5, 5.0, 7.0], [300.0, 0.5 * (300.0 + top), top, top, top, 300.0])
    resting = programme([0.0, 1.0, 9.0, 11.0, 13.0, 15.0], [300.0, 800.0, 800.0, top, top, 300.0])
    stepped = programme([0.0, 2.5, 6.5, 7.0, 9.0, 11.0], [300.0, 0.68 * MELTING, 0.68 * MELTING, top, top, 300.0])
    found = [sinter(plan, kinetics(1)) for plan in (plain, knotted, resting, stepped)]
    assert found[1].density[0] == pytest.approx(found[0].density[0], abs=2e-5)
    assert found[1].grain_size[0] == pytest.approx(found[0].grain_size[0], rel=1e-4)
    # The same ramp from 800 K on, but that it is steeper.
    assert found[2].density[0] == pytest.approx(found[0].density[0], abs=0.01)
    assert found[3].density[0] > found[0].density[0] + 0.002


def test_where_integration_begins_does_not_show() -> None:
    """The finest powder of the class that moves most easily, held for a day at about the temperature."""
    fine = {"powder_size": 0.05, "lattice_q": 17.0, "boundary_q": 12.0, "surface_q": 8.5, "hold": 24.0}
    found = fire(temperature=(DORMANT + np.array([-1e-3, 1e-3, 0.05])) * MELTING, **fine)
    assert found.grain_size[0] == pytest.approx(0.05, rel=1e-9)
    assert found.grain_size[1] == pytest.approx(0.05, rel=1e-3)
    assert found.grain_size[2] > 1.003 * found.grain_size[1]


def test_pressure_that_comes_late_does_less() -> None:
    hours, kelvin = np.array([[0.0], [2.5], [4.5], [6.5]]), np.array([[300.0], [1700.0], [1700.0], [300.0]])
    loads = [np.full((4, 1), 40.0), np.array([[0.0], [0.0], [40.0], [40.0]]), np.zeros((4, 1))]
    always, late, never = (sinter(Schedule(hours, kelvin, load), kinetics(1)).density[0] for load in loads)
    assert always > late + 0.005 > never + 0.01


@pytest.mark.parametrize(
    ("hours", "kelvin", "why"),
    [
        ([[0.0]], [[300.0]], "two knots"), ([[0.0], [-1.0]], [[300.0], [400.0]], "never fall"),
        ([[0.0], [1.0]], [[300.0], [-4.0]], "above 0 K"),
    ],
)  # fmt: skip
def test_a_programme_that_cannot_be_is_refused(hours: list[list[float]], kelvin: list[list[float]], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Schedule(np.array(hours), np.array(kelvin), np.zeros((len(hours), 1)))


def test_unstable_crystals_give_nothing() -> None:
    found = fire(hold=np.array([1.0, 2.0])).with_unstable([True, False])
    assert found.outcome == (Outcome.SINTERED, Outcome.UNSTABLE)


def test_furnace_time() -> None:
    plan = ramp_hold_cool(0.75 * MELTING, 2.0, 10.0)
    total = furnace_hours(0.75 * MELTING, 2.0, 10.0)
    assert plan.hours[-1, 0] == pytest.approx(total) == pytest.approx(2.0 + 1502 / 600 + 1502 / 900)
    assert furnace_hours(0.75 * MELTING, 2.0, 10.0, 30.0) == pytest.approx(2.0 + 1502 / 600 + 1502 / 1800)


def test_many_and_none_at_once() -> None:
    none = ramp_hold_cool(np.zeros(0) + 1800.0, 2.0, 10.0)
    assert sinter(none, kinetics(0)).density.shape == (0,)
    assert replace(kinetics(3), residue=np.zeros(3)).part(slice(1, 3)).melting.shape == (2,)
