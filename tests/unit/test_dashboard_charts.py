"""Options of charts: what is drawn where, with which units, and that colours can be told apart."""

from __future__ import annotations

import json
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from dashboard_samples import CAMPAIGN, NOW, sample_effects, sample_experiment, sample_images, sample_picture

import agent.dashboard
from agent.dashboard.drawing import charts, charts_campaign, charts_experiment, charts_front, theme
from agent.dashboard.drawing.charts import Options
from agent.dashboard.views.campaign import campaign_view
from agent.dashboard.views.campaign_curve import curve_of
from agent.dashboard.views.campaign_pareto import Axis, front_of
from instruments.messages import Quantity
from instruments.profile.experiment_messages import Histogram
from instruments.profile.model_messages import Goal

HARDNESS = Goal(property="hardness", unit="GPa")


def _luminance(hexadecimal: str) -> float:
    """WCAG 2.2, relative luminance."""
    parts = [int(hexadecimal[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("name", list(theme.PALETTE))
def test_each_colour_stands_out_on_light_and_on_dark(name: str) -> None:
    hue = theme.PALETTE[name]
    for colour, surface in ((hue.light, theme.SURFACE.light), (hue.dark, theme.SURFACE.dark)):
        high, low = sorted((_luminance(colour), _luminance(surface)), reverse=True)
        # WCAG 2.2, 1.4.11: graphics need 3:1.
        assert (high + 0.05) / (low + 0.05) >= 3.0


def test_the_style_sheet_holds_the_palette() -> None:
    sheet = Path(agent.dashboard.__file__).parent / "static" / "charts.css"
    assert theme.css() in sheet.read_text(encoding="utf-8")


@pytest.mark.parametrize("values", [[0, 10], [21.3, 34.8], [-1, 1], [5, 5], [], [1e-9, 3e-9], [1520.0, 25.0, 0.1]])
def test_axes_have_few_round_steps_and_hold_everything(values: list[float]) -> None:
    reach = charts.span(values)
    n_steps = (reach["max"] - reach["min"]) / reach["interval"]
    assert 1 <= round(n_steps, 6) <= 6
    assert n_steps == pytest.approx(round(n_steps))
    assert all(reach["min"] <= value <= reach["max"] for value in values)
    assert min(values, default=0) < 0 or reach["min"] >= 0


def _every_chart() -> dict[str, Options]:
    picture = sample_picture(n_experiments=14)
    view = campaign_view(picture, CAMPAIGN, NOW)
    assert view is not None
    assert view.curve is not None
    assert view.parity is not None
    x, y = Axis("duration", "h", "minimize"), Axis("hardness", "GPa", "maximize")
    effects = sample_effects()
    reach = charts_campaign.effects_reach(effects)
    image = sample_images()[1]
    assert image.diameters is not None
    readings = [(NOW + timedelta(seconds=n), 20.0 + n) for n in range(10)]
    return {
        "curve": charts_campaign.best_so_far(view.curve),
        "parity": charts_campaign.parity(view.parity),
        "front": charts_front.front(front_of(picture, picture.of_campaign(CAMPAIGN), x, y)),
        "pools": charts_campaign.pools(view.pools),
        "histogram": charts_experiment.histogram(image.diameters, image.grain_size),
        "telemetry": charts_experiment.telemetry("temperature", "Cel", readings),
        **{one.factor: charts_campaign.effect(one, HARDNESS, reach) for one in effects},
    }


def test_every_chart_is_still_and_says_in_words_what_it_shows() -> None:
    for name, options in _every_chart().items():
        text = json.dumps(options, allow_nan=False)
        assert options["animation"] is False, name
        assert options["aria"]["enabled"], name
        assert len(options["aria"]["label"]["description"]) > 20, name
        assert "function" not in text, name
        assert options["xAxis"]["name"], name


def test_axes_name_their_units() -> None:
    every = _every_chart()
    assert every["curve"]["yAxis"]["name"] == "Hardness (GPa)"
    assert every["telemetry"]["yAxis"]["name"] == "Temperature (°C)"
    assert every["histogram"]["xAxis"]["name"] == "Grain diameter (µm)"
    assert every["front"]["xAxis"]["name"] == "Duration (h), lower is better"


def test_updates_keep_the_number_of_series() -> None:
    # ECharts throws a chart away and draws it anew where that changes.
    empty = charts_campaign.best_so_far(curve_of([], HARDNESS))
    full = charts_campaign.best_so_far(curve_of([sample_experiment(i) for i in range(1, 9)], HARDNESS))
    assert len(empty["series"]) == len(full["series"])


def _series(options: Options, name: str) -> Options:
    found: Options = next(one for one in options["series"] if one["name"] == name)
    return found


def test_failures_lie_on_the_floor_and_what_was_taken_back_is_hollow() -> None:
    ones = [
        sample_experiment(1),
        sample_experiment(2, outcome="infeasible", found={}),
        sample_experiment(3, retracted=True),
    ]
    plot = charts_campaign.best_so_far(curve_of(ones, HARDNESS))
    crosses = _series(plot, "cannot be made")
    assert crosses["symbol"] == charts.CROSS
    assert [one["value"][1] for one in crosses["data"]] == [plot["yAxis"]["min"]]
    hollow = _series(plot, "taken back")
    assert hollow["itemStyle"]["color"] == "transparent"
    assert len(hollow["data"]) == 1
    assert set(plot["legend"]["data"]) == {
        "measured", "best so far", charts_campaign.BAND, "taken back", "cannot be made"
    }  # fmt: skip


def test_the_band_is_the_best_value_and_its_uncertainty() -> None:
    one = sample_experiment(1, found={"hardness": Quantity(value=30, unit="GPa", std=0.5)})
    low, width = charts_campaign.best_so_far(curve_of([one], HARDNESS))["series"][:2]
    assert low["data"] == [[1.0, 29.5]]
    assert width["data"] == [[1.0, 1.0]]
    assert low["stack"] == width["stack"]
    # Seen also where it is a few pixels high behind its own line.
    assert min(part["lineStyle"][what] for part in (low, width) for what in ("width", "opacity")) >= 0.5


@pytest.mark.parametrize("n", [1, 4, 9, 14, 15, 27, 260, 9001])
def test_what_is_counted_has_whole_ticks(n: int) -> None:
    for ticks in (4, 6):
        axis = charts.counted(n, ticks=ticks)
        assert axis["interval"] == int(axis["interval"]) >= 1
        assert axis["max"] >= n
        assert axis["max"] % axis["interval"] == 0
        assert axis["max"] / axis["interval"] <= ticks


@pytest.mark.parametrize(("direction", "step"), [("maximize", "start"), ("minimize", "end")])
def test_the_front_steps_to_the_side_that_was_reached(direction: str, step: str) -> None:
    picture = sample_picture()
    x = Axis("grain_size", "um", "maximize" if direction == "maximize" else "minimize")
    front = front_of(picture, picture.of_campaign(CAMPAIGN), x, Axis("hardness", "GPa", "maximize"))
    assert _series(charts_front.front(front), "front")["step"] == step


def test_a_line_of_readings_is_broken_where_nothing_came() -> None:
    seconds = [0, 1, 2, 3, 60, 61, 62]
    data = charts_experiment.broken([(NOW + timedelta(seconds=s), 1.0) for s in seconds])
    assert [i for i, one in enumerate(data) if one is None] == [4]
    assert len(data) == len(seconds) + 1
    # What is told once a minute has no gaps of a minute.
    assert None not in charts_experiment.broken([(NOW + timedelta(seconds=60 * s), 1.0) for s in range(5)], 1.0)


def test_a_histogram_is_as_high_as_its_counts_between_its_edges() -> None:
    plot = charts_experiment.histogram(
        Histogram(edges=(0, 1, 3), counts=(4, 2), unit="um"), Quantity(value=1.2, unit="um", std=0.1)
    )
    outline, mean = plot["series"]
    # With steps at their ends: 4 from 0 to 1, then 2 from 1 to 3.
    assert outline["data"] == [[0, 0], [0, 4], [1, 2], [3, 2], [3, 0]]
    assert outline["step"] == "end"
    assert [x for x, _ in mean["data"]] == [1.2, 1.2]
    assert "mean 1.20 ± 0.10\N{NO-BREAK SPACE}µm" in plot["aria"]["label"]["description"]
    assert all(a[0] <= b[0] for a, b in pairwise(outline["data"]))


def test_the_last_tick_of_a_histogram_is_as_round_as_the_others() -> None:
    plot = charts_experiment.histogram(Histogram(edges=(0.41, 4.1, 7.97768), counts=(4, 2), unit="um"))
    axis = plot["xAxis"]
    assert (axis["min"], axis["max"], axis["interval"]) == (0.0, 8.0, 2.0)
    assert plot["yAxis"]["interval"] == int(plot["yAxis"]["interval"])


def test_a_mean_in_another_unit_is_not_drawn_among_the_bins() -> None:
    plot = charts_experiment.histogram(Histogram(edges=(0, 1), counts=(4,), unit="um"), Quantity(value=900, unit="nm"))
    assert plot["series"][1]["data"] == []


def test_words_as_levels_stand_beside_each_other() -> None:
    effect = next(one for one in sample_effects() if isinstance(one.points[0].at, str))
    plot = charts_campaign.effect(effect, HARDNESS, charts_campaign.effects_reach([effect]))
    assert plot["xAxis"]["type"] == "category"
    assert len(plot["xAxis"]["data"]) == len(effect.points)
