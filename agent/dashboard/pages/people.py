"""The page of the people: who may do what, who decided what and when, and whether the record of it is whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nicegui import ui

from agent.dashboard.pages import people_markup as markup
from agent.dashboard.pages.named_part import to_the_named_part
from agent.dashboard.pages.people_record import Decided
from agent.dashboard.pages.shell import Frame, frame
from agent.dashboard.views.people import people_view, roles_view, rules_view
from agent.dashboard.views.record import record_view, verification_view
from envs.errors import LabwrightError

if TYPE_CHECKING:
    from agent.dashboard.ports import Hall

_ONESELF = (
    "<details class='people-more'><summary>How to verify it yourself</summary><p>The record is an append-only journal: "
    "each entry holds the SHA-256 of the one before, and people's decisions stand in it as they signed them. On the "
    "agent's machine <code>labwright audit verify --state DIR</code> reads all of it without the agent's help, and "
    "judges every signature again by the public keys. Note the latest hash elsewhere now and then: who would rewrite "
    "the record cannot make it end in the same.</p></details>"
)


def register(hall: Hall) -> None:
    """Declare the page."""

    @ui.page("/people")
    def people(about: str = "") -> None:
        with frame(hall, "People and record", "people") as page:
            Register(page, about).build()


class Register:
    """The page of one browser.

    Args:
        page: what stands around.
        about: a person or a thing, of which alone decisions are wanted; empty for all.
    """

    def __init__(self, page: Frame, about: str) -> None:
        self._page, self._about = page, about

    def build(self) -> None:
        """Build the page, and have it kept up to date."""
        with ui.element("div").classes("lw-split"):
            with _section("People", "people"):
                self._people = ui.html("", sanitize=False)
                with ui.element("details").classes("people-more"):
                    ui.html("What each role may do", sanitize=False, tag="summary")
                    self._roles = ui.html("", sanitize=False)
            with ui.element("div").classes("people-side"):
                with _section("Rules that decide without a person", "rules"):
                    self._rules = ui.html("", sanitize=False)
                with _section("The record", "record"):
                    self._build_record()
        with _section("Who decided what and when", "decided"):
            self._decided = Decided(self._page, self._about)
            self._decided.build()
        self._refresh()
        to_the_named_part()
        self._page.follow({"lab"}, lambda _changes: self._refresh())
        self._page.follow({"outcome"}, lambda _changes: self._decided.show_decisions())

    def _build_record(self) -> None:
        self._record = ui.html("", sanitize=False)
        with ui.element("div").classes("lw-actions"):
            self._verify = ui.button("Verify the whole chain now", on_click=self._ask, color=None)
            self._verify.props("no-caps outline").mark("verify")
        self._verified = ui.html("", sanitize=False).props("aria-live=polite")
        ui.html(_ONESELF, sanitize=False)

    def _refresh(self) -> None:
        live = self._page.hall.live
        lab, now = live.picture.lab, live.now()
        shown = people_view(lab, now, self._page.visitor.name)
        self._people.set_content(markup.people(shown, self._page.hall.prefix))
        self._roles.set_content(markup.roles(roles_view(shown)))
        self._rules.set_content(markup.rules(rules_view(lab)))
        self._record.set_content(markup.record(record_view(lab, now)))

    async def _ask(self) -> None:
        visitor = self._page.still_in()
        if visitor is None or not self._verify.enabled:
            return
        self._verify.set_enabled(False)
        self._verified.set_content('<p class="lw-note">The agent reads the whole record …</p>')
        try:
            answer = await self._page.hall.voice.verify(visitor)
        except LabwrightError as error:
            told = markup.verification(str(error), "warn", ())
        else:
            found = answer.verification
            line = answer.refused or "The agent gave no answer to that."
            told = markup.verification(*(verification_view(found) if found else (line, "warn", ())))
        if not self._verified.is_deleted:
            self._verified.set_content(told)
            self._verify.set_enabled(True)


def _section(heading: str, name: str) -> ui.element:
    """A card with a heading."""
    section = ui.element("section").classes(f"lw-card people-{name}").props(f'id="{name}" aria-labelledby="h-{name}"')
    with section:
        ui.html(heading, sanitize=False, tag="h2").classes("lw-h2").props(f'id="h-{name}"')
    return section
