"""The button by which a person lets a browser say that something waits."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from nicegui import ui
from nicegui.events import GenericEventArguments

from agent.dashboard.notices.browser import EVENT, LOOK_S, SCRIPT, Absence, lookout_of, notices_of
from instruments.clock import SystemClock

if TYPE_CHECKING:
    from agent.dashboard.ports import Hall

_LABELS = {
    "on": (
        "Notices are on",
        "This browser says when something waits for you and the page is in the background",
        "notifications_active",
    ),
    "off": (
        "Notices are off",
        "Let this browser say when something waits for you and the page is in the background",
        "notifications_none",
    ),
    "blocked": (
        "Notices are blocked",
        "This browser's settings do not let this site show notices",
        "notifications_off",
    ),
    "missing": (
        "Notices are not available",
        "This browser shows no notices here: they need HTTPS, and a browser of a desktop",
        "notifications_off",
    ),
}


def notices_button(hall: Hall) -> ui.button | None:
    """Build the button, and what tells the browser while its page is out of sight.

    To be called inside a page. Where notices in browsers are off in the settings it builds nothing.

    Returns:
        The button, to be placed and styled by the caller.
    """
    client = ui.context.client
    visitor = hall.visitor(getattr(client.request.state, "session", ""))
    if not hall.notices or visitor is None:
        return None
    lookout = lookout_of(hall.live, SystemClock())
    away: list[Absence] = []
    button = ui.button(icon=_LABELS["off"][2]).props(f'flat round dense aria-label="{_LABELS["off"][0]}"')
    button.on("click", js_handler="() => window.lwNotices?.toggle()")
    with button:
        tip = ui.tooltip(f"{_LABELS['off'][0]}. {_LABELS['off'][1]}.")

    def look() -> None:
        still = hall.visitor(visitor.session)
        if not away or still is None:
            return
        away[0].visitor = still
        news = away[0].news()
        if news:
            told = json.dumps(notices_of(news, hall.live.name, hall.prefix))
            client.run_javascript(f"window.lwNotices?.tell({told})")

    timer = ui.timer(LOOK_S, look, active=False)

    def reported(event: GenericEventArguments) -> None:
        said = event.args if isinstance(event.args, dict) else {}
        state, hidden = str(said.get("state", "")), bool(said.get("hidden"))
        label, words, icon = _LABELS.get(state, _LABELS["missing"])
        tip.text = f"{label}. {words}."
        button.set_enabled(state in {"on", "off"})
        button.set_icon(icon)
        button.props(f'aria-label="{label}" aria-pressed={str(state == "on").lower()}')
        away[:] = [Absence(lookout, visitor)] if state == "on" and hidden else []
        timer.active = bool(away)

    ui.on(EVENT, reported)
    ui.add_body_html(f"<script>{SCRIPT}</script>")
    client.on_connect(lambda: client.run_javascript("window.lwNotices?.report()"))
    return button
