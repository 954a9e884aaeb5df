"""Commands for people on their own machine: ``labwright identity`` and ``labwright sign``."""

from __future__ import annotations

import json
import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.roles import Role, may, roles_for
from envs.errors import UserError

if TYPE_CHECKING:
    from agent.identity import IdentityStore
    from instruments.profile.decisions import Decision, PublishedProposal

PASSWORD = "LABWRIGHT_PASSWORD"  # noqa: S105  # the name of the variable, not a password
MAX_PROPOSAL = 4 * 2**20

people_app = typer.Typer(no_args_is_help=True)
identity_app = typer.Typer(no_args_is_help=True, help="Key pairs of the people who decide.")
people_app.add_typer(identity_app, name="identity")

Directory = Annotated[
    Path | None, typer.Option("--dir", show_default="the user's data directory", help="Directory of the identities.")
]


class ChoiceName(StrEnum):
    """Values of ``--verdict``."""

    APPROVE = "approve"
    REJECT = "reject"
    EDIT = "edit"


@identity_app.command("new")
def identity_new(
    name: Annotated[str, typer.Argument(help="The person's name, as it will stand in topics.")],
    role: Annotated[Role, typer.Option(help="The role to ask for.")],
    directory: Directory = None,
) -> None:
    """Make a key pair; the private half is encrypted with a password and never leaves this machine."""
    store = _store(directory)
    store.check_new(name)
    person = store.create(name, role, _password(f"New password for {name}", confirm=True))
    typer.echo(f"{person.name} ({person.role}), key {person.key.kid}")
    typer.echo(f"Give this file to the laboratory: {store.public_path(name)}")


@identity_app.command("list")
def identity_list(
    directory: Directory = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON: the public keys with their roles.")] = False,
) -> None:
    """Print the identities on this machine."""
    persons = _store(directory).persons()
    if as_json:
        typer.echo(json.dumps([{**p.model_dump(mode="json"), "kid": p.key.kid} for p in persons]))
        return
    for person in persons:
        typer.echo(f"{person.name}\t{person.role}\t{person.key.kid}{chr(9) + 'revoked' if person.revoked else ''}")
    if not persons:
        typer.echo("No identities yet. Make one with: labwright identity new NAME --role approver", err=True)


@people_app.command()
def sign(
    proposal: Annotated[Path, typer.Argument(help="The proposal as published (JSON); - reads standard input.")],
    signer: Annotated[str, typer.Option("--as", help="Whose identity signs.")],
    verdict: Annotated[ChoiceName, typer.Option(help="The decision.")],
    comment: Annotated[str, typer.Option(help="Why.")] = "",
    change: Annotated[list[str] | None, typer.Option(help="KEY=VALUE of an edit; can be given again.")] = None,
    directory: Directory = None,
) -> None:
    """Sign a decision about a proposal and print the envelope."""
    from agent.approvals import sign_decision
    from instruments.profile.decisions import PublishedProposal

    published = PublishedProposal.parse(_read(proposal))
    store = _store(directory)
    person = store.person(signer)
    if not may(person.role, verdict.value):
        raise UserError(f"{verdict} needs the role {roles_for(verdict.value)}: {signer} is {person.role}")
    # Tested before the password is asked for; what is signed carries the time after it.
    _decide(published, signer, verdict, comment, change)
    key = store.open(signer, _password(f"Password of {signer}"))
    decision = _decide(published, signer, verdict, comment, change)
    typer.echo(
        f"{verdict} {published.proposal} revision {published.revision} in {published.lab}, "
        f"digest {published.digest[:12]}, expires {published.expires_at.isoformat()}",
        err=True,
    )
    typer.echo(sign_decision(decision, key))


def _decide(
    published: PublishedProposal, user: str, verdict: ChoiceName, comment: str, changes: list[str] | None
) -> Decision:
    import secrets
    from datetime import UTC, datetime

    from pydantic import ValidationError

    from agent.identity import explain
    from instruments.profile.decisions import Decision

    now = datetime.now(UTC)
    if now >= published.expires_at:
        raise UserError(f"{published.proposal} expired at {published.expires_at.isoformat()}: ask for a new revision")
    try:
        return Decision(
            lab=published.lab,
            proposal=published.proposal,
            revision=published.revision,
            digest=published.digest,
            verdict=verdict.value,
            changes=dict(_change(text) for text in changes or []),
            nonce=secrets.token_urlsafe(16),
            time=now,
            comment=comment,
            user=user,
        )
    except ValidationError as error:
        raise UserError(f"this cannot be signed: {explain(error)}") from error


def _change(text: str) -> tuple[str, Any]:
    key, separator, value = text.partition("=")
    if not separator:
        raise UserError(f"--change {text!r} is not KEY=VALUE")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def _store(directory: Path | None) -> IdentityStore:
    from agent.identity import IdentityStore, default_directory

    return IdentityStore(directory or default_directory())


def _password(prompt: str, *, confirm: bool = False) -> str:
    given = os.environ.get(PASSWORD)
    if given is not None:
        return given
    if not sys.stdin.isatty():
        raise UserError(f"no terminal to ask for the password: set {PASSWORD}")
    return str(typer.prompt(prompt, hide_input=True, confirmation_prompt=confirm, err=True))


def _read(path: Path) -> bytes:
    try:
        if str(path) == "-":
            data = sys.stdin.buffer.read(MAX_PROPOSAL + 1)
        else:
            with path.open("rb") as handle:
                data = handle.read(MAX_PROPOSAL + 1)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    if len(data) > MAX_PROPOSAL:
        raise UserError(f"{path} is larger than {MAX_PROPOSAL} bytes: not a proposal")
    return data
