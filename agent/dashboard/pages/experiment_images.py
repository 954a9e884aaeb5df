"""The micrographs of an experiment on its page: fetched when they are looked at, with what the network saw."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from nicegui import ui

from agent.dashboard.drawing.charts_experiment import histogram
from agent.dashboard.pages import experiment_markup as markup
from agent.dashboard.pages.charting import chart
from agent.dashboard.pages.shell import Frame
from agent.dashboard.views.experiment_result import ImageView, bar_of
from envs.errors import LabwrightError
from instruments.profile.questions import Picture

WAYS = {"image": "Image", "overlay": "What the network saw", "both": "Side by side"}


class Images:
    """The card of one browser.

    Args:
        page: that it is on.
    """

    def __init__(self, page: Frame) -> None:
        self.page = page
        self.views: tuple[ImageView, ...] = ()
        self.shown = 0
        self.way = "overlay"
        self.card = ui.element("section").classes("lw-card at-images")
        self.card.set_visibility(False)

    def show(self, views: Sequence[ImageView]) -> None:
        """Show an experiment's images; nothing is built anew where they are the same."""
        if tuple(views) == self.views:
            return
        # Who looks at an older image goes on looking at it when a newer one comes.
        looked_at = self.views[self.shown].number if self.views and self.shown else None
        self.views = tuple(views)
        self.shown = next((i for i, view in enumerate(self.views) if view.number == looked_at), 0)
        self._build()

    def _build(self) -> None:
        self.card.clear()
        self.card.set_visibility(bool(self.views))
        if not self.views:
            return
        with self.card:
            view = self.views[self.shown]
            of = f"image {view.number} of {len(self.views)}" if len(self.views) > 1 else ""
            ui.html(
                f"<div class='lw-card-head'><h2>Micrograph</h2><span class='lw-meta'>{of}</span></div>", sanitize=False
            )
            if len(self.views) > 1:
                numbers = {i: f"Image {view.number} ({view.state})" for i, view in enumerate(self.views)}
                ui.select(
                    numbers, value=self.shown, label="Image", on_change=lambda event: self._choose(event.value)
                ).props("dense outlined options-dense")
            with ui.element("div").classes("lw-row lw-views"):
                ui.toggle(
                    WAYS if view.overlay else {"image": WAYS["image"]}, value=self._way(view), on_change=self._turn
                ).props("no-caps dense unelevated toggle-color=primary")
            self.place = ui.element("div")
            with self.place:
                ui.html("<div class='lw-waiting' role='status'>Fetching the picture …</div>", sanitize=False)
            ui.html(markup.image_facts(view), sanitize=False)
            if view.diameters is not None:
                ui.html("<h2 class='lw-h2'>Grain diameters</h2>", sanitize=False)
                chart(histogram(view.diameters, view.mean), "low")
            ui.timer(0.01, self.fetch, once=True)

    def _way(self, view: ImageView) -> str:
        return self.way if view.overlay else "image"

    def _choose(self, number: int) -> None:
        self.shown = number
        self._build()

    async def _turn(self, event: object) -> None:
        self.way = str(getattr(event, "value", self.way))
        await self.fetch()

    async def fetch(self) -> None:
        """Ask for what is looked at, and show it or say why it cannot be shown."""
        if not self.views or self.page.still_in() is None:
            return
        view = self.views[self.shown]
        way = self._way(view)
        wanted = [("SEM image", view.image)] if way in {"image", "both"} else []
        wanted += [("What the network saw", view.overlay)] if way in {"overlay", "both"} else []
        figures = [await self._figure(view, name, sha256) for name, sha256 in wanted]
        if self.place.is_deleted or view != self.views[self.shown] or way != self._way(view):
            return
        self.place.clear()
        with self.place:
            pair = "pair" if len(figures) > 1 else ""
            ui.html(f"<div class='lw-sem {pair}'>{''.join(figures)}</div>", sanitize=False)

    async def _figure(self, view: ImageView, name: str, sha256: str) -> str:
        try:
            answer = await self.page.hall.voice.picture(self.page.visitor, sha256)
        except LabwrightError as error:
            return self._trouble(str(error))
        if answer.picture is None:
            return self._trouble(answer.refused or "the agent sent none")
        picture = answer.picture
        return (
            f"<figure><img alt='{escape(name)}, image {view.number}' "
            f"src='data:{picture.thumbnail.media_type};base64,{picture.thumbnail.data}'>"
            f"<figcaption>{escape(name)}</figcaption>{_scale(view, picture)}</figure>"
        )

    def _trouble(self, text: str) -> str:
        return f"<p class='lw-note warn'>The picture cannot be shown: {escape(text)}</p>"


def _scale(view: ImageView, picture: Picture) -> str:
    if view.pixel_um is None:
        return ""
    share, text = bar_of(view.pixel_um, picture.width)
    width = f"width:{100 * share:.2f}%"
    return f"<span class='scale' style='{width}' role='img' aria-label='Scale bar, {text}'>{text}<i></i></span>"
