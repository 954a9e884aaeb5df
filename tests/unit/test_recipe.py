"""The recipe's orders carry every factor with its unit, and stay within what the microscope can do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.recipe import (
    PIXEL_LIMITS,
    RecipeSettings,
    bounded_pixel_size,
    image_order,
    indent_order,
    sinter_order,
    survey_order,
)
from envs.design import Design
from envs.space import flagship
from instruments.messages import Quantity
from simulators.furnace import PROCESS


def test_sintering_orders_every_factor_in_the_unit_of_the_space() -> None:
    space = flagship()
    temperature = next(f for f in space.factors if f.name == "temperature")
    process = {f.name: f.levels[0] for f in space.factors}
    order = sinter_order("E001", Design("mp-1143", process), space.factors)
    assert (order.instrument, order.command) == ("furnace", "sinter")
    assert set(order.parameters) == {"sample", "crystal", *PROCESS}
    assert order.parameters["temperature"] == Quantity(value=float(temperature.levels[0]), unit="Cel")
    assert order.parameters["crystal"] == "mp-1143"


def test_each_image_of_a_sample_is_of_another_field() -> None:
    fields = [image_order("E001", 0.02, attempt).parameters["field"] for attempt in range(3)]
    assert fields == [Quantity(value=n, unit="1") for n in range(3)]


def test_settings_reach_the_indenter() -> None:
    order = indent_order("E001", RecipeSettings(indent_load=4.9, n_indents=6))
    assert order.parameters["load"] == Quantity(value=4.9, unit="N")
    assert order.parameters["count"] == Quantity(value=6, unit="1")
    assert survey_order("E001").parameters == {"sample": "E001"}


@given(st.floats(1e-9, 1e9))
def test_a_pixel_size_is_always_one_that_the_microscope_has(wanted: float) -> None:
    size = bounded_pixel_size(wanted)
    assert PIXEL_LIMITS[0] <= size <= PIXEL_LIMITS[1]
    if PIXEL_LIMITS[0] <= wanted <= PIXEL_LIMITS[1]:
        assert size == pytest.approx(wanted, rel=0.006)
