"""The commands ``labwright instrument ...``: connect an instrument, see what is on the bus, check it."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from agent.cli_virtual import DEFAULT_ROOT, RootName, Seed, Speed, State, lab_run
from agent.connection import DEFAULT_LAB, BrokerUrl, CaFile, CertFile, KeyFile, LabName, broker_address

instrument_app = typer.Typer(no_args_is_help=True, help="Connect instruments, look at them, and check them.")


class StarterName(StrEnum):
    """Values of ``--from``."""

    PYTHON = "python"
    FOLDER = "folder"
    SCPI = "scpi"
    SERIAL = "serial"
    SDL_DEMO = "sdl-demo"


@instrument_app.command("new")
def instrument_new(
    name: Annotated[str, typer.Argument(help="The instrument's id, as it will stand in topics.")],
    starter: Annotated[
        StarterName,
        typer.Option(
            "--from",
            help="python: a driver of your own. The others are settings of an adapter: a watched folder of exported "
            "images, SCPI over VISA, a serial line, the self-driving-lab demo.",
        ),
    ] = StarterName.PYTHON,
    directory: Annotated[Path, typer.Option("--dir", help="Where to write it.")] = Path(),
) -> None:
    """Write a commented starting file that works as it stands."""
    from instruments.driving.starter import SIMULATED, write_starter

    path = write_starter(name, starter.value, directory)
    todo = "Fill in what is marked HERE" if starter is StarterName.PYTHON else "Set what your instrument needs"
    if starter is StarterName.SCPI:
        typer.echo(f"{directory / SIMULATED} is written: a simulated instrument, to try the settings with.")
    typer.echo(f"{path} is written. {todo}, then:")
    typer.echo(f"  labwright instrument run {path} --broker URL")
    typer.echo(f"  labwright instrument check {name} --broker URL")


@instrument_app.command("run")
def instrument_run(
    file: Annotated[
        str, typer.Argument(help="A driver (FILE.py, or FILE.py:CLASS) or the settings of an adapter (FILE.toml).")
    ],
    broker: BrokerUrl,
    lab: LabName = DEFAULT_LAB,
    root: RootName = DEFAULT_ROOT,
    iid: Annotated[
        str | None, typer.Option(show_default="the file's name, or as its settings say", help="The instrument's id.")
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(
            show_default="in the user's state directory", help="Directory for the job journal and results on disk."
        ),
    ] = None,
    ca: CaFile = None,
    cert: CertFile = None,
    key: KeyFile = None,
) -> None:
    """Run an instrument until Ctrl-C; a broker that is away is waited for."""
    from agent.instrument_run import run_instrument

    address = broker_address(broker, ca=ca, cert=cert, key=key)
    run_instrument(file, address, lab=lab, root=root, iid=iid, state=state)


@instrument_app.command("virtual", hidden=True)
def instrument_virtual(
    broker: BrokerUrl,
    lab: LabName = DEFAULT_LAB,
    root: RootName = DEFAULT_ROOT,
    seed: Seed = 0,
    state: State = Path("virtual-lab"),
    speed: Speed = 0.0,
    ca: CaFile = None,
    cert: CertFile = None,
    key: KeyFile = None,
) -> None:
    """The earlier name of ``labwright lab run``, with the three instruments that there were."""
    typer.echo("labwright instrument virtual is now called: labwright lab run", err=True)
    lab_run(
        broker, instruments="furnace-1,sem-1,indenter-1", lab=lab, root=root, seed=seed, state=state, speed=speed,
        ca=ca, cert=cert, key=key,
    )  # fmt: skip


@instrument_app.command("list")
def instrument_list(
    broker: BrokerUrl,
    lab: LabName = DEFAULT_LAB,
    root: RootName = DEFAULT_ROOT,
    wait: Annotated[float, typer.Option(min=0.1, max=60.0, help="Seconds to listen.")] = 1.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON: the descriptions with their presence.")] = False,
    ca: CaFile = None,
    cert: CertFile = None,
    key: KeyFile = None,
) -> None:
    """Print the instruments on the bus, with what they can do."""
    from agent.instrument_run import found_instruments, print_instruments

    address = broker_address(broker, ca=ca, cert=cert, key=key)
    found = found_instruments(address, lab=lab, root=root, wait_s=wait)
    if as_json:
        typer.echo(json.dumps(found))
    else:
        print_instruments(found, lab)


@instrument_app.command("forget")
def instrument_forget(
    iid: Annotated[str, typer.Argument(help="The instrument's id, as in its topics.")],
    broker: BrokerUrl,
    lab: LabName = DEFAULT_LAB,
    root: RootName = DEFAULT_ROOT,
    ca: CaFile = None,
    cert: CertFile = None,
    key: KeyFile = None,
) -> None:
    """Clear what the broker keeps of an instrument that has left for good: description, status, states of jobs.

    One that is online is left alone: exit code 2.
    """
    from agent.instrument_forget import forget_instrument

    n = forget_instrument(iid, broker_address(broker, ca=ca, cert=cert, key=key), lab=lab, root=root)
    typer.echo(f"{iid} is forgotten: {n} topic{'s' if n != 1 else ''} cleared.")


@instrument_app.command("check")
def instrument_check(
    iid: Annotated[str, typer.Argument(help="The instrument's id, as in its topics.")],
    broker: BrokerUrl,
    lab: LabName = DEFAULT_LAB,
    root: RootName = DEFAULT_ROOT,
    command: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", show_default="all that declare an example", help="The one command to be carried out."
        ),
    ] = None,
    parameters: Annotated[
        str | None, typer.Option(metavar="JSON", show_default="its example", help="Parameters of that command.")
    ] = None,
    restart: Annotated[
        str | None,
        typer.Option(metavar="SHELL_COMMAND", help="Restarts the device; without it restarts are not tried."),
    ] = None,
    timeout: Annotated[float, typer.Option(min=1.0, metavar="SECONDS", help="How long a job may take.")] = 120.0,
    quick: Annotated[bool, typer.Option("--quick", help="Leave out the heartbeat, which takes up to 24 s.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one line of JSON; the table goes to standard error.")
    ] = False,
    ca: CaFile = None,
    cert: CertFile = None,
    key: KeyFile = None,
) -> None:
    """Check whether a device keeps the instrument profile, rule by rule, over the bus alone.

    Only commands that declare an example are carried out: each once, the shortest and the longest a few times more.
    Orders a little beyond the limits of these commands are sent, and must be refused.
    Exit code 0 when no rule failed, 1 when one did or the broker failed, 2 when the device is not there or offline, or
    this user may not order.
    """
    from agent.instrument_check import check, print_report, read_parameters, restarter
    from instruments.conformance.evidence import Options

    if parameters is not None and command is None:
        raise typer.BadParameter("--parameters needs --command")
    options = Options(
        command=command,
        parameters=None if parameters is None else read_parameters(parameters),
        quick=quick,
        job_s=timeout,
        restart=None if restart is None else restarter(restart),
    )
    address = broker_address(broker, ca=ca, cert=cert, key=key)
    report = check(iid, address, lab=lab, root=root, options=options)
    print_report(report, address, lab=lab, as_json=as_json)
    if report.failed:
        raise typer.Exit(1)
