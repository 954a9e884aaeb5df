"""What all pages have around them: header, navigation, the banner that says when values are old."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from nicegui import background_tasks, ui

from agent.dashboard.door.visitor import Visitor
from agent.dashboard.live.picture import Change, Kind
from agent.dashboard.ports import Hall

Refresh = Callable[[frozenset[Change]], Awaitable[None] | None]


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
            ui.navigate.to(self.path("/login"))
        return visitor

    def follow(self, kinds: Collection[Kind], refresh: Refresh) -> None:
        """Have part of the page brought up to date whenever something of these kinds has changed.

        Args:
            kinds: that matter.
            refresh: called with what has changed, in the page's own context, until the browser is gone.
        """
        client = ui.context.client

        def changed(changes: frozenset[Change]) -> None:
            mine = frozenset(change for change in changes if change.kind in kinds)
            if not mine:
                return
            with client:
                result = refresh(mine)
                if inspect.isawaitable(result):
                    background_tasks.create(result)

        context = self.hall.live.listening(changed)
        context.__enter__()
        client.on_delete(lambda: context.__exit__(None, None, None))


@contextmanager
def frame(hall: Hall, title: str, active: str) -> Iterator[Frame]:
    """Build a page's surroundings; what is built in the context stands in the page's middle.

    Args:
        hall: what the page is given.
        title: of the page.
        active: the entry of the navigation that it belongs to: ``proposals``, ``campaigns``, ``experiments``,
            ``instruments`` or ``people``.
    """
    request = ui.context.client.request
    session = getattr(request.state, "session", "") if request is not None else ""
    visitor = hall.visitor(session)
    if visitor is None:
        ui.navigate.to(f"{hall.prefix}/login")
        return
    del active
    ui.page_title(title)
    with ui.element("main").classes("lw-page"):
        ui.html(f"<h1 class='lw-h1'>{title}</h1>", sanitize=False)
        yield Frame(hall, visitor)
