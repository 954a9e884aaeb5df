"""Notices to an address of one's own: JSON over HTTPS, signed."""

from __future__ import annotations

import hashlib
import hmac
import json
import ssl
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx

from agent.dashboard.notices import letter
from agent.dashboard.notices.outlet import NotSentError, Secrets
from agent.dashboard.notices.settings import is_loopback

if TYPE_CHECKING:
    from agent.dashboard.notices.bulletin import Notice
    from agent.dashboard.notices.settings import NotifySection, WebhookSection
    from agent.dashboard.notices.waiting import Item
    from instruments.clock import Clock
    from instruments.profile.laboratory import Laboratory

SIGNATURE = "X-Labwright-Signature"
_MAX_ANSWER = 200


def signature(secret: str, body: bytes) -> str:
    """What the header says: ``sha256=`` and the HMAC-SHA-256 of the body (RFC 2104) in lower-case hexadecimal."""
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


@dataclass(frozen=True)
class Webhook:
    """An address that is told everything.

    Args:
        place: where.
        settings: what is said beside.
        secrets: hold what signs; nothing is signed without.
        clock: dates the messages.
    """

    place: WebhookSection
    settings: NotifySection
    secrets: Secrets
    clock: Clock

    @property
    def name(self) -> str:
        """Who is reached and how; the path is left out, for with many services it is the password."""
        return f"webhook of {urlsplit(self.place.url).hostname}"

    def wants(self, item: Item, lab: Laboratory | None) -> bool:
        """Everything."""
        del item, lab
        return True

    async def send(self, notice: Notice, now: datetime) -> None:
        """Hand a message over.

        Raises:
            NotSentError: it was not taken.
        """
        content = letter.body_of(notice, self.settings, now, self.clock.now())
        body = json.dumps(content, ensure_ascii=False, allow_nan=False).encode()
        headers = {**self.place.headers, "Content-Type": "application/json; charset=utf-8"}
        secret = self.secrets.webhook_secret or self.place.secret
        if secret:
            headers[SIGNATURE] = signature(secret, body)
        try:
            async with self._client() as client:
                answer = await client.post(self.place.url, content=body, headers=headers)
        except (httpx.HTTPError, OSError, ssl.SSLError) as error:
            raise NotSentError(f"{self.name} was not reached: {str(error) or type(error).__name__}") from error
        if not answer.is_success:
            # A redirect is not followed: what was signed for one place is not sent to another.
            said = "".join(letter if letter.isprintable() else " " for letter in answer.text[:_MAX_ANSWER]).strip()
            raise NotSentError(f"{self.name} answered {answer.status_code}{': ' + said if said else ''}")

    def _client(self) -> httpx.AsyncClient:
        verify = ssl.create_default_context(cafile=self.place.ca) if self.place.ca else True
        beyond = not is_loopback(urlsplit(self.place.url).hostname or "")
        return httpx.AsyncClient(timeout=self.place.timeout_s, verify=verify, trust_env=beyond)
