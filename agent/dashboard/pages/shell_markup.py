"""The shell's markup: header, navigation, banners. Every value in it is escaped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from html import escape
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from agent.dashboard.assets import address
from agent.dashboard.door.tokens import logout_token
from agent.dashboard.views.words import duration, moment

if TYPE_CHECKING:
    from agent.dashboard.door.visitor import Visitor
    from agent.dashboard.live.freshness import Freshness
    from instruments.profile.laboratory import Laboratory, Stop

Path = Callable[[str], str]

_MODES: Final[Mapping[str, tuple[str, str, str]]] = MappingProxyType(
    {
        "live": ("LIVE", "live", "Orders reach real instruments."),
        "virtual": ("VIRTUAL", "virtual", "A virtual laboratory: nothing real moves."),
        "shadow": ("SHADOW", "shadow", "Everything is decided as in earnest, but no order leaves."),
        "dry-run": ("DRY RUN", "shadow", "Everything is decided as in earnest, but no order leaves."),
    }
)
_ICONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "proposals": '<path d="M5 3.5h10v13H5z"/><path d="m7.5 10.5 2 2 3.5-4.5"/>',
        "campaigns": '<path d="M3.5 3.5v13h13"/><path d="m6 12.5 3-3.5 2.5 2L16 5.5"/>',
        "experiments": '<path d="M8 3.5v5l-4 7a.8.8 0 0 0 .7 1.2h10.6a.8.8 0 0 0 .7-1.2l-4-7v-5"/>'
        '<path d="M7 3.5h6M6 13h8"/>',
        "instruments": '<circle cx="10" cy="10" r="6.5"/><path d="m10 10 3-3.5M10 3.5V5m6.5 5H15m-11.5 0H5"/>',
        "people": '<circle cx="7.5" cy="7" r="2.8"/><path d="M2.5 16c.3-3 2.3-4.8 5-4.8s4.7 1.8 5 4.8"/>'
        '<path d="M13 4.5a2.6 2.6 0 0 1 0 5M14.5 11.6c1.8.6 2.8 2.1 3 4.4"/>',
    }
)
NAVIGATION: Final = (
    ("proposals", "Proposals", "/proposals"),
    ("campaigns", "Campaign", "/campaigns"),
    ("experiments", "Experiments", "/experiments"),
    ("instruments", "Instruments", "/instruments"),
    ("people", "People", "/people"),
)
"""Entries: key, words, page."""


def brand(lab: str, laboratory: Laboratory | None, path: Path, prefix: str) -> str:
    """The laboratory's name, and whether what is ordered is real."""
    home, icon = escape(path("/proposals")), escape(address(prefix, "icon.svg"))
    chip = ""
    if laboratory is not None:
        word, tone, meaning = _MODES[laboratory.mode]
        speed = f" {laboratory.speed:g}×" if laboratory.speed != 1.0 else ""
        chip = (
            f"<span class='lw-mode {tone}' title='{escape(meaning)}'>{word}{escape(speed)}"
            f"<span class='lw-hidden-label'>: {escape(meaning)}</span></span>"
        )
    mark = f"<img src='{icon}' alt='' width='24' height='24'>"
    return f"<a class='lw-brand' href='{home}'>{mark}<span class='lw-brand-name'>{escape(lab)}</span></a>{chip}"


def navigation(active: str, waiting: int, path: Path) -> str:
    """The pages, the one that is open marked, with how many proposals wait."""
    entries = []
    for key, words, page in NAVIGATION:
        here = " aria-current='page'" if key == active else ""
        count = ""
        if key == "proposals" and waiting:
            said = f"{waiting} waiting"
            shown = "99+" if waiting > 99 else str(waiting)
            count = (
                f"<span class='lw-count' aria-hidden='true'>{shown}</span><span class='lw-hidden-label'>, {said}</span>"
            )
        icon = f"<svg viewBox='0 0 20 20' aria-hidden='true'>{_ICONS[key]}</svg>"
        entries.append(f"<li><a href='{escape(path(page))}'{here}>{icon}<span>{words}</span>{count}</a></li>")
    return f"<ul>{''.join(entries)}</ul>"


def person(visitor: Visitor, path: Path) -> str:
    """Who is logged in, and the way out."""
    return (
        f"<span class='lw-who'><span class='lw-who-name'>{escape(visitor.name)}</span>"
        f"<span class='lw-meta'>{escape(visitor.role.value)}</span></span>"
        f"<form method='post' action='{escape(path('/logout'))}'>"
        f"<input type='hidden' name='csrf' value='{logout_token(visitor.session)}'>"
        f"<button type='submit' class='lw-plain'>Log out</button></form>"
    )


def stopped(stop: Stop | None, now: datetime) -> str:
    """The laboratory's stop, while it holds; times against the laboratory's present."""
    if stop is None:
        return ""
    since = f" at {escape(moment(stop.at, now))}" if stop.at is not None else ""
    why = f"<span class='lw-stop-why'>{escape(stop.reason)}</span>" if stop.reason else ""
    return (
        "<strong class='lw-stop-word'>STOPPED</strong>"
        f"<span class='lw-stop-text'>The laboratory was stopped by <strong>{escape(stop.by)}</strong>{since}. "
        f"Nothing is begun until a person clears the stop. {why}</span>"
    )


def old(freshness: Freshness) -> str:
    """What to know where values are not how things stand; empty while they are."""
    if freshness.live:
        return ""
    words = freshness.words or "What is shown here may be old."
    age = f" Last heard of it {duration(freshness.age_s)} ago." if freshness.age_s is not None else ""
    return f"<strong>Not live.</strong> {escape(words)}<span class='lw-num'>{age}</span>"
