"""People's requests beside decisions: signed where they are made, judged where they arrive.

They are checked in the order of the profile's decisions. Whether what is asked for can be done now is not judged here.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from datetime import datetime, timedelta

from agent.envelopes import (
    MAX_AGE,
    MAX_SKEW,
    REQUEST,
    Reason,
    RefusedError,
    checks_of_age,
    checks_of_sender,
    first_broken,
    open_envelope,
    seal,
)
from agent.identity import People, SigningKey
from agent.roles import may_ask, roles_asking
from envs.errors import UserError
from instruments.profile.requests import Request, request_id

__all__ = ["Reason", "RequestVerdict", "request_id", "sign_request", "verify_request"]


def sign_request(request: Request, key: SigningKey) -> str:
    """Sign a request: a compact JWS.

    Raises:
        UserError: the key belongs to another person than the request names.
    """
    if request.user != key.name:
        raise UserError(f"the request is {request.user}'s and the key {key.name}'s: each signs only their own")
    return seal(REQUEST, request, key)


def is_possible(value: float, before: float) -> bool:
    """Whether a corrected value may stand in the place of a measured one, by its sign.

    What was measured as 0 or below, such as a porosity or a temperature, may be so again; all else stays positive.

    Args:
        value: the corrected one, in the unit of the other.
        before: the measured one.
    """
    return value > 0.0 or before <= 0.0


@dataclass(frozen=True)
class RequestVerdict:
    """Whether a request counts, and if not, why.

    Args:
        reason: why it was refused; ``None`` when it counts.
        message: the same for people.
        request: what was asked for; ``None`` when it is not proven to be anyone's.
    """

    reason: Reason | None
    message: str
    request: Request | None = None

    @property
    def accepted(self) -> bool:
        """Whether the request counts."""
        return self.reason is None


def verify_request(
    token: str | bytes,
    *,
    registry: People,
    lab: str,
    user: str,
    rid: str,
    now: datetime,
    seen_nonces: Container[str],
    seen_requests: Container[str],
    stopped: Container[str] = frozenset(),
    max_age: timedelta = MAX_AGE,
    max_skew: timedelta = MAX_SKEW,
) -> RequestVerdict:
    """Judge a request as it arrived; never raises for what is in the token.

    Args:
        token: the payload of the request's topic.
        registry: who owns which key, in which role.
        lab: this laboratory.
        user: the person whom the topic names.
        rid: the id that the topic names.
        now: the machine's own time, with its zone: the age of the signature is judged by it.
        seen_nonces: nonces of decisions and requests that counted before.
        seen_requests: ids of requests that counted before.
        stopped: campaigns whose stop holds: resuming one of them is clearing a stop.
        max_age: how long after signing a request may arrive.
        max_skew: how far the person's clock may be ahead.

    Raises:
        UserError: ``now`` has no zone.
    """
    if now.tzinfo is None:
        raise UserError("the time of a verification needs a time zone")
    try:
        person, request = open_envelope(REQUEST, token, registry)
    except RefusedError as refused:
        return RequestVerdict(refused.reason, str(refused))
    own, clears = request_id(token), request.action == "resume" and request.subject in stopped
    what = f"resume of the stopped campaign {request.subject}" if clears else request.action
    roles = roles_asking(request.action, clears=clears)
    broken = first_broken(
        (
            *checks_of_sender(person, request, word=REQUEST.word, lab=lab, user=user),
            *checks_of_age(request.time, now, max_age=max_age, max_skew=max_skew),
            (Reason.ALREADY_COUNTED, own in seen_requests, "this request counted before"),
            (Reason.REPLAYED_NONCE, request.nonce in seen_nonces, "its nonce was used before"),
            (Reason.OTHER_REQUEST, own != rid, f"the topic names {rid}, this is {own}"),
            (
                Reason.ROLE_NOT_ALLOWED,
                not may_ask(person.role, request.action, clears=clears),
                f"{what} needs the role {roles}, {person.name} is {person.role}",
            ),
        )
    )
    if broken:
        return RequestVerdict(*broken, request)
    return RequestVerdict(None, f"{request.action} by {request.user} counts", request)
