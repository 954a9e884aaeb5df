"""Notices by e-mail (SMTP, RFC 5321): encrypted or not at all, unless the settings say otherwise."""

from __future__ import annotations

import logging
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid
from typing import TYPE_CHECKING

from agent.background import in_background
from agent.dashboard.notices import letter
from agent.dashboard.notices.outlet import NotSentError, Secrets
from agent.roles import Role

if TYPE_CHECKING:
    from agent.dashboard.notices.bulletin import Notice
    from agent.dashboard.notices.settings import EmailSection, NotifySection
    from agent.dashboard.notices.waiting import Item
    from instruments.clock import Clock
    from instruments.profile.laboratory import Laboratory

_log = logging.getLogger(__name__)
_MAX_REASON = 300


@dataclass(frozen=True)
class Mailbox:
    """One reader's addresses, and the server that takes what is for them.

    Args:
        server: how it is reached, and who sends.
        settings: what is said beside.
        secrets: hold the server's password.
        clock: dates the messages.
        to: addresses.
        person: of the laboratory, whom alone concerns what they may settle; empty for a list of everybody.
    """

    server: EmailSection
    settings: NotifySection
    secrets: Secrets
    clock: Clock
    to: tuple[str, ...]
    person: str = ""

    @property
    def name(self) -> str:
        """Who is reached and how."""
        return f"e-mail to {self.person or ', '.join(self.to)}"

    def wants(self, item: Item, lab: Laboratory | None) -> bool:
        """Whether it is for this reader: of a person, what their role may settle and they have not voted on."""
        if not self.person:
            return True
        if lab is None or self.person in item.done:
            return False
        roles = {Role(one.role) for one in lab.people if one.name == self.person and one.revoked is None}
        return bool(roles & item.roles)

    async def send(self, notice: Notice, now: datetime) -> None:
        """Hand a message over to the server.

        Raises:
            NotSentError: it was not taken.
        """
        await in_background(self._send, self.message(notice, now))

    def message(self, notice: Notice, now: datetime) -> EmailMessage:
        """The message: plain text, and the same in HTML."""
        mail = EmailMessage(policy=SMTP)
        user, _, domain = self.server.sender.rpartition("@")
        mail["From"] = Address("Labwright", user, domain)
        mail["To"] = ", ".join(self.to)
        mail["Subject"] = letter.subject_of(notice)
        mail["Date"] = format_datetime(self.clock.now())
        mail["Message-ID"] = make_msgid(domain=domain)
        # RFC 3834: so that nobody's absence answers it.
        mail["Auto-Submitted"] = "auto-generated"
        mail["X-Auto-Response-Suppress"] = "All"
        mail.set_content(letter.text_of(notice, self.settings, now))
        mail.add_alternative(letter.html_of(notice, self.settings, now), subtype="html")
        return mail

    def _send(self, mail: EmailMessage) -> None:
        server = self.server
        where = f"{server.host}:{server.reached_port}"
        try:
            with self._open() as smtp:
                refused = smtp.send_message(mail, from_addr=server.sender, to_addrs=list(self.to))
        except smtplib.SMTPAuthenticationError as error:
            raise NotSentError(f"{where} does not let {server.user} in: {_reason(error)}") from error
        except smtplib.SMTPRecipientsRefused as error:
            raise NotSentError(f"{where} takes nothing for {', '.join(error.recipients)}") from error
        except smtplib.SMTPNotSupportedError as error:
            hint = "it offers no STARTTLS" if server.security == "starttls" else str(error)
            raise NotSentError(f"{where} cannot be used: {hint}") from error
        except (smtplib.SMTPException, OSError, ValueError) as error:
            raise NotSentError(f"{where} did not take the message: {_reason(error)}") from error
        if refused:
            _log.warning("%s takes nothing for %s", where, ", ".join(sorted(refused)))

    @contextmanager
    def _open(self) -> Iterator[smtplib.SMTP]:
        server, secure = self.server, self._context()
        kind = smtplib.SMTP_SSL if server.security == "tls" else smtplib.SMTP
        extra = {"context": secure} if server.security == "tls" else {}
        with kind(server.host, server.reached_port, timeout=server.timeout_s, **extra) as smtp:  # type: ignore[arg-type]
            if server.security == "starttls":
                smtp.starttls(context=secure)
            if server.user:
                smtp.login(server.user, self.secrets.smtp_password or "")
            yield smtp

    def _context(self) -> ssl.SSLContext | None:
        return None if self.server.security == "none" else ssl.create_default_context(cafile=self.server.ca or None)


def mailboxes(settings: NotifySection, secrets: Secrets, clock: Clock) -> list[Mailbox]:
    """Everybody who is written to."""
    server = settings.email
    if server is None:
        return []
    lists = [Mailbox(server, settings, secrets, clock, server.to)] if server.to else []
    own = [Mailbox(server, settings, secrets, clock, (to,), who) for who, to in sorted(server.people.items())]
    return lists + own


def _reason(error: Exception) -> str:
    """A server's or the system's words in one line."""
    said = getattr(error, "smtp_error", b"")
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    code = getattr(error, "smtp_code", "")
    words = f"{code} {text}".strip() if text else str(error) or type(error).__name__
    return "".join(letter if letter.isprintable() else " " for letter in words)[:_MAX_REASON]
