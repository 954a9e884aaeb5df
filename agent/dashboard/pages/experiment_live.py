"""What goes on in an experiment, on its page: the recipe step by step, and what the instrument at work tells."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from nicegui import ui

from agent.dashboard.drawing.charts_experiment import telemetry
from agent.dashboard.pages import experiment_markup as markup
from agent.dashboard.pages.charting import chart, redraw
from agent.dashboard.views import shares
from agent.dashboard.views.experiment_steps import Channel, StepView
from instruments.messages import Quantity


class Recipe:
    """The steps; only those that changed are written anew, so that what somebody unfolded stays so."""

    def __init__(self) -> None:
        with ui.element("section").classes("lw-card at-recipe"):
            ui.html("<div class='lw-card-head'><h2>Recipe</h2></div>", sanitize=False)
            self.empty = ui.html("<p class='lw-empty'>No step has been told yet.</p>", sanitize=False)
            self.list = ui.element("ol").classes("lw-steps")
        self.items: list[ui.html] = []
        self.views: tuple[StepView, ...] = ()

    def show(self, views: Sequence[StepView]) -> None:
        """Show steps."""
        self.empty.set_visibility(not views)
        if len(views) != len(self.items):
            self.list.clear()
            with self.list:
                self.items = [ui.html("", sanitize=False, tag="li") for _ in views]
            self.views = ()
        before: Sequence[StepView | None] = self.views or [None] * len(views)
        for item, view, old in zip(self.items, views, before, strict=True):
            if view != old:
                item.content = markup.step(view)
                item.classes(replace=view.look)
                item.props(
                    add="aria-current=step" if view.look == "now" else "",
                    remove="" if view.look == "now" else "aria-current",
                )
        self.views = tuple(views)


class Readings:
    """What the instrument at work tells, a chart for each of its channels."""

    def __init__(self) -> None:
        self.card = ui.element("section").classes("lw-card at-readings")
        self.card.set_visibility(False)
        with self.card:
            self.head = ui.html("", sanitize=False)
            self.place = ui.element("div")
        self.drawn: dict[str, ui.echart] = {}
        self.last: dict[str, ui.html] = {}

    def show(self, channels: tuple[Channel, ...]) -> None:
        """Show readings; charts are built anew only where the channels are others."""
        self.card.set_visibility(bool(channels))
        names = [f"{one.instrument}/{one.name}" for one in channels]
        if names != list(self.drawn):
            self.place.clear()
            self.drawn, self.last = {}, {}
            with self.place:
                for name, one in zip(names, channels, strict=True):
                    self.last[name] = ui.html("", sanitize=False)
                    self.drawn[name] = chart(_options(one), "low")
        for name, one in zip(names, channels, strict=True):
            redraw(self.drawn[name], _options(one))
            at, value = one.readings[-1]
            read = shares.quantity(one.name, Quantity(value=value, unit=one.unit))
            text = (
                f"<p class='lw-row'><strong>{escape(shares.title(one.name, one.unit))}</strong>"
                f"<span class='lw-num lw-now'>{escape(read)}</span><span class='lw-meta'>at {at:%H:%M:%S}</span></p>"
            )
            self.last[name].content = text
        if channels:
            iid = escape(channels[0].instrument)
            self.head.content = f"<div class='lw-card-head'><h2>Readings</h2><span class='lw-meta'>{iid}</span></div>"


def _options(one: Channel) -> dict[str, object]:
    return telemetry(one.name, one.unit, one.readings, one.period_s)
