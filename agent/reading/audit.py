"""The audit: whether the record is whole, and whether people's signatures under it are theirs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.envelopes import DECISION, REQUEST, Reason, RefusedError, open_envelope
from agent.identity import People
from agent.reading.journal_view import JournalView
from envs.errors import JournalError
from instruments.profile.decisions import Choice

VERIFIED, UNSIGNED, RULE = "verified", "unsigned", "by a rule"
_VERDICTS: Mapping[str, Choice] = {"vote": "approve", "approved": "approve", "rejected": "reject", "edit": "edit"}


@dataclass(frozen=True)
class AuditReport:
    """What an audit found to be right.

    Args:
        events: in the chain.
        signatures: of people, checked again and theirs.
        unknown: signatures whose key is not among the people's any more.
    """

    events: int
    signatures: int
    unknown: int


def verify(view: JournalView, people: People) -> AuditReport:
    """Check the chain, the versions of each stream, the tables against the events, and every signature that counted.

    Raises:
        JournalError: something is wrong; says what is the first.
    """
    events = view.journal.verify(projections=True)
    signatures = unknown = 0
    for row in view.decisions():
        said = signature(row, people)
        if said == VERIFIED:
            signatures += 1
        elif said.startswith(Reason.UNKNOWN_KEY):
            unknown += 1
        elif row["accepted"] and said not in {RULE, ""}:
            what = f"event {row['seq']}: {row['what']} of {row['subject']} by {row['user']}"
            raise JournalError(f"{view.journal.name}: {what} is not theirs: {said}")
    return AuditReport(events, signatures, unknown)


def signature(row: Mapping[str, Any], people: People) -> str:
    """What can be said of the signature under a decision.

    Args:
        row: of the table of decisions.
        people: whose keys are known; also those that were given up.

    Returns:
        ``verified``, ``by a rule``, ``unsigned``, empty where none is needed, or why it is not who it says.
    """
    verdict, token, users = _VERDICTS.get(row["what"]), row["envelope"] or "", str(row["user"] or "").split(",")
    if not token:
        if str(row["user"] or "").startswith("policy:"):
            return RULE
        return UNSIGNED if verdict and row["user"] and row["accepted"] else ""
    try:
        person, about, said = _opened(token, people, decision=bool(verdict) or row["what"] == "decision")
    except RefusedError as refused:
        return f"{refused.reason}: {refused}" if row["accepted"] else str(refused.reason)
    due = verdict or row["what"]
    wrong = (
        (person not in users, f"{Reason.OTHER_USER}: signed by {person}"),
        (row["accepted"] and about != row["subject"], f"{Reason.OTHER_PROPOSAL}: it is about {about or 'all'}"),
        (row["accepted"] and said != due, f"it says {said}, not {due}"),
    )
    return next((words for is_wrong, words in wrong if is_wrong), VERIFIED)


def _opened(token: str, people: People, *, decision: bool) -> tuple[str, str, str]:
    """Who signed, what it is about, and what it says."""
    if decision:
        person, claims = open_envelope(DECISION, token, people)
        return person.name, claims.proposal, claims.verdict
    person, request = open_envelope(REQUEST, token, people)
    return person.name, request.subject, request.action


def shown(rows: Iterable[Mapping[str, Any]], people: People) -> list[dict[str, Any]]:
    """Rows of the table of decisions, each with what its signature is worth now."""
    return [{**row, "signature": signature(row, people)} for row in rows]


def people_of(directory: Path) -> People:
    """The keys in a directory; none where there is no such directory.

    Raises:
        UserError: one cannot be read.
    """
    return People.from_directory(directory)
