"""The page of one proposal: all that is known of it, and what can be decided."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING

from nicegui import ui

from agent.dashboard.pages import proposal_markup as markup
from agent.dashboard.pages import proposal_sections as sections
from agent.dashboard.pages.deciding import Deciding, decide_button
from agent.dashboard.pages.deciding_edit import Editing
from agent.dashboard.pages.proposal_slot import as_of, set_content, stale_words, tick_s
from agent.dashboard.pages.shell import Frame, frame
from agent.dashboard.pages.signed import is_dialog_open
from agent.dashboard.ports import Hall
from agent.dashboard.views import words
from agent.dashboard.views.proposal_card import ProposalCard, card_of
from agent.dashboard.views.proposals import Wish, decided, ids_of

if TYPE_CHECKING:
    from nicegui.events import KeyEventArguments

    from agent.dashboard.live.picture import Change, Kind

_KINDS: tuple[Kind, ...] = ("proposal", "outcome", "campaign", "experiment", "lab", "agent", "link")
_Part = tuple[ui.html, Callable[[ProposalCard], str]]


def register(hall: Hall) -> None:
    """Declare ``/proposals/{pid}``."""

    @ui.page("/proposals/{pid}")
    def proposal(pid: str) -> None:
        with frame(hall, f"Proposal {pid}", "proposals") as page:
            _One(page, pid)


class _One:
    """One browser's page of one proposal."""

    def __init__(self, page: Frame, pid: str) -> None:
        self.page, self.pid = page, pid
        self.deciding = Deciding(page)
        self.now = page.hall.live.now()
        self.one: ProposalCard | None = None
        self.parts: list[_Part] = []
        self.row = ui.html("", sanitize=False)
        self.news = ui.html("", sanitize=False).props("role=status").mark("news")
        self.end = ui.html("", sanitize=False).mark("verdict")
        self.body = ui.element("div").classes("lw-one")
        ui.keyboard(self.key, ignore=["input", "select", "button", "textarea"])
        self.refresh(frozenset())
        page.follow(_KINDS, self.refresh)
        ui.timer(tick_s(page), self.tick, immediate=False)

    def refresh(self, _: frozenset[Change]) -> None:
        """Show how things stand now."""
        hall, stale = self.page.hall, stale_words(self.page)
        visitor = hall.visitor(self.page.visitor.session) or self.page.visitor
        self.stale = stale
        if not stale:
            self.now = hall.live.now()
        waiting = hall.live.picture.proposals.get(self.pid)
        before = self.one
        self.one = None
        if waiting is not None:
            self.one = card_of(waiting, hall.live.picture, self.now, visitor, stale=stale)
        set_content(self.row, self.neighbours())
        set_content(self.end, "" if waiting is not None else self.gone())
        if self.one is None:
            self.body.set_visibility(False)
        elif not self.parts:
            self.build(self.one)
        else:
            self.body.set_visibility(True)
            self.tell_news(before, self.one)
            self.update(self.one)
        self.deciding.watch()

    def tick(self) -> None:
        """Bring the time that is left up to date; the rest only where that changes it."""
        was = self.one
        if stale_words(self.page) != self.stale:
            self.refresh(frozenset())
        elif was is not None and not self.stale:
            self.now = self.page.hall.live.now()
            self.one = as_of(was, self.now)
            set_content(self.foot, markup.foot(self.one, words.clock(was.expiry.at, self.now)))
            if self.one.expiry.is_over != was.expiry.is_over:
                self.refresh(frozenset())

    def neighbours(self) -> str:
        """Links to what waits before and after this one."""
        hall = self.page.hall
        visitor = hall.visitor(self.page.visitor.session) or self.page.visitor
        ids = ids_of(hall.live.picture, self.now, visitor, Wish())
        links = [f"<a href='{escape(self.page.path('/proposals'))}'>All that wait ({len(ids)})</a>"]
        if self.pid in ids:
            at = ids.index(self.pid)
            for name, index in (("Previous", at - 1), ("Next", at + 1)):
                if 0 <= index < len(ids):
                    links.append(f"<a href='{escape(self.page.path(f'/proposals/{ids[index]}'))}'>{name}</a>")
        return f"<nav class='lw-row lw-neighbours' aria-label='Proposals that wait'>{''.join(links)}</nav>"

    def gone(self) -> str:
        """What became of it, or that nobody knows."""
        row = decided(self.page.hall.live.picture, self.now, self.pid)
        if row is None:
            return f"<p class='lw-empty'>No proposal {escape(self.pid)} waits here, and none was decided lately.</p>"
        return f"<div class='lw-card'>{sections.verdict(row, self.page.hall.prefix)}</div>"

    def tell_news(self, before: ProposalCard | None, one: ProposalCard) -> None:
        """Say that what is read was changed meanwhile."""
        if before is None or before.read == one.read:
            return
        who = one.quorum.edited_by or "the agent"
        set_content(
            self.news,
            f"<p class='lw-note warn'>{escape(who)} changed this while you were reading: it is revision {one.revision} "
            f"now. Please read it again.</p>",
        )

    # ----------------------------------------------------------------------------------------------------- building

    def build(self, one: ProposalCard) -> None:
        """Make all parts; afterwards only what is in them changes."""
        root = self.page.hall.prefix
        with self.body:
            self.part("lw-area-summary", lambda one: sections.revised(one) + sections.summary(one))
            with ui.element("section").classes("lw-card lw-area-decide").props('aria-label="Decide"'):
                self.decide()
            with ui.element("div").classes("lw-area-aside"):
                self.part("", sections.structure)
                self.part("", sections.bound)
            with ui.element("div").classes("lw-area-details"):
                self.part("", sections.why)
                self.part("", sections.effects)
                self.part("", lambda one: sections.nearest(one, root))
                self.part("", sections.limits)
        self.update(one)

    def part(self, area: str, make: Callable[[ProposalCard], str]) -> None:
        """A card whose markup follows from the proposal."""
        self.parts.append((ui.html("", sanitize=False).classes(f"lw-card {area}"), make))

    def decide(self) -> None:
        """The buttons, and all that bears on them."""
        ui.html('<div class="lw-card-head"><h2>Decide</h2></div>', sanitize=False)
        self.parts.append((ui.html("", sanitize=False), sections.weighed))
        self.foot = ui.html("", sanitize=False)
        with ui.element("div").classes("lw-actions"):
            self.approve = decide_button("Approve", "approve", lambda: self.open("approve"), primary=True)
            self.reject = decide_button("Reject", "reject", lambda: self.open("reject"))
            self.edit = decide_button("Edit", "edit", lambda: self.open("edit"))
            self.withdraw = decide_button("Take back", "withdraw", lambda: self.open("withdraw"))
        self.parts.append((ui.html("", sanitize=False), sections.keys))

    def update(self, one: ProposalCard) -> None:
        """Bring all parts up to date."""
        for part, make in self.parts:
            content = make(one)
            set_content(part, content)
            part.set_visibility(bool(content))
        set_content(self.foot, markup.foot(one, words.clock(one.expiry.at, self.now)))
        for button, reason in (
            (self.approve, one.rights.approve),
            (self.reject, one.rights.reject),
            (self.edit, one.rights.edit),
            (self.withdraw, one.rights.withdraw),
        ):
            button.set_enabled(not reason)
        self.withdraw.set_visibility(not one.rights.withdraw)

    # ----------------------------------------------------------------------------------------------------- deciding

    def open(self, what: str) -> None:
        """Open a dialog about the proposal as it is shown."""
        one = self.one
        if one is None:
            return
        set_content(self.news, "")
        if what == "approve" and not one.rights.approve:
            self.deciding.approve(one)
        elif what == "reject" and not one.rights.reject:
            self.deciding.reject(one)
        elif what == "withdraw" and not one.rights.withdraw:
            self.deciding.withdraw(one)
        elif what == "edit" and not one.rights.edit and self.page.still_in() is not None:
            Editing(self.page, self.deciding, one)

    def key(self, event: KeyEventArguments) -> None:
        """One key opens a dialog, where none is open: neither one about this proposal, nor the one of the stop."""
        plain = not (event.modifiers.ctrl or event.modifiers.alt or event.modifiers.meta)
        if event.action.keydown and not event.action.repeat and plain and not is_dialog_open(self.body.client):
            what = {"a": "approve", "r": "reject", "e": "edit"}.get(str(event.key))
            if what is not None:
                self.open(what)
