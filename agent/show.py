"""The command ``labwright show``: a campaign, or one experiment with all that led to it and came of it."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import sqlalchemy as sa
from rich.console import Console, RenderableType
from rich.markup import escape
from rich.table import Table

from agent import events as ev
from agent.descriptor_words import descriptor_lines, withheld_lines
from agent.descriptors import NEEDED
from agent.ledger.tables import experiments, proposals
from agent.progress import OUTCOME_WORDS, describe_process, faults_words
from agent.provenance import ProvenanceJson, provenance, shown_quantity
from agent.record import ARTEFACTS, UNIT, CampaignRecord, ExperimentRecord, gather, open_journal
from agent.store import ArtefactStore
from agent.words import NO_VALUE, plus_minus
from envs.errors import JournalError, UserError

WIDE = 120
"""Columns from which the experiments fit a table; below, each is a line."""


def show_campaign(directory: Path, *, as_json: bool) -> None:
    """Print a campaign: what it is, where it stands, its experiments, and whether its record is intact.

    Raises:
        UserError: the directory holds no campaign that has begun.
        JournalError: what is there cannot be read as a journal.
    """
    record, rows, broken = _read(directory)
    if as_json:
        print(json.dumps(_campaign_json(directory, record, rows, broken)))  # noqa: T201 - the answer itself
        return
    console = Console(highlight=False)
    console.print(_facts(directory, record, broken))
    if console.width >= WIDE:
        console.print(_experiments(rows))
    else:
        for line in _lines(rows):
            console.print(line, soft_wrap=True)
    console.print(f"One experiment: labwright show {shlex.quote(str(directory))} EXPERIMENT", markup=False)


def show_experiment(directory: Path, experiment_id: str, *, as_json: bool) -> None:
    """Print one experiment: its design, who proposed and approved it and why, every order, reading and result.

    Raises:
        UserError: the directory holds no campaign, or no such experiment.
        JournalError: what is there cannot be read as a journal.
    """
    record, _, _ = _read(directory, verify=False)
    experiment = record.experiments.get(experiment_id.upper())
    if experiment is None:
        raise UserError(f"{directory} has no experiment {experiment_id!r}: {_known(record)}")
    found = provenance(experiment, ArtefactStore(directory / ARTEFACTS))
    if as_json:
        print(json.dumps(found))  # noqa: T201 - the answer itself
        return
    console = Console(highlight=False)
    for part in _experiment_parts(experiment, found):
        console.print(part)
    for line in _artefacts(found):
        console.print(line, soft_wrap=True)


Row = dict[str, object]


def _read(directory: Path, *, verify: bool = True) -> tuple[CampaignRecord, list[Row], str]:
    """The record, the rows of the projections, and where the hash chain breaks (``""`` when it holds)."""
    query = (
        sa.select(
            experiments,
            proposals.c.formula,
            proposals.c.crystal,
            proposals.c.process,
            proposals.c.pool,
            proposals.c.expected,
        )
        .join(proposals, proposals.c.proposal == experiments.c.proposal)
        .order_by(experiments.c.experiment)
    )
    broken = ""
    with open_journal(directory) as journal:
        if verify:
            try:
                journal.verify()
            except JournalError as error:
                broken = str(error)
        try:
            record, rows = gather(journal.read()), journal.table(query)
        except (sa.exc.SQLAlchemyError, ValueError) as error:
            raise JournalError(f"{directory}: the record is damaged: {broken or error}") from error
    if record is None:
        raise UserError(f"{directory}: the campaign there has not begun; start it again with --out")
    return record, [_without_refused(row, record) for row in rows], broken


def _without_refused(row: Row, record: CampaignRecord) -> Row:
    """A row without what was seen in refused images alone: that is no datum."""
    experiment = record.experiments.get(str(row["experiment"]))
    if experiment is not None and experiment.reading is not None:
        return row
    return {**row, **{f"{name}{end}": None for name in NEEDED for end in ("", "_std")}}


def _known(record: CampaignRecord) -> str:
    ids = list(record.experiments)
    return f"there are {ids[0]} to {ids[-1]}" if ids else "it has none yet"


def _phase(record: CampaignRecord) -> str:
    return "completed" if record.end else "running"


def _settings(record: CampaignRecord) -> dict[str, object]:
    found = record.created.config.get("campaign", {})
    return dict(found) if isinstance(found, dict) else {}


# ---- The campaign


def _campaign_json(directory: Path, record: CampaignRecord, rows: list[Row], broken: str) -> dict[str, object]:
    best = record.best
    return {
        "name": record.created.name,
        "phase": _phase(record),
        "reason": record.end.reason if record.end else "",
        "config": record.created.config,
        "software": record.created.software,
        "space_version": record.created.space_version,
        "unit": UNIT,
        "outcomes": record.outcomes,
        "best": {"experiment": best.id, "formula": best.proposal.design.formula, "hardness": best.hardness}
        if best
        else None,
        "simulated_days": record.days,
        "faults": _faults(directory, record),
        "events": record.n_events,
        "intact": not broken,
        "damage": broken,
        "experiments": [{**row, "process": json.loads(str(row["process"]))} for row in rows],
    }


def _facts(directory: Path, record: CampaignRecord, broken: str) -> Table:
    settings, best = _settings(record), record.best
    where = f"completed: {record.end.reason}" if record.end else (
        f"running; if it was interrupted, continue with: labwright simulate --resume {shlex.quote(str(directory))}"
    )  # fmt: skip
    counts = ", ".join(f"{n} {OUTCOME_WORDS.get(o, o)}" for o, n in record.outcomes.items()) or "none yet"
    words = f"{best.proposal.design.formula} ({best.id}): {plus_minus(best.hardness, unit=UNIT)}" if best else NO_VALUE
    chain = f"[red]damaged: {escape(broken)}[/]" if broken else "hash chain verified"
    table = Table(title=escape(record.created.name), title_justify="left", show_header=False, box=None, padding=(0, 2))
    for name, value in {
        "state": escape(where),
        "strategy": f"{settings.get('strategy')}, seed {settings.get('seed')}",
        "budget": f"{settings.get('experiments')} experiments",
        "experiments": counts,
        "best": escape(words),
        **({"faults": faults_words(faults)} if (faults := _faults(directory, record)) else {}),
        "simulated time": f"{record.days:.1f} days",
        "software": escape(record.created.software),
        "record": f"{record.n_events} events, {chain}",
    }.items():
        table.add_row(f"[dim]{name}[/]", value)
    return table


def _faults(directory: Path, record: CampaignRecord) -> dict[str, object] | None:
    """The rate of faults and how many took place, by kind; None where there were to be none."""
    from agent.wiring import injected_faults

    wanted = record.created.config.get("faults")
    if not isinstance(wanted, dict) or not wanted.get("rate"):
        return None
    return {"rate": wanted["rate"], "injected": injected_faults(directory)}


def _experiments(rows: list[Row]) -> Table:
    table = Table(show_header=True)
    for name in ("", "compound", "process", "pool"):
        table.add_column(name)
    for name in ("expected", f"hardness, {UNIT}", "grains, µm", "porosity, %"):
        table.add_column(name, justify="right")
    table.add_column("outcome")
    for row in rows:
        expected = row["expected"]
        outcome = str(row["outcome"] or "under way")
        table.add_row(
            str(row["experiment"]),
            f"{row['formula']} {row['crystal']}",
            describe_process(json.loads(str(row["process"]))),
            str(row["pool"]),
            f"{expected:.1f}" if isinstance(expected, float) else NO_VALUE,
            plus_minus(_pair(row, "hardness")),
            plus_minus(_pair(row, "grain_size")),
            plus_minus(_pair(row, "porosity"), factor=100.0),
            OUTCOME_WORDS.get(outcome, outcome),
        )
    return table


def _lines(rows: list[Row]) -> list[str]:
    lines = []
    for row in rows:
        outcome = str(row["outcome"] or "under way")
        hardness = _pair(row, "hardness")
        found = f"[bold]{plus_minus(hardness, unit=UNIT)}[/]" if hardness else OUTCOME_WORDS.get(outcome, outcome)
        compound = f"{row['formula']} {row['crystal']}"
        process = describe_process(json.loads(str(row["process"])))
        lines.append(f"{row['experiment']}  {compound:<20} {process:<46} {row['pool']!s:<8} {found}")
    return lines


def _pair(row: Row, name: str) -> ev.Reading | None:
    value, std = row[name], row[f"{name}_std"]
    return (value, std) if isinstance(value, float) and isinstance(std, float) else None


# ---- One experiment


def _experiment_parts(experiment: ExperimentRecord, found: ProvenanceJson) -> list[RenderableType]:
    design = experiment.proposal.design
    head = f"[bold]{experiment.id}[/]  {escape(design.formula)} ({escape(design.crystal)}), "
    shown = [*_images(found), *_microstructure(experiment.reading)]
    return [head + escape(describe_process(design.process)), _why(experiment), _steps(found), *shown]


def _why(experiment: ExperimentRecord) -> Table:
    made, decision, end = experiment.proposal, experiment.decision, experiment.end
    rows = {
        "proposed": f"{made.proposal} in round {made.round} by pool {made.pool!r}"
        + (f", log acquisition {made.acquisition:.3g}" if made.acquisition is not None else ""),
        "forecast": _forecast(made.forecast),
        "nearest before": made.nearest or NO_VALUE,
        "decided": f"{decision.verdict} by {decision.by}: {decision.reason}" if decision else "not yet",
        "measured": plus_minus(experiment.hardness, unit=UNIT),
        "outcome": OUTCOME_WORDS.get(experiment.outcome, experiment.outcome)
        + (f": {end.reason}" if end and end.reason else ""),
    }
    table = Table(show_header=False, box=None, padding=(0, 2))
    for name, value in rows.items():
        table.add_row(f"[dim]{name}[/]", escape(value))
    return table


def _forecast(forecast: ev.ForecastRecord | None) -> str:
    if forecast is None:
        return "none: nothing had been learned yet"
    return (
        f"{forecast.median:.1f} {UNIT} (90%: {forecast.low:.1f} to {forecast.high:.1f}), grains "
        f"{forecast.grain_size:.2g} µm, porosity {forecast.porosity:.1%}, success {forecast.feasibility:.0%}"
    )


def _steps(found: ProvenanceJson) -> Table:
    table = Table(title="Steps", title_justify="left")
    for name in ("step", "job, instrument", "state", "simulated time", "values and artefacts"):
        table.add_column(name, overflow="fold")
    for step in found["steps"]:
        lines = [f"{k} {shown_quantity(v)}" for k, v in step["values"].items()]
        lines += [f"{name} {a['sha256'][:12]}" for name, a in step["artefacts"].items()]
        lines += [step["error"]] if step["error"] else []
        table.add_row(
            _step_name(step["step"], step["attempt"], step["tries"]),
            escape(f"{step['job']}\n{step['command']} on {step['instrument']}"),
            step["state"],
            f"{step['at'][:16].replace('T', ' ')}\n{step['elapsed_s'] / 3600:.2f} h",
            escape("\n".join(lines) or NO_VALUE),
        )
    return table


def _images(found: ProvenanceJson) -> list[RenderableType]:
    if not found["images"]:
        return []
    table = Table(title="Images read by the CNN", title_justify="left")
    for name in ("image", "verdict", "pixel, nm", "grains, µm", "porosity, %", "overlay"):
        table.add_column(name, overflow="fold")
    for image in found["images"]:
        overlay = image["overlay"]
        table.add_row(
            str(image["attempt"] + 1),
            "accepted" if image["accepted"] else f"[yellow]refused[/]: {escape(image['reason'])}",
            f"{1000 * image['pixel_size']:.3g}",
            f"{plus_minus(image['grain_size'])} (n = {image['n_grains']})",
            plus_minus(image["porosity"], factor=100.0),
            overlay["sha256"][:12] if overlay else NO_VALUE,
        )
    return [table]


def _microstructure(reading: ev.ImageRead | None) -> list[RenderableType]:
    """What the accepted image shows beside grain size and porosity, and what it does not show, with the reason."""
    if reading is None:
        return []
    lines = [*descriptor_lines(reading), *withheld_lines(reading)]
    if not lines:
        return []
    title = f"Microstructure in image {reading.attempt + 1}"
    table = Table(title=title, title_justify="left", show_header=False, box=None, padding=(0, 2))
    for name, value in lines:
        table.add_row(f"[dim]{escape(name)}[/]", escape(value))
    return [table]


def _step_name(step: str, attempt: int, tries: int) -> str:
    name = f"{step} {attempt + 1}" if step == "image" else step
    return f"{name}, try {tries + 1}" if tries else name


def _artefacts(found: ProvenanceJson) -> list[str]:
    """Files in full: a person copies these lines."""
    named = [
        (f"{_step_name(s['step'], s['attempt'], s['tries'])}, {name}", a)
        for s in found["steps"]
        for name, a in s["artefacts"].items()
    ]
    named += [(f"CNN's overlay {i['attempt'] + 1}", i["overlay"]) for i in found["images"] if i["overlay"]]
    if not named:
        return []
    lines = []
    for name, a in named:
        lines.append(f"  {name}: {escape(a['path'] or 'MISSING')}")
        lines.append(f"    [dim]{a['media_type']}, {a['bytes']:,} bytes, sha256 {a['sha256']}[/]")
    return ["Artefacts", *lines]
