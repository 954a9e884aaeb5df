"""Charts on a page: drawn as SVG, so that the page's colours are theirs, and changed in place."""

from __future__ import annotations

from nicegui import ui

from agent.dashboard.drawing.charts import Options
from agent.dashboard.pages.naming import called


def chart(options: Options, size: str = "") -> ui.echart:
    """A chart; ``size`` is ``low`` or ``small`` where it is not as high as others."""
    drawn = ui.echart(options, renderer="svg").classes(f"lw-chart {size}")
    return called(drawn.props("role=img"), options["aria"]["label"]["description"])


def redraw(drawn: ui.echart, options: Options) -> None:
    """Have a chart show something else; nothing is sent where nothing changed."""
    if drawn.options == options:
        return
    drawn.options.clear()
    drawn.options.update(options)
    called(drawn, options["aria"]["label"]["description"])
    drawn.update()
