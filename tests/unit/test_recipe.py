"""The recipe's orders carry every factor with its unit, and stay within what the microscope can do."""

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.rules.recipe import PIXEL_LIMITS, PIXEL_SIZE, From, Keep, Recipe, RecipeSettings, Step, flagship
from agent.rules.recipe_config import Configured, read_recipe
from envs.design import Design
from envs.errors import ConfigError, UserError
from envs.objective import FLAGSHIP
from envs.space import flagship as flagship_space
from instruments.messages import Quantity, Value
from simulators.devices.furnace import PROCESS

FACTORS = flagship_space().factors
DESIGN = Design("mp-1143", {f.name: f.levels[0] for f in FACTORS})
PIXEL = Quantity(value=0.02, unit="um")


def parameters_of(recipe: Recipe, step: str, **more: Any) -> dict[str, Value]:
    return dict(recipe.order(step, sample="E001", design=DESIGN, factors=FACTORS, **more).parameters)


def test_sintering_orders_every_factor_in_the_unit_of_the_space() -> None:
    order = flagship(RecipeSettings()).order("sinter", sample="E001", design=DESIGN, factors=FACTORS)
    assert (order.instrument, order.command) == ("furnace", "sinter")
    assert set(order.parameters) == {"sample", "crystal", *PROCESS}
    assert order.parameters["temperature"] == Quantity(value=float(DESIGN.process["temperature"]), unit="Cel")
    assert order.parameters["crystal"] == "mp-1143"


def test_each_image_of_a_sample_is_of_another_field() -> None:
    recipe = flagship(RecipeSettings())
    fields = [parameters_of(recipe, "image", attempt=n, kept={PIXEL_SIZE: PIXEL})["field"] for n in range(3)]
    assert fields == [Quantity(value=n, unit="1") for n in range(3)]


def test_settings_reach_the_indenter() -> None:
    recipe = flagship(RecipeSettings(indent_load=4.9, n_indents=6))
    load = parameters_of(recipe, "indent")
    assert load["load"] == Quantity(value=4.9, unit="N")
    assert load["count"] == Quantity(value=6, unit="1")
    assert parameters_of(recipe, "survey") == {"sample": "E001"}


@given(st.floats(1e-9, 1e9))
def test_a_pixel_size_is_always_one_that_the_microscope_has(wanted: float) -> None:
    size = Keep(PIXEL_SIZE, *PIXEL_LIMITS).bounded(wanted)
    assert PIXEL_LIMITS[0] <= size <= PIXEL_LIMITS[1]
    if PIXEL_LIMITS[0] <= wanted <= PIXEL_LIMITS[1]:
        assert size == pytest.approx(wanted, rel=0.006)


def test_the_digest_is_of_all_that_an_approval_allows() -> None:
    recipe = flagship(RecipeSettings())
    digest = recipe.digest(DESIGN, FACTORS)
    assert digest == flagship(RecipeSettings()).digest(DESIGN, FACTORS)
    assert digest != flagship(RecipeSettings(indent_load=9.9)).digest(DESIGN, FACTORS)
    assert digest != recipe.digest(Design("mp-1145", DESIGN.process), FACTORS)
    assert digest != recipe.digest(Design("mp-1143", {**DESIGN.process, "hold": 3.0}), FACTORS)


def test_steps_follow_on_one_another_and_have_names_of_their_own() -> None:
    recipe = flagship(RecipeSettings())
    assert [recipe.first, recipe.after("sinter"), recipe.after("indent")] == ["sinter", "survey", "done"]
    with pytest.raises(UserError, match="names of their own"):
        Recipe((Step("a", "furnace", "sinter", {}), Step("a", "furnace", "sinter", {})))


OWN = """
max_tries = 5
[[steps]]
name = "fire"
instrument = "furnace"
command = "sinter"
parameters = { sample = "$sample", crystal = "$crystal" }
process = true
cost = { furnace_hours = "hold + (temperature - 25) / (60 * heating_rate) * 2", currency = "12 + 3 * furnace_hours" }
[[steps]]
name = "look"
instrument = "sem"
command = "survey"
parameters.sample = "$sample"
keep.pixel_size = { result = "pixel_size", low = 0.004, high = 2, unit = "um" }
keep.hint = "hint"
[[steps]]
name = "photo"
instrument = "sem"
command = "acquire"
parameters = { sample = "$sample", pixel_size = "$kept.pixel_size", field = "$attempt", detector = "SE" }
reads = "image"
max_images = 2
cost = { currency = 5 }
[[steps]]
name = "press"
instrument = "indenter"
command = "indent"
parameters = { sample = "$sample", load = { value = 9.8, unit = "N" }, additive = "$process.additive" }
measures = { hardness = "HV" }
max_tries = 1
"""


def recipe_of(text: str) -> Configured:
    return read_recipe(tomllib.loads(text), FACTORS, FLAGSHIP, source="LAB.toml")


def test_a_recipe_of_ones_own_gives_the_orders_that_it_says() -> None:
    recipe, costs = recipe_of(OWN)
    assert [s.name for s in recipe.steps] == ["fire", "look", "photo", "press"]
    assert set(parameters_of(recipe, "fire")) == {"sample", "crystal", *PROCESS}
    kept = {"pixel_size": PIXEL}
    assert parameters_of(recipe, "photo", attempt=1, kept=kept) == {
        "sample": "E001", "pixel_size": PIXEL, "field": Quantity(value=1, unit="1"), "detector": "SE",
    }  # fmt: skip
    assert parameters_of(recipe, "press")["load"] == Quantity(value=9.8, unit="N")
    assert parameters_of(recipe, "press")["additive"] == DESIGN.process["additive"]
    assert recipe.step("press").measures == {"hardness": "HV"}
    assert [recipe.step(n).max_tries for n in ("fire", "press")] == [5, 1]
    assert recipe.step("photo").max_images == 2
    assert recipe.step("look").keep == {"pixel_size": Keep("pixel_size", 0.004, 2.0, "um"), "hint": Keep("hint")}
    process = DESIGN.process
    hours = float(process["hold"]) + (float(process["temperature"]) - 25) / (60 * float(process["heating_rate"])) * 2
    assert costs(DESIGN) == pytest.approx({"furnace_hours": hours, "currency": 12 + 3 * hours + 5})


def test_without_steps_it_is_the_flagship_with_its_four_numbers() -> None:
    recipe, costs = recipe_of('indent_load = 4.9\nmax_images = 7\ncost.sinter.furnace_hours = "hold + 2"')
    assert recipe == flagship(RecipeSettings(indent_load=4.9, max_images=7), repeatable=False)
    assert costs(DESIGN) == {"furnace_hours": float(DESIGN.process["hold"]) + 2}
    assert recipe_of("").recipe == flagship(RecipeSettings(), repeatable=False)


@pytest.mark.parametrize(
    ("change", "key", "said"),
    [
        (("$kept.pixel_size", "$kept.pixelsize"), "steps[2].parameters.pixel_size", "keeps: hint, pixel_size"),
        (
            ("$process.additive", "$process.additiv"),
            "steps[3].parameters.additive",
            "a factor of the design space: pow",
        ),
        (('"$attempt"', '"$atempt"'), "steps[2].parameters.field", "$sample, $crystal, $attempt"),
        (('unit = "N"', 'unit = "newton"'), "steps[3].parameters.load.unit", "no UCUM unit"),
        (('{ value = 9.8, unit = "N" }', "9.8"), "steps[3].parameters.load", "a number with its unit"),
        (('{ value = 9.8, unit = "N" }', "true"), "steps[3].parameters.load", "a word"),
        (('{ value = 9.8, unit = "N" }', "{ value = inf, unit = 'N' }"), "steps[3].parameters.load.value", "finite"),
        (("hardness =", "toughness ="), "steps", 'measures = { hardness = "NAME OF THE RESULT" }'),
        (('name = "look"', 'name = "fire"'), "steps", "names of their own"),
        (('name = "look"', 'name = "read"'), "steps", "other than read and done"),
        (('command = "survey"', 'command = "survey"\nmeasure = {}'), "steps[1].measure", "did you mean 'measures'?"),
        (("max_tries = 5", "indent_load = 5.0"), "indent_load", "left out"),
        (('crystal = "$crystal" }', 'temperature = "hot" }'), "steps[0].parameters", "gives every factor already"),
        (("low = 0.004", "low = 4"), "steps[1].keep.pixel_size", "low <= high"),
        (("hold + ", "holding + "), "cost.fire.furnace_hours", "not holding"),
        (("temperature - 25", "temperature ^ 25"), "cost.fire.furnace_hours", "without BitXor"),
    ],
)
def test_every_reference_is_checked_when_the_file_is_read(change: tuple[str, str], key: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        recipe_of(OWN.replace(*change))
    assert refused.value.key == f"recipe.{key}"
    assert said in refused.value.allowed
    assert refused.value.source == "LAB.toml"


def test_what_is_kept_by_a_later_step_is_not_there_yet() -> None:
    steps = OWN.split("[[steps]]")
    with pytest.raises(ConfigError, match="there is none"):
        recipe_of("[[steps]]".join([steps[0], steps[1], steps[3], steps[2], steps[4]]))


def test_words_that_come_from_elsewhere_are_marked() -> None:
    assert recipe_of(OWN).recipe.step("fire").parameters["sample"] == From("sample")
