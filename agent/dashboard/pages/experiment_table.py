"""The page with the table of all experiments."""

from __future__ import annotations

from typing import cast

from nicegui import ui

from agent.dashboard.live.picture import Change
from agent.dashboard.pages import experiment_markup as markup
from agent.dashboard.pages.shell import Frame, frame
from agent.dashboard.ports import Hall
from agent.dashboard.views import words
from agent.dashboard.views.experiment_list import FILTERS, SORTINGS, Filter, Sorting, table_of


def register(hall: Hall) -> None:
    """Declare ``/experiments``."""

    @ui.page("/experiments")
    def experiments() -> None:
        with frame(hall, "Experiments", "experiments") as page:
            _Table(page)


class _Table:
    """One browser's table."""

    def __init__(self, page: Frame) -> None:
        self.hall = page.hall
        self.chosen: Filter = "all"
        self.sorting: Sorting = "newest"
        self.search = ""
        self.number = 0
        with ui.element("div").classes("lw-filters"):
            search = ui.input("Search", placeholder="id, formula, process, approver", on_change=self._searched)
            search.props("outlined dense clearable debounce=250 type=search").mark("search")
            choice = ui.select(dict(FILTERS), value="all", label="Show", on_change=self._filtered)
            choice.props("outlined dense options-dense").mark("filter")
            order = ui.select(dict(SORTINGS), value="newest", label="Order", on_change=self._sorted)
            order.props("outlined dense options-dense").mark("order")
        with ui.element("section").classes("lw-card"):
            self.rows = ui.html("", sanitize=False)
            with ui.element("div").classes("lw-row").style("margin-top:8px"):
                self.back = ui.button("Back", on_click=lambda: self._turn(-1), color=None).props("no-caps flat")
                self.where = ui.label("").classes("lw-meta").props("role=status")
                self.on = ui.button("Further", on_click=lambda: self._turn(1), color=None).props("no-caps flat")
        self.show()
        page.follow({"experiment", "campaign"}, self._changed)

    def show(self) -> None:
        """Write the page of the table that is looked at."""
        live = self.hall.live
        table = table_of(
            live.picture, chosen=self.chosen, sorting=self.sorting, search=self.search, page=self.number
        )  # fmt: skip
        self.number = table.page
        text = markup.table(table, self.hall.prefix, live.now())
        self.rows.content = text
        self.where.text = f"{words.counted(table.found, 'experiment')}, page {table.page + 1} of {table.pages}"
        self.back.set_visibility(table.pages > 1)
        self.on.set_visibility(table.pages > 1)
        self.back.set_enabled(table.page > 0)
        self.on.set_enabled(table.page + 1 < table.pages)

    def _changed(self, _: frozenset[Change]) -> None:
        self.show()

    def _turn(self, by: int) -> None:
        self.number += by
        self.show()

    def _again(self) -> None:
        self.number = 0
        self.show()

    def _searched(self, event: object) -> None:
        self.search = str(getattr(event, "value", "") or "")
        self._again()

    def _filtered(self, event: object) -> None:
        self.chosen = cast("Filter", getattr(event, "value", "all"))
        self._again()

    def _sorted(self, event: object) -> None:
        self.sorting = cast("Sorting", getattr(event, "value", "newest"))
        self._again()
