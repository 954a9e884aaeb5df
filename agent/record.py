"""A campaign as its journal tells it: events gathered by experiment, for whoever reports or shows it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from agent import events as ev
from agent.journal import FILE, Journal, Stored
from envs.errors import JournalError, UserError
from envs.objective import FLAGSHIP

ARTEFACTS = "artefacts"
COMPARISON = "compare-random"
"""Where a campaign's directory keeps its files and the same budget spent at random."""

UNIT = FLAGSHIP.unit
"""Of the objective."""


@dataclass
class StepRecord:
    """One order to an instrument and what became of it; ``ended`` is missing while the job is open."""

    dispatched: ev.StepDispatched
    at: datetime
    ended: ev.StepEnded | None = None
    ended_at: datetime | None = None


@dataclass
class ExperimentRecord:
    """Everything that the journal says of one experiment."""

    id: str
    proposal: ev.ProposalMade
    decision: ev.ProposalDecided | None
    queued_at: datetime
    steps: list[StepRecord] = field(default_factory=list)
    readings: list[ev.ImageRead] = field(default_factory=list)
    end: ev.ExperimentEnded | None = None
    ended_at: datetime | None = None

    @property
    def hardness(self) -> ev.Reading | None:
        """Measured hardness and its standard uncertainty, GPa."""
        return self.end.hardness if self.end else None

    @property
    def reading(self) -> ev.ImageRead | None:
        """The reading that was accepted."""
        return next((r for r in reversed(self.readings) if r.accepted), None)

    @property
    def outcome(self) -> str:
        """Final outcome, or ``queued`` or ``running``."""
        if self.end:
            return self.end.outcome
        return "running" if self.steps else "queued"

    @property
    def failed(self) -> bool:
        """Whether it ended without a hardness."""
        return self.end is not None and self.end.outcome != "completed"


@dataclass
class CampaignRecord:
    """Everything that the journal says of a campaign, in order."""

    created: ev.CampaignCreated
    began: datetime
    last: datetime
    n_events: int = 0
    rounds: list[ev.RoundPlanned] = field(default_factory=list)
    experiments: dict[str, ExperimentRecord] = field(default_factory=dict)
    end: ev.CampaignEnded | None = None

    @property
    def best(self) -> ExperimentRecord | None:
        """The experiment with the best measured outcome."""
        done = {e.id: FLAGSHIP.utility(e.hardness[0]) for e in self.experiments.values() if e.hardness}
        return self.experiments[max(done, key=done.__getitem__)] if done else None

    @property
    def outcomes(self) -> dict[str, int]:
        """Number of experiments by outcome."""
        found: dict[str, int] = {}
        for experiment in self.experiments.values():
            found[experiment.outcome] = found.get(experiment.outcome, 0) + 1
        return found

    @property
    def days(self) -> float:
        """Laboratory time from the first event to the last."""
        return (self.last - self.began).total_seconds() / 86_400


def gather(stored: Iterable[Stored]) -> CampaignRecord | None:
    """Fold a journal's events; ``None`` when the campaign has not begun."""
    record: CampaignRecord | None = None
    proposals: dict[str, ev.ProposalMade] = {}
    decisions: dict[str, ev.ProposalDecided] = {}
    for one in stored:
        event = one.event
        if isinstance(event, ev.CampaignCreated):
            record = CampaignRecord(event, one.at, one.at)
        if record is None:
            continue
        record.n_events += 1
        record.last = one.at
        if isinstance(event, ev.ProposalMade):
            proposals[event.proposal] = event
        elif isinstance(event, ev.ProposalDecided):
            decisions[event.proposal] = event
        elif isinstance(event, ev.ExperimentQueued):
            record.experiments[event.experiment] = ExperimentRecord(
                event.experiment, proposals[event.proposal], decisions.get(event.proposal), one.at
            )
        elif isinstance(event, ev.RoundPlanned):
            record.rounds.append(event)
        elif isinstance(event, ev.CampaignEnded):
            record.end = event
        elif isinstance(event, ev.StepDispatched | ev.StepEnded | ev.ImageRead | ev.ExperimentEnded):
            _note(record.experiments[event.experiment], event, one.at)
    return record


def _note(
    experiment: ExperimentRecord,
    event: ev.StepDispatched | ev.StepEnded | ev.ImageRead | ev.ExperimentEnded,
    at: datetime,
) -> None:
    if isinstance(event, ev.StepDispatched):
        experiment.steps.append(StepRecord(event, at))
    elif isinstance(event, ev.StepEnded):
        for step in experiment.steps:
            if step.dispatched.job == event.job:
                step.ended, step.ended_at = event, at
    elif isinstance(event, ev.ImageRead):
        experiment.readings.append(event)
    else:
        experiment.end, experiment.ended_at = event, at


def open_journal(directory: Path) -> Journal:
    """Open a campaign's journal for reading; a running campaign is not disturbed.

    Raises:
        UserError: the directory holds no campaign.
        JournalError: what is there cannot be read as a journal.
    """
    if not (directory / FILE).is_file():
        raise UserError(f"{directory} holds no campaign: there is no {FILE} in it")
    try:
        return Journal(directory, write=False)
    except sa.exc.SQLAlchemyError as error:
        raise JournalError(f"{directory / FILE} cannot be read as a journal: {error.__cause__ or error}") from error


def read_record(directory: Path) -> CampaignRecord:
    """Read a campaign.

    Raises:
        UserError: the directory holds no campaign, or one that has not begun.
        JournalError: what is there cannot be read as a journal.
    """
    with open_journal(directory) as journal:
        record = gather(journal.read())
    if record is None:
        raise UserError(f"{directory}: the campaign there has not begun; start it again with --out")
    return record
