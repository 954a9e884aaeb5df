"""Nothing is ordered that the limits do not allow, and every refusal says why."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.rules.bounds import COMMON, Bound
from agent.rules.limits import Limits
from agent.rules.limits_config import read_limits
from agent.rules.recipe import Order, RecipeSettings
from agent.rules.recipe import flagship as flagship_recipe
from envs.design import Design
from envs.errors import ConfigError
from envs.space import flagship
from instruments.messages import Quantity, Value
from instruments.units import check_unit

FURNACE = """
[limits.furnace-1]
kind = "furnace"
commands.sinter.temperature = { low = 400, high = 1900, unit = "Cel" }
commands.sinter.heating_rate = { high = 20, unit = "K/min" }
commands.sinter.additive = { options = ["none", "MgO"] }
commands.cool = {}

[[limits.rule]]
kind = "furnace"
command = "sinter"
if = { parameter = "temperature", above = 1600, unit = "Cel" }
then = { parameter = "heating_rate", high = 10, unit = "K/min" }
"""
SECOND = """
[limits.furnace-2]
kind = "furnace"
commands.sinter.temperature = { low = 400, high = 1000, unit = "Cel" }
commands.sinter.heating_rate = { high = 20, unit = "K/min" }
commands.sinter.additive = {}
"""


def limits_of(text: str) -> Limits:
    return read_limits(tomllib.loads(text).get("limits", {}), source="LAB.toml")


def q(value: float, unit: str) -> Quantity:
    return Quantity(value=value, unit=unit)


def sinter(**changes: Value | None) -> Order:
    parameters: dict[str, Value | None] = {
        "sample": "E001", "crystal": "mp-1143", "temperature": q(1500, "Cel"), "heating_rate": q(15, "K/min"),
        "additive": "MgO", **changes,
    }  # fmt: skip
    return Order("furnace", "sinter", {k: v for k, v in parameters.items() if v is not None})


def test_an_order_within_the_limits_is_allowed() -> None:
    limits = limits_of(FURNACE)
    assert limits.refusals(sinter(), "furnace-1") == ()
    assert limits.refusals(sinter()) == ()
    assert limits.refusals(Order("furnace", "cool", {}), "furnace-1") == ()
    assert limits.allows("furnace-1")
    assert not limits.allows("furnace-2")
    assert {iid: a.kind for iid, a in limits.instruments.items()} == {"furnace-1": "furnace"}


NAN = Quantity.model_construct(value=float("nan"), unit="Cel")
INF = Quantity.model_construct(value=float("inf"), unit="Cel")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"temperature": q(1900.1, "Cel")}, "temperature = 1900.1 Cel is above the limit of 1900 Cel"),
        ({"temperature": q(399, "Cel")}, "below the limit of 400 Cel"),
        ({"temperature": q(2300, "K")}, "temperature = 2300 K is above the limit of 1900 Cel"),
        ({"temperature": q(5, "K/min")}, "do not measure the same thing"),
        ({"temperature": q(5, "parsec-ish")}, "no UCUM unit"),
        ({"temperature": NAN}, "not a finite number"),
        ({"temperature": INF}, "not a finite number"),
        ({"temperature": Quantity.model_construct(value=1500.0, unit="")}, "has no unit"),
        ({"temperature": "hot"}, "is a word, but the limits are in Cel"),
        ({"temperature": None}, "temperature is not given"),
        ({"additive": "B4C"}, "additive = 'B4C' is not allowed; allowed: none, MgO"),
        ({"additive": q(1, "1")}, "is a quantity, but the limits allow one of none, MgO"),
        ({"pressure": q(10, "MPa")}, "the parameter pressure is not allowed"),
        ({"note": "hello"}, "the parameter note is not allowed"),
        ({"heating_rate": q(0.4, "K/s")}, "above the limit of 20 K/min"),
        ({"temperature": q(1601, "Cel")}, "above the limit of 10 K/min, which holds for temperature above 1600 Cel"),
    ],
)  # fmt: skip
def test_an_order_outside_is_refused_in_a_sentence(changes: dict[str, Value | None], said: str) -> None:
    reasons = limits_of(FURNACE).refusals(sinter(**changes), "furnace-1")
    assert any(said in reason for reason in reasons), reasons


def test_unknown_instruments_kinds_and_commands_are_refused() -> None:
    limits = limits_of(FURNACE)
    assert limits.refusals(sinter(), "furnace-9") == ("furnace-9 is not on the allow-list of instruments",)
    assert limits.refusals(Order("sem", "acquire", {})) == ("no instrument of kind sem is on the allow-list",)
    assert limits.refusals(Order("sem", "acquire", {}), "furnace-1") == (
        "furnace-1 is allowed as a furnace, not as a sem",
    )
    assert limits.refusals(Order("furnace", "melt", {}), "furnace-1") == (
        "the command melt is not allowed; allowed: sinter, cool",
    )


def test_without_a_table_nothing_is_allowed() -> None:
    assert limits_of("").refusals(sinter()) == ("no instrument of kind furnace is on the allow-list",)
    assert limits_of("").version.startswith("limits-")


def test_a_simulation_may_do_everything() -> None:
    assert Limits.permissive() == Limits()
    assert Limits.permissive().refusals(sinter(temperature=NAN), "anything") == ()


def test_a_converted_value_at_the_bound_itself_is_allowed() -> None:
    slow = {"heating_rate": q(10 / 60, "K/s")}
    assert limits_of(FURNACE).refusals(sinter(temperature=q(2173.15, "K"), **slow), "furnace-1") == ()


@pytest.mark.parametrize(
    ("bound", "value", "unit", "fits"),
    [
        (Bound(high=1e-9, unit="A"), 1e-6, "mA", True),
        (Bound(high=1e-9, unit="A"), 1.0001e-6, "mA", False),
        (Bound(high=1e-9, unit="A"), 2e-6, "mA", False),
        (Bound(low=1e-9, unit="A"), 0.5e-6, "mA", False),
        (Bound(low=0.0, unit="Cel"), 273.15, "K", True),
        (Bound(low=0.0, unit="Cel"), 273.14, "K", False),
        (Bound(high=273.15, unit="K"), 0.0, "Cel", True),
        (Bound(high=0.0, unit="A"), 1e-12, "mA", False),
    ],
)
def test_small_bounds_are_as_exact_as_large_ones(bound: Bound, value: float, unit: str, fits: bool) -> None:
    assert (bound.refusal("current", Quantity(value=value, unit=unit)) == "") is fits


def test_while_the_instrument_is_open_one_that_allows_it_is_enough() -> None:
    limits = limits_of(FURNACE + SECOND)
    assert limits.refusals(sinter(), "furnace-2")
    assert limits.refusals(sinter()) == ()
    reasons = limits.refusals(sinter(temperature=q(1950, "Cel"), heating_rate=q(5, "K/min")))
    assert reasons == (
        "furnace-1: temperature = 1950 Cel is above the limit of 1900 Cel",
        "furnace-2: temperature = 1950 Cel is above the limit of 1000 Cel",
    )


KIND = """
[limits.kind.sem]
commands.acquire.pixel_size = { low = 0.004, high = 2, unit = "um" }
commands.acquire.field = { low = 0, high = 50, unit = "1" }
commands.survey = {}
[limits.sem-1]
kind = "sem"
[limits.sem-2]
kind = "sem"
commands.acquire = {}
"""


def test_limits_of_a_kind_bound_each_instrument_of_it() -> None:
    limits = limits_of(KIND)
    order = Order("sem", "acquire", {"sample": "E001", "pixel_size": q(3000, "nm"), "field": q(0, "1")})
    for iid in ("sem-1", "sem-2", ""):
        assert limits.refusals(order, iid) == ("pixel_size = 3000 nm is above the limit of 2 um",)
    assert limits.refusals(Order("sem", "survey", {"sample": "E001"}), "sem-1") == ()
    # sem-2 lists its commands, and survey is not among them.
    assert limits.refusals(Order("sem", "survey", {"sample": "E001"}), "sem-2")


def test_the_version_follows_the_content_and_nothing_else() -> None:
    version = limits_of(FURNACE).version
    assert len(version) == len("limits-") + 16
    assert limits_of(FURNACE.replace("400,", "400.0,") + "# a remark\n").version == version
    assert limits_of(FURNACE.replace("1900", "1901")).version != version
    assert limits_of(FURNACE.replace("high = 10", "high = 11")).version != version
    assert limits_of(FURNACE + SECOND).version != version


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[limits.f]\ncommands.sinter = {}", "limits.f.kind"),
        ('[limits.f]\nkind = "furnace"', "limits.f.commands"),
        ('[limits.f]\nkind = "furnace"\ncommand.sinter = {}', "limits.f.command"),
        ('[limits.f]\nkind = "furnace"\ncommands.s.t = { low = 2, high = 1, unit = "Cel" }', "limits.f.commands.s.t"),
        ('[limits.f]\nkind = "furnace"\ncommands.s.t = { low = 2 }', "limits.f.commands.s.t"),
        ('[limits.f]\nkind = "furnace"\ncommands.s.t = { low = 2, unit = "degrees" }', "limits.f.commands.s.t"),
        ('[limits.f]\nkind = "furnace"\ncommands.s.t = { lo = 2, unit = "Cel" }', "limits.f.commands.s.t.lo"),
        ('[limits.f]\nkind = "furnace"\ncommands.s.t = { low = "2", unit = "Cel" }', "limits.f.commands.s.t.low"),
        ('[limits.f]\nkind = "furnace"\ncommands.s.t = { low = nan, unit = "Cel" }', "limits.f.commands.s.t.low"),
        (FURNACE.replace('command = "sinter"', 'command = "sintr"'), "limits.rule[0].command"),
        (FURNACE.replace('parameter = "heating_rate"', 'parameter = "heat_rate"'), "limits.rule[0].then.parameter"),
        (FURNACE.replace("above = 1600, ", ""), "limits.rule[0].if"),
        (FURNACE.replace('kind = "furnace"\ncommand = ', 'instrument = "f"\ncommand = '), "limits.rule[0].instrument"),
        ("[limits]\nfurnace-1 = 3", "limits.furnace-1"),
    ],
)
def test_a_wrong_table_is_named(text: str, key: str) -> None:
    with pytest.raises(ConfigError) as refused:
        limits_of(text)
    assert refused.value.key == key
    assert str(refused.value).startswith("LAB.toml: ")


@given(st.floats(allow_nan=True, allow_infinity=True), st.sampled_from(["Cel", "K", "[degF]", "1", ""]))
def test_nothing_outside_ever_passes(value: float, unit: str) -> None:
    order = sinter(temperature=Quantity.model_construct(value=value, unit=unit), heating_rate=q(1, "K/min"))
    celsius = {"Cel": value, "K": value - 273.15, "[degF]": (value - 32) / 1.8}.get(unit, float("nan"))
    if not limits_of(FURNACE).refusals(order, "furnace-1"):
        assert 400 - 1e-6 <= celsius <= 1900 + 1e-6
    elif unit in {"Cel", "K", "[degF]"}:
        assert not 400 + 1e-6 <= celsius <= 1900 - 1e-6


VIRTUAL = """
[limits.furnace-1]
kind = "furnace"
commands.sinter.temperature = { low = 400, high = 2000, unit = "Cel" }
commands.sinter.hold = { high = 24, unit = "h" }
commands.sinter.heating_rate = { high = 100, unit = "K/min" }
commands.sinter.pressure = { high = 80, unit = "MPa" }
commands.sinter.powder_size = { unit = "um" }
commands.sinter.additive = {}
[limits.sem-1]
kind = "sem"
commands.survey = {}
commands.acquire.pixel_size = { low = 0.004, high = 2, unit = "um" }
commands.acquire.field = { low = 0, unit = "1" }
[limits.indenter-1]
kind = "indenter"
commands.indent = {}
"""


def test_a_whole_recipe_is_judged_before_anything_is_made() -> None:
    factors = flagship().factors
    design = Design("mp-1143", {f.name: f.levels[0] for f in factors})
    recipe = flagship_recipe(RecipeSettings())
    assert limits_of(VIRTUAL).refusals_of(recipe, design, factors, "E001") == ()
    hot = Design("mp-1143", {**design.process, "temperature": 2150.0})
    assert limits_of(VIRTUAL).refusals_of(recipe, hot, factors, "E001") == (
        "sinter: temperature = 2150 Cel is above the limit of 2000 Cel",
    )
    coarse = VIRTUAL.replace("high = 2, ", "high = 1.5, ")
    assert limits_of(coarse).refusals_of(recipe, design, factors, "E001") == (
        "image: pixel_size = 2 um is above the limit of 1.5 um",
    )
    few = VIRTUAL.replace("field = { low = 0, unit", "field = { low = 0, high = 2, unit")
    assert limits_of(few).refusals_of(recipe, design, factors, "E001") == ("image: field = 3 is above the limit of 2",)
    no_indenter = VIRTUAL.split("[limits.indenter-1]", maxsplit=1)[0]
    assert limits_of(no_indenter).refusals_of(recipe, design, factors, "E001") == (
        "indent: no instrument of kind indenter is on the allow-list",
    )


def test_units_that_are_taken_as_known_are_ucum() -> None:
    assert [check_unit(code) for code in sorted(COMMON)] == sorted(COMMON)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_bound_that_is_open_at_its_ends_still_takes_finite_numbers_alone(value: float) -> None:
    assert Bound(unit="Cel").refusal("t", q(5000, "Cel")) == ""
    assert "not a finite number" in Bound(unit="Cel").refusal("t", Quantity.model_construct(value=value, unit="Cel"))
