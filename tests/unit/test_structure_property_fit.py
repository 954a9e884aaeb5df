"""Constants are found with honest uncertainties, by data whose constants are known."""

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from envs import laws
from surrogates.structure_property.choosing import TooLittleError, relate
from surrogates.structure_property.fitting import fit
from surrogates.structure_property.forms import HARDNESS, MODULUS, STRENGTH, Form, forms_of
from surrogates.structure_property.points import Points

B, K = 5.5, 2.0
BOTH, OUTSIDE, PORES = HARDNESS[0], HARDNESS[1], next(f for f in HARDNESS if f.descriptors == ("porosity",))
Array = npt.NDArray[np.float64]


def points(seed: int, n: int = 20, crystals: int = 1, scatter: float = 0.0) -> Points:
    """Experiments of the hardness law, read with errors on every side."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, crystals, n)
    dense = 18.0 * np.exp(0.5 * rng.normal(size=crystals) if crystals > 1 else np.zeros(1))
    porosity, grains = rng.uniform(0.01, 0.3, n), np.exp(rng.uniform(np.log(0.3), np.log(10.0), n))
    hardness = laws.polycrystal_hardness(dense[group], porosity, grains, porosity_exponent=B, hall_petch=K)
    hardness = hardness * np.exp(scatter * rng.normal(size=n))
    return made(
        rng, hardness, porosity, grains, [f"crystal {i}" for i in group] if crystals > 1 else ["one"] * n
    )  # fmt: skip


def made(rng: np.random.Generator, value: Array, porosity: Array, grains: Array, group: list[str]) -> Points:
    n, p_std = len(value), np.full(len(value), 0.01)
    return Points(
        tuple(f"E{i + 1:03d}" for i in range(n)), value * (1.0 + 0.02 * rng.normal(size=n)), 0.02 * value,
        {"porosity": porosity + p_std * rng.normal(size=n), "grain_size": grains * np.exp(0.06 * rng.normal(size=n))},
        {"porosity": p_std, "grain_size": 0.06 * grains}, tuple(group), np.full(n, np.nan),
    )  # fmt: skip


def plain(value: Array, std: Array, porosity: Array, porosity_std: Array) -> Points:
    n = len(value)
    ids = tuple(f"E{i + 1:03d}" for i in range(n))
    return Points(ids, value, std, {"porosity": porosity}, {"porosity": porosity_std}, ("",) * n, np.full(n, np.nan))


def test_a_straight_line_with_errors_both_ways_is_that_of_pearsons_data_with_yorks_weights() -> None:
    """The published best line has intercept 5.47991 and slope -0.480533: York, Can. J. Phys. 44, 1079 (1966)."""
    x = np.array([0.0, 0.9, 1.8, 2.6, 3.3, 4.4, 5.2, 6.1, 6.5, 7.4])
    y = np.array([5.9, 5.4, 4.4, 4.6, 3.5, 3.7, 2.8, 2.8, 2.4, 1.5])
    wx = np.array([1000.0, 1000.0, 500.0, 800.0, 200.0, 80.0, 60.0, 20.0, 1.8, 1.0])
    wy = np.array([1.0, 1.8, 4.0, 8.0, 20.0, 20.0, 70.0, 70.0, 100.0, 500.0])
    found = fit(plain(np.exp(y), np.exp(y) * wy**-0.5, x, wx**-0.5), PORES, scattered=False)
    assert found.constants == pytest.approx([5.47991, 0.480533], abs=2e-5)


def test_without_errors_of_the_readings_it_is_the_least_squares_line() -> None:
    rng = np.random.default_rng(3)
    porosity = rng.uniform(0.0, 0.4, 15)
    y = 3.0 - 6.0 * porosity + 0.1 * rng.normal(size=15)
    found = fit(plain(np.exp(y), np.zeros(15), porosity, np.zeros(15)), PORES)
    line = stats.linregress(porosity, y)
    assert found.theta[0] == pytest.approx(-line.slope, rel=1e-4)
    assert found.covariance[1, 1] ** 0.5 == pytest.approx(line.stderr, rel=0.02)
    assert found.r2 == pytest.approx(line.rvalue**2, abs=1e-4)
    rest = np.delete(np.arange(15), 4)
    others = stats.linregress(porosity[rest], y[rest])
    assert found.left[4] == pytest.approx(y[4] - others.intercept - others.slope * porosity[4], rel=1e-3)


def test_intervals_hold_the_constants_as_often_as_they_say() -> None:
    z = []
    for seed in range(16):
        found = fit(points(seed), BOTH)
        z.append((found.theta - [B, K]) / np.sqrt(np.diag(found.covariance))[1:])
    assert abs(np.mean(z, axis=0)).max() < 0.6
    assert 0.75 <= float((np.abs(z) < 1.645).mean()) <= 1.0


def test_crystals_keep_their_own_dense_values() -> None:
    found = fit(points(5, n=36, crystals=9, scatter=0.03), BOTH)
    error = np.sqrt(np.diag(found.covariance))[1:]
    assert np.all(np.abs(found.theta - [B, K]) < 3.0 * error)
    assert error[0] < 0.5
    assert 0.2 < found.spread[0] < 1.0
    assert found.r2 > 0.97


def test_pores_are_not_blamed_for_the_choice_of_hard_crystals() -> None:
    """Soft crystals are porous, hard ones were chosen and are dense: without a mean of their own b comes out twice."""
    rng = np.random.default_rng(8)
    chosen = np.arange(24) >= 10
    porosity = np.where(chosen, rng.uniform(0.005, 0.15, 24), rng.uniform(0.05, 0.4, 24))
    dense = np.where(chosen, 30.0, 9.0) * np.exp(0.15 * rng.normal(size=24))
    value = dense * np.exp(-5.0 * porosity)
    told = made(rng, value, porosity, np.full(24, 2.0), [f"crystal {i}" for i in range(24)])
    predicted = np.where(chosen, 20.0 * np.exp(0.4 * rng.normal(size=24)), np.nan)
    apart = Points(told.ids, told.value, told.std, told.x, told.x_std, told.group, predicted)
    naive, found = fit(told, PORES), relate(apart, HARDNESS).best
    assert naive.theta[0] > 6.5
    assert abs(found.theta[0] - 5.0) < 2.0 * found.covariance[2, 2] ** 0.5


def test_an_experiment_that_lies_far_off_is_named_and_no_other() -> None:
    good = points(11)
    value = good.value.copy()
    value[7] *= 1.6
    found = relate(Points(good.ids, value, good.std, good.x, good.x_std, good.group, good.predicted), HARDNESS)
    assert [good.ids[i] for i in found.outliers] == ["E008"]
    assert found.best.z[7] > 3.0
    assert found.best.theta[0] == pytest.approx(B, abs=2.0)


def test_of_several_laws_the_one_that_made_the_data_describes_them_best() -> None:
    rng = np.random.default_rng(2)
    porosity = np.linspace(0.01, 0.35, 20)
    modulus = laws.phani_niyogi_stiffness(400.0, porosity, packing=2.6, exponent=1.6)
    found = relate(made(rng, modulus, porosity, np.full(20, 2.0), [""] * 20), MODULUS, "modulus")
    assert found.best.form.formula == "M = M0 (1 - a P)^n"
    assert [f.form.name for f in found.alternatives] == ["exponential porosity", "closed round pores"]
    assert np.exp(found.best.constants[0]) == pytest.approx(400.0, rel=0.05)


@pytest.mark.parametrize("form", [*HARDNESS, *MODULUS, *STRENGTH], ids=lambda f: f.name)
def test_every_law_gives_the_dense_value_without_pores(form: Form) -> None:
    x = {"porosity": np.zeros(1), "grain_size": np.ones(1), "intercept": np.ones(1), "phase_fraction": np.zeros(1)}
    start = np.array([0.0 if "{}" in p.unit else p.start for p in form.parameters])
    assert form.log_value(np.log(np.array([20.0])), start, x) == pytest.approx(np.log(20.0))
    assert form.citation.rstrip("2").endswith((")", "E11"))


def test_laws_are_known_for_what_has_laws() -> None:
    assert forms_of("Youngs_modulus") == MODULUS
    assert forms_of("flexural_strength") == STRENGTH
    assert forms_of("colour") == ()


def test_too_few_experiments_say_how_many_are_missing() -> None:
    with pytest.raises(TooLittleError, match=r"needs 4 experiments with hardness .* there are 3: make 1 more"):
        relate(points(1).take([0, 1, 2]), HARDNESS, "hardness")


def test_bodies_of_one_porosity_say_nothing_of_pores() -> None:
    rng = np.random.default_rng(4)
    same = made(rng, np.full(12, 20.0), np.full(12, 0.02), np.full(12, 2.0), ["one"] * 12)
    with pytest.raises(TooLittleError, match="all 12 bodies have the same porosity within its uncertainty"):
        relate(same, HARDNESS)


def test_grains_of_one_size_leave_the_law_of_porosity() -> None:
    rng = np.random.default_rng(4)
    porosity = np.linspace(0.01, 0.3, 12)
    found = relate(made(rng, 20.0 * np.exp(-5.0 * porosity), porosity, np.full(12, 2.0), ["one"] * 12), HARDNESS)
    assert found.best.form is PORES
    assert not found.alternatives
    assert any("the grain size is the same in all bodies" in note for note in found.notes)
