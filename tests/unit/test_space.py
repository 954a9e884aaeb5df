from __future__ import annotations

import json
import time
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envs.crystals import CrystalLibrary
from envs.design import Design, FactorValue
from envs.errors import ConfigError, InfeasibleDesignError
from envs.laws import KELVIN
from envs.rules import DieLimit, LinearWindow
from envs.space import DesignSpace, Factor, flagship, grid

PROCESS: dict[str, FactorValue] = {
    "powder_size": 0.1,
    "additive": "none",
    "temperature": 1000.0,
    "hold": 0.5,
    "heating_rate": 2.0,
    "pressure": 0.0,
}

PLAIN = {"name": "t", "levels": [1, 2]}


@pytest.fixture(scope="module")
def space() -> DesignSpace:
    return flagship()


def small_space(lower: float = 4.0, upper: float = 6.0) -> DesignSpace:
    factors = (
        Factor("temperature", "Cel", (1000.0, 1900.0, 2100.0)),
        Factor("pressure", "MPa", (0.0, 40.0)),
        Factor("a", "1", (0.0, 1.0, 2.0, 3.0)),
        Factor("b", "1", (0.0, 2.0, 4.0)),
        Factor("route", "", ("dry", "wet"), ordinal=False),
    )
    rules = (DieLimit(), LinearWindow(("a", "b"), (1.0, 1.0), lower, upper))
    return DesignSpace(CrystalLibrary(()), factors, rules, "small")


def every(space: DesignSpace) -> list[Design]:
    names = [f.name for f in space.factors]
    return [Design("", dict(zip(names, v, strict=True))) for v in product(*(f.levels for f in space.factors))]


def test_feasible_count_equals_brute_force_over_the_rules() -> None:
    space = small_space()
    feasible = [d for d in every(space) if space.is_feasible(d)]
    assert space.n_feasible == len(feasible)
    assert space.n_total == len(every(space))
    by_hand = [
        d
        for d in every(space)
        if not (d.process["temperature"] == 2100.0 and d.process["pressure"] == 40.0)
        and 4.0 <= float(d.process["a"]) + float(d.process["b"]) <= 6.0
    ]
    assert feasible == by_hand


def test_sampling_is_uniform_over_the_feasible_designs() -> None:
    space = small_space()
    n = 20_000
    drawn = space.sample(np.random.default_rng(3), n)
    counts = np.array([drawn.count(d) for d in set(drawn)], dtype=float)
    assert len(counts) == space.n_feasible
    expected = n / space.n_feasible
    chi2 = ((counts - expected) ** 2 / expected).sum()
    dof = space.n_feasible - 1
    assert chi2 < dof + 5.0 * np.sqrt(2.0 * dof)


def test_flagship_is_the_ceramics_by_sintering_grid(space: DesignSpace) -> None:
    assert len(space.library) == 321
    assert set(space.crystals.families) == {"oxide", "nitride", "carbide", "boride", "silicide"}
    assert space.n_total == 321 * 6 * 4 * 25 * 5 * 5 * 5
    assert 0.3 < space.n_feasible / space.n_total < 0.4
    # Compounds that are estimated to melt below what the furnace's coolest level allows have no feasible process.
    coolest = space.factors[2].values[0] + KELVIN
    refractory = [i for i, t in zip(space.library.ids, space.crystals.melting, strict=True) if 0.85 * t >= coolest]
    assert space.feasible_crystals == tuple(refractory)


def test_samples_mutants_and_children_are_feasible(space: DesignSpace) -> None:
    rng = np.random.default_rng(0)
    parents = space.sample(rng, 400)
    mutants = [space.mutate(d, rng) for d in parents]
    children = [space.crossover(a, b, rng) for a, b in zip(parents, mutants[::-1], strict=True)]
    for design in (*parents, *mutants, *children):
        assert space.violations(design) == ()
        assert design in space
    assert all(m != d for m, d in zip(mutants, parents, strict=True))


def test_a_child_takes_each_slot_from_a_parent_when_no_rule_ties_them() -> None:
    factors = tuple(Factor(n, "1", (0.0, 1.0, 2.0, 3.0)) for n in "abcd")
    space = DesignSpace(CrystalLibrary(()), factors, (), "free")
    rng = np.random.default_rng(1)
    a, b = Design("", dict.fromkeys("abcd", 0.0)), Design("", dict.fromkeys("abcd", 3.0))
    children = [space.crossover(a, b, rng) for _ in range(50)]
    assert {v for c in children for v in c.process.values()} == {0.0, 3.0}
    assert len(set(children)) > 8


def test_draws_repeat_under_the_same_seed(space: DesignSpace) -> None:
    def draw() -> list[Design]:
        rng = np.random.default_rng(7)
        first = space.sample(rng, 20)
        return [*first, *(space.mutate(d, rng) for d in first), space.crossover(first[0], first[1], rng)]

    assert draw() == draw()


def test_sampling_a_thousand_designs_is_fast(space: DesignSpace) -> None:
    times = []
    for seed in range(3):
        start = time.perf_counter()
        space.sample(np.random.default_rng(seed), 1000)
        times.append(time.perf_counter() - start)
    # Ten times slower than measured on one idle core, so that a busy machine does not fail the suite.
    assert min(times) < 0.2


def test_encoding_is_scaled_by_rank_logarithm_or_category(space: DesignSpace) -> None:
    low = Design("x", PROCESS)
    changed: dict[str, FactorValue] = {"temperature": 1600.0, "hold": 2.0, "additive": "Y2O3"}
    mid = Design("x", PROCESS | changed)
    rows = space.encode_process([low, mid])
    column = space.process_columns.index
    assert rows.shape == (2, len(space.process_columns)) == (2, 9)
    assert rows[0, column("temperature")] == 0.0
    assert rows[1, column("temperature")] == pytest.approx(0.5)
    assert rows[1, column("hold")] == pytest.approx(0.5)  # 2 h is halfway from 0.5 h to 8 h in log2
    assert rows[0, 1:5].tolist() == [1.0, 0.0, 0.0, 0.0]
    assert rows[1, column("additive=Y2O3")] == 1.0
    assert ((rows >= 0) & (rows <= 1)).all()


def test_indices_and_designs_are_inverse(space: DesignSpace) -> None:
    designs = space.sample(np.random.default_rng(5), 100)
    rows = space.indices(designs)
    assert space.designs(rows) == designs
    assert space.feasible_rows(rows).all()
    np.testing.assert_array_equal(space.encode_levels(rows[:, 1:]), space.encode_process(designs))


def test_json_round_trip_keeps_the_version(space: DesignSpace) -> None:
    again = DesignSpace.from_dict(json.loads(json.dumps(space.to_dict())))
    assert again.version == space.version
    assert again.n_feasible == space.n_feasible
    parametric = small_space()
    assert DesignSpace.from_dict(json.loads(json.dumps(parametric.to_dict()))).version == parametric.version


def test_version_follows_every_part_of_the_definition(space: DesignSpace) -> None:
    versions = {space.version, flagship(unavailable=["Hf"]).version, small_space().version, small_space(3.0).version}
    assert len(versions) == 4


def test_violations_name_every_broken_rule(space: DesignSpace) -> None:
    oxide = next(c for c in space.library if c.formula == "Al2O3")
    wrong = Design(oxide.id, {**PROCESS, "additive": "B4C", "temperature": 2200.0, "pressure": 40.0})
    problems = space.violations(wrong)
    assert [p.split(":")[0] for p in problems] == ["melting_share", "incompatible_additive", "die_limit"]
    with pytest.raises(InfeasibleDesignError) as caught:
        space.check(wrong)
    assert caught.value.rule == problems[0].split(":")[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"temperature": 1234.0}, "temperature: 1234.0 is not one of"),
        ({"additive": "SiO2"}, "additive: 'SiO2' is not one of none, MgO, Y2O3, B4C"),
        ({"colour": "red"}, "colour: not a factor"),
    ],
)
def test_designs_off_the_grid_are_refused_in_words(space: DesignSpace, change: dict[str, object], message: str) -> None:
    design = space.sample(np.random.default_rng(0), 1)[0]
    wrong = Design(design.crystal, {**design.process, **change})  # type: ignore[dict-item]
    assert any(message in p for p in space.violations(wrong))
    assert wrong not in space
    with pytest.raises(InfeasibleDesignError):
        space.indices([wrong])


def test_unknown_crystal_and_missing_factor_are_refused(space: DesignSpace) -> None:
    assert any(p.startswith("crystal: 'mp-0'") for p in space.violations(Design("mp-0", {})))
    assert any(p.startswith("hold: missing") for p in space.violations(Design("mp-0", {})))


@pytest.mark.parametrize(
    ("table", "key", "allowed"),
    [
        ({"preset": "flagshp"}, "space.preset", "'flagship'"),
        ({"librry": "all"}, "space.librry", "did you mean 'library'?"),
        ({"library": "metals"}, "space.library", "ceramics, all, none"),
        ({"library": "ceramics", "crystals": ["mp-nope"]}, "space.crystals", "identifiers"),
        ({"factors": [{"name": "t", "unit": "Cel", "levels": [2, 1]}]}, "factors.t.levels", "ascend"),
        (
            {"factors": [{"name": "t", "unit": "Cel", "start": 0, "stop": 1, "step": 0}]},
            "space.factors.t.step",
            "step > 0",
        ),
        ({"factors": [{"name": "t", "unit": "Cel", "start": 0, "stop": 1}]}, "space.factors.t.step", "a number"),
        ({"factors": [{"name": "t", "unit": "Cel"}]}, "space.factors.t", "either levels"),
        ({"factors": [PLAIN], "rules": [{"rule": "nope"}]}, "rules.rule", "melting_share"),
        (
            {"factors": [PLAIN], "rules": [{"rule": "die_limit", "limit": "hot"}]},
            "rules.die_limit.limit",
            "a finite number",
        ),
        (
            {"factors": [PLAIN], "rules": [{"rule": "die_limit"}]},
            "space.rules",
            "needs a factor",
        ),
        (
            {"factors": [PLAIN], "rules": [{"rule": "melting_share"}]},
            "space.rules",
            "crystal library",
        ),
        (
            {
                "factors": [PLAIN],
                "rules": [{"rule": "linear_window", "factors": ["t"], "coefficients": [1], "lower": 9}],
            },
            "space.rules",
            "relax one",
        ),
        ({}, "space.factors", "at least one factor"),
    ],
)
def test_a_wrong_configuration_names_key_and_what_is_allowed(table: dict[str, object], key: str, allowed: str) -> None:
    with pytest.raises(ConfigError) as caught:
        DesignSpace.from_config(table, source="campaign.toml")
    assert caught.value.key == key
    assert allowed in str(caught.value)


def test_a_configuration_builds_the_space_it_describes() -> None:
    space = DesignSpace.from_config({
        "name": "press",
        "library": "ceramics",
        "crystals": ["mp-1265"] if "mp-1265" in CrystalLibrary.builtin() else [flagship().library.ids[0]],
        "factors": [
            {"name": "temperature", "unit": "Cel", "start": 1000, "stop": 1400, "step": 100},
            {"name": "additive", "levels": ["none", "MgO"]},
        ],
        "rules": [{"rule": "melting_share", "share": 0.9}],
    })  # fmt: skip
    assert space.factors[0].levels == grid(1000, 1400, 100)
    assert not space.factors[1].ordinal
    assert len(space.sample(np.random.default_rng(0), 5)) == 5
    assert DesignSpace.from_config({"preset": "flagship"}).version == flagship().version


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 4), min_size=1, max_size=5),
    seed=st.integers(0, 10_000),
    share=st.floats(0.2, 0.9),
)
def test_lookahead_agrees_with_enumeration_for_any_rules(sizes: list[int], seed: int, share: float) -> None:
    from envs.lookahead import Lookahead

    rng = np.random.default_rng(seed)
    tables = []
    for _ in range(3):
        slots = tuple(int(s) for s in rng.permutation(len(sizes))[: int(rng.integers(1, len(sizes) + 1))])
        tables.append((slots, rng.random([sizes[s] for s in slots]) < share))
    ahead = Lookahead(sizes, tables)
    rows = np.array(list(product(*(range(n) for n in sizes))), dtype=np.int64)
    good = np.ones(len(rows), dtype=bool)
    for slots, table in tables:
        good &= table[tuple(rows[:, s] for s in slots)]
    assert ahead.n_feasible == good.sum()
    feasible = rows[good]
    for slot in range(len(sizes)):
        prefixes = (
            np.unique(feasible[:, :slot], axis=0) if slot else np.zeros((min(len(feasible), 1), 0), dtype=np.int64)
        )
        for prefix in prefixes:
            alike = feasible[(feasible[:, :slot] == prefix).all(axis=1)]
            padded = np.concatenate([prefix, np.zeros(len(sizes) - slot, dtype=np.int64)])[None, :]
            np.testing.assert_array_equal(np.flatnonzero(ahead.mask(slot, padded)[0]), np.unique(alike[:, slot]))
