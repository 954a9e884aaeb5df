"""A person at a browser: what they do on the dashboard's pages, and what they see."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from e2e.laboratory import PASSWORD

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, ConsoleMessage, Error, Locator, Page, Request

PATIENCE_MS = 15_000
"""How long a page may take on a machine that is busy with everything else."""
EXPERIMENT_MS = 120_000
"""How long an experiment may take, of some ten seconds at an hour a second."""
_EXPECTED = ("net::ERR_CONNECTION_REFUSED", "WebSocket connection", "status of 401", "status of 429", "status of 403")
"""What a browser complains of where a test takes the server away, or types a wrong password."""

_TOO_EARLY = ("reading 'dispose'", "echart.js", "beforeUnmount")
"""What NiceGUI's chart complains of when its page is left before its library has come; nothing is lost by it."""


@dataclass
class Person:
    """One browser of one person; a context of its own, so that nothing is shared with others.

    Attributes:
        name: who; also after the log-in.
        base: address of the dashboard.
        shots: where screenshots go.
        look: width and theme, in the names of screenshots.
        faults: what the browser complained of: errors of scripts, of the content security policy, missing files.
        elsewhere: requests that went to another host.
    """

    name: str
    context: BrowserContext
    page: Page
    base: str
    shots: Path
    look: str
    faults: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._on_console)
        self.page.on("pageerror", self._on_error)
        self.page.on("request", self._on_request)

    def _on_error(self, error: Error) -> None:
        told = f"{error}\n{error.stack}"
        if not all(part in told for part in _TOO_EARLY):
            self.faults.append(str(error))

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not any(known in message.text for known in _EXPECTED):
            self.faults.append(f"{message.text} {message.location.get('url', '')}")

    def _on_request(self, request: Request) -> None:
        own = self.base.split("://", 1)[1].split("/", 1)[0]
        if f"://{own}/" not in request.url and not request.url.startswith(("data:", "blob:")):
            self.elsewhere.append(request.url)

    # Going about ------------------------------------------------------------------------------------------------------

    def go(self, path: str = "/") -> None:
        """Open a page, such as ``/proposals``."""
        self.page.goto(self.base + path)

    def log_in(self, password: str = PASSWORD, *, path: str = "/proposals") -> None:
        """Log in, on the way to a page."""
        self.go(path)
        self.page.get_by_label("Name").fill(self.name)
        self.page.get_by_label("Password of your key").fill(password)
        self.page.get_by_role("button", name="Log in").click()

    def arrive(self) -> None:
        """Wait until the page is alive: it is shown, and its connection stands."""
        self.see(self.page.locator("main.lw-page"))
        self.page.wait_for_function("() => window.socket?.connected === true", timeout=PATIENCE_MS)

    def see(self, what: str | re.Pattern[str] | Locator, *, within_ms: int = PATIENCE_MS) -> None:
        """Wait until words, or something, can be seen."""
        found = self.page.get_by_text(what).first if isinstance(what, (str, re.Pattern)) else what
        expect(found).to_be_visible(timeout=within_ms)

    def see_not(self, what: str | re.Pattern[str] | Locator, *, within_ms: int = PATIENCE_MS) -> None:
        """Wait until words, or something, cannot be seen."""
        found = self.page.get_by_text(what).first if isinstance(what, (str, re.Pattern)) else what
        expect(found).to_be_hidden(timeout=within_ms)

    def shoot(self, name: str, *, whole: bool = True) -> Path:
        """Take a screenshot, of the whole page or of what is in the window."""
        path = self.shots / f"{name}-{self.look}.png"
        window = self.page.viewport_size
        if whole and window:
            # Taller instead of stitched: what is fixed in the window stands where it belongs.
            height = int(self.page.evaluate("document.documentElement.scrollHeight"))
            self.page.set_viewport_size({"width": window["width"], "height": max(height, window["height"])})
        # Written here: Playwright would start a thread for it.
        path.write_bytes(self.page.screenshot(animations="disabled"))
        if whole and window:
            self.page.set_viewport_size(window)
        return path

    # Deciding ---------------------------------------------------------------------------------------------------------

    def waiting(self) -> list[str]:
        """Ids of the proposals that wait, in the order of the page that is open; waits for the first."""
        links = self.page.locator("main h2 a[href*='/proposals/']")
        self.see(links.first, within_ms=EXPERIMENT_MS)
        found = [link.get_attribute("href") or "" for link in links.all()]
        ids = [match[1] for href in found if (match := re.search(r"/proposals/([A-Za-z0-9_.\-]+)$", href))]
        return list(dict.fromkeys(ids))

    def open_proposal(self, pid: str) -> None:
        """Open one proposal's page."""
        self.go(f"/proposals/{pid}")
        self.arrive()

    def press(self, mark: str) -> None:
        """Press a button by the mark that its page gave it, such as ``approve``."""
        self.page.locator(f".nicegui-content [data-mark='{mark}'], .q-btn.{mark}").first.click()

    def sign(self, button: str, *, password: str = PASSWORD, comment: str = "") -> None:
        """Fill the dialog that is open, and sign."""
        dialog = self.page.get_by_role("dialog")
        if comment:
            dialog.locator("textarea").fill(comment)
        dialog.get_by_label("Password of your key").fill(password)
        dialog.get_by_role("button", name=button).click()

    def close_dialog(self) -> None:
        """Close the dialog that has said what came of it."""
        self.page.get_by_role("dialog").get_by_role("button", name=re.compile("Close|Cancel")).click()

    def approve(self, pid: str, **said: str) -> None:
        """Approve a proposal on its page, and wait for the agent's word."""
        self.open_proposal(pid)
        self.page.get_by_role("button", name="Approve", exact=True).click()
        self.sign("Sign and approve", **said)
        self.see("It counted")
        self.close_dialog()
