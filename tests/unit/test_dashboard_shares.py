"""A porosity and a density are told one way wherever they stand: in per cent, and what it is relative to."""

from __future__ import annotations

from datetime import timedelta

import pytest
from dashboard_samples import NOW, sample_experiment, sample_picture

from agent.dashboard.drawing.charts_experiment import telemetry
from agent.dashboard.views import shares
from agent.dashboard.views.experiment_result import measured_of
from agent.dashboard.views.experiment_steps import shown
from agent.dashboard.views.instruments import readings_view
from instruments.messages import Quantity
from instruments.profile.agent_messages import Estimate

POROSITY = Quantity(value=0.426, unit="1", std=0.003)


def flat(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ")


def test_a_porosity_is_the_same_in_results_steps_and_predictions() -> None:
    expected = Estimate(value=0.41, unit="1", std=0.02, low=0.37, high=0.45)
    one = sample_experiment(1, found={"porosity": POROSITY}, prediction={"porosity": expected})
    (result,) = measured_of(one)
    ((name, in_step),) = shown({"porosity": POROSITY})
    assert flat(result.value) == flat(in_step) == "(42.60 ± 0.30) %"
    assert (name, flat(result.predicted), flat(result.interval)) == ("porosity", "(41.0 ± 2.0) %", "37.0 to 45.0 %")
    assert result.inside


@pytest.mark.parametrize(
    ("name", "unit", "title", "text"),
    [
        ("density", "1", "Relative density", "59.46 %"),
        ("density", "g/cm3", "Density", "0.5946 g/cm³"),
        ("yield", "1", "Yield", "0.5946"),
    ],
)
def test_only_what_is_a_share_is_told_in_per_cent(name: str, unit: str, title: str, text: str) -> None:
    value = Quantity(value=0.5946, unit=unit)
    assert (shares.title(name, unit), flat(shares.quantity(name, value))) == (title, text)


def test_the_furnace_reads_a_relative_density_on_its_card_and_in_the_chart() -> None:
    furnace = sample_picture().instruments["furnace-1"]
    density = next(one for one in readings_view(furnace, NOW) if one.channel == "density")
    assert density.title == "Relative density"
    assert density.value.endswith("%")
    assert "%" in density.span
    chart = telemetry("density", "1", [(NOW, 0.6), (NOW + timedelta(minutes=1), 0.61)])
    assert chart["yAxis"]["name"] == "Relative density (%)"
    assert chart["series"][0]["data"][0][1] == pytest.approx(60.0)
