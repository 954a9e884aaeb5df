"""The page of a campaign: how far it has come, what it has learned, what it may spend."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

from nicegui import ui

from agent.dashboard.drawing.charts import Options
from agent.dashboard.live.picture import Change, Kind
from agent.dashboard.pages import campaign_markup as markup
from agent.dashboard.pages.campaign_actions import Steering
from agent.dashboard.pages.campaign_desk import Desk, Drawn
from agent.dashboard.pages.campaign_front import FrontCard
from agent.dashboard.pages.charting import chart, redraw
from agent.dashboard.pages.shell import Frame, frame
from agent.dashboard.ports import Hall
from agent.dashboard.views.campaign import CampaignView, campaign_ids

MOMENTS = 15
"""Things that happened on one page of the timeline."""
_KINDS: tuple[Kind, ...] = (
    "link",
    "agent",
    "campaign",
    "experiment",
    "proposal",
    "outcome",
    "event",
    "lab",
    "instrument",
)
_Updates = list[Callable[[Drawn], None]]


def register(hall: Hall) -> None:
    """Declare ``/campaigns`` and ``/campaigns/{cid}``."""
    desk = Desk(hall.live)

    @ui.page("/campaigns")
    def campaigns() -> None:
        ids = campaign_ids(hall.live.picture)
        if len(ids) == 1:
            ui.navigate.to(f"/campaigns/{ids[0]}")  # NiceGUI puts the prefix before it
            return
        with frame(hall, "Campaigns", "campaigns") as page:
            body = ui.html(markup.listing(hall.live.picture, hall.prefix, hall.live.now()), sanitize=False)
            body.classes("lw-grid-host")

            def refresh(_: frozenset[Change]) -> None:
                body.content = markup.listing(hall.live.picture, hall.prefix, hall.live.now())

            page.follow({"campaign"}, refresh)

    @ui.page("/campaigns/{cid}")
    def campaign(cid: str) -> None:
        with frame(hall, f"Campaign {cid}", "campaigns") as page:
            _Campaign(page, desk, cid)


class _Campaign:
    """One browser's page of one campaign."""

    def __init__(self, page: Frame, desk: Desk, cid: str) -> None:
        self.page, self.hall, self.desk, self.cid = page, page.hall, desk, cid
        self.updates: _Updates = []
        self.shown: Drawn | None = None
        self.begin = 0
        self.body = ui.element("div").classes("lw-whole")
        with self.body:
            ui.html(f"<p class='lw-empty'>No campaign {escape(cid)} is known here (yet).</p>", sanitize=False)
        self.refresh(frozenset())
        page.follow(_KINDS, self.refresh)

    def refresh(self, _: frozenset[Change]) -> None:
        """Bring up to date what has changed."""
        drawn = self.desk.drawn(self.cid)
        if drawn is None:
            return
        before, self.shown = self.shown, drawn
        if before is None or before.there != drawn.there:
            self.updates.clear()
            self.body.clear()
            with self.body:
                self.build(drawn)
        elif drawn is not before:
            for update in self.updates:
                update(drawn)
        self.steering.update(drawn.view)
        self.trade.update()
        self.happened()

    def build(self, drawn: Drawn) -> None:
        with ui.element("div").classes("lw-campaign-top"):
            with ui.element("section").classes("lw-card"):
                self.html(markup.summary, drawn)
                self.steering = Steering(self.page, self.cid)
            with ui.element("section").classes("lw-card"):
                self.html(lambda view: markup.best(view, self.hall.prefix), drawn)
            with ui.element("section").classes("lw-card"):
                self.html(lambda view: markup.budget(view, self.hall.live.now()), drawn)
        unknown = "" if drawn.view.goals else "What this campaign looks for is not known yet."
        with ui.element("div").classes("lw-charts"):
            self.chart("Best so far", lambda one: one.best, drawn, unknown or "No experiment has ended yet.")
            nothing = unknown or "No experiment with a prediction has ended yet."
            with self.chart("Predicted against measured", lambda one: one.parity, drawn, nothing):
                self.html(markup.parity, drawn)
            with ui.element("section").classes("lw-card"):
                self.trade = FrontCard(self.desk, self.cid)
            self.chart("Outcomes by pool", lambda one: one.pools, drawn, "No experiment is known yet.")
        self.factors(drawn)
        self.timeline()

    def html(self, make: Callable[[CampaignView], str], drawn: Drawn) -> None:
        part = ui.html(make(drawn.view), sanitize=False)

        def update(drawn: Drawn) -> None:
            part.content = make(drawn.view)

        self.updates.append(update)

    def chart(self, title: str, options: Callable[[Drawn], Options | None], drawn: Drawn, empty: str) -> ui.element:
        card = ui.element("section").classes("lw-card")
        first = options(drawn)
        with card:
            ui.html(markup.head(title), sanitize=False)
            if first is None:
                ui.html(f"<p class='lw-empty'>{empty}</p>", sanitize=False)
                return card
            there = chart(first)

        def update(drawn: Drawn) -> None:
            now = options(drawn)
            if now is not None:
                redraw(there, now)

        self.updates.append(update)
        return card

    def factors(self, drawn: Drawn) -> None:
        with ui.element("section").classes("lw-card lw-below"):
            self.html(markup.learned, drawn)
            grid = ui.element("div").classes("lw-effects")
        there: dict[str, ui.echart] = {}

        def update(drawn: Drawn) -> None:
            effects = dict(zip((one.factor for one in drawn.view.effects), drawn.effects, strict=False))
            if list(effects) == list(there):
                for factor, options in effects.items():
                    redraw(there[factor], options)
                return
            grid.clear()
            there.clear()
            with grid:
                for one, options in zip(drawn.view.effects, drawn.effects, strict=False):
                    with ui.element("div"):
                        ui.html(markup.factor(one), sanitize=False)
                        there[one.factor] = chart(options, "small")

        update(drawn)
        self.updates.append(update)

    def timeline(self) -> None:
        with ui.element("section").classes("lw-card lw-below"):
            ui.html(markup.head("What happened"), sanitize=False)
            self.rows = ui.html("", sanitize=False)
            with ui.element("div").classes("lw-pager") as self.pager:
                self.newer = ui.button("Newer", on_click=lambda: self.turn(-MOMENTS)).props("flat dense no-caps")
                self.where = ui.label("").classes("lw-meta")
                self.older = ui.button("Older", on_click=lambda: self.turn(MOMENTS)).props("flat dense no-caps")

    def turn(self, by: int) -> None:
        self.begin += by
        self.happened()

    def happened(self) -> None:
        live = self.hall.live
        part = self.desk.happened(self.cid, self.begin, MOMENTS)
        self.begin = part.begin
        self.rows.content = markup.timeline(part.moments, self.hall.prefix, live.now())
        end = part.begin + len(part.moments)
        self.pager.set_visibility(part.total > MOMENTS)
        self.where.text = f"{part.begin + 1}–{end} of {part.total}" if part.total else ""
        self.newer.set_enabled(part.begin > 0)
        self.older.set_enabled(end < part.total)
