"""What the record says of an experiment, on its page: asked for when somebody wants to read it."""

from __future__ import annotations

from html import escape

from nicegui import ui

from agent.dashboard.pages import experiment_markup as markup
from agent.dashboard.pages.shell import Frame
from envs.errors import LabwrightError

PAGE = 20
"""Entries on one page."""


class Audit:
    """The card of one browser.

    Args:
        page: that it is on.
        subject: what entries are about.
    """

    def __init__(self, page: Frame, subject: str) -> None:
        self.page, self.subject = page, subject
        self.begins: list[int | None] = [None]
        ui.html("<div class='lw-card-head'><h2>Audit</h2></div>", sanitize=False)
        self.rows = ui.html(
            "<p class='lw-meta'>Every order, reading and decision about it is in the laboratory's record, each entry "
            "with the hash of the one before.</p>",
            sanitize=False,
        )
        with ui.element("div").classes("lw-actions"):
            self.open = ui.button("Show the record", on_click=self.first, color=None).props("no-caps outline")
            self.newer = ui.button("Newer", on_click=self.back, color=None).props("no-caps flat")
            self.older = ui.button("Older", on_click=self.on, color=None).props("no-caps flat")
        self.open.mark("show-audit")
        self.newer.set_visibility(False)
        self.older.set_visibility(False)
        self.next: int | None = None

    async def first(self) -> None:
        """Read the newest entries."""
        self.begins = [None]
        await self.read()

    async def back(self) -> None:
        """Read newer ones."""
        if len(self.begins) > 1:
            self.begins.pop()
        await self.read()

    async def on(self) -> None:
        """Read older ones."""
        if self.next is not None:
            self.begins.append(self.next)
        await self.read()

    async def read(self) -> None:
        """Ask for a page of entries, and show them or say why there are none."""
        if self.page.still_in() is None:
            return
        self.open.set_enabled(False)
        try:
            answer = await self.page.hall.voice.audit(
                self.page.visitor, subject=self.subject, before=self.begins[-1], limit=PAGE
            )
        except LabwrightError as error:
            self._say(str(error))
            return
        finally:
            if not self.open.is_deleted:
                self.open.set_enabled(True)
        if self.rows.is_deleted:
            return
        if answer.refused:
            self._say(answer.refused)
            return
        self.rows.content = markup.entries(answer.entries)
        self.next = answer.entries[-1].seq if answer.entries else None
        self.open.text = "Read again"
        self.older.set_visibility(answer.more and self.next is not None)
        self.newer.set_visibility(len(self.begins) > 1)

    def _say(self, text: str) -> None:
        if not self.rows.is_deleted:
            self.rows.content = f"<p class='lw-note warn'>The record cannot be read now: {escape(text)}</p>"
