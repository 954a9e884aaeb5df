"""The second door to the simulators, open only when a campaign has ended: what the laboratory had hidden.

``agent.wiring`` builds the laboratory and hands out no truth; this module reads the truth and builds nothing. Only the
command ``labwright simulate`` comes here, after the last event of a campaign.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from agent.record import CampaignRecord, ExperimentRecord, read_record
from agent.revelation import Compound, Constant, Revelation, TrueBest, TrueExperiment
from agent.wiring import Problem
from envs.design import Design
from envs.errors import UserError
from surrogates.datasets import elastic

LABORATORY = "laboratory"
"""The virtual laboratory's own directory in that of a campaign."""

UNITS = {
    "hall_petch": "GPa·µm½",
    "furnace_offset": "K",
    "crack_rate": "K/min",
    "shock_rate": "K/min",
    "critical_grain": "µm",
    "crack_hardness": "mm/mm²",
}
"""Of the drawn constants that are more than a number."""

if TYPE_CHECKING:
    from simulators.samples import Sample
    from simulators.truth import Constants, LabTruth


def true_hardness(problem: Problem, design: Design, directory: Path | None = None) -> float:
    """The true expected hardness of a design in GPa, 0 where its synthesis fails.

    Args:
        problem: the configured campaign.
        design: what was made.
        directory: of the campaign, where what is known of generated crystals is kept.
    """
    return _truth(problem, directory).true_hardness(design)


def reveal_campaign(
    problem: Problem, directory: Path, *, best_true: float | None, random_true: float | None = None
) -> Revelation:
    """All that the laboratory hid from a campaign that has ended.

    Args:
        problem: the configured campaign.
        directory: its record, with the laboratory's memory inside.
        best_true: true hardness of the design that it measured as the best, GPa; None where it measured nothing.
        random_true: the same for the budget spent at random, where it was.

    Raises:
        UserError: the campaign has not ended, or the laboratory's memory is not there.
        JournalError: the record or a sample's is damaged.
    """
    from simulators.optimum import best_design
    from simulators.samples import SampleStore

    record = read_record(directory)
    if record.end is None:
        raise UserError(f"--reveal: the campaign in {directory} has not ended; continue it with --resume {directory}")
    shelf = directory / LABORATORY / "samples"
    if not shelf.is_dir():
        raise UserError(f"--reveal: {shelf} is not there, where the virtual laboratory keeps what it made")
    truth, samples = _truth(problem, directory), SampleStore(shelf)
    found = best_design(truth, problem.space)
    formula = problem.library[found.design.crystal].name
    return Revelation(
        constants=_constants(truth.constants),
        compounds=_compounds(truth, record),
        experiments=tuple(_experiment(truth, e, samples.get(e.id)) for e in record.experiments.values()),
        best=TrueBest(formula, found.design.to_dict(), found.hardness, found.how),
        regret=None if best_true is None else found.hardness - best_true,
        random_regret=None if random_true is None else found.hardness - random_true,
    )


def _truth(problem: Problem, directory: Path | None) -> LabTruth:
    from simulators.potential import PotentialTruth
    from simulators.truth import LabTruth

    generated = PotentialTruth(None if directory is None else directory / LABORATORY / "potential")
    return LabTruth(problem.config.campaign.seed, problem.library, elastic.load(), generated)


def _constants(drawn: Constants) -> tuple[Constant, ...]:
    words = _words(inspect.getdoc(type(drawn)) or "")
    return tuple(
        Constant(f.name, float(getattr(drawn, f.name)), words.get(f.name, ""), UNITS.get(f.name, ""))
        for f in fields(drawn)
    )


def _words(docstring: str) -> dict[str, str]:
    """What a docstring's ``Args`` say of each: said once, where the constant is made."""
    told = docstring.partition("Args:\n")[2]
    entries = re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", told, re.MULTILINE)
    return {name: " ".join(text.split()).removesuffix(".") for name, text in entries}


def _compounds(truth: LabTruth, record: CampaignRecord) -> tuple[Compound, ...]:
    made = {e.proposal.design.crystal: e.proposal.design.formula for e in record.experiments.values()}
    return tuple(
        Compound(formula, crystal, truth.intrinsic_hardness(crystal), truth.melting(crystal))
        for crystal, formula in made.items()
    )


def _experiment(truth: LabTruth, record: ExperimentRecord, sample: Sample | None) -> TrueExperiment:
    from simulators.sintering import Outcome

    reading = record.reading
    seen = {
        "hardness": record.hardness,
        "grain_size": reading.grain_size if reading else None,
        "porosity": reading.porosity if reading else None,
    }
    forecast = record.proposal.forecast
    whole = sample is not None and sample.outcome is Outcome.SINTERED
    return TrueExperiment(
        id=record.id,
        formula=record.proposal.design.formula,
        body=sample.body.to_dict() if sample is not None and whole else {},
        hardness=_hardness(truth, sample) if sample is not None and whole else None,
        outcome=str(sample.outcome) if sample is not None else "",
        origin=sample.origin if sample is not None else "",
        measured={name: value for name, value in seen.items() if value},
        predicted=(forecast.median, forecast.low, forecast.high) if forecast else None,
    )


def _hardness(truth: LabTruth, sample: Sample) -> float:
    return truth.body_hardness(sample.design.crystal, str(sample.design.process["additive"]), sample.body)
