"""The parts of the shell that change while a page stands open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from nicegui import ui

from agent.dashboard.door.login_page import Theme
from agent.dashboard.door.settings import THEME
from agent.dashboard.pages import shell_markup as markup
from agent.dashboard.pages.notices_button import notices_button
from agent.dashboard.pages.signed import confirm_signed

if TYPE_CHECKING:
    from agent.dashboard.door.visitor import Visitor
    from agent.dashboard.pages.shell import Frame
    from agent.deciding.sending import Answer as Counted
    from instruments.profile.laboratory import Stop

_DARK: Final[dict[Theme, bool | None]] = {"auto": None, "light": False, "dark": True}
_NEXT: Final[dict[Theme, Theme]] = {"auto": "light", "light": "dark", "dark": "auto"}
_SIGN: Final[dict[Theme, str]] = {"auto": "◐", "light": "☀", "dark": "☾"}
_YEAR_S: Final = 31536000


class Surroundings:
    """A page's header, navigation and banners; ``main`` is its middle.

    Args:
        page: that they are around.
        title: of the page.
        active: the entry of the navigation that it belongs to.
        theme: of the browser.
    """

    def __init__(self, page: Frame, title: str, active: str, theme: Theme) -> None:
        self._page, self._title, self._active, self._theme = page, title, active, theme
        self._visitor = page.visitor
        self._dark = ui.dark_mode(_DARK[theme])
        ui.html('<a class="lw-skip" href="#main">Skip to the content</a>', sanitize=False)
        with ui.element("header").classes("lw-header"):
            self._brand = ui.html("", sanitize=False).classes("lw-header-brand")
            self._navigation = ui.html("", sanitize=False, tag="nav").classes("lw-nav").props('aria-label="Pages"')
            self._tools()
        with ui.element("div").classes("lw-stopped").props("role=alert").mark("stopped") as self._stopped:
            self._stop_said = ui.html("", sanitize=False).classes("lw-stopped-said")
            self._clear = ui.button("Clear the stop", on_click=self.ask_to_clear, color=None)
            self._clear.props("no-caps unelevated").classes("lw-clear").mark("clear-lab")
        self._old = ui.html("", sanitize=False).classes("lw-old").props("role=status aria-live=polite").mark("old")
        # NiceGUI has a main part of its own around everything; a page has one, which is what to skip to.
        around = ui.context.client.content.parent_slot
        if around is not None:
            around.parent.props("role=presentation")
        self.main = ui.element("main").classes("lw-page").props("id=main tabindex=-1")
        self.refresh()
        self.greet(page.visitor)

    def _tools(self) -> None:
        with ui.element("div").classes("lw-tools"):
            self._person = ui.html("", sanitize=False).classes("lw-person")
            notices_button(self._page.hall)
            self._switch = ui.button(on_click=self.switch, color=None).props("flat dense no-caps").classes("lw-theme")
            self._switch.mark("theme")
            self._show_theme()
            self._stop = ui.button(on_click=self.ask_to_stop, color="negative").props("no-caps unelevated")
            self._stop.classes("lw-stop-button").mark("stop-lab").props('aria-label="Stop the laboratory"')
            with self._stop:
                ui.html("Stop<span class='lw-wide'> the laboratory</span>", sanitize=False, tag="span")

    def refresh(self) -> None:
        """Show what is so now; nothing is sent where nothing has changed."""
        hall = self._page.hall
        picture, lab, path = hall.live.picture, hall.live.picture.lab, self._page.path
        waiting = len(picture.proposals)
        self._brand.set_content(markup.brand(hall.live.name, lab, path, hall.prefix))
        self._navigation.set_content(markup.navigation(self._active, waiting, path))
        count = f"({waiting}) " if waiting else ""
        title = f"{count}{self._title} · {hall.live.name}"
        if ui.context.client.title != title:
            ui.page_title(title)
        stop = lab.stop if lab is not None else None
        self._stop_said.set_content(markup.stopped(stop, hall.live.now()))
        self._show(stop is not None)
        self._age()
        visitor = hall.visitor(self._visitor.session)
        if visitor is not None and visitor != self._visitor:
            self.greet(visitor)

    def greet(self, visitor: Visitor) -> None:
        """Show who is in, with the role of this moment."""
        self._visitor = visitor
        self._person.set_content(markup.person(visitor, self._page.path))
        self._stop.set_visibility(visitor.may_ask("stop-lab"))
        self._clear.set_visibility(visitor.may_ask("clear-lab", clears=True))

    def _show(self, holds: bool) -> None:
        if self._stopped.visible != holds:
            self._stopped.set_visibility(holds)

    def _age(self) -> None:
        freshness = self._page.hall.live.freshness()
        self._old.set_content(markup.old(freshness))
        if freshness.live == ("lw-stale" in self.main.classes):
            self.main.classes(toggle="lw-stale")

    def switch(self) -> None:
        """Go on to the next of automatic, light and dark; the browser keeps it."""
        self._theme = _NEXT[self._theme]
        self._dark.set_value(_DARK[self._theme])
        lasts = _YEAR_S if self._theme != "auto" else 0
        path = self._page.hall.prefix or "/"
        cookie = f"{THEME}={self._theme}; path={path}; max-age={lasts}; SameSite=Strict"
        ui.run_javascript(f"document.cookie = {cookie!r}")
        self._show_theme()

    def _show_theme(self) -> None:
        words = f"Colours: {'as the system has them' if self._theme == 'auto' else self._theme}"
        self._switch.set_text(_SIGN[self._theme])
        self._switch.props(f'aria-label="{words}. Change" title="{words}"')

    def ask_to_stop(self) -> None:
        """Open the dialog that stops the laboratory."""
        self._ask(
            "stop-lab",
            title="Stop the laboratory?",
            words=(
                "Jobs that run are cancelled, and nothing further is begun in any campaign until a person clears the "
                "stop. This is a request over the network: in danger use the emergency stop at the instrument."
            ),
            button="Stop the laboratory",
            comment="required",
            comment_label="Why",
            danger=True,
            even_old=True,
        )

    def ask_to_clear(self) -> None:
        """Open the dialog that clears the laboratory's stop."""
        stop = self._stop_now()
        self._ask(
            "clear-lab",
            title="Clear the laboratory's stop?",
            words="You say that it is safe to go on. Campaigns that were running go on at once.",
            markup=f"<p>{markup.stopped(stop, self._page.hall.live.now())}</p>" if stop else "",
            button="Clear the stop",
            comment="optional",
        )

    def _ask(self, action: Literal["stop-lab", "clear-lab"], **dialog: Any) -> None:
        """Have the person sign a request about the whole laboratory, in a dialog of these words."""
        page = self._page
        if page.still_in() is None:
            return

        async def send(password: str, reason: str) -> Counted:
            return await page.hall.voice.ask(page.visitor, password, action, comment=reason)

        confirm_signed(page, action=send, **dialog)

    def _stop_now(self) -> Stop | None:
        lab = self._page.hall.live.picture.lab
        return lab.stop if lab is not None else None
