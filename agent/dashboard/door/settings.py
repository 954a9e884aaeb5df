"""How the dashboard's door is set: where it stands, how long sessions last, what is believed of a proxy."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

from agent.dashboard.door.sessions import ABSOLUTE_S, IDLE_S
from envs.errors import ConfigError

PREFIX: Final = "/dashboard"
COOKIE: Final = "lw_session"
"""Bears the session's key."""
BEFORE: Final = "lw_before"
"""Bears what ties a login form to the browser that asked for it."""
THEME: Final = "lw_theme"
"""Bears whether this browser shows light or dark; absent where it follows the system."""


@dataclass(frozen=True)
class DoorSettings:
    """How the door is set.

    Args:
        prefix: path below which the pages are; empty for the root.
        idle_s: how long a session lasts in which nobody does anything, s.
        absolute_s: how long any session lasts, s.
        proxied: whether a proxy stands before it whose X-Forwarded-Proto and X-Forwarded-For are to be believed.
        hosts: names by which it may be reached, each with its port where that is not the usual one; any where empty.

    Raises:
        ConfigError: the prefix is no path, or a time is not positive.
    """

    prefix: str = PREFIX
    idle_s: float = IDLE_S
    absolute_s: float = ABSOLUTE_S
    proxied: bool = False
    hosts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not re.fullmatch(r"(/[A-Za-z0-9_.~-]+)*", self.prefix):
            raise ConfigError("dashboard.prefix", self.prefix, "a path such as /dashboard, or nothing")
        for key, value in (("idle_s", self.idle_s), ("absolute_s", self.absolute_s)):
            if not value > 0:
                raise ConfigError(f"dashboard.{key}", value, "more than 0 s")

    def path(self, page: str) -> str:
        """Address of a page, such as ``/login``."""
        return f"{self.prefix}{page}"

    def own(self, wanted: str) -> str:
        """Where to lead a browser that wants to go somewhere: a page of the dashboard, whatever was asked for."""
        home = self.path("/")
        if not _is_plain(wanted):
            return home
        split = urlsplit(wanted)
        mine = split.path == self.prefix or split.path.startswith(home)
        door = split.path in {self.path("/login"), self.path("/logout")}
        if split.scheme or split.netloc or not mine or door or ".." in unquote(split.path).split("/"):
            return home
        return wanted

    @property
    def cookie_path(self) -> str:
        """Path of all cookies."""
        return self.prefix or "/"

    def cookie(self, name: str, value: str, *, secure: bool, lasts_s: int | None = None) -> str:
        """A Set-Cookie line: for this path alone, hidden from scripts, never sent along from other sites.

        Args:
            name: of the cookie.
            value: of it; empty takes it back.
            secure: whether it goes over TLS alone.
            lasts_s: how long the browser keeps it, s; until it is closed where None.
        """
        parts = [f"{name}={value}", f"Path={self.cookie_path}", "HttpOnly", "SameSite=Strict"]
        if secure:
            parts.append("Secure")
        if not value:
            parts.append("Max-Age=0")
        elif lasts_s is not None:
            parts.append(f"Max-Age={lasts_s}")
        return "; ".join(parts)


def _is_plain(path: str) -> bool:
    """Whether a path is one for all browsers: they read a backslash as a slash, and pass over control characters."""
    return path.startswith("/") and not path.startswith("//") and "\\" not in path and path.isprintable()
