"""Leave to upload: signed tokens (JWT, RFC 7519, with HMAC-SHA256) that are checked without a database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from envs.errors import ConfigError
from instruments.artefacts import ArtefactError
from instruments.clock import Clock
from instruments.messages import UploadTicket

UPLOAD_LIMIT = 1 << 30
"""Bytes of one artefact that a ticket allows when nothing else is said: 1 GiB."""
LIFETIME = timedelta(days=2)
"""How long a ticket is good for when nothing else is said: longer than a job takes."""
MIN_SECRET = 32
"""Fewest bytes of the secret: as many as the hash gives (RFC 7518, section 3.2)."""

_AUDIENCE = "labwright/artefacts"
_ALGORITHMS = ["HS256"]


class TicketError(ArtefactError):
    """A token gives no leave."""


@dataclass(frozen=True)
class Grant:
    """What a token allows: artefacts of ``job``, each of at most ``limit`` bytes."""

    job: str
    limit: int


class Tickets:
    """Issues and checks upload tickets.

    Args:
        secret: at least 32 random bytes, known to nobody else; tickets outlive a restart when it does.
        clock: what expiry is measured by.

    Raises:
        ConfigError: when the secret is too short.
    """

    def __init__(self, secret: bytes, clock: Clock) -> None:
        if len(secret) < MIN_SECRET:
            raise ConfigError("artefacts.secret", f"{len(secret)} bytes", f"at least {MIN_SECRET} random bytes")
        self._key = OctKey.import_key(secret)
        self._clock = clock

    def issue(self, job: str, *, uri: str, limit: int = UPLOAD_LIMIT, lifetime: timedelta = LIFETIME) -> UploadTicket:
        """A ticket for the artefacts of one job.

        Args:
            job: the job's id.
            uri: where to PUT; an artefact's hash is appended to it.
            limit: most bytes of one artefact.
            lifetime: from now.
        """
        claims = {"sub": job, "lim": limit, "aud": _AUDIENCE, "exp": self._now() + int(lifetime.total_seconds())}
        token = jwt.encode({"alg": "HS256"}, claims, self._key, algorithms=_ALGORITHMS)
        return UploadTicket(uri=uri, token=token, limit=limit)

    def check(self, token: str) -> Grant:
        """What a token allows.

        Args:
            token: as it came.

        Raises:
            TicketError: it is forged or expired.
        """
        try:
            claims = jwt.decode(token, self._key, algorithms=_ALGORITHMS).claims
        except (JoseError, ValueError, TypeError, KeyError, RecursionError) as error:
            raise TicketError("the token is not one of ours") from error
        subject, limit, expiry = claims.get("sub"), claims.get("lim"), claims.get("exp")
        if claims.get("aud") != _AUDIENCE or not isinstance(subject, str):
            raise TicketError("the token is for something else")
        if not isinstance(limit, int) or not isinstance(expiry, int) or limit <= 0:
            raise TicketError("the token says no limit or no expiry")
        if self._now() >= expiry:
            raise TicketError("the token has expired")
        return Grant(subject, limit)

    def _now(self) -> int:
        return int(self._clock.now().timestamp())
