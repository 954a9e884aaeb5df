"""A decision counts only when everything about it is right, and a refusal says what was not."""

from __future__ import annotations

import base64
import json
import warnings
from collections.abc import Container
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import OctKey, OKPKey
from typer.testing import CliRunner

from agent.approvals import ProposalContext, Reason, Verdict, sign_decision, verify_decision
from agent.cli_people import people_app
from agent.identity import People, Person, PublicKey, SigningKey
from agent.requests import sign_request
from agent.roles import Role
from envs.errors import UserError
from instruments.profile.decisions import Decision, PublishedProposal, proposal_digest
from instruments.profile.requests import Request

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
BODY: dict[str, Any] = {
    "lab": "ceramics",
    "proposal": "P007",
    "revision": 2,
    "expires_at": "2026-03-01T18:00:00Z",
    "quorum": 1,
    "design": {"crystal": "TiB2", "temperature": 1923.5},
}
PROPOSAL = PublishedProposal.of(BODY)
OPEN = ProposalContext(PROPOSAL)
WORDS = st.text(st.characters(codec="utf-8"))
PASSWORD = "correct horse"  # noqa: S105  # of nobody
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def _key(name: str, role: Role = Role.APPROVER) -> SigningKey:
    return SigningKey(name, role, OKPKey.generate_key("Ed25519"))


def _person(key: SigningKey, **changes: Any) -> Person:
    public = PublicKey(x=str(key.key.as_dict(private=False)["x"]))
    return Person(name=key.name, role=key.role, key=public, **changes)


ANNA, BEN, VERA, OLE = _key("anna"), _key("ben", Role.SAFETY), _key("vera", Role.VIEWER), _key("ole", Role.OPERATOR)
REGISTRY = People(_person(key) for key in (ANNA, BEN, VERA, OLE))


def _decision(**changes: Any) -> Decision:
    values = {
        "lab": "ceramics",
        "proposal": "P007",
        "revision": 2,
        "digest": PROPOSAL.digest,
        "verdict": "approve",
        "nonce": "n" * 22,
        "time": NOW,
        "user": "anna",
    }
    return Decision.model_validate({**values, **changes})


@dataclass(frozen=True)
class Desk:
    """The agent's side: what it knows when a token arrives."""

    registry: People = REGISTRY
    user: str = "anna"
    proposal: ProposalContext | None = OPEN
    now: datetime = NOW + timedelta(seconds=5)
    seen: Container[str] = frozenset()
    lab_now: datetime | None = None

    def judge(self, token: str | bytes) -> Verdict:
        return verify_decision(
            token,
            registry=self.registry,
            lab="ceramics",
            user=self.user,
            proposal=self.proposal,
            now=self.now,
            seen_nonces=self.seen,
            lab_now=self.lab_now,
        )


DESK = Desk()
TOKEN = sign_decision(_decision(), ANNA)


def test_round_trip() -> None:
    decision = _decision(
        verdict="edit", changes={"process.temperature": 1850.5, "gas": "Ar"}, comment="kühler \U0001f9ca"
    )
    verdict = DESK.judge(sign_decision(decision, ANNA).encode())
    assert verdict.accepted
    assert verdict.settles
    assert verdict.decision == decision


def test_signature_is_plain_ed25519_over_the_first_two_segments() -> None:
    """RFC 7515, section 5.1, checked with another implementation than the one that signs."""
    signed, _, signature = TOKEN.rpartition(".")
    public = Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(f"{ANNA.key.as_dict(private=False)['x']}="))
    public.verify(base64.urlsafe_b64decode(f"{signature}=="), signed.encode())


CLOSED = ProposalContext(PROPOSAL, is_open=False)
EXPIRED = ProposalContext(PROPOSAL.model_copy(update={"expires_at": NOW}))
TWO = PROPOSAL.model_copy(update={"quorum": 2})
VOTED = ProposalContext(TWO, approved_by=frozenset({"anna"}))
EDITED = ProposalContext(PROPOSAL, edited_by="anna")
EVE = _key("anna", Role.ADMIN)


def _sealed(payload: bytes, key: SigningKey = ANNA, **header: str) -> str:
    """An envelope of any content; by default with the header that a decision of Anna's has."""
    fields = {"alg": "Ed25519", "kid": ANNA.kid, "typ": "labwright-decision+json", **header}
    return jws.serialize_compact(fields, payload, key.key, algorithms=["Ed25519"])


def _signed(**changes: Any) -> str:
    return sign_decision(_decision(**changes), ANNA)


ASKED = Request(lab="ceramics", action="withdraw", subject="P007", nonce="n" * 22, time=NOW, user="anna")
REFUSALS: list[tuple[str, Reason, str, Desk]] = [
    ("no envelope at all", Reason.MALFORMED, "approve P007, please", DESK),
    ("signed, but no decision", Reason.MALFORMED, _sealed(b"{}"), DESK),
    ("a request in its own envelope", Reason.MALFORMED, sign_request(ASKED, ANNA), DESK),
    ("a request in a decision's envelope", Reason.MALFORMED, _sealed(ASKED.model_dump_json().encode()), DESK),
    ("a key that nobody here has", Reason.UNKNOWN_KEY, sign_decision(_decision(), EVE), DESK),
    ("forged: another key under Anna's thumbprint", Reason.BAD_SIGNATURE, _sealed(b"{}", EVE), DESK),
    ("changed after it was signed", Reason.BAD_SIGNATURE, TOKEN.replace(".", ".A", 1)[:-1] + "A", DESK),
    ("a revoked key", Reason.KEY_REVOKED, TOKEN, replace(DESK, registry=People([_person(ANNA, revoked=NOW)]))),
    ("on another person's topic", Reason.OTHER_USER, TOKEN, replace(DESK, user="ben")),
    ("in another person's name", Reason.OTHER_USER, sign_decision(_decision(), replace(BEN, name="anna")), DESK),
    ("for another laboratory", Reason.OTHER_LAB, _signed(lab="metals"), DESK),
    ("signed too long ago", Reason.TOO_OLD, _signed(time=NOW - timedelta(minutes=10)), DESK),
    ("signed in the future", Reason.FROM_THE_FUTURE, _signed(time=NOW + timedelta(minutes=1)), DESK),
    ("replayed", Reason.REPLAYED_NONCE, TOKEN, replace(DESK, seen=frozenset({"n" * 22}))),
    ("its nonce under another text", Reason.REPLAYED_NONCE, _signed(comment="x"), replace(DESK, seen={"n" * 22})),
    ("about a proposal that never was", Reason.UNKNOWN_PROPOSAL, TOKEN, replace(DESK, proposal=None)),
    ("moved to another proposal's topic", Reason.OTHER_PROPOSAL, _signed(proposal="P008"), DESK),
    ("after the proposal was closed", Reason.PROPOSAL_CLOSED, TOKEN, replace(DESK, proposal=CLOSED)),
    ("after it expired", Reason.PROPOSAL_EXPIRED, TOKEN, replace(DESK, proposal=EXPIRED)),
    ("after it expired in a laboratory whose time runs ahead", Reason.PROPOSAL_EXPIRED, TOKEN,
     replace(DESK, lab_now=PROPOSAL.expires_at)),
    ("about an earlier revision", Reason.OTHER_REVISION, _signed(revision=1), DESK),
    ("about a body that was exchanged", Reason.OTHER_DIGEST, _signed(digest="0" * 64), DESK),
    ("by a role that may not", Reason.ROLE_NOT_ALLOWED, sign_decision(_decision(user="ole"), OLE),
     replace(DESK, user="ole")),
    ("by who made this revision", Reason.EDITOR_MAY_NOT_APPROVE, TOKEN, replace(DESK, proposal=EDITED)),
    ("by the same person again", Reason.ALREADY_VOTED, TOKEN, replace(DESK, proposal=VOTED)),
]  # fmt: skip


@pytest.mark.parametrize(("how", "reason", "token", "desk"), REFUSALS, ids=[how for how, *_ in REFUSALS])
def test_each_kind_of_wrong_decision_is_refused_for_its_own_reason(
    how: str, reason: Reason, token: str, desk: Desk
) -> None:
    verdict = desk.judge(token)
    assert (verdict.reason, verdict.accepted, verdict.settles) == (reason, False, False), how
    assert verdict.message
    unproven = {Reason.MALFORMED, Reason.UNKNOWN_KEY, Reason.BAD_SIGNATURE}
    assert (verdict.decision is None) == (reason in unproven), "what nobody proved to have said is not passed on"


def test_there_is_a_wrong_decision_for_every_reason() -> None:
    of_requests = {Reason.ALREADY_COUNTED, Reason.OTHER_REQUEST}
    assert {reason for _, reason, _, _ in REFUSALS} == {*Reason} - of_requests
    assert len({reason for _, reason, _, _ in REFUSALS}) >= 12


def test_the_desk_of_all_refusals_accepts_what_is_right() -> None:
    assert DESK.judge(TOKEN).settles
    assert replace(DESK, proposal=ProposalContext(PROPOSAL, edited_by="ben")).judge(TOKEN).settles
    assert replace(DESK, proposal=replace(EDITED, four_eyes=False)).judge(TOKEN).settles, "where a campaign allows it"
    assert replace(DESK, proposal=EDITED).judge(_signed(verdict="reject")).settles, "one's own edit can be taken back"
    assert replace(DESK, lab_now=PROPOSAL.expires_at - timedelta(seconds=1)).judge(TOKEN).settles


def test_first_reason_in_the_order_of_the_profile_is_given() -> None:
    """With everything wrong, mending one thing after the other meets the reasons in their order."""
    wrong: dict[str, Any] = {"lab": "metals", "time": NOW - timedelta(days=1), "proposal": "P1", "revision": 1}
    wrong |= {"digest": "0" * 64, "user": "ben"}
    revoked, closed = People([_person(ANNA, revoked=NOW)]), replace(EXPIRED, is_open=False)
    desks = [replace(DESK, registry=revoked, proposal=closed), replace(DESK, proposal=closed)]
    met = [desk.judge(sign_decision(_decision(**wrong), replace(ANNA, name="ben"))).reason for desk in desks]
    desk = desks[1]
    for field in ("user", "lab", "time", "proposal", "is_open", "expires_at", "revision", "digest"):
        if field in {"is_open", "expires_at"}:
            desk = replace(desk, proposal=EXPIRED if field == "is_open" else OPEN)
        else:
            del wrong[field]
        decision = _decision(**wrong)
        met.append(desk.judge(sign_decision(decision, replace(ANNA, name=decision.user))).reason)
    assert met == [*(reason for reason in Reason if reason in met), None]
    assert len(met) == 10


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
def test_algorithm_is_ours_not_the_tokens(algorithm: str) -> None:
    """The classic attack (RFC 8725, section 2.1): no signature, or the public key taken as a shared secret."""
    header = {"alg": algorithm, "kid": ANNA.kid, "typ": "labwright-decision+json"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        secret = OctKey.import_key(str(ANNA.key.as_dict(private=False)["x"]))
        token = jws.serialize_compact(header, _decision().model_dump_json().encode(), secret, algorithms=[algorithm])
    assert DESK.judge(token).reason is Reason.MALFORMED


@pytest.mark.parametrize("payload", [b"", b"[]", b"\xff", _decision().model_dump_json().encode()[:-1] + b',"x":1}'])
def test_signed_nonsense_is_malformed(payload: bytes) -> None:
    assert DESK.judge(_sealed(payload)).reason is Reason.MALFORMED


ROLES = [
    (ANNA, "approve", True),
    (ANNA, "reject", True),
    (BEN, "approve", True),
    (OLE, "approve", False),
    (OLE, "edit", False),
    (OLE, "reject", True),
    (VERA, "approve", False),
    (VERA, "reject", False),
]


@pytest.mark.parametrize(("key", "choice", "allowed"), ROLES)
def test_role(key: SigningKey, choice: str, allowed: bool) -> None:
    decision = _decision(user=key.name, verdict=choice, changes={"x": 1} if choice == "edit" else {})
    verdict = replace(DESK, user=key.name).judge(sign_decision(decision, key))
    assert verdict.reason is (None if allowed else Reason.ROLE_NOT_ALLOWED)


def test_quorum_of_two_takes_two_people_and_rejection_one() -> None:
    published = PublishedProposal.of({**BODY, "quorum": 2})
    desk = replace(DESK, proposal=ProposalContext(published))
    first = desk.judge(sign_decision(_decision(digest=published.digest), ANNA))
    assert (first.accepted, first.settles, first.missing) == (True, False, 1)
    desk = replace(desk, proposal=ProposalContext(published, approved_by=frozenset({"anna"})))
    second = replace(desk, user="ben").judge(sign_decision(_decision(digest=published.digest, user="ben"), BEN))
    assert second.settles
    assert desk.judge(sign_decision(_decision(digest=published.digest, verdict="reject"), ANNA)).settles


@given(st.integers(0, len(TOKEN) - 1), st.integers(1, 255))
def test_any_changed_byte_is_refused(position: int, flip: int) -> None:
    changed = bytearray(TOKEN.encode())
    changed[position] ^= flip
    assert not DESK.judge(bytes(changed)).accepted


def test_every_spelling_of_the_last_byte_but_one_is_refused() -> None:
    """The last of the 86 characters of a signature carries four spare bits, which decoders ignore."""
    assert [c for c in ALPHABET if DESK.judge(TOKEN[:-1] + c).accepted] == [TOKEN[-1]]


@given(st.one_of(st.text(), st.binary(), st.text(alphabet='eyJ0.{}"_-'), st.just("." * 70000)))
def test_nothing_that_arrives_raises(token: str | bytes) -> None:
    assert not DESK.judge(token).accepted


@given(st.dictionaries(WORDS, st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False), WORDS)))
def test_digest_survives_the_broker_and_the_order_of_keys(body: dict[str, Any]) -> None:
    again = json.loads(json.dumps(dict(reversed(body.items())), indent=3))
    assert proposal_digest(again) == proposal_digest(body)


@pytest.mark.parametrize(
    "payload",
    [b"", b"[]", b"{}", b"\xff", b"[" * 100_000, b'{"a":1,"a":2}', json.dumps({**BODY, "x": float("nan")}).encode()],
)
def test_what_is_no_proposal_is_not_signed(payload: bytes) -> None:
    with pytest.raises(UserError, match=r"not a proposal|no canonical form"):
        PublishedProposal.parse(payload)


@pytest.mark.parametrize(("verdict", "changes"), [("approve", {"x": 1}), ("edit", {}), ("edit", {"x": float("inf")})])
def test_changes_belong_to_an_edit_and_are_finite(verdict: str, changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"an edit has changes|finite"):
        _decision(verdict=verdict, changes=changes)


def test_nobody_signs_for_another() -> None:
    with pytest.raises(UserError, match="each signs only their own"):
        sign_decision(_decision(user="ben"), ANNA)


@pytest.fixture(scope="module")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An approver's machine: one identity and one proposal that is open for a long time."""
    root = tmp_path_factory.mktemp("laptop")
    (root / "proposal.json").write_text(json.dumps({**BODY, "expires_at": "2999-01-01T00:00:00Z"}))
    _command(root, "identity", "new", "anna", "--role", "approver")
    return root


def _command(root: Path, *arguments: str, password: str = PASSWORD) -> Any:
    environment = {"LABWRIGHT_PASSWORD": password}
    return CliRunner().invoke(people_app, [*arguments, "--dir", str(root / "identities")], env=environment)


def test_command_signs_what_the_agent_accepts(laptop: Path) -> None:
    file = laptop / "proposal.json"
    result = _command(
        laptop, "sign", str(file), "--as", "anna", "--verdict", "edit", "--change", "process.temperature=1850"
    )
    assert result.exit_code == 0, result.output
    published = PublishedProposal.parse(file.read_bytes())
    desk = Desk(
        People.from_directory(laptop / "identities"), proposal=ProposalContext(published), now=datetime.now(UTC)
    )
    verdict = desk.judge(result.stdout.strip())
    assert verdict.accepted
    assert verdict.decision is not None
    assert verdict.decision.changes == {"process.temperature": 1850}


@pytest.mark.parametrize(
    ("arguments", "password", "message"),
    [
        (["proposal.json", "--as", "anna", "--verdict", "approve"], "wrong horse", "wrong password for anna"),
        (["proposal.json", "--as", "ben", "--verdict", "approve"], PASSWORD, "no identity 'ben'"),
        (["missing.json", "--as", "anna", "--verdict", "approve"], PASSWORD, "cannot be read"),
        (["proposal.json", "--as", "anna", "--verdict", "edit"], PASSWORD, "an edit has changes"),
        (["proposal.json", "--as", "anna", "--verdict", "edit", "--change", "x"], PASSWORD, "not KEY=VALUE"),
    ],
)
def test_command_refuses_with_one_clear_message(
    laptop: Path, arguments: list[str], password: str, message: str
) -> None:
    result = _command(laptop, "sign", str(laptop / arguments[0]), *arguments[1:], password=password)
    assert isinstance(result.exception, UserError)
    assert message in str(result.exception)
    assert result.stdout == ""


def test_command_refuses_an_expired_proposal(laptop: Path) -> None:
    file = laptop / "expired.json"
    file.write_text(json.dumps({**BODY, "expires_at": "2020-01-01T00:00:00Z"}))
    result = _command(laptop, "sign", str(file), "--as", "anna", "--verdict", "approve")
    assert "expired at 2020" in str(result.exception)
