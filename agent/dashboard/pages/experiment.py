"""The page of an experiment: how far it is, what was measured and seen, where all that is from."""

from __future__ import annotations

from html import escape

from nicegui import ui

from agent.dashboard.live.picture import Change, Kind
from agent.dashboard.pages import experiment_markup as markup
from agent.dashboard.pages import experiment_table
from agent.dashboard.pages.experiment_actions import Hands
from agent.dashboard.pages.experiment_audit import Audit
from agent.dashboard.pages.experiment_images import Images
from agent.dashboard.pages.experiment_live import Readings, Recipe
from agent.dashboard.pages.shell import Frame, frame
from agent.dashboard.ports import Hall
from agent.dashboard.views.experiment import ExperimentView, experiment_view
from agent.dashboard.views.experiment_steps import channels_of
from instruments.clock import Clock, SystemClock

CLOCK_S = 5.0
"""How often what depends on the time alone is written anew."""
_KINDS: tuple[Kind, ...] = ("experiment", "instrument", "telemetry", "link", "agent", "lab")


def register(hall: Hall) -> None:
    """Declare ``/experiments`` and ``/experiments/{eid}``."""
    clock = SystemClock()
    experiment_table.register(hall)

    @ui.page("/experiments/{eid}")
    def experiment(eid: str) -> None:
        with frame(hall, f"Experiment {eid}", "experiments") as page:
            _Experiment(page, eid, clock)


class _Experiment:
    """One browser's page of one experiment."""

    def __init__(self, page: Frame, eid: str, clock: Clock) -> None:
        self.page, self.hall, self.eid, self.clock = page, page.hall, eid, clock
        self.built = False
        self.body = ui.element("div").style("width:100%")
        view = self.view()
        with self.body:
            if view is None:
                ui.html(
                    f"<p class='lw-empty'>No experiment {escape(eid)} is known here (any more).</p>", sanitize=False
                )
            else:
                self.build(view)
        page.follow(_KINDS, self.refresh)
        ui.timer(CLOCK_S, self.tick)

    def view(self) -> ExperimentView | None:
        live = self.hall.live
        return experiment_view(live.picture, self.eid, live.now(), self.clock.elapsed())

    def refresh(self, changes: frozenset[Change]) -> None:
        if not self.concerns(changes):
            return
        view = self.view()
        if view is None:
            return
        if not self.built:
            self.body.clear()
            with self.body:
                self.build(view)
        else:
            self.update(view)

    def concerns(self, changes: frozenset[Change]) -> bool:
        """Whether anything that changed is on this page: other experiments' news are not."""
        one = self.hall.live.picture.experiments.get(self.eid)
        mine = {step.instrument for step in one.steps} if one is not None else set()
        for change in changes:
            if change.kind == "experiment" and change.id != self.eid:
                continue
            if change.kind in {"instrument", "telemetry"} and change.id.partition("/")[0] not in mine:
                continue
            return True
        return False

    def tick(self) -> None:
        """Let "so far" go on, while what is shown is how things stand."""
        if not self.built or not self.hall.live.freshness().live:
            return
        view = self.view()
        if view is not None:
            self.update_texts(view)

    def build(self, view: ExperimentView) -> None:
        self.built = True
        with ui.element("section").classes("lw-card").style("margin-bottom:var(--lw-gap)"):
            self.top = ui.html("", sanitize=False)
            self.hands = Hands(self.page, self.eid)
        with ui.element("div").classes("lw-columns") as self.columns:
            with ui.element("div"):
                self.recipe = Recipe()
                self.origin = self.card("Where this is from", "at-origin")
            with ui.element("div"):
                self.readings = Readings()
                self.result = self.card("Measured against predicted", "at-result")
                with ui.element("section").classes("lw-card at-changes") as self.corrected:
                    ui.html("<div class='lw-card-head'><h2>Corrections</h2></div>", sanitize=False)
                    self.changes = ui.html("", sanitize=False)
                self.images = Images(self.page)
        with ui.element("section").classes("lw-card").style("margin-top:var(--lw-gap)"):
            Audit(self.page, self.eid)
        self.update(view)

    def card(self, title: str, place: str) -> ui.html:
        with ui.element("section").classes(f"lw-card {place}"):
            ui.html(f"<div class='lw-card-head'><h2>{title}</h2></div>", sanitize=False)
            return ui.html("", sanitize=False)

    def update(self, view: ExperimentView) -> None:
        self.update_texts(view)
        self.hands.update(view)
        self.images.show(view.images)
        # On a phone what goes on comes first, and what was found once it has ended.
        self.columns.classes(add="going" if view.going else "", remove="" if view.going else "going")
        one = self.hall.live.picture.experiments.get(self.eid)
        if one is not None:
            self.readings.show(channels_of(self.hall.live.picture, one))

    def update_texts(self, view: ExperimentView) -> None:
        root, now = self.hall.prefix, self.hall.live.now()
        texts = {
            self.top: markup.summary(view, root),
            self.result: markup.measured(view.measured),
            self.changes: markup.changes(view.changes, now),
            self.origin: markup.provenance(view, root),
        }
        self.recipe.show(view.steps)
        for part, text in texts.items():
            part.content = text
        self.corrected.set_visibility(bool(view.changes))
