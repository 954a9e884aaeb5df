"""The audit: whether the record is whole, and whether people's signatures under it are theirs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.envelopes import DECISION, REQUEST, Reason, RefusedError, open_envelope
from agent.identity import People
from agent.reading.journal_view import JournalView
from agent.reading.signatures import RULE, UNSIGNED, VERIFIED, Signatures
from envs.errors import JournalError

__all__ = ["RULE", "UNSIGNED", "VERIFIED", "AuditReport", "people_of", "shown", "verify"]


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

    A signature is held against what was published when it counted: laboratory, proposal, revision, digest, nonce, the
    signer's role and until when the key counted, and how many distinct persons a revision needs.

    Raises:
        JournalError: something is wrong; says what is the first.
    """
    events = view.journal.verify(projections=True)
    rows = {int(row["seq"]): row for row in view.decisions()}
    signatures = unknown = 0
    for seq, said in Signatures(people).judged(view.journal.scan()):
        if said == VERIFIED:
            signatures += 1
        elif said.startswith(Reason.UNKNOWN_KEY):
            unknown += 1
        elif said not in {RULE, ""}:
            row = rows[seq]
            what = f"event {seq}: {row['what']} of {row['subject']} by {row['user']}"
            raise JournalError(f"{view.journal.name}: {what} is not theirs: {said}")
    return AuditReport(events, signatures, unknown)


def shown(view: JournalView, rows: Iterable[Mapping[str, Any]], people: People) -> list[dict[str, Any]]:
    """Rows of the table of decisions, each with what its signature is worth now.

    Args:
        view: of the journal that they are of, which is read from its beginning.
        rows: some of its decisions.
        people: whose keys are known; also those that were given up.
    """
    judged = dict(Signatures(people).judged(view.journal.scan()))
    return [{**row, "signature": judged.get(int(row["seq"]), _of_refused(row, people))} for row in rows]


def _of_refused(row: Mapping[str, Any], people: People) -> str:
    """What can be said of an envelope that did not count; empty where there is none."""
    token = row["envelope"] or ""
    if not token:
        return ""
    try:
        if row["what"] == "decision":
            who = open_envelope(DECISION, token, people)[0].name
        else:
            who = open_envelope(REQUEST, token, people)[0].name
    except RefusedError as refused:
        return str(refused.reason)
    return VERIFIED if who == row["user"] else f"{Reason.OTHER_USER}: signed by {who}"


def people_of(directory: Path) -> People:
    """The keys in a directory; none where there is no such directory.

    Raises:
        UserError: one cannot be read.
    """
    return People.from_directory(directory)
