"""What all pages have around them: header, navigation, the stop, the banner that says when values are old."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from http import HTTPStatus
from typing import Final

from nicegui import background_tasks, ui
from starlette.exceptions import HTTPException

from agent.dashboard import assets
from agent.dashboard.door.login import theme_of
from agent.dashboard.door.visitor import Visitor
from agent.dashboard.live.picture import Change, Kind
from agent.dashboard.pages.surroundings import Surroundings
from agent.dashboard.ports import Hall

Refresh = Callable[[frozenset[Change]], Awaitable[None] | None]

TICK_S: Final = 2.0
"""How often a page asks whether what it shows is still how things stand, s."""
TICKS_A_SESSION: Final = 10
"""Ticks between two looks at whether its session is still there."""
_KINDS: Final[frozenset[Kind]] = frozenset({"proposal", "lab", "link", "agent"})


@dataclass(frozen=True)
class Frame:
    """One page of one browser.

    Args:
        hall: what the page is given.
        visitor: who looks.
    """

    hall: Hall
    visitor: Visitor

    def path(self, page: str) -> str:
        """Address of another page, such as ``/proposals``."""
        return f"{self.hall.prefix}{page}"

    def still_in(self) -> Visitor | None:
        """Who looks, with the role of this moment; the browser is led to the login where the session is over."""
        visitor = self.hall.visitor(self.visitor.session)
        if visitor is None:
            self.go("/login")
        return visitor

    def looker(self) -> Visitor:
        """Who looks, with the role of this moment, for what a page shows; as they came where the session is over."""
        return self.hall.visitor(self.visitor.session) or self.visitor

    @staticmethod
    def go(page: str) -> None:
        """Lead the browser to another page, such as ``/proposals``: NiceGUI puts the prefix before it itself."""
        ui.navigate.to(page)

    def follow(self, kinds: Collection[Kind], refresh: Refresh) -> None:
        """Have part of the page brought up to date whenever something of these kinds has changed.

        Args:
            kinds: that matter.
            refresh: called with what has changed, in the page's own context, until the browser is gone.
        """
        client = ui.context.client

        def changed(changes: frozenset[Change]) -> None:
            mine = frozenset(change for change in changes if change.kind in kinds)
            if not mine or client.is_deleted:
                return
            with client:
                result = refresh(mine)
                if inspect.isawaitable(result):
                    background_tasks.create(result, name="refresh of a page", context=client)

        context = self.hall.live.listening(changed)
        context.__enter__()
        client.on_delete(lambda: context.__exit__(None, None, None))


@contextmanager
def frame(hall: Hall, title: str, active: str) -> Iterator[Frame]:
    """Build a page's surroundings; what is built in the context stands in the page's middle.

    All style sheets of ``static`` are there. Where the session has ended since the request came, the browser is led
    to the login and the context is not entered.

    Args:
        hall: what the page is given.
        title: of the page, as plain text.
        active: the entry of the navigation that it belongs to: ``proposals``, ``campaigns``, ``experiments``,
            ``instruments`` or ``people``.

    Raises:
        HTTPException: that leads to the login, where the session is over.
    """
    request = ui.context.client.request
    visitor = hall.visitor(getattr(request.state, "session", ""))
    if visitor is None:
        raise HTTPException(HTTPStatus.SEE_OTHER, headers={"location": f"{hall.prefix}/login"})
    page = Frame(hall, visitor)
    ui.add_head_html(assets.head(hall.prefix))
    around = Surroundings(page, title, active, theme_of(request.scope))
    with around.main:
        ui.html(escape(title), sanitize=False, tag="h1").classes("lw-h1")
        yield page
    page.follow(_KINDS, lambda _changes: around.refresh())
    _watch(page, around)


def _watch(page: Frame, around: Surroundings) -> None:
    """Look again now and then: that nothing is heard any more is itself no message."""
    ticks = 0

    def tick() -> None:
        nonlocal ticks
        ticks += 1
        around.refresh()
        if ticks % TICKS_A_SESSION == 0:
            visitor = page.still_in()
            if visitor is not None:
                around.greet(visitor)

    ui.timer(TICK_S, tick, immediate=False)
