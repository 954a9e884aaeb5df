"""The trade-off between two quantities that the person chooses."""

from __future__ import annotations

from dataclasses import replace

from nicegui import ui

from agent.dashboard.drawing.charts import Options
from agent.dashboard.pages import campaign_markup as markup
from agent.dashboard.pages.campaign_desk import Desk
from agent.dashboard.pages.charting import chart, redraw
from agent.dashboard.views import words
from agent.dashboard.views.campaign_pareto import Axis

HIGHER, LOWER = "higher is better", "lower is better"


class FrontCard:
    """The card of one browser.

    Args:
        desk: works the chart out.
        cid: the campaign.
    """

    def __init__(self, desk: Desk, cid: str) -> None:
        self.desk, self.cid = desk, cid
        self.choice: list[str] = []
        self.turned: dict[str, str] = {}
        self.drawn: ui.echart | None = None
        ui.html(markup.head("Trade-off"), sanitize=False)
        self.place = ui.element("div")
        self.update()

    def update(self) -> None:
        """Show the samples of this moment."""
        drawn = self.desk.drawn(self.cid)
        axes = {one.name: one for one in drawn.axes} if drawn is not None else {}
        if len(axes) < 2:
            if self.drawn is None:
                self.place.clear()
                with self.place:
                    ui.html("<p class='lw-empty'>Two quantities of a sample must be known first.</p>", sanitize=False)
            return
        self.axes = axes
        if self.drawn is None or any(name not in axes for name in self.choice):
            self.choice = _first(list(axes.values()))
            self._build()
        elif set(self.selects[0].options) != set(axes):
            for select in self.selects:
                select.set_options({name: words.title(name) for name in axes})
        if self.drawn is not None:
            redraw(self.drawn, self._options())

    def _options(self) -> Options:
        x, y = (self._axis(name) for name in self.choice)
        return self.desk.front(self.cid, x, y)

    def _axis(self, name: str) -> Axis:
        axis = self.axes[name]
        turned = self.turned.get(name)
        return axis if turned is None else replace(axis, direction="maximize" if turned == HIGHER else "minimize")

    def _build(self) -> None:
        self.place.clear()
        with self.place:
            with ui.element("div").classes("lw-front-choice"):
                self.selects = [self._select(i, label) for i, label in enumerate(("Across", "Upwards"))]
                self.ways = [self._way(i) for i in range(2)]
            self.drawn = chart(self._options())

    def _select(self, i: int, label: str) -> ui.select:
        def chosen(name: str) -> None:
            self.choice[i] = name
            self.ways[i].value = _way(self._axis(name))
            self._redraw()

        options = {name: words.title(name) for name in self.axes}
        return ui.select(options, value=self.choice[i], label=label, on_change=lambda event: chosen(event.value)).props(
            "dense outlined options-dense"
        )

    def _way(self, i: int) -> ui.select:
        def chosen(way: str) -> None:
            name = self.choice[i]
            if way != _way(self.axes[name]):
                self.turned[name] = way
            else:
                self.turned.pop(name, None)
            self._redraw()

        return ui.select(
            [HIGHER, LOWER], value=_way(self._axis(self.choice[i])), on_change=lambda event: chosen(event.value)
        ).props(f'dense outlined options-dense aria-label="Which {("across", "upwards")[i]} is better"')

    def _redraw(self) -> None:
        if self.drawn is not None:
            redraw(self.drawn, self._options())


def _way(axis: Axis) -> str:
    return HIGHER if axis.direction == "maximize" else LOWER


def _first(axes: list[Axis]) -> list[str]:
    goals = [one.name for one in axes if one.goal]
    rest = [one.name for one in axes if not one.goal]
    # What is looked for stands upwards, against what it is paid with.
    costs = [name for name in rest if name == "duration" or name.endswith("_hours")]
    return [(goals[1:] + costs + rest)[0], goals[0]] if goals else rest[:2]
