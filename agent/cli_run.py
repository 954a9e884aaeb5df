"""``labwright run``: the laboratory's daemon."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Annotated

import typer

from agent.extras import needs

run_app = typer.Typer(no_args_is_help=True)


@run_app.command()
def run(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[LAB.toml]", help="The laboratory's file; with --virtual one that has a table [virtual], or none."
        ),
    ] = None,
    virtual: Annotated[
        bool,
        typer.Option("--virtual", help="Run everything here: a broker, and virtual instruments with a hidden truth."),
    ] = False,
    live: Annotated[
        bool, typer.Option("--live", help="Let orders reach instruments; the file must say live = true, too.")
    ] = False,
    shadow: Annotated[
        bool, typer.Option("--shadow", help="Everything but orders: what would be ordered is recorded. The default.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Plan one round, print what would be ordered, write nothing, end.")
    ] = False,
    state: Annotated[
        Path | None,
        typer.Option("--state", show_default="./labwright-virtual", help="With --virtual: where the record stays."),
    ] = None,
    person: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="With --virtual: an identity of this machine who decides; can be given again."
        ),
    ] = None,
    approve: Annotated[
        str,
        typer.Option(metavar="[people|auto]", help="With --virtual: people approve, or a rule does."),
    ] = "people",
    speed: Annotated[
        float, typer.Option(min=0.1, max=1e6, help="With --virtual: seconds of lab time in a second.")
    ] = 3600.0,
    seed: Annotated[int, typer.Option(min=0, help="With --virtual: of the hidden truth and the campaign.")] = 0,
    experiments: Annotated[
        int | None, typer.Option(min=1, max=2000, show_default="32", help="With --virtual: the campaign's budget.")
    ] = None,
    strategy: Annotated[
        str | None, typer.Option(show_default="hybrid", help="With --virtual: how designs are chosen.")
    ] = None,
    directory: Annotated[
        Path | None,
        typer.Option("--dir", show_default="the user's data directory", help="Directory of the identities."),
    ] = None,
    http_port: Annotated[int, typer.Option(min=0, max=65535, help="With --virtual: 0 takes a free one.")] = 0,
    instruments: Annotated[
        str,
        typer.Option(
            metavar="ID,ID,...",
            show_default="furnace-1,sem-1,indenter-1",
            help="With --virtual: the instruments that there are; see labwright lab list.",
        ),
    ] = "",
) -> None:
    """Run the agent of a laboratory until it is told to stop; nothing is lost when it is killed."""
    gc.disable()  # until it is up: what a start builds stays, and looking through it would make a restart slow
    try:
        starting = needs("lab", "labwright run", "agent.daemon.starting")
        starting.run(
            starting.Request(
                file=file, virtual=virtual, live=live, shadow=shadow, dry_run=dry_run, state=state,
                persons=tuple(person or ()), approve=approve, speed=speed, seed=seed, experiments=experiments,
                strategy=strategy, identities=directory, http_port=http_port,
                instruments=tuple(part.strip() for part in instruments.split(",") if part.strip()),
            )
        )  # fmt: skip
    finally:
        gc.enable()
