"""Commands for people on their own machine: their identities, what they decide, and what they ask for."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli_ask import ask_app
from agent.cli_decide import decide_app
from agent.cli_place import Directory, ask_password, identity_store
from agent.deciding.asked import STATE
from agent.roles import Role, may, roles_for
from envs.errors import UserError

if TYPE_CHECKING:
    from agent.registry import Registry
    from instruments.profile.decisions import Decision, PublishedProposal

MAX_PROPOSAL = 4 * 2**20

people_app = typer.Typer(no_args_is_help=True)
identity_app = typer.Typer(no_args_is_help=True, help="Key pairs of the people who decide.")
people_app.add_typer(identity_app, name="identity")
people_app.add_typer(decide_app)
people_app.add_typer(ask_app)

State = Annotated[
    Path | None,
    typer.Option(
        "--state",
        metavar="DIR",
        show_default="./labwright-virtual, else ./state",
        help=f"The laboratory's state directory; or in {STATE}.",
    ),
]


class ChoiceName(StrEnum):
    """Values of ``--verdict``."""

    APPROVE = "approve"
    REJECT = "reject"
    EDIT = "edit"


PeopleDirectory = Annotated[
    Path | None,
    typer.Option(
        "--people",
        metavar="DIR",
        show_default="people in the state directory",
        help="Directory of the public keys, where the laboratory's file names another.",
    ),
]


@identity_app.command("new")
def identity_new(
    name: Annotated[str, typer.Argument(help="The person's name, as it will stand in topics.")],
    role: Annotated[Role, typer.Option(help="The role to ask for.")],
    directory: Directory = None,
) -> None:
    """Make a key pair; the private half is encrypted with a password and never leaves this machine."""
    store = identity_store(directory)
    store.check_new(name)
    person = store.create(name, role, ask_password(f"New password for {name}", confirm=True))
    typer.echo(f"{person.name} ({person.role}), key {person.key.kid}")
    typer.echo(f"Give this file to the laboratory: {store.public_path(name)}")


@identity_app.command("list")
def identity_list(
    directory: Directory = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON: the public keys with their roles.")] = False,
    state: Annotated[
        Path | None, typer.Option("--state", metavar="DIR", help="Those of a laboratory, by its state directory.")
    ] = None,
    people: Annotated[
        Path | None, typer.Option("--people", metavar="DIR", help="Those of a laboratory, by its directory of people.")
    ] = None,
) -> None:
    """Print the identities on this machine, or those that a laboratory knows."""
    if state or people:
        persons = sorted(_registry(state, people).people(), key=lambda person: (person.name, person.revoked is None))
    else:
        persons = identity_store(directory).persons()
    if as_json:
        typer.echo(json.dumps([{**p.model_dump(mode="json"), "kid": p.key.kid} for p in persons]))
        return
    for person in persons:
        typer.echo(f"{person.name}\t{person.role}\t{person.key.kid}{chr(9) + 'revoked' if person.revoked else ''}")
    if not persons:
        make = "Make one with: labwright identity new NAME --role approver"
        typer.echo(
            f"No identities yet. {'Take one in with: labwright identity add FILE' if state or people else make}",
            err=True,
        )


@identity_app.command("add")
def identity_add(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, metavar="FILE", help="NAME.public.json, from its owner.")
    ],
    role: Annotated[Role | None, typer.Option(show_default="as the file asks for", help="The role to grant.")] = None,
    state: State = None,
    people: PeopleDirectory = None,
) -> None:
    """Take a person's public key into a laboratory's directory of people: this grants the role."""
    if state is not None and people is None and not state.exists():
        typer.echo(f"There is no state directory {state} yet: it is made", err=True)
        registry = _registry(None, state / "people")
    else:
        registry = _registry(state, people)
    person, path = registry.add(file, role=role)
    typer.echo(f"{person.name} is {person.role} now, by the key {person.key.kid}: {path}")
    typer.echo(
        "Compare the key with its owner's labwright identity list. An agent that runs learns of it by: "
        "labwright reload",
        err=True,
    )


@identity_app.command("revoke")
def identity_revoke(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose key does not count any more.")],
    state: State = None,
    people: PeopleDirectory = None,
) -> None:
    """Give a person's key up in a laboratory's directory of people: from now on nothing signed with it counts."""
    from datetime import UTC, datetime

    for path in _registry(state, people).revoke(name, datetime.now(UTC).replace(microsecond=0)):
        typer.echo(f"{name}'s key does not count any more: {path}")
    typer.echo("An agent that runs learns of it by: labwright reload", err=True)


def _registry(state: Path | None, people: Path | None) -> Registry:
    from agent.deciding.place import find_state
    from agent.registry import Registry

    if state and people:
        raise UserError("--state and --people both say where the public keys are: give one of them")
    return Registry(people or find_state(state) / "people")


@people_app.command()
def sign(
    proposal: Annotated[
        Path, typer.Argument(help="What labwright proposal --json prints, or the topic's body; - for standard input.")
    ],
    signer: Annotated[str, typer.Option("--as", help="Whose identity signs.")],
    verdict: Annotated[ChoiceName, typer.Option(help="The decision.")],
    comment: Annotated[str, typer.Option(help="Why.")] = "",
    change: Annotated[list[str] | None, typer.Option(help="KEY=VALUE of an edit; can be given again.")] = None,
    directory: Directory = None,
) -> None:
    """Sign a decision about a proposal and print the envelope."""
    from agent.approvals import sign_decision
    from agent.deciding.letters import read_published

    published = read_published(_read(proposal))
    store = identity_store(directory)
    person = store.person(signer)
    if not may(person.role, verdict.value):
        raise UserError(f"{verdict} needs the role {roles_for(verdict.value)}: {signer} is {person.role}")
    # Tested before the password is asked for; what is signed carries the time after it.
    _decide(published, signer, verdict, comment, change)
    key = store.open(signer, ask_password(f"Password of {signer}"))
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
    from datetime import UTC, datetime

    from agent.deciding.letters import decision_of

    now = datetime.now(UTC)
    if now >= published.expires_at:
        raise UserError(f"{published.proposal} expired at {published.expires_at.isoformat()}: ask for a new revision")
    values = dict(_change(text) for text in changes or [])
    return decision_of(published, user, verdict.value, at=now, comment=comment, changes=values)


def _change(text: str) -> tuple[str, Any]:
    key, separator, value = text.partition("=")
    if not separator:
        raise UserError(f"--change {text!r} is not KEY=VALUE")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


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
