"""What a message goes out by: the port, and the secrets that the ways need."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from envs.errors import LabwrightError, UserError

if TYPE_CHECKING:
    from agent.dashboard.notices.bulletin import Notice
    from agent.dashboard.notices.settings import NotifySection
    from agent.dashboard.notices.waiting import Item
    from instruments.profile.laboratory import Laboratory

_SYSTEMD = "CREDENTIALS_DIRECTORY"


class NotSentError(LabwrightError):
    """A message could not be handed over; it is tried again later. Says why, and holds no secret."""


class Outlet(Protocol):
    """One reader, and the way to them."""

    @property
    def name(self) -> str:
        """Who is reached and how, for logs."""
        ...

    def wants(self, item: Item, lab: Laboratory | None) -> bool:
        """Whether something that waits is for this reader."""
        ...

    async def send(self, notice: Notice, now: datetime) -> None:
        """Hand a message over.

        Args:
            notice: what is told.
            now: the laboratory's time.

        Raises:
            NotSentError: it was not taken.
        """
        ...


@dataclass(frozen=True)
class Secrets:
    """What the ways prove themselves with.

    Args:
        smtp_password: of the mail server's user.
        webhook_secret: signs what a webhook is sent.
    """

    smtp_password: str | None = field(default=None, repr=False)
    webhook_secret: str | None = field(default=None, repr=False)

    @classmethod
    def found(cls, environment: Mapping[str, str] | None = None) -> Secrets:
        """Read them for a dashboard that runs apart: the environment, else systemd's credentials directory.

        Args:
            environment: the process's own by default.

        Raises:
            UserError: a file is there and cannot be read.
        """
        variables = os.environ if environment is None else environment
        return cls(_found("smtp-password", variables), _found("webhook-secret", variables))

    def check(self, settings: NotifySection) -> None:
        """See that what the settings need is there.

        Raises:
            UserError: it is not.
        """
        mail = settings.email
        if mail is not None and mail.user and not self.smtp_password:
            raise UserError(
                f"notify.email.user is {mail.user}, and there is no password for it: set LABWRIGHT_SMTP_PASSWORD, or "
                "put it into the credential smtp-password"
            )


def _found(name: str, variables: Mapping[str, str]) -> str | None:
    given = variables.get(f"LABWRIGHT_{name.upper().replace('-', '_')}")
    if given is not None or not variables.get(_SYSTEMD):
        return given
    path = Path(variables[_SYSTEMD]) / name
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read as a secret: {error}") from error
