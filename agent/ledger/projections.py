"""The tables that people query; each is rebuilt from the events alone."""

from __future__ import annotations

import json

import sqlalchemy as sa
from sqlalchemy import Connection

from agent import events as ev

metadata = sa.MetaData()
_text, _float = sa.Text(), sa.Float()
proposals = sa.Table(
    "proposals", metadata,
    sa.Column("proposal", _text, primary_key=True), sa.Column("round", sa.Integer), sa.Column("formula", _text),
    sa.Column("crystal", _text), sa.Column("process", _text), sa.Column("pool", _text),
    sa.Column("acquisition", _float), sa.Column("expected", _float), sa.Column("verdict", _text),
    sa.Column("decided_by", _text),
)  # fmt: skip
experiments = sa.Table(
    "experiments", metadata,
    sa.Column("experiment", _text, primary_key=True), sa.Column("proposal", _text), sa.Column("outcome", _text),
    sa.Column("reason", _text), sa.Column("hardness", _float), sa.Column("hardness_std", _float),
    sa.Column("porosity", _float), sa.Column("porosity_std", _float), sa.Column("grain_size", _float),
    sa.Column("grain_size_std", _float), sa.Column("ended_at", _text),
)  # fmt: skip
jobs = sa.Table(
    "jobs", metadata,
    sa.Column("job", _text, primary_key=True), sa.Column("experiment", _text), sa.Column("step", _text),
    sa.Column("attempt", sa.Integer), sa.Column("instrument", _text), sa.Column("command", _text),
    sa.Column("state", _text), sa.Column("tries", sa.Integer),
)  # fmt: skip
TABLES = (proposals, experiments, jobs)


def project(connection: Connection, event: ev.Event, at: str) -> None:
    """Apply one event to the tables, in the transaction that wrote it."""
    if isinstance(event, ev.ProposalMade):
        connection.execute(
            proposals.insert().values(
                proposal=event.proposal,
                round=event.round,
                formula=event.design.formula,
                crystal=event.design.crystal,
                process=json.dumps(event.design.process),
                pool=event.pool,
                acquisition=event.acquisition,
                expected=event.forecast.median if event.forecast else None,
            )
        )
    elif isinstance(event, ev.ProposalDecided):
        row = proposals.c.proposal == event.proposal
        connection.execute(proposals.update().where(row).values(verdict=event.verdict, decided_by=event.by))
    elif isinstance(event, ev.ExperimentQueued):
        connection.execute(experiments.insert().values(experiment=event.experiment, proposal=event.proposal))
    elif isinstance(event, ev.StepDispatched):
        fields = event.model_dump(include={"job", "experiment", "step", "attempt", "tries", "instrument", "command"})
        connection.execute(jobs.insert().values(state="open", **fields))
    elif isinstance(event, ev.StepEnded):
        connection.execute(jobs.update().where(jobs.c.job == event.job).values(state=event.state))
    elif isinstance(event, ev.ImageRead | ev.ExperimentEnded):
        row = experiments.c.experiment == event.experiment
        connection.execute(experiments.update().where(row).values(**_experiment_columns(event, at)))


def _experiment_columns(event: ev.ImageRead | ev.ExperimentEnded, at: str) -> dict[str, object]:
    if isinstance(event, ev.ExperimentEnded):
        value, std = event.hardness or (None, None)
        return {
            "outcome": event.outcome,
            "reason": event.reason,
            "hardness": value,
            "hardness_std": std,
            "ended_at": at,
        }
    porosity, grain = event.porosity or (None, None), event.grain_size or (None, None)
    return {
        "porosity": porosity[0],
        "porosity_std": porosity[1],
        "grain_size": grain[0],
        "grain_size_std": grain[1],
    }


def rebuild(connection: Connection, stored: list[tuple[ev.Event, str]]) -> None:
    """Empty the tables and apply every event again."""
    for table in reversed(TABLES):
        connection.execute(table.delete())
    for event, at in stored:
        project(connection, event, at)
