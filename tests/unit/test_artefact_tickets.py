"""Upload tickets: good for one job and a limited time, and nobody else can make one."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta

import pytest

from envs.errors import ConfigError
from instruments.bulk.tickets import Grant, TicketError, Tickets
from instruments.clock import SimClock

SECRET = bytes(range(32))
URI = "http://127.0.0.1:8000/artefacts"


def clock() -> SimClock:
    return SimClock(datetime(2026, 5, 4, 12, tzinfo=UTC))


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def token(claims: object, *, header: object = None, secret: bytes = SECRET) -> str:
    """A JWS by RFC 7515, made by hand: the oracle."""
    head = encoded(json.dumps(header or {"alg": "HS256", "typ": "JWT"}).encode())
    text = f"{head}.{encoded(json.dumps(claims).encode())}"
    return f"{text}.{encoded(hmac.new(secret, text.encode(), hashlib.sha256).digest())}"


def claims(**other: object) -> dict[str, object]:
    now = int(clock().now().timestamp())
    return {"sub": "j1", "lim": 10, "aud": "labwright/artefacts", "exp": now + 60, **other}


def test_a_ticket_says_job_and_limit() -> None:
    tickets = Tickets(SECRET, clock())
    ticket = tickets.issue("j1", uri=URI, limit=1000)
    assert (ticket.uri, ticket.limit) == (URI, 1000)
    assert ticket.token not in repr(ticket)
    assert tickets.check(ticket.token) == Grant("j1", 1000)


def test_a_ticket_is_the_standards() -> None:
    assert Tickets(SECRET, clock()).check(token(claims())) == Grant("j1", 10)


def test_a_ticket_outlives_a_restart_with_the_same_secret() -> None:
    ticket = Tickets(SECRET, clock()).issue("j1", uri=URI)
    assert Tickets(SECRET, clock()).check(ticket.token).job == "j1"


def test_a_ticket_ends() -> None:
    time = clock()
    tickets = Tickets(SECRET, time)
    ticket = tickets.issue("j1", uri=URI, lifetime=timedelta(hours=1))
    time.advance(3599.0)
    tickets.check(ticket.token)
    time.advance(1.0)
    with pytest.raises(TicketError, match="expired"):
        tickets.check(ticket.token)


def test_another_secret_is_refused() -> None:
    with pytest.raises(TicketError, match="not one of ours"):
        Tickets(SECRET, clock()).check(token(claims(), secret=bytes(32)))


def test_every_changed_character_is_noticed() -> None:
    tickets = Tickets(SECRET, clock())
    good = tickets.issue("j1", uri=URI).token
    for place in range(len(good) - 1):  # the last character has spare bits
        changed = good[:place] + ("A" if good[place] != "A" else "B") + good[place + 1 :]
        with pytest.raises(TicketError):
            tickets.check(changed)


@pytest.mark.parametrize(
    "forged",
    [
        "",
        "a.b.c",
        "....",
        "\u00e4\u00f6",
        token(claims(), header={"alg": "none"}),
        token(claims(), header={"alg": "none"}).rpartition(".")[0] + ".",
        token(claims(), header={"alg": "HS512"}),
        token(claims(), header={"alg": "RS256"}),
        token(claims(), header={"alg": "HS256", "crit": ["x"], "x": 1}),
        token(claims(), header=["HS256"]),
        token(["a list"]),
        token(claims(aud="labwright/decisions")),
        token(claims(sub=7)),
        token(claims(lim="many")),
        token(claims(lim=0)),
        token(claims(lim=-1)),
        token(claims(exp="tomorrow")),
        token(claims(exp=None)),
        token({"sub": "j1"}),
        "x" * 5000,
    ],
)
def test_what_is_not_a_ticket_is_refused(forged: str) -> None:
    with pytest.raises(TicketError):
        Tickets(SECRET, clock()).check(forged)


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least 32 random bytes"):
        Tickets(b"password", clock())
