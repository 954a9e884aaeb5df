"""What each signature in a record is worth, judged by all that it was made over.

A signature alone proves little: the same person may have approved another revision, or said something else. So the
record is walked from its beginning, and each envelope is held against what was published when it counted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from agent import events as ev
from agent.envelopes import DECISION, REQUEST, Reason, RefusedError, open_envelope
from agent.identity import People, Person
from agent.journal import Stored
from agent.roles import may, may_ask
from envs.errors import UserError
from instruments.profile.decisions import Choice, Decision, PublishedProposal
from instruments.profile.requests import Request, request_id

VERIFIED, UNSIGNED, RULE = "verified", "unsigned", "by a rule"
_POLICY = "policy:"
_VERDICTS: Mapping[str, Choice] = {"approved": "approve", "rejected": "reject"}
_CRYSTAL, _FORMULA, _PROCESS = "crystal", "formula", "process."
Check = tuple[bool, str]
"""Whether something is wrong, and the words for it."""


@dataclass
class _Published:
    """A proposal as it stood when a decision came."""

    terms: ev.Terms | None
    lab: str = ""
    fault: str = ""
    votes: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class _Envelope:
    """A signed decision with what its event says of it."""

    by: str
    verdict: Choice
    revision: int
    nonce: str
    comment: str
    token: str


class Signatures:
    """Judges the signatures of a record.

    Args:
        people: whose keys are known; also those that were given up.
    """

    def __init__(self, people: People) -> None:
        self._people = people
        self._proposals: dict[str, _Published] = {}
        self._nonces: set[str] = set()
        self._virtual = False
        self._lab = ""

    def judged(self, record: Iterable[Stored]) -> Iterator[tuple[int, str]]:
        """Go through a whole record.

        Args:
            record: from the first event on.

        Yields:
            For each event with a decision or a request that counted its number, and ``verified``, ``by a rule``,
            ``unsigned``, empty where no signature is needed, or why it is not who it says.
        """
        for stored in record:
            said = self._said(stored.event, stored.at)
            if said is not None:
                yield stored.seq, said

    def _said(self, event: ev.Event, at: datetime) -> str | None:
        if isinstance(event, ev.AgentStarted):
            self._virtual = event.mode == "virtual"
        if isinstance(event, ev.ProposalMade):
            self._proposals[event.proposal] = self._published(event.proposal, event.terms, event.design)
        if isinstance(event, ev.VoteCast):
            return self._vote(event, at)
        if isinstance(event, ev.ProposalRevised):
            return self._edit(event, at)
        if isinstance(event, ev.ProposalDecided):
            return self._decided(event, at)
        return self._request(event, at) if isinstance(event, ev.RequestAccepted) else None

    # ---- Decisions

    def _vote(self, event: ev.VoteCast, at: datetime) -> str:
        given = _Envelope(event.by, "approve", event.revision, event.nonce, event.comment, event.envelope)
        said = self._decision(event.proposal, given, at)
        published = self._proposals.get(event.proposal)
        if published is None:
            return said
        if event.by in published.votes:
            return f"{Reason.ALREADY_VOTED}: {event.by} approved revision {event.revision} before"
        published.votes.add(event.by)
        return said

    def _edit(self, event: ev.ProposalRevised, at: datetime) -> str:
        before = self._proposals.get(event.proposal)
        revision = before.terms.revision if before and before.terms else 1
        given = _Envelope(event.by, "edit", revision, event.nonce, event.comment, event.envelope)
        said = self._decision(event.proposal, given, at, changes=event.changes)
        if said == VERIFIED and event.terms.revision != revision + 1:
            said = f"{Reason.OTHER_REVISION}: revision {event.terms.revision} was made of revision {revision}"
        self._proposals[event.proposal] = self._published(event.proposal, event.terms, event.design)
        return said

    def _decided(self, event: ev.ProposalDecided, at: datetime) -> str:
        verdict = _VERDICTS.get(event.verdict)
        if verdict is None:
            return ""
        published = self._proposals.get(event.proposal)
        needed = published.terms.quorum if published and published.terms else 1
        if verdict == "approve" and event.by.startswith(_POLICY) and not event.envelope:
            few = f"{needed} persons have to approve revision {event.revision}, no rule may"
            return RULE if needed == 1 else few
        *others, last = event.by.split(",")
        given = _Envelope(last, verdict, event.revision, event.nonce, event.reason, event.envelope)
        said = self._decision(event.proposal, given, at)
        if said != VERIFIED or verdict != "approve" or published is None:
            return said
        if not {*others} <= published.votes - {last}:
            return f"approved by {event.by}, but {', '.join(sorted(published.votes)) or 'nobody'} voted before"
        if len({*others, last}) < needed:
            return f"{needed} persons have to approve revision {event.revision}, {len(others) + 1} did"
        return VERIFIED

    def _decision(
        self, proposal: str, given: _Envelope, at: datetime, *, changes: Mapping[str, object] | None = None
    ) -> str:
        published = self._proposals.get(proposal)
        if not given.token:
            return UNSIGNED
        try:
            person, claims = open_envelope(DECISION, given.token, self._people)
        except RefusedError as refused:
            return f"{refused.reason}: {refused}"
        if published is None or published.terms is None:
            return f"{Reason.UNKNOWN_PROPOSAL}: {proposal} was not published before"
        terms = published.terms
        return _first((
            *self._of_sender(person, claims, given.by, at),
            (claims.proposal != proposal, f"{Reason.OTHER_PROPOSAL}: it is about {claims.proposal}"),
            (claims.verdict != given.verdict, f"it says {claims.verdict}, not {given.verdict}"),
            (
                not claims.revision == given.revision == terms.revision,
                f"{Reason.OTHER_REVISION}: it is about revision {claims.revision}, not {terms.revision}",
            ),
            (claims.digest != terms.digest, f"{Reason.OTHER_DIGEST}: what was signed is not what was published"),
            (bool(published.fault), published.fault),
            (claims.lab != published.lab, f"{Reason.OTHER_LAB}: it is for {claims.lab}, this is {published.lab}"),
            (not may(person.role, claims.verdict), f"{Reason.ROLE_NOT_ALLOWED}: {person.name} is {person.role}"),
            (claims.nonce != given.nonce, "its nonce is not the one on record"),
            (claims.comment != given.comment, "its comment is not the one on record"),
            (changes is not None and claims.changes != changes, "it asks for other changes"),
            (self._again(claims.nonce), f"{Reason.REPLAYED_NONCE}: it counted before"),
        ))  # fmt: skip

    # ---- Requests

    def _request(self, event: ev.RequestAccepted, at: datetime) -> str:
        try:
            person, claims = open_envelope(REQUEST, event.envelope, self._people)
        except RefusedError as refused:
            return f"{refused.reason}: {refused}" if event.envelope else UNSIGNED
        lab = self._lab or claims.lab
        return _first((
            *self._of_sender(person, claims, event.by, at),
            (claims.lab != lab, f"{Reason.OTHER_LAB}: it is for {claims.lab}, this is {lab}"),
            (request_id(event.envelope) != event.request, f"{Reason.OTHER_REQUEST}: its id is another"),
            (claims.subject != event.subject, f"{Reason.OTHER_PROPOSAL}: it is about {claims.subject or 'all'}"),
            (claims.action != event.action, f"it says {claims.action}, not {event.action}"),
            (not may_ask(person.role, claims.action), f"{Reason.ROLE_NOT_ALLOWED}: {person.name} is {person.role}"),
            (claims.nonce != event.nonce, "its nonce is not the one on record"),
            (claims.comment != event.comment, "its comment is not the one on record"),
            (self._again(claims.nonce), f"{Reason.REPLAYED_NONCE}: it counted before"),
        ))  # fmt: skip

    # ---- Both

    def _of_sender(self, person: Person, claims: Decision | Request, by: str, at: datetime) -> tuple[Check, ...]:
        # A virtual laboratory's time runs ahead of the time in which keys are given up.
        when = claims.time if self._virtual else at
        gone = person.revoked is not None and person.revoked <= max(when, claims.time)
        return (
            (not person.name == claims.user == by, f"{Reason.OTHER_USER}: signed by {person.name}"),
            (gone, f"{Reason.KEY_REVOKED}: {person.name}'s key was given up at {person.revoked}, before this"),
        )

    def _again(self, nonce: str) -> bool:
        known = nonce in self._nonces
        self._nonces.add(nonce)
        return known

    def _published(self, proposal: str, terms: ev.Terms | None, design: ev.DesignRecord) -> _Published:
        if terms is None:
            return _Published(None)
        try:
            body = PublishedProposal.parse(terms.body.encode())
            plain: Any = json.loads(terms.body).get("design", {})
        except UserError as error:
            return _Published(terms, fault=f"what was published cannot be read: {error}")
        self._lab = self._lab or body.lab
        fault = _first((
            ((body.proposal, body.lab) != (proposal, self._lab), "what was published is another proposal's"),
            (
                (body.revision, body.quorum, body.digest) != (terms.revision, terms.quorum, terms.digest),
                "what was published has other terms than those on record",
            ),
            (not _same(plain, design), "what was published is another design than the one on record"),
        ))  # fmt: skip
        return _Published(terms, body.lab, "" if fault == VERIFIED else fault)


def _first(checks: Iterable[Check]) -> str:
    return next((words for is_wrong, words in checks if is_wrong), VERIFIED)


def _same(published: Mapping[str, Any], design: ev.DesignRecord) -> bool:
    """Whether a published design is the one that is made of it."""
    plain = {name: value.get("value") if isinstance(value, dict) else value for name, value in published.items()}
    due: dict[str, object] = {_CRYSTAL: design.crystal} if design.crystal else {}
    for name, value in design.process.items():
        due[f"{_PROCESS}{name}" if name in {_CRYSTAL, _FORMULA} else name] = value
    return {name: value for name, value in plain.items() if name != _FORMULA or name in due} == due
