"""``labwright run --dry-run``: one round of each campaign, planned and checked by the same code, written nowhere.

The record so far is looked at and left alone: what would happen is kept in memory, and forgotten.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.text import Text

from agent import core
from agent import events as ev
from agent.core.messages import Effect
from agent.core.state import CampaignRules
from agent.daemon.config import LabConfig
from agent.daemon.known_spaces import CACHE, KnownSpaces
from agent.daemon.lab_clock import LabClock
from agent.daemon.lab_terms import LabTerms
from agent.daemon.rules_of import lab_rules
from agent.daemon.web_checks import web_faults
from agent.daemon.worker import Worker
from agent.desk import Desk
from agent.identity import People
from agent.journal import Journal, Stored, has_begun
from agent.planning import Planning
from agent.rules.policy import AutoApprove
from agent.sheet import Sheet
from agent.store import ArtefactStore
from envs.objective import Objective
from instruments.ids import SystemIds

PRETENDS = AutoApprove("policy:dry-run", "dry run: nothing is ordered")
MANY = 1000


async def dry_run(config: LabConfig, console: Console) -> bool:
    """Plan, check, and print what would be ordered; whether the limits leave each planned campaign anything.

    Raises:
        LabwrightError: the laboratory's file or its record is wrong.
    """
    for fault in web_faults(config):
        console.print(f"the pages: {fault}", style="yellow", markup=False, highlight=False, soft_wrap=True)
    with tempfile.TemporaryDirectory(prefix="labwright-dry-run-") as directory:
        worker = Worker({e.id: e.offline.model_dump(mode="json") for e in config.campaign})
        spaces = KnownSpaces(Path(directory) / CACHE, worker.facts)
        try:
            facts = {entry.id: await spaces.of(entry, source=config.source) for entry in config.campaign}
            rules = lab_rules(config, People.from_directory(config.people), facts, mode="dry-run")
            rules = replace(rules, campaigns={c: _pretending(r) for c, r in rules.campaigns.items()})
            desk = Desk(Pretence(config), rules, LabClock.system())
            return await _rounds(config, desk, worker, ArtefactStore(Path(directory) / "artefacts"), console)
        finally:
            await worker.close()


class Pretence:
    """A record that begins with the real one, so that what was made is not proposed again, and goes on in memory.

    Args:
        config: says where the real one is.
    """

    def __init__(self, config: LabConfig) -> None:
        self._place = config.journal()
        self.seq = 0

    def scan(self) -> Iterator[Stored]:
        """All events of the real record in order; none where it has not begun."""
        if isinstance(self._place, Path) and not has_begun(self._place):
            return
        with Journal(self._place, write=False) as real:
            for stored in real.scan():
                self.seq = stored.seq
                yield stored

    def append(self, happened: Sequence[ev.Event], at: datetime, **_more: object) -> Sequence[Stored]:
        """Keep nothing: whoever decides folds it into the state."""
        del at
        self.seq += len(happened)
        return []

    def outbox(self) -> Sequence[Effect]:
        """Nobody is told anything."""
        return []

    def settle(self, done: Sequence[tuple[str, str]], *, upto: int | None = None) -> None:
        """Nobody was told anything."""


def _pretending(rules: CampaignRules) -> CampaignRules:
    return replace(rules, policy=PRETENDS, at_once=MANY)


async def _rounds(config: LabConfig, desk: Desk, worker: Worker, store: ArtefactStore, console: Console) -> bool:
    terms = LabTerms(desk, LabClock.system(), lambda c: Objective.from_dict(config.entry(c).objective))
    planning, ids = Planning(desk, worker, store, terms), SystemIds()
    well = True
    for entry in config.campaign:
        if entry.id not in desk.state.campaigns:
            created = ev.CampaignCreated(
                campaign=entry.id, name=entry.name, config={}, space_version="", software="dry run"
            )
            desk.tell(created)
        campaign = desk.state.campaigns[entry.id]
        own = desk.rules.campaigns[entry.id]
        n = min(own.batch if campaign.round >= 0 else own.initial, own.experiments - len(campaign.experiments))
        if campaign.phase != "running" or n <= 0 or not campaign.idle:
            console.print(f"{entry.id}: {campaign.phase}, nothing would be planned now")
            continue
        console.print(f"{entry.id}: planning round {campaign.round + 1}, {n} designs ...")
        planned = await planning.plan(core.PlanRound(entry.id, campaign.round + 1, n))
        desk.tell(planned)
        well = tell_refused(planned, console) and well
        _order(desk, ids, console)
    return well


def tell_refused(planned: core.Planned, console: Console) -> bool:
    """Print the designs that the limits refused, each with its reasons.

    Args:
        planned: a round.
        console: to print on.

    Returns:
        Whether any design was left.
    """
    for one in planned.refused:
        process = ", ".join(f"{k} {v if isinstance(v, str) else f'{v:g}'}" for k, v in one.design.process.items())
        crystal = one.design.crystal
        made_of = f"{one.design.formula} ({crystal}): {process}" if crystal else process
        for words in (f"refused by the limits: {made_of}", *(f"    {reason}" for reason in one.reasons)):
            console.print(words, markup=False, highlight=False, soft_wrap=True)
    if planned.proposals or not planned.refused:
        return True
    console.print(
        f"{planned.round.campaign}: the limits refuse each of its {len(planned.refused)} designs; compare [limits] "
        "with the campaign's space and recipe, labwright doctor says more",
        style="red", markup=False, highlight=False, soft_wrap=True,
    )  # fmt: skip
    return False


def _order(desk: Desk, ids: SystemIds, console: Console) -> None:
    """What the first order of each would be, with everything that is looked at before one is sent."""
    table = Sheet("", ("experiment", "compound", "instrument", "order", "parameters"), frozenset({"experiment"}))
    shadowed = True
    while shadowed:
        shadowed = False
        for command in desk.due(_world(desk.rules)):
            if not isinstance(command, core.SendOrder):
                continue
            decided = desk.tell(
                core.Dispatching(
                    command.experiment, command.step, command.attempt, command.tries, command.order,
                    command.instrument, ids.new(),
                )
            )  # fmt: skip
            for event in decided.events:
                shadowed = _row(event, desk.state, table) or shadowed
    if table.row_count:
        console.print(table)
    for held, (step, code) in desk.state.held.items():
        console.print(f"{held} would wait before {step}: {code}")


def _row(event: ev.Event, state: core.LabState, table: Sheet) -> bool:
    if not isinstance(event, ev.StepShadowed | ev.DispatchRefused):
        return False
    experiment = state.experiments[event.experiment]
    formula = state.proposals[experiment.proposal].formula
    if isinstance(event, ev.DispatchRefused):
        cells: list[str | Text] = [event.instrument, Text("refused", style="red"), "; ".join(event.reasons)]
    else:
        cells = [event.instrument, event.command, _words(event.parameters)]
    table.add(*(cell if isinstance(cell, Text) else Text(cell) for cell in (experiment.id, formula, *cells)))
    return True


def _words(parameters: Mapping[str, dict[str, object] | str]) -> str:
    return ", ".join(
        f"{k} {v}" if isinstance(v, str) else f"{k} {v['value']:g} {v['unit']}" for k, v in parameters.items()
    )


def _world(rules: core.LabRules) -> core.World:
    """Every instrument of the allow-list, ready: where none is listed, one of each kind that a recipe needs."""
    if rules.limits.instruments:
        return {iid: core.InstrumentView(one.kind, MANY) for iid, one in rules.limits.instruments.items()}
    kinds = {s.capability for own in rules.campaigns.values() for s in own.recipe.steps}
    return {kind: core.InstrumentView(kind, MANY) for kind in kinds}
