from __future__ import annotations

import numpy as np
import pytest

from envs.crystals import CrystalLibrary
from envs.descriptors import CompositionTable, element_table
from envs.elements import SYMBOLS
from envs.errors import ConfigError
from envs.laws import KELVIN
from envs.rules import (
    RULES,
    DieLimit,
    Grid,
    Hazard,
    IncompatibleAdditive,
    LinearWindow,
    MeltingShare,
    RampWithPressure,
    Rule,
    SinteringFloor,
    Stock,
    rule_from_dict,
)
from envs.space import DesignSpace, flagship


@pytest.fixture(scope="module")
def space() -> DesignSpace:
    return flagship()


@pytest.fixture(scope="module")
def problem(space: DesignSpace) -> Grid:
    return Grid(CompositionTable(space.library), {f.name: f for f in space.factors})


def test_elements_have_handbook_melting_points() -> None:
    table = element_table()
    # CRC Handbook: iron 1811 K, tungsten 3695 K, aluminium 933.5 K.
    for z, kelvin in ((26, 1811.0), (74, 3695.0), (13, 933.5)):
        assert table[z][0] == pytest.approx(kelvin, rel=0.01)
    assert np.isfinite(np.array(list(table.values()))).all()


def test_symbols_are_those_of_the_periodic_table() -> None:
    from pymatgen.core import Element

    assert len(SYMBOLS) == 118
    assert [Element.from_Z(z).symbol for z in range(1, 119)] == list(SYMBOLS)


@pytest.mark.parametrize(("written", "meant"), [("hf", "'Hf'"), ("Silicon", "'Si'"), ("YY", "'Y'"), ("123", "such as")])
def test_what_is_no_element_is_refused_with_the_nearest_one(written: str, meant: str) -> None:
    with pytest.raises(ConfigError, match=r"rules\.stock\.elements") as caught:
        Stock((written,))
    assert meant in str(caught.value)


@pytest.mark.parametrize(
    "rule",
    [
        {"rule": "linear_window", "factors": ["additive"], "coefficients": [1.0]},
        {"rule": "linear_window", "factors": ["hold", "hold"], "coefficients": [1.0, 2.0]},
        {"rule": "linear_window", "factors": ["crystal"], "coefficients": [1.0]},
        {"rule": "melting_share", "factor": "crystal"},
        {"rule": "melting_share", "factor": "additive"},
        {"rule": "die_limit", "factor": "hold"},
        {"rule": "linear_window", "factors": ["hold"], "coefficients": ["much"]},
        {"rule": "stock", "elements": "Hf"},
        {"rule": ["stock"]},
    ],
)
def test_a_rule_that_does_not_fit_its_factors_is_refused(space: DesignSpace, rule: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        DesignSpace(space.library, space.factors, [rule_from_dict(rule)], "x")


def test_temperatures_stay_between_the_sintering_floor_and_the_melting_share(problem: Grid) -> None:
    kelvin = problem.values("temperature") + KELVIN
    allowed = MeltingShare().table(problem) & SinteringFloor().table(problem)
    shares = kelvin[None, :] / problem.crystals.melting[:, None]
    assert (shares[allowed] <= 0.85).all()
    hottest = np.broadcast_to(kelvin == kelvin.max(), allowed.shape)
    assert ((shares[allowed] >= 0.45) | hottest[allowed]).all()


def test_the_floor_leaves_a_level_to_every_crystal_that_can_be_heated_at_all(problem: Grid) -> None:
    melts = MeltingShare().table(problem)
    both = melts & SinteringFloor().table(problem)
    np.testing.assert_array_equal(both.any(axis=1), melts.any(axis=1))


def test_the_floor_is_clipped_to_the_hottest_level(problem: Grid) -> None:
    assert SinteringFloor(share=5.0).table(problem)[:, -1].all()


def test_pressure_and_heating_rate_rules(problem: Grid) -> None:
    die = DieLimit().table(problem)
    hot = problem.values("temperature") > 2000.0
    assert not die[hot, 1:].any()
    assert die[hot, 0].all()
    assert die[~hot].all()
    ramp = RampWithPressure().table(problem)
    fast = problem.values("heating_rate") > 20.0
    assert not ramp[fast, 0].any()
    assert ramp[fast, 1:].all()
    assert ramp[~fast].all()


def test_boron_carbide_is_kept_from_oxides_only(problem: Grid) -> None:
    table = IncompatibleAdditive().table(problem)
    boron_carbide = problem.factors["additive"].rank["B4C"]
    has_oxygen = np.array(["O" in e for e in problem.crystals.elements])
    assert has_oxygen.any()
    np.testing.assert_array_equal(table[:, boron_carbide], ~has_oxygen)
    assert np.delete(table, boron_carbide, axis=1).all()


def test_hazard_and_stock_leave_crystals_out() -> None:
    whole = Grid(CompositionTable(CrystalLibrary.builtin()), {})
    formulas = np.array(whole.crystals.formulas)
    assert {"BeO", "CdO"}.isdisjoint(formulas[Hazard().table(whole)])
    without = Stock(("Hf", "Ta")).table(whole)
    assert all(not {"Hf", "Ta"} & e for e, ok in zip(whole.crystals.elements, without, strict=True) if ok)
    assert not without.all()


def test_a_window_is_a_linear_constraint(problem: Grid) -> None:
    window = LinearWindow(("hold", "powder_size"), (1.0, 10.0), 2.0, 9.0)
    table = window.table(problem)
    for i, hold in enumerate(problem.values("hold")):
        for j, size in enumerate(problem.values("powder_size")):
            assert table[i, j] == (2.0 <= hold + 10.0 * size <= 9.0 + 1e-9)
    with pytest.raises(ConfigError, match="one coefficient"):
        LinearWindow(("hold",), (1.0, 2.0))


@pytest.mark.parametrize(
    "rule",
    [
        MeltingShare(0.8),
        SinteringFloor(0.5),
        DieLimit(1800.0),
        RampWithPressure(5.0),
        IncompatibleAdditive("MgO", "C"),
        Hazard(),
        Stock(("Hf",)),
        LinearWindow(("hold",), (1.0,), 1.0, 2.0),
    ],
)
def test_rules_round_trip_and_have_tables_of_their_scope(rule: Rule, problem: Grid) -> None:
    assert rule_from_dict(rule.to_dict()) == rule
    assert type(rule) is RULES[rule.name]
    sizes = {"crystal": len(problem.crystals.library)} | {n: f.n_levels for n, f in problem.factors.items()}
    assert rule.table(problem).shape == tuple(sizes[s] for s in rule.scope)


def test_every_explanation_says_what_is_wrong(space: DesignSpace) -> None:
    seen = set()
    rng = np.random.default_rng(0)
    sizes = space.lookahead.sizes
    rows = np.stack([rng.integers(0, n, 2000) for n in sizes], axis=1)
    for design, feasible in zip(space.designs(rows), space.feasible_rows(rows), strict=True):
        problems = space.violations(design)
        assert (problems == ()) == feasible
        for text in problems:
            name, message = text.split(": ", 1)
            assert len(message) > 10
            seen.add(name)
    assert seen == {"melting_share", "sintering_floor", "incompatible_additive", "die_limit", "ramp_with_pressure"}
