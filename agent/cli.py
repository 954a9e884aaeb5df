"""The command ``labwright``. Each command imports what it needs when it runs: help answers at once."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from agent.cli_broker import broker_app
from agent.cli_dashboard import dashboard_app
from agent.cli_instrument import instrument_app
from agent.cli_lab import lab_app
from agent.cli_people import people_app
from agent.cli_run import run_app
from agent.cli_sem import sem_app, train_sem
from agent.cli_virtual import virtual_app
from agent.connection import CaFile, CertFile, KeyFile
from agent.extras import needs
from envs.errors import LabwrightError, UserError

app = typer.Typer(
    name="labwright",
    help="An autonomous materials lab agent: designs, has people approve, makes, images, measures and learns.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
config_app = typer.Typer(no_args_is_help=True, help="Campaign configuration files.")
app.add_typer(config_app, name="config")
train_app = typer.Typer(no_args_is_help=True, help="Train the models that ship with the package again.")
app.add_typer(train_app, name="train")
train_app.command("sem")(train_sem)
app.add_typer(sem_app)
app.add_typer(people_app)
app.add_typer(run_app)
app.add_typer(lab_app)
app.add_typer(broker_app)
app.add_typer(dashboard_app)
app.add_typer(instrument_app, name="instrument")
app.add_typer(virtual_app, name="lab")

INTERRUPTED = 130


class StrategyName(StrEnum):
    """Values of ``--strategy``."""

    RANDOM = "random"
    BO = "bo"
    PPO = "ppo"
    HYBRID = "hybrid"


class Comparison(StrEnum):
    """Values of ``--compare``."""

    RANDOM = "random"
    NONE = "none"


def _whole_number(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not a whole number") from error


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not a number from 0 to 1") from error
    if not 0.0 <= share <= 1.0:
        raise typer.BadParameter(f"{text} is not a number from 0 to 1")
    return share


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"labwright {version('labwright')}")
        raise typer.Exit


@app.callback()
def _root(
    _version_wanted: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    pass


@app.command()
def simulate(
    experiments: Annotated[
        int | None,
        typer.Option(
            parser=_whole_number, metavar="INTEGER", show_default="32", help="Budget, starting experiments included."
        ),
    ] = None,
    batch: Annotated[
        int | None, typer.Option(parser=_whole_number, metavar="INTEGER", show_default="4", help="Experiments a round.")
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            parser=_whole_number,
            metavar="INTEGER",
            show_default="0",
            help="Seed of the laboratory, the labels and every draw.",
        ),
    ] = None,
    strategy: Annotated[
        StrategyName | None, typer.Option(show_default="hybrid", help="How designs are chosen.")
    ] = None,
    out: Annotated[Path | None, typer.Option(show_default="campaigns/NNN", help="Directory for the record.")] = None,
    resume: Annotated[Path | None, typer.Option(help="Continue the campaign in this directory.")] = None,
    config: Annotated[Path | None, typer.Option(help="Campaign file (TOML).")] = None,
    broker: Annotated[
        str,
        typer.Option(
            metavar="[none|embedded|URL]",
            help="embedded: the instruments are MQTT clients of a broker on loopback; "
            "mqtt://user:password@host:port or mqtts://...: of that one.",
        ),
    ] = "none",
    lab: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", show_default="virtual", help="The laboratory's name at the broker of --broker URL."
        ),
    ] = None,
    ca: CaFile = None,
    cert: CertFile = None,
    key: KeyFile = None,
    compare: Annotated[
        Comparison | None,
        typer.Option(show_default="random", help="Spend the same budget at random too, for comparison."),
    ] = None,
    fault_rate: Annotated[
        float | None,
        typer.Option(
            parser=_share,
            metavar="SHARE",
            show_default="0",
            help="Share of orders that meet a fault of real life, 0 to 1: lost, late, doubled, forgotten, spoiled, ...",
        ),
    ] = None,
    reveal: Annotated[
        bool,
        typer.Option(
            "--reveal", help="Show at the end what the laboratory had hidden; with --resume of a campaign too."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="End with one line of JSON.")] = False,
) -> None:
    """Run a campaign on the virtual laboratory: real compounds, hidden truth, no network."""
    offline = needs("lab", "labwright simulate", "agent.offline")
    offline.simulate(
        offline.Request(
            experiments=experiments,
            batch=batch,
            seed=seed,
            strategy=strategy.value if strategy else None,
            out=out,
            resume=resume,
            config=config,
            broker=broker,
            compare=compare.value if compare else None,
            as_json=as_json,
            lab=lab,
            ca=ca,
            cert=cert,
            key=key,
            reveal=reveal,
            fault_rate=fault_rate,
        )
    )


@app.command()
def show(
    directory: Annotated[Path, typer.Argument(help="Directory of a campaign.")],
    experiment: Annotated[str | None, typer.Argument(help="An experiment, such as E007.")] = None,
    structure_property: Annotated[
        bool,
        typer.Option("--structure-property", help="Fit how porosity and grains explain what was measured."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Print a campaign, or one experiment with its provenance."""
    if structure_property:
        if experiment is not None:
            raise UserError(f"--structure-property is of a whole campaign: leave {experiment} out")
        needs("lab", "labwright show", "agent.structure_property.command").show_relations(directory, as_json=as_json)
        return
    module = needs("lab", "labwright show", "agent.show")
    if experiment is None:
        module.show_campaign(directory, as_json=as_json)
    else:
        module.show_experiment(directory, experiment, as_json=as_json)


@config_app.command("check")
def config_check(file: Annotated[Path, typer.Argument(help="Campaign file (TOML).")]) -> None:
    """Say whether a campaign file is right, and what is wrong where."""
    needs("lab", "labwright config check", "agent.config_check").check_config(file)


@train_app.command("embedding")
def train_embedding(
    out: Annotated[Path, typer.Option(help="Directory for the file.")] = Path("checkpoints/embedding"),
) -> None:
    """Embed the built-in crystals with the pretrained backbone again (one to three minutes on one core)."""
    needs("lab", "labwright train embedding", "agent.training").train_embedding(out)


def main() -> None:
    """Entry point: errors made on purpose are one line on standard error; wrong requests exit with code 2."""
    try:
        app()
    except UserError as error:
        typer.echo(f"Error: {error}", err=True)
        sys.exit(2)
    except LabwrightError as error:
        typer.echo(f"Error: {error}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        _leave()
    except SystemExit as end:
        if end.code == INTERRUPTED:
            _leave()
        raise


def _leave() -> None:
    """End at once after an interruption: a computation left behind in its thread is not waited for."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(INTERRUPTED)
