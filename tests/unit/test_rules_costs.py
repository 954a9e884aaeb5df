"""What a design would spend is known before anything is done; a formula can compute and nothing else."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.rules.costs import Costs, durations_of
from agent.rules.formula import Formula, FormulaError
from agent.rules.recipe import RecipeSettings, flagship
from envs.design import Design
from envs.errors import ConfigError
from envs.space import flagship as flagship_space
from instruments.messages import CommandDescription, Description

FACTORS = flagship_space().factors
RECIPE = flagship(RecipeSettings())
DESIGN = Design("mp-1143", {f.name: f.levels[0] for f in FACTORS} | {"temperature": 1525.0, "hold": 2.0,
                                                                      "heating_rate": 5.0})  # fmt: skip
FURNACE = {"furnace_hours": "hold + (temperature - 25) / (60 * heating_rate) * 2"}


def costs_of(formulas: dict[str, Any], **more: Any) -> Costs:
    return Costs.of(RECIPE, {"sinter": formulas}, FACTORS, source="LAB.toml", **more)


def test_a_formula_takes_factors_and_earlier_costs() -> None:
    costs = costs_of({**FURNACE, "currency": "12 + 3 * furnace_hours + (20 if pressure > 0 else 0)", "powder": 0.02})
    assert costs(DESIGN) == pytest.approx({"furnace_hours": 12.0, "currency": 48.0, "powder": 0.02})
    assert costs(Design("", {**DESIGN.process, "pressure": 30.0}))["currency"] == pytest.approx(68.0)
    assert {"furnace_hours", "currency", "powder", "sem_hours"} <= set(costs.names)


def test_words_may_be_compared() -> None:
    costs = costs_of({"currency": "5 if additive == 'none' else 9"})
    assert costs(Design("", {**DESIGN.process, "additive": "none"})) == {"currency": 5.0}
    assert costs(Design("", {**DESIGN.process, "additive": "MgO"})) == {"currency": 9.0}


def described(kind: str, command: str, duration_s: float | None) -> Description:
    told = CommandDescription(summary="", parameters={}, duration_s=duration_s)
    return Description(iid=f"{kind}-1", kind=kind, boot_id="b", commands={command: told})


def test_without_a_formula_the_described_duration_counts() -> None:
    durations = durations_of([
        described("furnace", "sinter", 8 * 3600.0), described("sem", "survey", 900.0),
        described("sem", "acquire", 900.0),
        described("furnace", "sinter", 4 * 3600.0), described("indenter", "indent", None),
    ])  # fmt: skip
    assert costs_of({}).with_durations(durations)(DESIGN) == {"furnace_hours": 8.0, "sem_hours": 0.5}
    own = costs_of(FURNACE, durations=durations)
    assert own(DESIGN) == pytest.approx({"furnace_hours": 12.0, "sem_hours": 0.5})
    assert own.duration(DESIGN) is None  # nobody says how long an indentation takes
    told = {**durations, ("indenter", "indent"): 0.25}
    assert costs_of(FURNACE, durations=told).duration(DESIGN) == pytest.approx(12.75)
    assert Costs().duration(DESIGN) is None
    priced = costs_of({"currency": "2 * furnace_hours"}, durations=durations)
    assert priced(DESIGN)["currency"] == 16.0
    assert Costs()(DESIGN) == {}


@pytest.mark.parametrize(
    ("formulas", "said"),
    [
        ({"currency": "1 / pressure"}, "division by zero"),
        ({"currency": "1 / (temperature - 1500) ** 2"}, "division by zero"),
        ({"currency": "temperature ** 400"}, "too large"),
        ({"currency": "(hold - 5) ** 0.5"}, "no number"),
        ({"currency": "100 - temperature"}, "never negative"),
        ({"currency": "2 * additive"}, "is a word, and a number is needed"),
        ({"currency": "additive"}, "no finite number"),
        ({"currency": "temperature + later", "later": "1"}, "not later"),
        ({"hold": "1"}, "other than a factor's"),
        ({"currency": True}, "a number, or a formula"),
        ({"currency": "1e999"}, "no finite number"),
    ],
)
def test_a_formula_without_a_value_is_refused_when_the_file_is_read(formulas: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        costs_of(formulas)
    assert refused.value.key.startswith("recipe.cost.sinter")
    assert said in str(refused.value)


def test_a_step_that_the_recipe_does_not_have_is_refused() -> None:
    with pytest.raises(ConfigError, match="a step of the recipe: sinter, survey, image, indent"):
        Costs.of(RECIPE, {"fire": {"currency": 1}}, FACTORS)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "1 +", "__import__('os').system('true')", "().__class__", "a.b", "a[0]", "[1, 2]", "{1: 2}",
        "lambda: 1", "(x := 3)", "f'{x}'", "open('x')", "min(1)", "max(1, 2, key=abs)", "sum(1, 2)",
        "1 if True else 2", "a // b",
        "a % b", "~a", "a is b", "a in b", "b'x'", "1j", "...", "None", "x; y", "9" * 501,
    ],
)  # fmt: skip
def test_what_is_no_formula_is_refused(text: str) -> None:
    with pytest.raises(FormulaError):
        Formula(text)


numbers = st.floats(-1e3, 1e3).map(lambda x: round(x, 3))


@given(
    st.recursive(
        numbers.map(repr) | st.sampled_from(["a", "b"]),
        lambda inner: st.tuples(inner, st.sampled_from(["+", "-", "*", "/"]), inner).map(
            lambda t: f"({t[0]} {t[1]} {t[2]})"
        ),
    ),
    numbers,
    numbers,
)
def test_arithmetic_is_that_of_python(text: str, a: float, b: float) -> None:
    if len(text) > 500:
        return
    try:
        expected = float(eval(text, {"__builtins__": {}}, {"a": a, "b": b}))  # noqa: S307 - the oracle, on own text
    except (ZeroDivisionError, OverflowError):
        expected = math.nan
    try:
        assert Formula(text).value({"a": a, "b": b}) == expected
    except FormulaError:
        assert not math.isfinite(expected)
