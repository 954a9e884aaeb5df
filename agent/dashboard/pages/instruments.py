"""The page of the instruments: a card each, its readings alive."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from nicegui import ui

from agent.dashboard.pages import instrument_markup as markup
from agent.dashboard.pages.named_part import to_the_named_part
from agent.dashboard.pages.naming import called
from agent.dashboard.pages.shell import Frame, frame
from agent.dashboard.pages.signed import confirm_signed
from agent.dashboard.views.instruments import InstrumentView, instruments_view, readings_view, summary_of
from instruments.clock import Clock, SystemClock

if TYPE_CHECKING:
    from agent.dashboard.live.picture import Change
    from agent.dashboard.ports import Hall, Live
    from agent.deciding.sending import Answer as Counted

_OUT = "The agent orders nothing more of it until somebody puts it back. A job that it works on goes on to its end."
_BACK = "The agent may order of it again, at once. Nobody works on it any more, and it is closed."
TICK_S = 0.5
"""At most so often the page is brought up to date, s: readings may come a hundred times as often."""
_SLOW_TICKS = 10
"""Of these ticks one brings up to date what only the passing of time changes, such as ages."""


def register(hall: Hall) -> None:
    """Declare the page."""
    shared = Shared(hall.live, SystemClock())

    @ui.page("/instruments")
    def instruments() -> None:
        with frame(hall, "Instruments", "instruments") as page:
            Room(page, shared).build()


class Shared:
    """What all browsers are shown alike, worked out once for them.

    Args:
        live: the laboratory.
        clock: says how long ago something was heard, and when this is worked out anew.
    """

    def __init__(self, live: Live, clock: Clock) -> None:
        self._live, self._clock = live, clock
        self._views: tuple[float, tuple[InstrumentView, ...]] | None = None
        self._readings: dict[str, tuple[float, str]] = {}

    def views(self) -> tuple[InstrumentView, ...]:
        """All instruments."""
        now = self._clock.elapsed()
        if self._views is None or now - self._views[0] >= TICK_S / 2:
            self._views = now, instruments_view(self._live.picture, self._live.now(), now)
        return self._views[1]

    def readings(self, iid: str) -> str:
        """Markup of one instrument's readings."""
        now, last = self._clock.elapsed(), self._readings.get(iid)
        if last is None or now - last[0] >= TICK_S / 2:
            lab, instrument = self._live.picture.lab, self._live.picture.instruments.get(iid)
            speed = lab.speed if lab else 1.0
            views = readings_view(instrument, self._live.now(), speed, now) if instrument else ()
            last = now, markup.readings(views)
            self._readings[iid] = last
        return last[1]


def _part() -> ui.html:
    """Some markup of a card, which NiceGUI sends to the browser only when it is another."""
    return ui.html("", sanitize=False)


class Card:
    """One instrument of the page."""

    def __init__(self, room: Room, iid: str) -> None:
        self.iid, self._room = iid, room
        with ui.element("section").classes("lw-card") as section:
            section.props.update({"id": iid, "aria-labelledby": f"name-{iid}"})
            self._head, self._now, self._readings = _part(), _part(), _part()
            self._others, self._limits = _part(), _part()
            with ui.element("div").classes("lw-actions"):
                self._switch = ui.button("", on_click=self._ask, color=None).props("no-caps outline")
            self._switch.mark(f"service-{iid}")
        self._out = False

    def show(self, view: InstrumentView) -> None:
        """Bring everything but the readings up to date."""
        prefix = self._room.page.hall.prefix
        self._head.set_content(markup.head(view))
        self._now.set_content(markup.now(view, prefix))
        self._others.set_content(markup.before_and_after(view, prefix))
        self._limits.set_content(markup.limits(view))
        self._switch.set_visibility(self._room.page.looker().may_ask("maintenance"))
        self._out = view.service.out
        label = "Put back into service …" if self._out else "Take out of service …"
        if self._switch.text != label:
            self._switch.set_text(label)
            called(self._switch, f"{label.removesuffix(' …')}: {self.iid}")

    def _ask(self) -> None:
        """Have the person sign that it is out of service, or in service again."""
        page, iid, on = self._room.page, self.iid, not self._out

        async def send(password: str, comment: str) -> Counted:
            visitor = page.still_in() or page.visitor
            arguments = {"on": on}
            return await page.hall.voice.ask(
                visitor, password, "maintenance", iid, arguments=arguments, comment=comment
            )

        confirm_signed(
            page,
            title=f"Take {iid} out of service?" if on else f"Put {iid} back into service?",
            words=_OUT if on else _BACK,
            action=send,
            button="Take out of service" if on else "Put back into service",
            comment="required" if on else "optional",
        )

    def show_readings(self) -> None:
        """Bring the readings up to date."""
        self._readings.set_content(self._room.shared.readings(self.iid))


class Room:
    """All instruments, as one browser sees them.

    Args:
        page: what stands around.
        shared: what all browsers are shown.
    """

    def __init__(self, page: Frame, shared: Shared) -> None:
        self.page, self.shared = page, shared
        self._cards: dict[str, Card] = {}
        self._changed = True
        self._read: set[str] = set()
        self._ticks = 0

    def build(self) -> None:
        """Build the page, and have it kept up to date."""
        self._summary = _part()
        self._grid = ui.element("div").classes("inst-grid")
        self._tick()
        self.page.follow({"instrument", "telemetry", "experiment", "lab", "link", "agent"}, self._note)
        ui.timer(TICK_S, self._tick)
        to_the_named_part()

    def _note(self, changes: frozenset[Change]) -> None:
        self._read |= {change.id for change in changes if change.kind == "telemetry"}
        self._changed = self._changed or any(change.kind != "telemetry" for change in changes)

    def _tick(self) -> None:
        self._ticks += 1
        if not self.page.hall.live.freshness().live and self._ticks > 1 and not self._changed:
            return  # what is old stands still
        if self._changed or self._ticks % _SLOW_TICKS == 0:
            self._changed = False
            self._show_all()
            self._read |= set(self._cards)
        for iid in self._read & set(self._cards):
            self._cards[iid].show_readings()
        self._read.clear()

    def _show_all(self) -> None:
        views = self.shared.views()
        if [view.iid for view in views] != list(self._cards):
            self._grid.clear()
            with self._grid:
                self._cards = {view.iid: Card(self, view.iid) for view in views}
        for view in views:
            self._cards[view.iid].show(view)
        empty = '<p class="lw-empty">No instrument has been heard of yet.</p>'
        self._summary.set_content(f'<p class="inst-summary">{escape(summary_of(views))}</p>' if views else empty)
