"""Commands that read a laboratory and keep it: status, experiments, logs, audit, backup, doctor.

Each imports what it needs when it runs.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli_place import There, with_place
from agent.extras import needs

if TYPE_CHECKING:
    from agent.reading.source import BusSource, JournalSource

lab_app = typer.Typer(no_args_is_help=True)
audit_app = typer.Typer(no_args_is_help=True, help="Whether the record is whole, and who decided what.")
lab_app.add_typer(audit_app, name="audit")

LabFile = Annotated[
    Path | None, typer.Option("--lab-file", metavar="LAB.toml", help="The laboratory's file: its journal, its people.")
]
Database = Annotated[
    str, typer.Option("--database", metavar="URL", help="postgresql://user@host/name, instead of a directory.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]


class LevelName(StrEnum):
    """Values of ``--level``."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class PhaseName(StrEnum):
    """Values of ``--phase``."""

    QUEUED = "queued"
    RUNNING = "running"
    NEEDS_RECONCILE = "needs_reconcile"
    COMPLETED = "completed"
    FAILED = "failed"


@lab_app.command()
@with_place
def status(there: There, *, lab_file: LabFile = None, as_json: AsJson = False) -> None:
    """Say where the laboratory stands: agent, stop, campaigns, instruments, what waits for people."""
    from agent.reading import commands

    commands.print_status(_source(there, lab_file), as_json=as_json)


@lab_app.command()
@with_place
def campaigns(there: There, *, lab_file: LabFile = None, as_json: AsJson = False) -> None:
    """List the campaigns with their budgets and their best samples."""
    from agent.reading import commands

    commands.print_campaigns(_source(there, lab_file), as_json=as_json)


@lab_app.command()
@with_place
def experiments(
    there: There,
    *,
    campaign: Annotated[str, typer.Option(metavar="ID", help="Of this campaign alone.")] = "",
    phase: Annotated[PhaseName | None, typer.Option(help="In this phase alone.")] = None,
    lab_file: LabFile = None,
    as_json: AsJson = False,
) -> None:
    """List the experiments."""
    from agent.reading import commands

    commands.print_experiments(_source(there, lab_file), campaign, phase.value if phase else "", as_json=as_json)


@lab_app.command()
@with_place
def experiment(
    there: There,
    experiment: Annotated[str, typer.Argument(metavar="ID", help="The experiment, such as hard-E001.")],
    *,
    lab_file: LabFile = None,
    as_json: AsJson = False,
) -> None:
    """Print one experiment: its orders, its sample's history, its images, who decided."""
    from agent.reading import commands

    commands.print_experiment(_source(there, lab_file), experiment, as_json=as_json)


@lab_app.command()
@with_place
def samples(there: There, *, lab_file: LabFile = None, as_json: AsJson = False) -> None:
    """Say where each sample is."""
    from agent.reading import commands

    commands.print_samples(_source(there, lab_file), as_json=as_json)


@lab_app.command()
@with_place
def logs(
    there: There,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes, until Ctrl-C.")] = False,
    level: Annotated[LevelName, typer.Option(help="The least important that is shown.")] = LevelName.INFO,
    last: Annotated[int, typer.Option("--last", "-n", min=0, help="At most so many lines; 0 for all.")] = 50,
    lab_file: LabFile = None,
    as_json: AsJson = False,
) -> None:
    """Print the agent's log; with --broker what it tells there, as it happens."""
    from agent.reading import commands

    source = _source(there, lab_file)
    commands.print_logs(source, level=level.value, last=last, follow=follow, as_json=as_json)


@audit_app.command("verify")
@with_place
def audit_verify(there: There, *, database: Database = "", lab_file: LabFile = None, as_json: AsJson = False) -> None:
    """Check the record: hash chain, versions, tables, and every signature that counted."""
    from agent.reading import commands

    commands.verify_audit(_source(there, lab_file, database), as_json=as_json)


@audit_app.command("show")
@with_place
def audit_show(
    there: There,
    *,
    person: Annotated[str, typer.Option(metavar="NAME", help="What this person said alone.")] = "",
    refused: Annotated[bool, typer.Option("--refused", help="What did not count alone.")] = False,
    database: Database = "",
    lab_file: LabFile = None,
    as_json: AsJson = False,
) -> None:
    """List who decided what and when, refusals with their reasons, and check the signatures again."""
    from agent.reading import commands

    commands.show_audit(_source(there, lab_file, database), person=person, refused=refused, as_json=as_json)


@lab_app.command()
@with_place
def backup(
    there: There,
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="The archive to write, such as lab.tar.")],
    *,
    database: Database = "",
    lab_file: LabFile = None,
    as_json: AsJson = False,
) -> None:
    """Write record, artefacts and public keys into one archive; the agent may run meanwhile. Secrets are left out."""
    from agent.reading import keeping

    keeping.write_backup(_source(there, lab_file, database), target, lab_file=lab_file, as_json=as_json)


@lab_app.command()
def restore(
    archive: Annotated[Path, typer.Argument(metavar="ARCHIVE", help="What labwright backup wrote.")],
    *,
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="The new state directory, empty or not there yet.")],
    database: Annotated[
        str, typer.Option("--database", metavar="URL", help="An empty PostgreSQL database for the journal.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Put a backup back, whole or not at all; the laboratory is stopped then, until a person has looked."""
    from agent.reading import keeping

    keeping.restore_backup(archive, to, database, as_json=as_json)


@lab_app.command()
def doctor(
    file: Annotated[Path, typer.Argument(metavar="LAB.toml", help="The laboratory's file.")],
    *,
    offline: Annotated[bool, typer.Option("--offline", help="Do not go to the broker.")] = False,
    as_json: AsJson = False,
) -> None:
    """Look at everything that a run would stumble over, one by one, and say what to do. Changes nothing."""
    needs("lab", "labwright doctor", "agent.reading.doctor_run").see_the_doctor(file, offline=offline, as_json=as_json)


def _source(there: There, lab_file: Path | None, database: str = "") -> JournalSource | BusSource:
    from agent.reading.source import find_source

    return find_source(there.asked, lab_file, database)
