"""The table of decisions: everything that somebody, or a rule, said yes or no to, and all that did not count."""

from __future__ import annotations

from agent import events as ev
from agent.ledger import tables as t
from agent.ledger.rows import Rows

LIMITS = "limits"
"""Code of what the limits forbade."""


def project_decision(rows: Rows, event: ev.Event, seq: int, at: str) -> None:
    """Note an event that decides something."""
    values = _settled(event) or _said(event) or _refused(event)
    if values is not None:
        rows.put(t.decisions, seq=seq, at=at, **values)


def _settled(event: ev.Event) -> dict[str, object] | None:
    if isinstance(event, ev.ProposalDecided):
        return _row(event.by, event.proposal, event.verdict, event.reason, event.envelope)
    if isinstance(event, ev.VoteCast):
        return _row(event.by, event.proposal, "vote", event.comment, event.envelope)
    if isinstance(event, ev.ProposalRevised):
        return _row(event.by, event.proposal, "edit", event.comment, event.envelope)
    return None


def _said(event: ev.Event) -> dict[str, object] | None:
    if isinstance(event, ev.RequestAccepted):
        return _row(event.by, event.subject, event.action, event.comment, event.envelope)
    return None


def _refused(event: ev.Event) -> dict[str, object] | None:
    if isinstance(event, ev.EnvelopeRefused):
        return _row(event.user, event.subject, event.what, event.message, event.envelope, refused=event.code)
    if isinstance(event, ev.RefusalsSkipped):
        message = f"{event.count} more refusals, counted and not kept one by one"
        return _row(event.user, "", "refusals", message, refused="skipped")
    if isinstance(event, ev.ProposalRefused):
        reasons = f"{event.design.formula} ({event.design.crystal}): {'; '.join(event.reasons)}"
        return _row("", event.campaign, "proposal", reasons, refused=LIMITS)
    if isinstance(event, ev.DispatchRefused):
        return _row("", event.experiment, "dispatch", "; ".join(event.reasons), refused=LIMITS)
    return None


def _row(
    user: str, subject: str, what: str, message: str, envelope: str = "", *, refused: str = ""
) -> dict[str, object]:
    return {
        "user": user,
        "subject": subject,
        "what": what,
        "accepted": not refused,
        "code": refused,
        "message": message,
        "envelope": envelope,
    }
