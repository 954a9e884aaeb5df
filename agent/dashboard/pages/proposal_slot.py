"""The place of one card on the page of proposals, and what that page and a proposal's own have in common."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from nicegui import ui

from agent.dashboard.pages import proposal_markup as markup
from agent.dashboard.pages.deciding import Deciding, decide_button
from agent.dashboard.pages.deciding_edit import Editing
from agent.dashboard.views import words
from agent.dashboard.views.proposal_parts import expiry_of

if TYPE_CHECKING:
    from datetime import datetime

    from agent.dashboard.pages.shell import Frame
    from agent.dashboard.views.proposal_card import ProposalCard

TICK_S = 15.0
"""How often the time that is left is looked at; a virtual laboratory's runs faster, and so does this."""


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
        set_content(self.foot, markup.foot(self.one, words.clock(was.at, now)))
        return (was.is_over, was.is_soon) == (self.one.expiry.is_over, self.one.expiry.is_soon)

    def show(self, one: ProposalCard | None, now: datetime, *, chosen: bool = False) -> None:
        """Show a card, or nothing."""
        self.one = one
        self.root.set_visibility(one is not None)
        if one is None:
            return
        set_content(self.body, markup.card(one, self.owner.page.hall.prefix))
        set_content(self.foot, markup.foot(one, words.clock(one.expiry.at, now)))
        for button, reason, doing in (
            (self.approve, one.rights.approve, "Approve"),
            (self.reject, one.rights.reject, "Reject"),
            (self.edit, one.rights.edit, "Edit"),
        ):
            button.set_enabled(not reason)
            button.props(f'aria-label="{doing} {one.formula}, {one.id}"')
        able = not (one.rights.approve and one.rights.reject)
        self.box.set_enabled(able)
        self.box.props(f'aria-label="Select {one.formula}, {one.id}"')
        if self.box.value != chosen:
            self.box.set_value(chosen)

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


def as_of(one: ProposalCard, now: datetime) -> ProposalCard:
    """The same card a little later."""
    proposal = one.proposal
    return replace(one, expiry=expiry_of(proposal.created_at, proposal.expires_at, now))


def set_content(element: ui.html, content: str) -> None:
    """Show some markup; nothing is sent where it is the same."""
    if element.content != content:
        element.set_content(content)
