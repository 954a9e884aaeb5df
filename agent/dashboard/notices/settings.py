"""Settings of the notices: ``[notify]`` of LAB.toml, or a file of its own. Nothing is told where nothing is said."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, ValidationError, field_validator, model_validator

from agent.config import Section, explain, read_toml
from envs.errors import ConfigError

About = Literal["proposal", "reconcile", "stop", "campaign"]
"""What people are told of: a proposal waits, nobody knows what became of an experiment, everything is stopped, a
campaign is paused."""
ALL: tuple[About, ...] = ("proposal", "reconcile", "stop", "campaign")
PORTS = {"starttls": 587, "tls": 465, "none": 25}
"""Submission (RFC 6409), submissions (RFC 8314) and SMTP (RFC 5321)."""
_ADDRESS = r"^[^@\s<>,;:\"\\()\[\]]{1,64}@[A-Za-z0-9]([A-Za-z0-9.\-]{0,253}[A-Za-z0-9])?$"
_PERSON = r"^[A-Za-z0-9]([A-Za-z0-9_.\-]{0,62}[A-Za-z0-9])?$"
_HEADER = r"^[A-Za-z0-9][A-Za-z0-9\-]{0,63}$"
_OWN_HEADERS = frozenset({"content-type", "content-length", "host", "x-labwright-signature", "transfer-encoding"})


def _tupled(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


Address = Annotated[str, Field(pattern=_ADDRESS, max_length=254)]
Hours = Annotated[float, Field(ge=0.0, le=8760.0)]


class EmailSection(Section):
    """``[notify.email]``: the server that takes messages, and who gets them.

    The password stands in ``LABWRIGHT_SMTP_PASSWORD``, or in the credential ``smtp-password``.

    Attributes:
        host: of the SMTP server.
        port: of it; 587, 465 or 25, as the security has it, for 0.
        security: ``starttls`` (a connection that becomes encrypted, or nothing is sent), ``tls`` (encrypted from the
            first byte) or ``none``.
        ca: authority that signed the server's certificate (PEM); the machine's own authorities when it is empty.
        user: to log in as; nobody logs in when it is empty.
        sender: address in ``from``.
        to: addresses that get everything.
        people: addresses by person of the laboratory: they get what their role lets them settle, and no proposal on
            which they have voted.
        timeout_s: for each answer of the server, s.
    """

    host: Annotated[str, Field(pattern=r"^[A-Za-z0-9.:\-]{1,253}$")]
    port: Annotated[int, Field(ge=0, le=65535)] = 0
    security: Literal["starttls", "tls", "none"] = "starttls"
    ca: str = ""
    user: Annotated[str, Field(max_length=254)] = ""
    sender: Annotated[Address, Field(alias="from")]
    to: Annotated[tuple[Address, ...], BeforeValidator(_tupled), Field(max_length=50)] = ()
    people: Annotated[dict[Annotated[str, Field(pattern=_PERSON)], Address], Field(max_length=500)] = Field(
        default_factory=dict
    )
    timeout_s: Annotated[float, Field(gt=0.0, le=300.0)] = 20.0

    @model_validator(mode="after")
    def _reaches_somebody_safely(self) -> Self:
        if not self.to and not self.people:
            raise ValueError("a table with addresses in to or in [notify.email.people]")
        if self.user and self.security == "none" and not is_loopback(self.host):
            raise ValueError("security starttls or tls where user is set: a password is not sent unencrypted")
        return self

    @property
    def reached_port(self) -> int:
        """The port that is used."""
        return self.port or PORTS[self.security]


class WebhookSection(Section):
    """``[notify.webhook]``: an address that is sent JSON, such as a chat's or an on-call service's.

    The secret that signs what is sent stands in ``LABWRIGHT_WEBHOOK_SECRET``, or in the credential
    ``webhook-secret``.

    Attributes:
        url: https; http on this machine alone.
        secret: likewise, for trials: a secret in a file is soon in a repository.
        headers: that are sent besides, such as an authorization.
        ca: authority that signed the server's certificate (PEM); the usual ones when it is empty.
        timeout_s: for an answer, s.
    """

    url: Annotated[str, Field(max_length=2000)]
    secret: Annotated[str, Field(max_length=1000, repr=False)] = ""
    headers: Annotated[dict[str, str], Field(max_length=20, repr=False)] = Field(default_factory=dict)
    ca: str = ""
    timeout_s: Annotated[float, Field(gt=0.0, le=300.0)] = 20.0

    @field_validator("url")
    @classmethod
    def _is_safe(cls, url: str) -> str:
        return checked_url(url)

    @field_validator("headers")
    @classmethod
    def _are_headers(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, value in headers.items():
            if not re.match(_HEADER, name) or name.lower() in _OWN_HEADERS:
                raise ValueError("names of headers, other than those that every message has")
            if not value.isprintable() or not value.isascii() or len(value) > 4000:
                raise ValueError(f"printable ASCII in {name}")
        return headers


class NotifySection(Section):
    """``[notify]``: who is told that something waits for a person, and of what. Off where it says nothing.

    Attributes:
        browser: whether browsers that are allowed to say so when the dashboard's page is in the background.
        email: the server, and who is written to.
        webhook: what else is told.
        after_s: how long something waits before it is told, s: what follows in that time goes into one message.
        again_h: after how long what still waits is told again, h; never for 0.
        about: what is told of.
        link: public address of the dashboard, such as ``https://lab.example.org/dashboard``; messages have no links
            without it.
    """

    browser: bool = False
    email: EmailSection | None = None
    webhook: WebhookSection | None = None
    after_s: Annotated[float, Field(ge=0.0, le=86_400.0)] = 60.0
    again_h: Hours = 12.0
    about: Annotated[tuple[About, ...], BeforeValidator(_tupled), Field(max_length=len(ALL))] = ALL
    link: Annotated[str, Field(pattern=r"^(https?://[^\s/\"'<>]+(/[^\s\"'<>]*)?)?$", max_length=500)] = ""

    @property
    def on(self) -> bool:
        """Whether anybody is told anything by a message."""
        return self.email is not None or self.webhook is not None

    def page(self, path: str) -> str:
        """Public address of a page, such as ``/proposals/p-1``; empty where the dashboard's is not known."""
        return f"{self.link.rstrip('/')}{path}" if self.link else ""


def checked_url(url: str) -> str:
    """An address that may be sent to: https, or http on this machine.

    Raises:
        ValueError: it is not such an address.
    """
    allowed = "an https:// address, or http:// on this machine; without user and password"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(allowed) from error
    if not host or not url.isprintable() or not url.isascii() or " " in url or parts.username is not None:
        raise ValueError(allowed)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise ValueError(allowed)
    return url


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def parse_notify(raw: dict[str, Any], *, source: str = "") -> NotifySection:
    """Validate what a ``[notify]`` table holds.

    Raises:
        ConfigError: keys are unknown or values outside their limits; names each key, its value and what is allowed.
    """
    try:
        return NotifySection.model_validate(raw)
    except ValidationError as error:
        raise explain(error, NotifySection, source, below="notify") from error


def load_notify(path: Path) -> NotifySection:
    """Read a file with a ``[notify]`` table and nothing else, for a dashboard that runs apart.

    Raises:
        UserError: it cannot be read or is no TOML.
        ConfigError: keys are unknown or values outside their limits.
    """
    raw = read_toml(path)
    others = sorted(raw.keys() - {"notify"})
    if others:
        raise ConfigError(others[0], raw[others[0]], "the table [notify] alone", source=str(path))
    table = raw.get("notify", {})
    if not isinstance(table, dict):
        raise ConfigError("notify", table, "a table: [notify]", source=str(path))
    return parse_notify(table, source=str(path))
