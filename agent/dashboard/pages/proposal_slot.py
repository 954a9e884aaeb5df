"""The place of one card on the page of proposals, and what that page and a proposal's own have in common."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from nicegui import ui

from agent.dashboard.pages import proposal_markup as markup
from agent.dashboard.pages.deciding import Deciding, decide_button
from agent.dashboard.pages.deciding_edit import Editing
from agent.dashboard.pages.naming import called
from agent.dashboard.views import words
from agent.dashboard.views.proposal_parts import expiry_of
from agent.dashboard.views.proposals_memo import Memo

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from agent.dashboard.pages.shell import Frame
    from agent.dashboard.views.proposal_card import ProposalCard

TICK_S = 15.0
"""How often the time that is left is looked at; a virtual laboratory's runs faster, and so does this."""
_MARKUP: Memo[str] = Memo(512)
"""Of the latest cards, for all browsers."""


class Owner(Protocol):
    """The page that cards are on."""

    page: Frame
    deciding: Deciding

    def choose(self, one: ProposalCard, *, on: bool) -> None:
        """Note that a proposal is, or is not, to be decided on with others."""
        ...


def stale_words(page: Frame) -> str:
    """Why nothing can be decided now; empty where everything is live."""
    freshness = page.hall.live.freshness()
    return "" if freshness.live else f"Nothing can be decided now: {freshness.words or 'what is shown is old.'}"


def tick_s(page: Frame) -> float:
    """How often a page looks at the time."""
    lab = page.hall.live.picture.lab
    return max(TICK_S / max(lab.speed if lab is not None else 1.0, 1.0), 2.0)


class Slot:
    """The place of one card: what is in it changes, its elements stay."""

    def __init__(self, owner: Owner) -> None:
        self.owner = owner
        self.one: ProposalCard | None = None
        self.name = ""
        self.root = ui.element("article").classes("lw-card lw-proposal")
        with self.root:
            self.body = ui.html("", sanitize=False)
            self.foot = ui.html("", sanitize=False).classes("lw-foot")
            with ui.element("div").classes("lw-actions"):
                self.approve = decide_button("Approve", "approve", lambda: self.decide("approve"), primary=True)
                self.reject = decide_button("Reject", "reject", lambda: self.decide("reject"))
                self.edit = decide_button("Edit", "edit", lambda: self.decide("edit"))
                self.box = ui.checkbox("Select", on_change=lambda event: self.select(bool(event.value))).mark("select")

    def tick(self, now: datetime) -> bool:
        """Bring the time that is left up to date; returns whether nothing else follows from it."""
        if self.one is None:
            return True
        was = self.one.expiry
        self.one = as_of(self.one, now)
        set_content(self.foot, markup.foot(self.one, words.clock(was.at, now), place=True))
        return (was.is_over, was.is_soon) == (self.one.expiry.is_over, self.one.expiry.is_soon)

    def show(self, one: ProposalCard | None, now: datetime, *, chosen: bool = False) -> None:
        """Show a card, or nothing."""
        self.one = one
        self.root.set_visibility(one is not None)
        if one is None:
            return
        prefix = self.owner.page.hall.prefix
        set_content(self.body, _MARKUP.of((one.id, prefix), (one,), lambda: markup.card(one, prefix)))
        foot = _MARKUP.of(one.id, (one, now), lambda: markup.foot(one, words.clock(one.expiry.at, now), place=True))
        set_content(self.foot, foot)
        for button, reason in (
            (self.approve, one.rights.approve), (self.reject, one.rights.reject), (self.edit, one.rights.edit),
        ):  # fmt: skip
            button.set_enabled(not reason)
        self.box.set_enabled(not (one.rights.approve and one.rights.reject))
        if self.box.value != chosen:
            self.box.set_value(chosen)
        self.call(f"{one.formula}, {one.id}")

    def call(self, name: str) -> None:
        """Have the buttons say what they are about."""
        if name == self.name:
            return
        self.name = name
        for button, doing in ((self.approve, "Approve"), (self.reject, "Reject"), (self.edit, "Edit")):
            called(button, f"{doing} {name}")
        called(self.box, f"Select {name}")

    def decide(self, what: str) -> None:
        """Open the dialog about the card that is shown."""
        one, owner = self.one, self.owner
        if one is None:
            return
        if what == "approve":
            owner.deciding.approve(one)
        elif what == "reject":
            owner.deciding.reject(one)
        elif owner.page.still_in() is not None:
            Editing(owner.page, owner.deciding, one)

    def select(self, on: bool) -> None:
        """Note that the card is to be decided on together with others."""
        if self.one is not None:
            self.owner.choose(self.one, on=on)


def arranged(slots: list[Slot], cards: Sequence[ProposalCard], grid: ui.element) -> list[Slot]:
    """Slots in the order of the cards to be shown in them; a card that is shown already keeps its slot.

    So a card that comes moves the others on without their being sent anew, and what has the keyboard's focus is about
    the same proposal afterwards.
    """
    held = {slot.one.id: slot for slot in slots if slot.one is not None}
    kept = {one.id: held[one.id] for one in cards if one.id in held}
    free = iter([slot for slot in slots if slot not in kept.values()])
    order = [kept.get(one.id) or next(free) for one in cards]
    order += list(free)
    for index, slot in enumerate(order):
        if grid.default_slot.children[index] is not slot.root:
            slot.root.move(target_index=index)
    return order


def as_of(one: ProposalCard, now: datetime) -> ProposalCard:
    """The same card a little later."""
    proposal = one.proposal
    return replace(one, expiry=expiry_of(proposal.created_at, proposal.expires_at, now, one.expiry.speed))


def set_content(element: ui.html, content: str) -> None:
    """Show some markup; nothing is sent where it is the same."""
    if element.content != content:
        element.set_content(content)
