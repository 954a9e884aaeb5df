"""People: they read what is retained on the bus, and sign what they say; some of them mean no good."""

from __future__ import annotations

import base64
import hashlib
import random
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from joserfc import jws
from joserfc.jwk import OKPKey

from agent.approvals import sign_decision
from agent.identity import People, Person, PublicKey, SigningKey
from agent.requests import sign_request
from agent.roles import Role
from instruments.profile.decisions import ALGORITHM, Choice, Decision, DecisionHeader, PublishedProposal
from instruments.profile.requests import Request, request_id

from .machines import LAB

ROLES = {"anna": Role.APPROVER, "ben": Role.APPROVER, "clara": Role.SAFETY, "vera": Role.VIEWER}
"""Who the laboratory knows; ``mallory`` is not among them."""
APPROVERS = ("anna", "ben", "clara")


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


@cache
def key_of(name: str) -> SigningKey:
    """A person's key: the same in every run, so that the same seed signs the same bytes."""
    private = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(f"simulated {name}".encode()).digest())
    d = private.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    x = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    key = OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": _base64(x), "d": _base64(d)})
    return SigningKey(name, ROLES.get(name, Role.APPROVER), key)


@cache
def registry() -> People:
    """Whom the laboratory knows."""
    keys = [key_of(name) for name in ROLES]
    return People(
        Person(name=k.name, role=k.role, key=PublicKey(x=str(k.key.as_dict(private=False)["x"]))) for k in keys
    )


@dataclass(frozen=True)
class Signed:
    """A valid approval that a person really gave: of exactly these bytes, and when.

    Attributes:
        at: seconds since the schedule began, when it was handed to the bus.
        time: when it says that it was signed.
    """

    user: str
    proposal: str
    revision: int
    digest: str
    at: float
    token: str
    verdict: str
    time: datetime


@dataclass
class Pen:
    """Signs for anybody, and writes down what was said in earnest."""

    rng: random.Random
    signed: list[Signed] = field(default_factory=list)

    def nonce(self) -> str:
        """128 bits."""
        return _base64(self.rng.randbytes(16))

    def sign(
        self,
        user: str,
        published: PublishedProposal,
        verdict: Choice,
        *,
        time: datetime,
        signer: str = "",
        changes: dict[str, float | str] | None = None,
        **lies: Any,
    ) -> str:
        """A decision of a person; ``signer`` holds the pen where that is another, ``lies`` replace what is true."""
        fields: dict[str, Any] = {
            "lab": LAB,
            "proposal": published.proposal,
            "revision": published.revision,
            "digest": published.digest,
            "verdict": verdict,
            "nonce": self.nonce(),
            "time": time,
            "comment": "",
            "user": user,
            "changes": changes or {},
            **lies,
        }
        decision = Decision.model_validate(fields)
        if signer and signer not in ROLES and user in ROLES:  # under the name of a key that is another's
            header = DecisionHeader(kid=key_of(user).kid).model_dump()
            claims = decision.model_dump_json().encode()
            return jws.serialize_compact(header, claims, key_of(signer).key, algorithms=[ALGORITHM])
        return sign_decision(decision, SigningKey(user, Role.APPROVER, key_of(signer or user).key))

    def request(
        self, user: str, action: str, subject: str, arguments: dict[str, Any], *, time: datetime
    ) -> tuple[str, str]:
        """A signed request: its id, and itself."""
        request = Request.model_validate(
            {
                "lab": LAB,
                "action": action,
                "subject": subject,
                "arguments": arguments,
                "nonce": self.nonce(),
                "time": time,
                "comment": "looked at it",
                "user": user,
            }
        )
        token = sign_request(request, key_of(user))
        return request_id(token), token

    def earnest(
        self, user: str, payload: bytes, verdict: Choice, *, now: datetime, at: float, **more: Any
    ) -> tuple[PublishedProposal, str]:
        """What a person signs who means it; it is written down."""
        published = PublishedProposal.parse(payload)
        token = self.sign(user, published, verdict, time=now, **more)
        self.signed.append(
            Signed(user, published.proposal, published.revision, published.digest, at, token, verdict, now)
        )
        return published, token
