"""Rows of the journal that the boards are made of: experiments with their histories, the laboratory, rounds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from agent import events as ev
from agent.daemon.campaign_told import RoundTold
from agent.daemon.steps_told import Happened
from agent.events import parse_event
from agent.journal import Journal
from agent.ledger import tables as t
from instruments.messages import MalformedMessageError
from instruments.profile.agent_messages import Proposal

Row = dict[str, Any]
_EXPERIMENT = sa.select(t.experiments).where(t.experiments.c.experiment == sa.bindparam("eid"))
_PROPOSAL = sa.select(t.proposals).where(t.proposals.c.proposal == sa.bindparam("pid"))
_HISTORY = (
    sa.select(t.events.c.at, t.events.c.payload, t.events.c.hash)
    .join(t.experiment_events, t.experiment_events.c.seq == t.events.c.seq)
    .where(t.experiment_events.c.experiment == sa.bindparam("eid"))
    .order_by(t.events.c.seq)
)


class BoardShelf:
    """Reads an open journal.

    Args:
        journal: it.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    @property
    def tip(self) -> tuple[int, str]:
        """Number and hash of the last entry."""
        return self._journal.seq, self._journal.hash

    def experiment(self, eid: str) -> tuple[Row, Row, list[Happened]] | None:
        """An experiment's row, its proposal's, and all that happened to it; None where there is none."""
        row = self._one(_EXPERIMENT.params(eid=eid))
        if row is None:
            return None
        proposal = self._one(_PROPOSAL.params(pid=row["proposal"])) or {}
        entries = self._journal.table(_HISTORY.params(eid=eid))
        history = [
            Happened(datetime.fromisoformat(str(e["at"])), parse_event(str(e["payload"])), str(e["hash"]))
            for e in entries
        ]
        return row, proposal, history

    def ended(self, newest: int) -> Sequence[str]:
        """Ids of the experiments that ended last, newest first."""
        table = t.experiments.c
        query = sa.select(table.experiment).where(table.ended_at.is_not(None))
        rows = self._journal.table(query.order_by(table.ended_at.desc(), table.experiment.desc()).limit(newest))
        return [str(row["experiment"]) for row in rows]

    def lab(self) -> Row:
        """The laboratory's row; empty where nothing was recorded yet."""
        return self._one(sa.select(t.lab)) or {}

    def out_of_service(self) -> list[Row]:
        """Instruments that somebody took out of service."""
        return self._journal.table(sa.select(t.instruments).where(t.instruments.c.maintenance.is_(True)))

    def planned(self, cid: str) -> RoundTold | None:
        """The round of a campaign that was planned last; None before the first."""
        events = t.events.c
        query = sa.select(events.at, events.payload).where(events.kind == "round.planned", events.stream == cid)
        row = self._one(query.order_by(events.seq.desc()).limit(1))
        event = parse_event(str(row["payload"])) if row else None
        if row is None or not isinstance(event, ev.RoundPlanned):
            return None
        return RoundTold(
            event.round, event.candidates, event.notes, event.effects,
            self._model_version(cid, event.round), self._observed(cid, str(row["at"])),
        )  # fmt: skip

    def _model_version(self, cid: str, number: int) -> str:
        """Of the models that a round was planned by: its proposals say so."""
        table = t.proposals.c
        query = sa.select(table.body).where(table.campaign == cid, table.round == number, table.body.is_not(None))
        row = self._one(query.limit(1))
        if row is None:
            return ""
        try:
            return Proposal.parse(str(row["body"]).encode()).model_version
        except MalformedMessageError:
            return ""

    def _observed(self, cid: str, at: str) -> int:
        """Experiments that had given something to learn from at a time."""
        table = t.experiments.c
        query = sa.select(sa.func.count().label("n")).where(
            table.campaign == cid, table.ended_at <= at, table.outcome.in_(["completed", "infeasible"]),
            table.retracted.is_(False),
        )  # fmt: skip
        return int((self._one(query) or {"n": 0})["n"])

    def _one(self, query: sa.Select[Any]) -> Row | None:
        rows = self._journal.table(query)
        return dict(rows[0]) if rows else None
