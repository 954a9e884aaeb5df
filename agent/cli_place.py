"""What all commands share that go to a laboratory: its options, the person's identity, the password."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Concatenate, ParamSpec

import typer

from agent.connection import CaFile, CertFile, KeyFile
from agent.deciding.asked import BROKER, LAB, ROOT, STATE, Asked
from envs.errors import UserError

if TYPE_CHECKING:
    from agent.deciding.session import Session
    from agent.identity import IdentityStore

PASSWORD = "LABWRIGHT_PASSWORD"  # noqa: S105  # the name of the variable, not a password

P = ParamSpec("P")
Directory = Annotated[
    Path | None, typer.Option("--dir", show_default="the user's data directory", help="Directory of the identities.")
]
Comment = Annotated[str, typer.Option("--comment", metavar="TEXT", help="Why, for the record.")]


@dataclass(frozen=True)
class There:
    """What the shared options say.

    Args:
        asked: about the laboratory.
        user: whose identity signs; None for the one that is there.
        directory: of the identities.
        wait_s: how long an answer may take.
    """

    asked: Asked
    user: str | None
    directory: Path | None
    wait_s: float

    def session(self, *, signs: bool) -> Session:
        """What the command works with.

        Raises:
            UserError: it cannot be told which laboratory or who is meant.
            ConfigError: the broker's address is wrong.
        """
        from agent.deciding.session import Session

        return Session.begin(
            self.asked, identity_store(self.directory), user=self.user, signs=signs, wait_s=self.wait_s
        )


def _options(
    *,
    signer: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="Who you are; not needed with one identity here.")
    ] = None,
    broker: Annotated[
        str, typer.Option(metavar="URL", help=f"mqtt[s]://user:password@host:port; or in {BROKER}.")
    ] = "",
    lab: Annotated[str, typer.Option(metavar="NAME", help=f"The laboratory's name in topics; or in {LAB}.")] = "",
    state: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            show_default="./labwright-virtual, else ./state",
            help=f"State directory of an agent on this machine, instead of --broker; or in {STATE}.",
        ),
    ] = None,
    root: Annotated[str, typer.Option(metavar="NAME", help="First level of all topics.")] = ROOT,
    ca: CaFile = None,
    cert: CertFile = None,
    key: KeyFile = None,
    wait: Annotated[float, typer.Option(metavar="SECONDS", min=0.1, help="How long an answer may take.")] = 10.0,
    directory: Directory = None,
) -> There:
    return There(Asked(broker, lab, state, root, ca, cert, key), signer, directory, wait)


def with_place(command: Callable[Concatenate[There, P], None]) -> Callable[..., None]:
    """Give a command the shared options; it gets what they say as its first argument."""
    shared = inspect.signature(_options, eval_str=True).parameters
    own = [*inspect.signature(command, eval_str=True).parameters.values()][1:]

    def run(**given: object) -> None:
        there = _options(**{name: given.pop(name) for name in shared})  # type: ignore[arg-type]
        command(there, **given)  # type: ignore[call-arg, arg-type]

    named = {parameter.name: parameter.annotation for parameter in (*own, *shared.values())}
    parameters = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in (*own, *shared.values())]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = named
    run.__name__, run.__doc__, run.__module__ = command.__name__, command.__doc__, command.__module__
    return run


def identity_store(directory: Path | None) -> IdentityStore:
    """The identities on this machine."""
    from agent.identity import IdentityStore, default_directory

    return IdentityStore(directory or default_directory())


def ask_password(prompt: str, *, confirm: bool = False) -> str:
    """A password from the environment, or else from the person at the terminal.

    Raises:
        UserError: there is no terminal to ask at.
    """
    given = os.environ.get(PASSWORD)
    if given is not None:
        return given
    if not sys.stdin.isatty():
        raise UserError(f"no terminal to ask for the password: set {PASSWORD}")
    return str(typer.prompt(prompt, hide_input=True, confirmation_prompt=confirm, err=True))
