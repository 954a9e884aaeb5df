"""Who decided what and when: decisions that are on the bus, and the record's entries, which the agent is asked for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from nicegui import ui

from agent.dashboard.pages import people_markup as markup
from agent.dashboard.views.record import decisions_view, entries_view
from envs.errors import LabwrightError

if TYPE_CHECKING:
    from agent.dashboard.pages.shell import Frame

DECISIONS: Final = 12
"""Decisions of one page."""
ENTRIES: Final = 25
"""Entries of one page."""
_NAME = re.compile(r"[A-Za-z0-9_.\-]{1,64}")
_ODD = "A name has letters, digits, dots, dashes and underscores alone, and at most 64 of them."


class Decided:
    """Decisions and entries, by pages, of everything or of one person or thing.

    Args:
        page: what stands around.
        about: whom or what; empty for all.
    """

    def __init__(self, page: Frame, about: str) -> None:
        self._page, self._about = page, about.strip()
        self._from = 0
        self._befores: list[int | None] = [None]
        self._asked = False

    def build(self) -> None:
        """Build it."""
        with ui.element("div").classes("lw-row people-filter"):
            self._field = ui.input("About a person, experiment, proposal, …", value=self._about)
            self._field.props("outlined dense clearable maxlength=64").classes("people-about").mark("about")
            self._field.on("keydown.enter", self._narrow).on("clear", self._narrow)
            ui.button("Show", on_click=self._narrow, color=None).props("no-caps outline").mark("show")
            self._said = ui.html("", sanitize=False).classes("lw-meta").props("role=status")
        with ui.tabs().props("dense no-caps align=left inline-label").classes("people-tabs") as tabs:
            decisions, record = ui.tab("Decisions"), ui.tab("Record, entry by entry")
        with ui.tab_panels(tabs, value=record if self._about else decisions, animated=False).classes("people-panels"):
            with ui.tab_panel(decisions):
                self._decisions = ui.html("", sanitize=False)
                self._turns = _Turns(lambda: self._turn(DECISIONS), lambda: self._turn(-DECISIONS))
            with ui.tab_panel(record):
                self._entries = ui.html("", sanitize=False).props("aria-live=polite")
                self._pages = _Turns(self._older, self._newer)
        tabs.on_value_change(lambda event: self._chosen(str(event.value)))
        self.show_decisions()
        if self._about:
            ui.timer(0.01, self._load, once=True)

    def show_decisions(self) -> None:
        """Bring the decisions up to date."""
        live = self._page.hall.live
        found = decisions_view(live.picture, live.now(), self._about, self._from, DECISIONS)
        self._from, last = found.first, found.first + len(found.lines)
        self._decisions.set_content(markup.decisions(found.lines, self._page.hall.prefix))
        words = f"{self._from + 1} to {last} of {found.n}" if found.n else ""
        self._turns.show(words, older=last < found.n, newer=self._from > 0)

    def _turn(self, by: int) -> None:
        self._from += by
        self.show_decisions()

    async def _narrow(self) -> None:
        wanted = (self._field.value or "").strip()
        if wanted and not _NAME.fullmatch(wanted):
            self._said.set_content(_ODD)
            return
        self._said.set_content("")
        self._about, self._from, self._befores = wanted, 0, [None]
        self.show_decisions()
        if self._asked:
            await self._load()

    async def _chosen(self, tab: str) -> None:
        if tab.startswith("Record") and not self._asked:
            await self._load()

    async def _older(self) -> None:
        if self._last is not None:
            self._befores.append(self._last)
            await self._load()

    async def _newer(self) -> None:
        if len(self._befores) > 1:
            self._befores.pop()
        await self._load()

    async def _load(self) -> None:
        """Ask for the page of entries that is wanted now."""
        visitor = self._page.still_in()
        if visitor is None or (self._about and not _NAME.fullmatch(self._about)):
            return
        self._asked, self._last = True, None
        before, voice = self._befores[-1], self._page.hall.voice
        self._pages.show("The agent is asked …", older=False, newer=False)
        try:
            answer = await voice.audit(visitor, subject=self._about, before=before, limit=ENTRIES)
        except LabwrightError as error:
            self._trouble(str(error))
            return
        if answer.refused:
            self._trouble(answer.refused)
            return
        self._last = answer.entries[-1].seq if answer.entries and answer.more else None
        live = self._page.hall.live
        shown = entries_view(answer.entries, live.picture, live.now())
        if not self._entries.is_deleted:
            self._entries.set_content(markup.entries(shown, self._page.hall.prefix))
            words = f"entries {shown[-1].seq} to {shown[0].seq}" if shown else ""
            self._pages.show(words, older=self._last is not None, newer=len(self._befores) > 1, again=True)

    def _trouble(self, text: str) -> None:
        if not self._entries.is_deleted:
            self._entries.set_content(markup.verification(text, "warn", ()))
            self._pages.show("", older=False, newer=len(self._befores) > 1, again=True)

    _last: int | None = None


class _Turns:
    """The buttons that turn pages, and where one is."""

    def __init__(self, older: object, newer: object) -> None:
        with ui.element("nav").classes("lw-actions people-turns").props('aria-label="Pages"'):
            self._newer = ui.button("Newer", on_click=newer, color=None).props("no-caps outline")  # type: ignore[arg-type]
            self._older = ui.button("Older", on_click=older, color=None).props("no-caps outline")  # type: ignore[arg-type]
            self._words = ui.html("", sanitize=False).classes("lw-meta lw-num")

    def show(self, words: str, *, older: bool, newer: bool, again: bool = False) -> None:
        """Say where one is, and which ways there are.

        Args:
            words: where; plain text without anything of others.
            older: whether older ones follow.
            newer: whether newer ones go before.
            again: whether the first page may be asked for anew.
        """
        self._words.set_content(words)
        self._older.set_enabled(older)
        self._newer.set_enabled(newer or again)
        self._newer.set_text("Newer" if newer or not again else "Look again")
