"""Commands for people who decide: ``labwright proposals``, ``proposal``, ``approve``, ``reject`` and ``edit``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from agent.cli_place import Comment, There, ask_password, with_place
from envs.errors import UserError

if TYPE_CHECKING:
    from agent.deciding.board import Board
    from agent.deciding.design import Change
    from agent.deciding.sending import Answer
    from agent.deciding.session import Session
    from instruments.profile.agent_messages import Proposal
    from instruments.profile.decisions import Choice

decide_app = typer.Typer(no_args_is_help=True)

REFUSED, UNANSWERED = 1, 3
"""Exit codes where a decision or a request does not count, and where nobody said whether it does."""
SHOWN = 40
"""Proposals in a table that nobody asked to be longer."""

AsJson = Annotated[bool, typer.Option("--json", help="Print one line of JSON: whether it counted, and why.")]
ProposalId = Annotated[str, typer.Argument(metavar="PROPOSAL", help="Its id, as labwright proposals lists it.")]


@decide_app.command()
@with_place
def proposals(
    there: There,
    campaign: Annotated[str, typer.Option(metavar="NAME", show_default="all", help="Of one campaign only.")] = "",
    everything: Annotated[bool, typer.Option("--all", help=f"More than the first {SHOWN}, too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON: all of them, as published.")] = False,
) -> None:
    """Print what waits for people's decision, the first to expire on top."""
    from agent.deciding.words import in_order, rows_of, table_of
    from agent.sheet import console

    session = there.session(signs=False)
    board = session.look()
    waiting = in_order(board, campaign)
    shown = waiting if everything else waiting[:SHOWN]
    if as_json:
        typer.echo(json.dumps(rows_of(board, waiting), ensure_ascii=False))
    elif shown:
        console().print(table_of(board, shown))
    else:
        of = f" of the campaign {campaign}" if campaign else ""
        typer.echo(f"Nothing{of} waits in the laboratory {session.place.topics.lab}.")
    if len(shown) < len(waiting) and not as_json:
        typer.echo(f"and {len(waiting) - len(shown)} more that expire later: --all prints them", err=True)
    _warn(board, session)


@decide_app.command()
@with_place
def proposal(
    there: There,
    pid: ProposalId,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON: as it was published.")] = False,
) -> None:
    """Print one proposal: what would be made, what is expected of it, what it costs, and what a signature covers."""
    from rich.console import Console

    from agent.deciding.letters import open_proposal
    from agent.deciding.words import rows_of, show

    session = there.session(signs=False)
    board = session.look(pid)
    found, _ = open_proposal(board, pid, session.place.topics)
    if as_json:
        typer.echo(json.dumps(rows_of(board, [found])[0], ensure_ascii=False))
    else:
        show(found, board, Console())
    _warn(board, session)


@decide_app.command()
@with_place
def approve(there: There, pid: ProposalId, comment: Comment = "", as_json: AsJson = False) -> None:
    """Approve a proposal: it is made when as many people as it needs have."""
    _decide(there, pid, "approve", comment, as_json=as_json)


@decide_app.command()
@with_place
def reject(
    there: There,
    pid: ProposalId,
    comment: Annotated[str, typer.Option("--comment", metavar="TEXT", help="Why: the agent's people will read it.")],
    as_json: AsJson = False,
) -> None:
    """Reject a proposal: one person is enough."""
    _decide(there, pid, "reject", comment, as_json=as_json)


@decide_app.command()
@with_place
def edit(
    there: There,
    pid: ProposalId,
    changes: Annotated[list[str], typer.Argument(metavar="FACTOR=VALUE...", help="In the design's own units.")],
    comment: Comment = "",
    as_json: AsJson = False,
) -> None:
    """Change a proposal's design: it becomes the next revision, which people approve anew."""
    _decide(there, pid, "edit", comment, changes, as_json=as_json)


def _decide(
    there: There, pid: str, verdict: Choice, comment: str, given: list[str] | None = None, *, as_json: bool
) -> None:
    from agent.deciding.design import read_changes
    from agent.deciding.letters import decision_of, open_proposal

    session = there.session(signs=True)
    board = session.look(pid)
    found, published = open_proposal(board, pid, session.place.topics)
    changes = read_changes(given or [], found.design)
    values = {change.path: change.value for change in changes}
    # Tried before the password is asked for; what is signed carries the time after it.
    decision_of(published, session.user, verdict, at=session.clock.now(), comment=comment, changes=values)
    _tell(found, board, verdict, changes, session)
    key = session.open_key(ask_password(f"Password of {session.user}"))
    finish(session.decide(published, key, verdict, comment=comment, changes=values), as_json=as_json)


def _tell(found: Proposal, board: Board, verdict: Choice, changes: tuple[Change, ...], session: Session) -> None:
    """What is about to be signed, on standard error."""
    from agent.deciding.design import compound_of, process_of
    from agent.deciding.words import costs, left
    from instruments.profile.legibility import printable

    what = f"{found.proposal}, revision {found.revision}, of {found.campaign}"
    lines = [
        f"{session.user}: {verdict} {what} in {session.place.topics.lab}",
        f"  {compound_of(found.design)}: {process_of(found.design)}",
        *(f"  change {change}" for change in changes),
        f"  costs {costs(found.cost) or 'nothing that is counted'}; expires in {left(found.expires_at, board.now)}",
    ]
    for line in lines:
        typer.echo(printable(line), err=True)


def _warn(board: Board, session: Session) -> None:
    from instruments.profile.legibility import printable

    if not board.online:
        typer.echo(f"No agent is online in the laboratory {session.place.topics.lab}.", err=True)
    for topic, wrong in board.unreadable.items():
        typer.echo(printable(f"{topic} cannot be read: {wrong}"), err=True)


def finish(answer: Answer, *, as_json: bool = False) -> None:
    """Say what came of it; leaves with an exit code other than 0 where it does not count, or nobody knows."""
    from instruments.profile.legibility import printable

    text = printable(answer.text)
    if as_json:
        counted = {"counted": True, "refused": False}.get(answer.verdict)
        said = {"counted": counted, "kind": answer.kind, "text": text, "id": answer.id}
        typer.echo(json.dumps(said, ensure_ascii=False))
        raise typer.Exit({"counted": 0, "refused": REFUSED}.get(answer.verdict, UNANSWERED))
    if answer.verdict == "counted":
        typer.echo(text or "It counts.")
    elif answer.verdict == "refused":
        _leave(f"Refused: {text}", REFUSED)
    else:
        _leave(f"Unanswered: {text}", UNANSWERED)


def _leave(text: str, code: int) -> NoReturn:
    typer.echo(text, err=True)
    raise typer.Exit(code)


def only_one(what: str, *given: bool) -> None:
    """Raise a ``UserError`` unless exactly one of several things was given."""
    if sum(given) != 1:
        raise UserError(f"give {what}")
