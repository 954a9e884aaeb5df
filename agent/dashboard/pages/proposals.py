"""The page of what waits for people: cards, page by page; one or several are decided; what was decided lately."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, cast, get_args

from nicegui import ui

from agent.dashboard.pages import proposal_markup as markup
from agent.dashboard.pages.deciding import Deciding, decide_button
from agent.dashboard.pages.deciding_many import DecidingMany, Many
from agent.dashboard.pages.proposal_slot import Slot, arranged, set_content, stale_words, tick_s
from agent.dashboard.pages.shell import Frame, frame
from agent.dashboard.ports import Hall
from agent.dashboard.views import words
from agent.dashboard.views.proposals import (
    ONLY,
    PER_PAGE,
    SORTS,
    Only,
    ProposalList,
    Sort,
    Wish,
    decided_lately,
    list_of,
)
from agent.dashboard.views.proposals_memo import Memo

if TYPE_CHECKING:
    from agent.dashboard.live.picture import Change, Kind
    from agent.dashboard.views.proposal_card import ProposalCard

_KINDS: tuple[Kind, ...] = ("proposal", "outcome", "campaign", "lab", "agent", "link")
_DECIDED: Memo[str] = Memo(4)


def register(hall: Hall) -> None:
    """Declare ``/`` and ``/proposals``."""

    @ui.page("/")
    @ui.page("/proposals")
    def proposals(only: str = "all", campaign: str = "", q: str = "") -> None:
        with frame(hall, "Proposals", "proposals") as page:
            wanted = cast("Only", only) if only in get_args(Only) else "all"
            _List(page, Wish(wanted, campaign[:200], search=q[:200]))


class _List:
    """One browser's page."""

    def __init__(self, page: Frame, wish: Wish) -> None:
        self.page, self.wish = page, wish
        self.deciding = Deciding(page)
        self.chosen: dict[str, ProposalCard] = {}
        self.dropped = ""
        self.now = page.hall.live.now()
        self.build_filters()
        self.build_many()
        self.empty = ui.html("", sanitize=False)
        with ui.element("div").classes("lw-grid lw-proposals") as self.grid:
            self.slots = [Slot(self) for _ in range(PER_PAGE)]
        with ui.element("nav").classes("lw-row lw-turn").props('aria-label="Pages"') as self.pager:
            self.back = (
                ui.button("Previous", on_click=lambda: self.turn(-1)).props("flat dense no-caps").mark("previous")
            )
            self.where = ui.label("").classes("lw-meta")
            self.on = ui.button("Next", on_click=lambda: self.turn(1)).props("flat dense no-caps").mark("next")
        ui.html('<h2 class="lw-h2">Recently decided</h2>', sanitize=False)
        self.decided = ui.html("", sanitize=False).classes("lw-card lw-decided").mark("decided")
        self.refresh(frozenset())
        page.follow(_KINDS, self.refresh)
        ui.timer(tick_s(page), self.tick, immediate=False)

    # ----------------------------------------------------------------------------------------------------- filters

    def build_filters(self) -> None:
        """Which of it, and in which order."""
        with ui.element("div").classes("lw-row lw-wanted").props('role="search"'):
            self.only = ui.select(
                dict(ONLY), value=self.wish.only, label="Show", on_change=lambda e: self.want(only=e.value)
            )
            self.sort = ui.select(
                dict(SORTS), value=self.wish.sort, label="Order", on_change=lambda e: self.want(sort=e.value)
            )
            self.campaign = ui.select(
                {"": "All campaigns", self.wish.campaign: self.wish.campaign or "All campaigns"},
                value=self.wish.campaign,
                label="Campaign",
                on_change=lambda e: self.want(campaign=e.value),
            )
            self.pool = ui.select(
                {"": "All pools"}, value="", label="Pool", on_change=lambda e: self.want(pool=e.value)
            )
            self.search = ui.input(
                "Formula or id", value=self.wish.search, on_change=lambda e: self.want(search=e.value)
            )
            self.search.props("clearable debounce=250 type=search")
        for field, name in (
            (self.only, "only"), (self.sort, "sort"), (self.campaign, "campaign"), (self.pool, "pool"),
            (self.search, "search"),
        ):  # fmt: skip
            field.props("outlined dense options-dense").classes("lw-field").mark(f"filter-{name}")

    def want(self, **changes: str | None) -> None:
        """Show something else, from its first page."""
        given = {name: value or "" for name, value in changes.items()}
        wish = replace(
            self.wish,
            only=cast("Only", given.get("only", self.wish.only)),
            sort=cast("Sort", given.get("sort", self.wish.sort)),
            campaign=given.get("campaign", self.wish.campaign),
            pool=given.get("pool", self.wish.pool),
            search=given.get("search", self.wish.search),
            page=0,
        )
        if wish != self.wish:
            self.wish = wish
            self.refresh(frozenset())

    def turn(self, by: int) -> None:
        """To another page."""
        self.wish = replace(self.wish, page=self.wish.page + by)
        self.refresh(frozenset())
        ui.run_javascript("window.scrollTo({top: 0})")

    # ----------------------------------------------------------------------------------------------------- several

    def build_many(self) -> None:
        """What is done with several at once."""
        with (
            ui.element("div")
            .classes("lw-row lw-many-bar")
            .props('role="group" aria-label="Several at once"') as self.bar
        ):
            self.count = ui.label("").classes("lw-meta").props("role=status")
            ui.button("Select this page", on_click=self.choose_page).props("no-caps flat dense").mark("select-page")
            self.clear = ui.button("Clear", on_click=self.choose_none).props("no-caps flat dense").mark("select-none")
            self.approve_many = decide_button("Approve selected", "approve-many", lambda: self.decide_many("approve"))
            self.reject_many = decide_button("Reject selected", "reject-many", lambda: self.decide_many("reject"))

    def choose(self, one: ProposalCard, *, on: bool) -> None:
        """Note that a proposal is, or is not, to be decided on with others."""
        if on != (one.id in self.chosen):
            self.dropped = ""
        if on:
            self.chosen.setdefault(one.id, one)
        else:
            self.chosen.pop(one.id, None)
        self.show_many()

    def choose_page(self) -> None:
        """All of the page that this person may decide."""
        for slot in self.slots:
            if slot.one is not None and not (slot.one.rights.approve and slot.one.rights.reject):
                self.chosen.setdefault(slot.one.id, slot.one)
        self.refresh(frozenset())

    def choose_none(self) -> None:
        """None of them any more."""
        self.chosen.clear()
        self.refresh(frozenset())

    def show_many(self) -> None:
        """How many are chosen, and what can be done with them."""
        n, stale = len(self.chosen), stale_words(self.page)
        self.bar.classes(add="some" if n else "", remove="" if n else "some")
        self.count.set_text((f"{n} selected" if n else "None selected") + self.dropped)
        self.clear.set_visibility(bool(n))
        for button, choice in ((self.approve_many, "approve"), (self.reject_many, "reject")):
            button.set_visibility(bool(n))
            button.set_enabled(not stale and bool(self.able(choice)))
            button.set_text(f"{choice.title()} {len(self.able(choice))}")

    def able(self, choice: str) -> list[ProposalCard]:
        """What is chosen and may be decided so."""
        return [
            one
            for one in self.chosen.values()
            if not (one.rights.approve if choice == "approve" else one.rights.reject)
        ]

    def decide_many(self, choice: Many) -> None:
        """Open the dialog about all that are chosen."""
        cards = self.able(choice)
        if cards and self.page.still_in() is not None:
            DecidingMany(self.page, self.deciding, cards, choice, self.counted)

    def counted(self, pids: Sequence[str]) -> None:
        """They are decided on: not to be decided on again."""
        for pid in pids:
            self.chosen.pop(pid, None)
        self.refresh(frozenset())

    # ----------------------------------------------------------------------------------------------------- showing

    def tick(self) -> None:
        """Bring the time that is left up to date; the rest only where that changes it."""
        if stale_words(self.page) != self.stale:
            self.refresh(frozenset())
        elif not self.stale:
            self.now = self.page.hall.live.now()
            changed = sum(not slot.tick(self.now) for slot in self.slots)
            if changed:
                self.refresh(frozenset())

    def refresh(self, _: frozenset[Change]) -> None:
        """Show how things stand now."""
        visitor = self.page.hall.visitor(self.page.visitor.session) or self.page.visitor
        live, stale = self.page.hall.live, stale_words(self.page)
        self.stale = stale
        if not stale:
            self.now = live.now()
        found = list_of(live.picture, self.now, visitor, self.wish, stale=stale)
        self.wish = replace(self.wish, page=found.page)
        # What was chosen was read as it was then: another revision was not.
        gone = [pid for pid, one in self.chosen.items() if not self.deciding.is_as_read(one.read)]
        changed = [pid for pid in gone if pid in live.picture.proposals]
        if changed:
            self.dropped = f"; {words.listed(changed)} changed meanwhile: not selected any more"
        self.chosen = {pid: one for pid, one in self.chosen.items() if pid not in gone}
        self.slots = arranged(self.slots, found.cards, self.grid)
        for index, slot in enumerate(self.slots):
            one = found.cards[index] if index < len(found.cards) else None
            slot.show(one, self.now, chosen=one is not None and one.id in self.chosen)
        self.show_frame(found)
        self.show_many()
        self.deciding.watch()

    def show_frame(self, found: ProposalList) -> None:
        """Everything around the cards."""
        _options(self.only, {only: f"{text} ({found.counts[only]})" for only, text in ONLY.items()})
        for field, every, all_of in (
            (self.campaign, found.campaigns, "All campaigns"),
            (self.pool, found.pools, "All pools"),
        ):
            _options(
                field,
                {"": all_of, **{one: one for one in every}, **({field.value: field.value} if field.value else {})},
            )
            field.set_visibility(len(every) > 1 or bool(field.value))
        set_content(self.empty, self.nothing(found))
        able = any(not (one.rights.approve and one.rights.reject) for one in found.cards)
        self.bar.set_visibility(found.n_found > 1 and (able or bool(self.chosen) or bool(self.dropped)))
        self.pager.set_visibility(found.n_pages > 1)
        self.back.set_enabled(found.page > 0)
        self.on.set_enabled(found.page + 1 < found.n_pages)
        first = found.page * PER_PAGE
        self.where.set_text(f"{first + 1}–{first + len(found.cards)} of {found.n_found}")
        rows, prefix = decided_lately(self.page.hall.live.picture, self.now), self.page.hall.prefix
        set_content(self.decided, _DECIDED.of(prefix, (rows,), lambda: markup.decided_table(rows, prefix)))

    def nothing(self, found: ProposalList) -> str:
        """What to say where there are no cards."""
        if found.n_found:
            return ""
        if not found.n_waiting:
            later = "What the agent proposes next appears here by itself."
            return f"<p class='lw-empty'>Nothing waits for a decision. {later}</p>"
        if self.wish.only == "mine":
            return "<p class='lw-empty'>Nothing waits for your approval.</p>"
        return f"<p class='lw-empty'>None of the {found.n_waiting} that wait fits what is asked for.</p>"


def _options(field: ui.select, options: dict[str, str]) -> None:
    if field.options != options:
        field.set_options(options)
