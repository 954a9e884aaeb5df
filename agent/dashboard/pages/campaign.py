"""The page of a campaign: how far it has come, what it has learned, what it may spend."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

from nicegui import ui

from agent.dashboard.drawing import charts_campaign
from agent.dashboard.live.picture import Change, Kind
from agent.dashboard.pages import campaign_markup as markup
from agent.dashboard.pages.campaign_actions import Steering
from agent.dashboard.pages.campaign_front import FrontCard
from agent.dashboard.pages.charting import chart, redraw, styled
from agent.dashboard.pages.shell import Frame, frame
from agent.dashboard.ports import Hall
from agent.dashboard.views.campaign import CampaignView, campaign_ids, campaign_view
from agent.dashboard.views.campaign_timeline import timeline_of

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
_Updates = list[Callable[[CampaignView], None]]


def register(hall: Hall) -> None:
    """Declare ``/campaigns`` and ``/campaigns/{cid}``."""

    @ui.page("/campaigns")
    def campaigns() -> None:
        ids = campaign_ids(hall.live.picture)
        if len(ids) == 1:
            ui.navigate.to(f"/campaigns/{ids[0]}")  # NiceGUI puts the prefix before it
            return
        with frame(hall, "Campaigns", "campaigns") as page:
            styled(hall, "campaign.css")
            body = ui.html(markup.listing(hall.live.picture, hall.prefix, hall.live.now()), sanitize=False)
            body.classes("lw-grid-host")

            def refresh(_: frozenset[Change]) -> None:
                body.content = markup.listing(hall.live.picture, hall.prefix, hall.live.now())

            page.follow({"campaign"}, refresh)

    @ui.page("/campaigns/{cid}")
    def campaign(cid: str) -> None:
        with frame(hall, f"Campaign {cid}", "campaigns") as page:
            styled(hall, "charts.css", "campaign.css")
            _Campaign(page, cid)


class _Campaign:
    """One browser's page of one campaign."""

    def __init__(self, page: Frame, cid: str) -> None:
        self.page, self.hall, self.cid = page, page.hall, cid
        self.updates: _Updates = []
        self.effects: tuple[str, ...] = ()
        self.begin = 0
        view = self.view()
        self.body = ui.element("div").style("width:100%")
        with self.body:
            if view is None:
                self.empty = ui.html(
                    f"<p class='lw-empty'>No campaign {escape(cid)} is known here (yet).</p>", sanitize=False
                )
            else:
                self.build(view)
        page.follow(_KINDS, self.refresh)

    def view(self) -> CampaignView | None:
        live = self.hall.live
        return campaign_view(live.picture, self.cid, live.now())

    def refresh(self, changes: frozenset[Change]) -> None:
        view = self.view()
        if view is None:
            return
        if not self.updates:
            self.body.clear()
            with self.body:
                self.build(view)
            return
        if {change.kind for change in changes} <= {"instrument"}:
            return
        for update in self.updates:
            update(view)

    def build(self, view: CampaignView) -> None:
        with ui.element("div").classes("lw-campaign-top"):
            with ui.element("section").classes("lw-card"):
                self.html(markup.summary, view)
                self.updates.append(Steering(self.page, self.cid).show(view))
            with ui.element("section").classes("lw-card"):
                self.html(lambda view: markup.best(view, self.hall.prefix), view)
            with ui.element("section").classes("lw-card"):
                self.html(lambda view: markup.budget(view, self.hall.live.now()), view)
        with ui.element("div").classes("lw-charts"):
            self.curve(view)
            self.parity(view)
            with ui.element("section").classes("lw-card"):
                self.updates.append(FrontCard(self.page, self.cid).show(view))
            self.pools(view)
        self.factors(view)
        self.timeline()

    def html(self, make: Callable[[CampaignView], str], view: CampaignView) -> None:
        part = ui.html(make(view), sanitize=False)

        def update(view: CampaignView) -> None:
            text = make(view)
            if part.content != text:
                part.content = text

        self.updates.append(update)

    def curve(self, view: CampaignView) -> None:
        with ui.element("section").classes("lw-card"):
            ui.html(markup.head("Best so far"), sanitize=False)
            if view.curve is None:
                self.later("What this campaign looks for has not been told yet.")
                return
            drawn = chart(charts_campaign.best_so_far(view.curve))
            self.updates.append(
                lambda view: redraw(drawn, charts_campaign.best_so_far(view.curve)) if view.curve is not None else None
            )

    def parity(self, view: CampaignView) -> None:
        with ui.element("section").classes("lw-card"):
            ui.html(markup.head("Predicted against measured"), sanitize=False)
            if view.parity is None:
                self.later("Nothing has been predicted yet.")
                return
            drawn = chart(charts_campaign.parity(view.parity))
            self.html(markup.parity, view)
            self.updates.append(
                lambda view: redraw(drawn, charts_campaign.parity(view.parity)) if view.parity is not None else None
            )

    def pools(self, view: CampaignView) -> None:
        with ui.element("section").classes("lw-card"):
            ui.html(markup.head("Outcomes by pool"), sanitize=False)
            drawn = chart(charts_campaign.pools(view.pools))
            self.updates.append(lambda view: redraw(drawn, charts_campaign.pools(view.pools)))

    def later(self, text: str) -> None:
        """Say that something is missing, and build the page anew once it is there."""
        ui.html(f"<p class='lw-empty'>{text}</p>", sanitize=False)

        def again(view: CampaignView) -> None:
            if view.curve is not None:
                self.updates.clear()

        self.updates.append(again)

    def factors(self, view: CampaignView) -> None:
        with ui.element("section").classes("lw-card").style("margin-top:var(--lw-gap)"):
            self.html(markup.learned, view)
            grid = ui.element("div").classes("lw-effects")
        drawn: dict[str, ui.echart] = {}

        def update(view: CampaignView) -> None:
            factors = tuple(one.factor for one in view.effects)
            reach = charts_campaign.effects_reach(view.effects)
            if factors != tuple(drawn):
                grid.clear()
                drawn.clear()
                with grid:
                    for one in view.effects:
                        with ui.element("div"):
                            ui.html(markup.factor(one), sanitize=False)
                            drawn[one.factor] = chart(charts_campaign.effect(one, view.goals[0], reach), "small")
                return
            for one in view.effects:
                redraw(drawn[one.factor], charts_campaign.effect(one, view.goals[0], reach))

        update(view)
        self.updates.append(update)

    def timeline(self) -> None:
        with ui.element("section").classes("lw-card").style("margin-top:var(--lw-gap)"):
            ui.html(markup.head("What happened"), sanitize=False)
            rows = ui.html("", sanitize=False)
            with ui.element("div").classes("lw-pager"):
                newer = ui.button("Newer", on_click=lambda: turn(-MOMENTS)).props("flat dense no-caps")
                where = ui.label("").classes("lw-meta")
                older = ui.button("Older", on_click=lambda: turn(MOMENTS)).props("flat dense no-caps")

        def turn(by: int) -> None:
            self.begin = max(0, self.begin + by)
            update(None)

        def update(_: CampaignView | None) -> None:
            moments = timeline_of(self.hall.live.picture, self.cid)
            self.begin = min(self.begin, max(0, (len(moments) - 1) // MOMENTS * MOMENTS))
            end = min(self.begin + MOMENTS, len(moments))
            text = markup.timeline(moments[self.begin : end], self.hall.prefix, self.hall.live.now())
            if rows.content != text:
                rows.content = text
            where.text = f"{self.begin + 1}–{end} of {len(moments)}" if moments else ""
            newer.set_enabled(self.begin > 0)
            older.set_enabled(end < len(moments))

        update(None)
        self.updates.append(update)
