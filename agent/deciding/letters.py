"""What a person signs: built, shown to be in order before the password is asked for, and signed afterwards."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from datetime import datetime

from pydantic import ValidationError

from agent.deciding.board import Board
from agent.identity import first_fault
from envs.errors import LabwrightError, UserError
from instruments.profile.agent_messages import Proposal
from instruments.profile.decisions import Choice, Decision, PublishedProposal
from instruments.profile.requests import Action, Argument, Request
from instruments.topics import Lab

ADDED = frozenset({"digest", "votes", "lab_time"})
"""What the commands for programs print with a proposal beside what was published."""


class TooLateError(LabwrightError):
    """A decision would not count any more: nothing is wrong with the command, and it is not sent."""


def open_proposal(board: Board, pid: str, topics: Lab) -> tuple[Proposal, PublishedProposal]:
    """The proposal that a person decides on, as it was published.

    Returns:
        The proposal, and what a signature of it names.

    Raises:
        UserError: nothing of that id waits, or what is there is not as it should be.
        TooLateError: it is decided already, or it expired by the laboratory's time.
    """
    proposal = board.proposals.get(pid)
    if proposal is None:
        if wrong := board.unreadable.get(topics.proposal(pid)):
            raise UserError(f"what is on {topics.proposal(pid)} cannot be signed: {wrong}")
        if outcome := board.outcomes.get(pid):
            by = f" by {', '.join(outcome.by)}" if outcome.by else ""
            raise TooLateError(
                f"{pid} does not wait any more: {outcome.verdict}{by} at {outcome.ts:%Y-%m-%d %H:%M} UTC"
            )
        raise UserError(f"no proposal {pid} waits in the laboratory {topics.lab}: labwright proposals lists them")
    if board.now is not None and board.now >= proposal.expires_at:
        raise TooLateError(
            f"{pid} expired at {proposal.expires_at:%Y-%m-%d %H:%M} UTC; in the laboratory it is "
            f"{board.now:%Y-%m-%d %H:%M}: it counts as not approved"
        )
    return proposal, board.published[pid]


def read_published(payload: bytes) -> PublishedProposal:
    """A proposal as it was published, or as ``labwright proposal --json`` prints it.

    Raises:
        UserError: it is no proposal, or not what the digest beside it says.
    """
    published = PublishedProposal.parse(payload)
    body = json.loads(payload)
    told = body.get("digest")
    if told is None or not body.keys() >= ADDED:
        return published
    published = PublishedProposal.of({key: value for key, value in body.items() if key not in ADDED})
    if published.digest != told:
        raise UserError(
            f"{published.proposal} is not what was published: its digest is {published.digest[:12]}, and beside it "
            f"stands {str(told)[:12]}; take it anew by labwright proposal {published.proposal} --json"
        )
    return published


def decision_of(
    published: PublishedProposal,
    user: str,
    verdict: Choice,
    *,
    at: datetime,
    comment: str = "",
    changes: Mapping[str, float | str] | None = None,
) -> Decision:
    """A decision that is ready to be signed.

    Args:
        published: what was read.
        user: who decides.
        verdict: what they say.
        at: the machine's time: the age of a signature is judged by machines' clocks.
        comment: why.
        changes: new values of an edit, by path.

    Raises:
        UserError: it cannot be said so.
    """
    try:
        return Decision(
            lab=published.lab,
            proposal=published.proposal,
            revision=published.revision,
            digest=published.digest,
            verdict=verdict,
            changes=dict(changes or {}),
            nonce=secrets.token_urlsafe(16),
            time=at,
            comment=comment,
            user=user,
        )
    except ValidationError as error:
        raise UserError(f"this cannot be signed: {first_fault(error)}") from error


def request_of(
    lab: str,
    user: str,
    action: Action,
    *,
    at: datetime,
    subject: str = "",
    arguments: Mapping[str, Argument] | None = None,
    comment: str = "",
) -> Request:
    """A request that is ready to be signed; the arguments are those of ``decision_of``.

    Raises:
        UserError: it cannot be said so.
    """
    try:
        return Request(
            lab=lab,
            action=action,
            subject=subject,
            arguments=dict(arguments or {}),
            nonce=secrets.token_urlsafe(16),
            time=at,
            comment=comment,
            user=user,
        )
    except ValidationError as error:
        raise UserError(f"this cannot be asked for: {first_fault(error)}") from error
