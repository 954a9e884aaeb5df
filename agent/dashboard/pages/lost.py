"""The page of addresses that no page has."""

from __future__ import annotations

from html import escape
from http import HTTPStatus

from nicegui import ui

from agent.dashboard.pages.shell import frame
from agent.dashboard.ports import Hall


def register(hall: Hall) -> None:
    """Declare it; after all others."""

    @ui.page("/{rest:path}")
    def lost(rest: str) -> None:
        ui.context.client.status_code = HTTPStatus.NOT_FOUND
        with frame(hall, "There is no such page", "") as page:
            said = f"<code>/{escape(rest[:200])}</code> is not an address of this dashboard."
            link = f"<a href='{escape(page.path('/proposals'))}'>Go to the proposals</a>"
            ui.html(f"<p>{said}</p><p>{link}</p>", sanitize=False)
