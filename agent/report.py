"""The report of a finished campaign: one self-contained HTML page, no script, nothing from the network."""

from __future__ import annotations

import base64
import math
import os
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import jinja2
from markupsafe import Markup

from agent import gallery, plots
from agent.progress import OUTCOME_WORDS, describe_process, faults_words, reason_words
from agent.record import ARTEFACTS, COMPARISON, CampaignRecord, ExperimentRecord, open_journal, read_record
from agent.revelation import BODY_WORDS, Revelation, TrueExperiment, body_words, regret_words
from agent.store import ArtefactStore
from agent.structure_property.finding import find
from agent.structure_property.page import section
from agent.wiring import Problem
from agent.words import NO_BREAK, NO_VALUE, chemical, plus_minus, typeset
from envs.laws import KELVIN
from envs.objective import FLAGSHIP

if TYPE_CHECKING:
    from agent.simulate import CampaignResult

FILE = "report.html"


def write_report(
    directory: Path,
    problem: Problem,
    result: CampaignResult,
    random: CampaignResult | None,
    truth: Revelation | None = None,
) -> Path:
    """Write ``report.html`` into a campaign's directory, whole or not at all.

    Args:
        directory: of the campaign; the comparison with random lies inside it.
        problem: the configured campaign: its space, and which labels the learner was given.
        result: how it ended.
        random: how random designs with the same budget ended, or ``None`` when they were not made.
        truth: what the laboratory had hidden, where a person wants to see it; nothing of it is shown without.

    Returns:
        Path of the page.

    Raises:
        JournalError: the record or an image is missing or damaged.
    """
    record = read_record(directory)
    rival = read_record(directory / COMPARISON) if random is not None else None
    page = _environment().get_template("report.html.j2").render(
        **_header(record, problem),
        summary=_summary(result, random),
        best=_best_words(result),
        truth=_truth(truth) if truth else None,
        figures=_figures(record, rival, problem),
        relations=_relations(directory),
        cards=gallery.cards(list(record.experiments.values()), ArtefactStore(directory / ARTEFACTS)),
        refused=gallery.refused(record.experiments.values(), ArtefactStore(directory / ARTEFACTS)),
        n_refused=sum(not r.accepted for e in record.experiments.values() for r in e.readings),
        n_images=sum(len(e.readings) for e in record.experiments.values()),
        pools=_pool_rows(record),
        rows=[{**_row(e, problem), "top": e is record.best} for e in record.experiments.values()],
    )  # fmt: skip
    path = directory / FILE
    temporary = directory / f".{FILE}.tmp{os.getpid()}"
    temporary.write_text(page, encoding="utf-8")
    temporary.replace(path)
    return path


def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _header(record: CampaignRecord, problem: Problem) -> dict[str, object]:
    campaign = problem.config.campaign
    return {
        "name": record.created.name,
        "strategy": campaign.strategy,
        "seed": campaign.seed,
        "software": record.created.software,
        "budget": campaign.experiments,
        "initial": campaign.initial,
        "batch": campaign.batch,
        "labelled": f"{campaign.labelled:.0%}",
        "n_labelled": len(problem.labels),
        "n_library": len(problem.library),
        "n_crystals": len(problem.space.library),
        "n_feasible": f"{problem.space.n_feasible:,.0f}",
        "space_version": record.created.space_version[:12],
        "ended": record.end.reason if record.end else "still running when this page was written",
        "n_events": record.n_events,
        "fault_rate": f"{problem.config.faults.rate:.0%}" if problem.config.faults.rate else "",
        "only_start": campaign.experiments <= campaign.initial,
    }


# ---- Summary


def _summary(result: CampaignResult, random: CampaignResult | None) -> list[tuple[str, list[str]]]:
    columns = [result, *([random] if random else [])]
    return [
        ("best compound", [chemical(r.formula) or "none" for r in columns]),
        ("its process", [_process(r) for r in columns]),
        ("hardness, measured", [_measured(r) for r in columns]),
        ("experiments", [str(r.experiments) for r in columns]),
        *[
            (f"… {_outcome_words(o)}", [str(r.outcomes.get(o, 0)) for r in columns])
            for o in ("completed", *OUTCOME_WORDS)
            if any(r.outcomes.get(o) for r in columns)
        ],
        *([("faults injected", [faults_words(r.faults) for r in columns])] if any(r.faults for r in columns) else []),
        ("simulated laboratory time", [f"{r.simulated_days:.1f} days" for r in columns]),
    ]


def _best_words(result: CampaignResult) -> dict[str, str] | None:
    if result.best is None:
        return None
    return {"formula": chemical(result.formula), "hardness": _measured(result), "process": _process(result)}


def _process(result: CampaignResult) -> str:
    process = (result.design or {}).get("process")
    return typeset(describe_process(process)) if isinstance(process, dict) else NO_VALUE


def _measured(result: CampaignResult) -> str:
    return plus_minus((result.best, result.best_std), unit="GPa") if result.best and result.best_std else NO_VALUE


def _gpa(value: float | None) -> str:
    return NO_VALUE if value is None else f"{value:.1f}{NO_BREAK}GPa"


def _outcome_words(outcome: str) -> str:
    return OUTCOME_WORDS.get(outcome, outcome)


# ---- Figures


def _figures(record: CampaignRecord, rival: CampaignRecord | None, problem: Problem) -> dict[str, dict[str, object]]:
    points = _points(record, problem)
    others = _points(rival, problem) if rival else None
    values = [p.hardness[0] for p in points if p.hardness]
    scale = (0.0, max(values, default=1.0))
    checked = [(p.forecast, p.hardness) for p in points if p.forecast and p.hardness]
    covered = sum(f[1] <= h[0] <= f[2] for f, h in checked)
    n_start = min(problem.config.campaign.initial, len(points))
    made: dict[str, tuple[plots.Draw, str]] = {
        "best": (
            plots.best_so_far(points, others, n_start),
            f"Highest measured hardness against number of experiments; it ends at {max(values, default=0.0):.1f} GPa.",
        ),
        "parity": (
            plots.predicted_measured(points),
            f"Predicted against measured hardness; {covered} of {len(checked)} intervals cover the measurement.",
        ),
        "space": (
            plots.design_space(points, scale),
            "Designs by homologous temperature and estimated melting point, coloured by measured hardness.",
        ),
        "porosity": (
            plots.temperature_porosity(points, scale),
            "Porosity against sintering temperature, coloured by measured hardness.",
        ),
        "pools": (plots.by_pool(points), "Measured hardness of the designs that each pool proposed."),
    }
    figures: dict[str, dict[str, object]] = {
        name: {"light": _svg_uri(draw, plots.LIGHT), "dark": _svg_uri(draw, plots.DARK), "alt": alt}
        for name, (draw, alt) in made.items()
    }
    figures["parity"] |= {"covered": covered, "checked": len(checked)}
    return figures


def _svg_uri(draw: plots.Draw, theme: plots.Theme) -> Markup:
    data = base64.b64encode(plots.render(draw, theme).encode()).decode()
    return Markup("data:image/svg+xml;base64," + data)  # noqa: S704 - base64 holds nothing to escape


def _relations(directory: Path) -> list[dict[str, object]]:
    """How porosity and grains explain what was measured."""
    with open_journal(directory) as journal:
        return [section(found, _svg_uri) for found in find(journal.read())]


def _points(record: CampaignRecord, problem: Problem) -> list[plots.Point]:
    space = problem.space
    found = []
    for number, experiment in enumerate(record.experiments.values(), start=1):
        made, reading = experiment.proposal, experiment.reading
        index = space.library.index(made.design.crystal)
        celsius = float(made.design.process["temperature"])
        forecast = made.forecast
        found.append(
            plots.Point(
                id=experiment.id,
                number=number,
                formula=chemical(made.design.formula),
                pool=made.pool,
                family=space.crystals.families[index],
                temperature=celsius,
                melting_share=(celsius + KELVIN) / float(space.crystals.melting[index]),
                melting=float(space.crystals.melting[index]) - KELVIN,
                hardness=experiment.hardness,
                porosity=reading.porosity if reading else None,
                forecast=(forecast.median, forecast.low, forecast.high) if forecast else None,
            )
        )
    return found


# ---- Tables


def _truth(truth: Revelation) -> dict[str, object]:
    """What is revealed, in words."""
    process = truth.best.design.get("process")
    return {
        "best": f"{chemical(truth.best.formula)}: {_gpa(truth.best.hardness)}",
        "process": typeset(describe_process(process)) if isinstance(process, dict) else NO_VALUE,
        "how": truth.best.how,
        "regret": regret_words(truth.regret),
        "random_regret": None if truth.random_regret is None else regret_words(truth.random_regret),
        "columns": [f"{words}, {unit.replace('um', 'µm')}" for words, unit, _ in BODY_WORDS.values()],
        "rows": [_true_row(e) for e in truth.experiments],
        "constants": [(f"{c.name.replace('_', ' ')}: {c.words}", c.told) for c in truth.constants],
        "compounds": [
            (chemical(c.formula), c.crystal, f"{c.intrinsic:.1f}", f"{c.melting - KELVIN:.0f}") for c in truth.compounds
        ],
    }


def _true_row(one: TrueExperiment) -> dict[str, object]:
    return {
        "id": one.id,
        "formula": chemical(one.formula),
        "body": [body_words(name, one.body[name]) if name in one.body else NO_VALUE for name in BODY_WORDS],
        "hardness": f"{one.hardness:.1f}" if one.hardness is not None else one.outcome or NO_VALUE,
        "measured": plus_minus(one.measured.get("hardness")),
        "predicted": f"{one.predicted[0]:.1f}" if one.predicted else NO_VALUE,
        "grain": plus_minus(one.measured.get("grain_size")),
        "porosity": plus_minus(one.measured.get("porosity"), factor=100.0),
        "origin": one.origin,
    }


def _pool_rows(record: CampaignRecord) -> list[dict[str, object]]:
    experiments = list(record.experiments.values())
    offered: dict[str, int] = {}
    for planned in record.rounds:
        for pool, n in planned.candidates.items():
            offered[pool] = offered.get(pool, 0) + n
    improving = _improving(experiments)
    rows: list[dict[str, object]] = []
    for pool, n in offered.items():
        mine = [e for e in experiments if e.proposal.pool == pool]
        values = [e.hardness[0] for e in mine if e.hardness]
        rows.append({
            "pool": pool, "offered": f"{n:,}", "made": len(mine), "failed": sum(e.failed for e in mine),
            "median": f"{median(values):.1f}" if values else NO_VALUE,
            "best": f"{max(values):.1f}" if values else NO_VALUE,
            "improved": sum(e.id in improving for e in mine),
        })  # fmt: skip
    return rows


def _improving(experiments: Sequence[ExperimentRecord]) -> set[str]:
    """Experiments that set a new best."""
    best, found = -math.inf, set()
    for experiment in experiments:
        if experiment.hardness and FLAGSHIP.utility(experiment.hardness[0]) > best:
            best = FLAGSHIP.utility(experiment.hardness[0])
            found.add(experiment.id)
    return found


def _row(experiment: ExperimentRecord, problem: Problem) -> dict[str, object]:
    made, reading = experiment.proposal, experiment.reading
    forecast = made.forecast
    return {
        "id": experiment.id,
        "formula": chemical(made.design.formula),
        "crystal": made.design.crystal,
        "known": made.design.crystal in problem.labels,
        "process": typeset(describe_process(made.design.process)),
        "pool": made.pool,
        "forecast": f"{forecast.median:.1f} ({forecast.low:.1f}–{forecast.high:.1f})" if forecast else NO_VALUE,
        "grain": plus_minus(reading.grain_size) if reading else NO_VALUE,
        "porosity": plus_minus(reading.porosity, factor=100.0) if reading else NO_VALUE,
        "hardness": plus_minus(experiment.hardness),
        "images": len(experiment.readings),
        "failed": experiment.failed,
        "outcome": _outcome_words(experiment.outcome),
        "reason": reason_words(experiment.end.reason, experiment.id) if experiment.end else "",
    }
