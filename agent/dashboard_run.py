"""What ``labwright dashboard`` does with its options."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from agent.deciding.asked import Asked
from agent.deciding.entrance import with_credentials
from agent.deciding.place import Place, find_place
from agent.extras import needs
from envs.errors import UserError

COMMAND = "labwright dashboard"
USER = "dashboard"
"""Of the pages at a broker that the agent runs itself."""


@dataclass(frozen=True)
class Request:
    """The command line's options as given."""

    asked: Asked
    host: str
    port: int
    certificate: Path | None
    key: Path | None
    plain: bool = False
    directory: Path | None = None
    notify: Path | None = None


def run(request: Request) -> None:
    """Serve the pages until Ctrl-C.

    Raises:
        MissingExtraError: the dashboard's extra is not installed.
        UserError: it cannot be told which laboratory is meant, or something about the options is wrong.
        ConfigError: the broker's address or the file of the notifications is wrong, or the port is taken.
    """
    server = needs("dashboard", COMMAND, "agent.dashboard.serve")
    served = server.Served(request.host, request.port, request.certificate, request.key, request.plain)
    served.check()
    place = with_credentials(_place(request.asked))
    console = Console(stderr=True, highlight=False)
    server.serve(
        _plan(server, place, request), served, up=lambda base: console.print(words(base, place), soft_wrap=True)
    )
    console.print("\nThe dashboard has stopped; the laboratory goes on.")


def _place(asked: Asked) -> Place:
    """The laboratory, as the user that the agent's own broker keeps for pages, where that one left word of it here."""
    place = find_place(asked, ())
    if asked.broker or place.asks:
        return place
    try:
        pages = find_place(asked, (USER,))
    except UserError:
        return place
    return pages if pages.address.username == USER else place


def _plan(server: object, place: Place, request: Request) -> object:
    from agent.dashboard.notices.outlet import Secrets
    from agent.dashboard.notices.settings import NotifySection, load_notify

    notify = load_notify(request.notify) if request.notify else NotifySection()
    make = getattr(server, "Plan")  # noqa: B009  # loosely, for the module needs an extra
    return make(place.address, place.topics, request.directory, notify=notify, secrets=Secrets.found())


def words(base: str, place: Place) -> str:
    """What a person is told once it runs."""
    user = place.address.username
    who = f" as {user}" if user else ""
    lines = [
        f"The dashboard of {place.topics.lab}: {base}",
        f"It reads the broker {place.address.place}{who}, which has to let it send what people sign in their names.",
        "Stop it with Ctrl-C.",
    ]
    return "\n".join(lines)
