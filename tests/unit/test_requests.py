"""A request counts only when everything about it is right, and passes for nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Container
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import OKPKey
from pydantic import ValidationError

from agent.approvals import sign_decision, verify_decision
from agent.identity import People, Person, PublicKey, SigningKey
from agent.requests import Reason, RequestVerdict, request_id, sign_request, verify_request
from agent.roles import Role, may, may_ask
from envs.errors import UserError
from instruments.profile.decisions import Decision
from instruments.profile.requests import FORMS, Action, Request

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def _key(name: str, role: Role) -> SigningKey:
    return SigningKey(name, role, OKPKey.generate_key("Ed25519"))


def _person(key: SigningKey, **changes: Any) -> Person:
    public = PublicKey(x=str(key.key.as_dict(private=False)["x"]))
    return Person(name=key.name, role=key.role, key=public, **changes)


KEYS = {role: _key(role.value, role) for role in Role}
OLE = KEYS[Role.OPERATOR]
REGISTRY = People(_person(key) for key in KEYS.values())
ARGUMENTS: dict[str, dict[str, Any]] = {
    "reconcile": {"verdict": "again"},
    "amend": {"hardness": 20.1, "hardness_std": 0.4},
    "move": {"place": "shelf 3"},
    "maintenance": {"on": True},
}


def _request(action: str = "pause", **changes: Any) -> Request:
    subject = "hard" if FORMS[action].subject else ""  # type: ignore[index]
    values: dict[str, Any] = {
        "lab": "ceramics",
        "action": action,
        "subject": subject,
        "arguments": ARGUMENTS.get(action, {}),
    }
    values |= {"nonce": "n" * 22, "time": NOW, "user": "operator", "comment": "why"}
    return Request.model_validate({**values, **changes})


@dataclass(frozen=True)
class Desk:
    """The agent's side: what it knows when a token arrives; without an id the topic names the token's own."""

    registry: People = REGISTRY
    user: str = "operator"
    rid: str = ""
    now: datetime = NOW + timedelta(seconds=5)
    nonces: Container[str] = ()
    requests: Container[str] = ()
    stopped: Container[str] = ()

    def judge(self, token: str | bytes) -> RequestVerdict:
        return verify_request(
            token,
            registry=self.registry,
            lab="ceramics",
            user=self.user,
            rid=self.rid or request_id(token),
            now=self.now,
            seen_nonces=self.nonces,
            seen_requests=self.requests,
            stopped=self.stopped,
        )


DESK = Desk()
DECISION = (
    f'{{"lab":"l","proposal":"P1","revision":1,"digest":"{"0" * 64}","verdict":"edit","changes":{{"hold":1.5}},'
    f'"nonce":"{"n" * 22}","time":"2026-03-01T12:00:00Z","user":"anna"}}'
)
TOKEN = sign_request(_request(), OLE)


@pytest.mark.parametrize("action", get_args(Action))
def test_round_trip(action: str) -> None:
    key = next(key for role, key in KEYS.items() if may_ask(role, action))  # type: ignore[arg-type]
    request = _request(action, user=key.name, comment="kühler \U0001f9ca")
    verdict = replace(DESK, user=key.name).judge(sign_request(request, key).encode())
    assert verdict == RequestVerdict(None, f"{action} by {key.name} counts", request)
    assert verdict.accepted


def test_the_id_is_the_beginning_of_the_tokens_sha256() -> None:
    assert request_id(TOKEN) == hashlib.sha256(TOKEN.encode()).hexdigest()[:32] == request_id(TOKEN.encode())


REFUSALS: list[tuple[Reason, Request, Desk]] = [
    (Reason.KEY_REVOKED, _request(), replace(DESK, registry=People([_person(OLE, revoked=NOW)]))),
    (Reason.OTHER_USER, _request(), replace(DESK, user="approver")),
    (Reason.OTHER_LAB, _request(lab="metals"), DESK),
    (Reason.TOO_OLD, _request(time=NOW - timedelta(minutes=10)), DESK),
    (Reason.FROM_THE_FUTURE, _request(time=NOW + timedelta(minutes=1)), DESK),
    (Reason.ALREADY_COUNTED, _request(), replace(DESK, requests={request_id(TOKEN)}, nonces={"n" * 22})),
    (Reason.REPLAYED_NONCE, _request(comment="another"), replace(DESK, nonces={"n" * 22})),
    (Reason.OTHER_REQUEST, _request(), replace(DESK, rid="0" * 32)),
    (Reason.ROLE_NOT_ALLOWED, _request("clear-lab"), DESK),
]


@pytest.mark.parametrize(("reason", "request_", "desk"), REFUSALS, ids=lambda value: str(value)[:18])
def test_refusal_says_why(reason: Reason, request_: Request, desk: Desk) -> None:
    verdict = desk.judge(sign_request(request_, OLE))
    assert (verdict.reason, verdict.accepted, verdict.request) == (reason, False, request_)
    assert verdict.message


def test_forged_and_foreign_keys() -> None:
    impostor, header = _key("operator", Role.ADMIN), {"alg": "Ed25519", "kid": OLE.kid, "typ": "labwright-request+json"}
    token = jws.serialize_compact(header, _request().model_dump_json().encode(), impostor.key, algorithms=["Ed25519"])
    assert DESK.judge(token).reason is Reason.BAD_SIGNATURE
    assert DESK.judge(sign_request(_request(), impostor)).reason is Reason.UNKNOWN_KEY
    assert DESK.judge(sign_request(_request(), replace(KEYS[Role.ADMIN], name="operator"))).reason is Reason.OTHER_USER


@pytest.mark.parametrize("value", ["1" + "0" * 400, "-" + "9" * 31, "1e31", "1e999"])
def test_a_number_without_end_is_refused_as_everything_else_is(value: str) -> None:
    body = _request("amend").model_dump_json().replace("0.4", value)
    header = {"alg": "Ed25519", "kid": OLE.kid, "typ": "labwright-request+json"}
    token = jws.serialize_compact(header, body.encode(), OLE.key, algorithms=["Ed25519"])
    assert DESK.judge(token).reason is Reason.MALFORMED
    assert Decision.model_validate_json(DECISION).changes == {"hold": 1.5}
    with pytest.raises(ValidationError):
        Decision.model_validate_json(DECISION.replace("1.5", value))


def test_neither_passes_for_the_other() -> None:
    """What the right person signed is no request in a decision's envelope, nor the other way round."""
    said: dict[str, Any] = {"lab": "ceramics", "proposal": "P1", "revision": 1, "digest": "0" * 64, "verdict": "reject"}
    said |= {"nonce": "n" * 22, "time": NOW, "user": "operator"}
    decision = sign_decision(Decision.model_validate(said), OLE)
    assert DESK.judge(decision).reason is Reason.MALFORMED
    judged = verify_decision(
        TOKEN, registry=REGISTRY, lab="ceramics", user="operator", proposal=None, now=NOW, seen_nonces=()
    )
    assert judged.reason is Reason.MALFORMED
    for typ in ("labwright-decision+json", "JWT"):
        header = {"alg": "Ed25519", "kid": OLE.kid, "typ": typ}
        body = _request().model_dump_json().encode()
        assert (
            DESK.judge(jws.serialize_compact(header, body, OLE.key, algorithms=["Ed25519"])).reason is Reason.MALFORMED
        )


@given(st.one_of(st.text(), st.binary(), st.text(alphabet='eyJ0.{}"_-'), st.just("." * 70000)))
def test_nothing_that_arrives_raises(token: str | bytes) -> None:
    assert not DESK.judge(token).accepted


@given(st.integers(0, len(TOKEN) - 1), st.integers(1, 255))
def test_any_changed_byte_is_refused(position: int, flip: int) -> None:
    changed = bytearray(TOKEN.encode())
    changed[position] ^= flip
    assert not DESK.judge(bytes(changed)).accepted


# Who may what: transcribed from the decision record, viewer, operator, approver, safety, admin.
ALLOWED = {
    "pause": "oasd",
    "resume": "oasd",
    "stop": "oasd",
    "stop-lab": "oasd",
    "clear-lab": "as",
    "withdraw": "oas",
    "reconcile": "oas",
    "amend": "oas",
    "retract": "oas",
    "move": "oasd",
    "maintenance": "oasd",
    "reload": "d",
}
LETTERS = {Role.VIEWER: "v", Role.OPERATOR: "o", Role.APPROVER: "a", Role.SAFETY: "s", Role.ADMIN: "d"}


@pytest.mark.parametrize("action", get_args(Action))
def test_roles(action: str) -> None:
    for role, key in KEYS.items():
        verdict = replace(DESK, user=key.name).judge(sign_request(_request(action, user=key.name), key))
        wanted = None if LETTERS[role] in ALLOWED[action] else Reason.ROLE_NOT_ALLOWED
        assert verdict.reason is wanted, role


def test_resuming_a_stopped_campaign_is_clearing_a_stop() -> None:
    for role, key in KEYS.items():
        desk = replace(DESK, user=key.name, stopped={"hard"})
        verdict = desk.judge(sign_request(_request("resume", user=key.name), key))
        assert verdict.accepted == may_ask(role, "clear-lab") == may(role, "approve"), role
    refused = replace(DESK, stopped={"hard"}).judge(sign_request(_request("resume"), OLE))
    assert "resume of the stopped campaign hard needs the role approver or safety" in refused.message
    assert replace(DESK, stopped={"soft"}).judge(sign_request(_request("resume"), OLE)).accepted


def test_a_role_that_nobody_thought_of_may_nothing() -> None:
    assert not may_ask("king", "pause")  # type: ignore[arg-type]
    assert not may_ask(Role.ADMIN, "dance")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong",
    [
        {"action": "dance"},
        {"action": "pause", "subject": ""},
        {"action": "stop-lab", "subject": "hard"},
        {"action": "pause", "arguments": {"now": True}},
        {"action": "maintenance", "arguments": {"on": "yes"}},
        {"action": "maintenance", "arguments": {"on": 1}},
        {"action": "reconcile", "arguments": {"verdict": "perhaps"}},
        {"action": "move", "arguments": {"place": "x" * 65}},
        {"action": "move", "arguments": {"place": "here", "then": "there"}},
        {"action": "retract", "comment": ""},
        {"action": "amend", "comment": " \n"},
        {"action": "amend", "arguments": {}},
        {"action": "amend", "arguments": {"hardness": "hard"}},
        {"action": "amend", "arguments": {"hardness": True}},
        {"action": "amend", "arguments": {"hardness": float("nan")}},
        {"action": "amend", "arguments": {"hardness": 1, "toughness_std": 1}},
        {"action": "amend", "arguments": {"hardness": 1, "hardness_std": -1}},
        {"action": "amend", "arguments": {f"p{i}": 1 for i in range(17)}},
        {"action": "pause", "comment": "x" * 2001},
        {"action": "pause", "nonce": "short"},
    ],
    ids=str,
)
def test_what_no_action_says_is_no_request(wrong: dict[str, Any]) -> None:
    values = _request(wrong["action"] if wrong["action"] in FORMS else "pause").model_dump()
    with pytest.raises(ValidationError):
        Request.model_validate({**values, **wrong})


def test_amended_values_come_with_their_uncertainties() -> None:
    request = _request("amend", arguments={"hardness": 20, "hardness_std": 0.4, "porosity": 0.1})
    assert request.values == {"hardness": (20.0, 0.4), "porosity": (0.1, None)}
    assert _request("pause").values == {}


def test_nobody_signs_for_another_and_time_needs_a_zone() -> None:
    with pytest.raises(UserError, match="each signs only their own"):
        sign_request(_request(user="approver"), OLE)
    with pytest.raises(UserError, match="time zone"):
        replace(DESK, now=NOW.replace(tzinfo=None)).judge(TOKEN)
