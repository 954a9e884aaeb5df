"""Offline campaigns on the virtual laboratory: start, continue, compare with random, report."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from threadpoolctl import threadpool_limits

from agent import core
from agent import events as ev
from agent.config import CampaignConfig, parse_config
from agent.desk import Desk, Observer
from agent.events.base import CAMPAIGN
from agent.history import best
from agent.imaging import CampaignImageReader
from agent.inline import InlineMinds
from agent.jobs import VALIDITY, Jobs
from agent.journal import FILE, Journal, has_begun
from agent.planning import Offline, Planning
from agent.record import ARTEFACTS, COMPARISON
from agent.runner import Runner, Straight
from agent.stand_in import StandIn
from agent.store import ArtefactStore
from agent.wiring import (
    START,
    Broker,
    Problem,
    VirtualLaboratory,
    campaign_faults,
    run_virtually,
    virtual_time,
)
from agent.world import world_of
from envs.errors import JournalError, UserError
from instruments.clock import Clock, SimClock
from surrogates.micrograph_reader import MicrographReader


@dataclass(frozen=True)
class CampaignResult:
    """How one campaign ended.

    Args:
        experiments: experiments made, failed ones included.
        best: highest measured hardness, GPa; ``None`` when nothing could be measured.
        best_std: its standard uncertainty, GPa.
        best_true: true hardness of that same design, revealed after the end, GPa.
        design: that design.
        formula: its compound.
        simulated_days: laboratory time.
        outcomes: number of experiments by outcome.
        faults: their rate, and how many were injected by kind; ``None`` where the campaign had none.
    """

    experiments: int
    best: float | None
    best_std: float | None
    best_true: float | None
    design: dict[str, object] | None
    formula: str
    simulated_days: float
    outcomes: dict[str, int]
    faults: dict[str, object] | None = None

    def to_dict(self) -> dict[str, object]:
        """Plain form for JSON; of faults only where there were to be some."""
        return {k: v for k, v in asdict(self).items() if k != "faults" or v is not None}


def prepare_directory(directory: Path) -> None:
    """Make a new campaign's directory and prove that it can be written.

    One that was killed before its first event has nothing to be continued: there a campaign may start.

    Raises:
        UserError: the directory holds a campaign, is no directory, or cannot be written.
        JournalError: a file of the journal's name there is no journal.
    """
    if has_begun(directory):
        raise UserError(
            f"--out {directory} already holds a campaign: continue it with --resume {directory}, or choose another"
        )
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise UserError(f"--out {directory} cannot be written ({error.strerror}): choose another directory") from error


def fresh_directory(parent: Path = Path("campaigns")) -> Path:
    """The first free numbered directory: ``campaigns/001``, ``campaigns/002``, ..."""
    return next(p for n in range(1, 100_000) if not (p := parent / f"{n:03d}").exists())


def stored_config(directory: Path) -> CampaignConfig:
    """The configuration that a campaign was started with.

    Raises:
        UserError: the directory holds no campaign, or one that was interrupted before its first event.
        JournalError: the record there cannot be read.
    """
    if not (directory / FILE).exists():
        raise UserError(f"--resume {directory}: no campaign is there (no {FILE}); start one with --out {directory}")
    if not has_begun(directory):
        raise UserError(
            f"--resume {directory}: the campaign there has not begun; start it again with --out {directory}"
        )
    with Journal(directory, write=False) as journal:
        first = journal.read()[0]
    if not isinstance(first.event, ev.CampaignCreated):
        raise JournalError(f"{directory / FILE} begins with {first.event.kind}: restore it from a backup")
    return parse_config(dict(first.event.config), source=f"{directory / FILE}")


def run_campaign(
    problem: Problem, directory: Path, *, strategy: str, broker: Broker, observer: Observer
) -> CampaignResult:
    """Run a campaign to its end, from wherever its journal stands.

    It computes in one thread: with more, sums differ in their last digits from one machine to another, and so may the
    designs that follow from them; and models as small as these only lose time to the threads' waiting.

    Raises:
        JournalError: another process writes there, or the record is damaged.
        UserError: the journal belongs to another design space.
    """
    torch.set_num_threads(1)
    with threadpool_limits(1), Journal(directory, write=True) as journal:
        past = journal.read()
        start = past[-1].at if past else START
        _same_space(past[0].event if past else None, problem, directory)
        faults = campaign_faults(problem, directory)
        time = Time.without_faults(start) if faults is None else Time.with_faults(start)
        laboratory = VirtualLaboratory(problem, directory / "laboratory", time.clock, len(past), broker, faults)
        store = ArtefactStore(directory / ARTEFACTS)
        desk = Desk(journal, core.LabRules({CAMPAIGN: problem.rules}), time.clock, [observer])
        # Before the laboratory is waited for: who stops it from here on can continue it.
        desk.tell(_created(problem, strategy))
        time.run(_run(problem, strategy, desk, laboratory, store, time))
        result = _result(desk.state, problem, (time.clock.now() - START).total_seconds() / 86_400)
        return result if faults is None else replace(result, faults=faults.to_dict())


@dataclass(frozen=True)
class Time:
    """How time passes in a campaign.

    Args:
        clock: the laboratory's.
        run: runs its loop.
        conduct: what is done about failures.
        validity: of an order, in lab time.
        judge: whether an instrument that is away, or in trouble, is ordered from all the same.
    """

    clock: Clock
    run: Callable[[Coroutine[Any, Any, None]], None]
    conduct: Straight
    validity: timedelta = VALIDITY
    judge: bool = False

    @staticmethod
    def without_faults(start: datetime) -> Time:
        """Jobs are done at once, and the clock is moved on by what they would have taken: nothing is waited for."""
        clock = SimClock(start)
        return Time(clock, asyncio.run, Straight(clock.advance))

    @staticmethod
    def with_faults(start: datetime) -> Time:
        """Jobs last, and whoever waits for something waits in virtual time; a policy stands in for a person."""
        clock = virtual_time(start)
        conduct = StandIn(clock)

        def run(work: Coroutine[Any, Any, None]) -> None:
            with _quiet(logging.getLogger("instruments")):
                run_virtually(work, clock)

        return Time(clock, run, conduct, VALIDITY * clock.speed, judge=True)


@contextmanager
def _quiet(log: logging.Logger) -> Iterator[None]:
    """Warnings of what is done on purpose tell nobody anything: it is counted."""
    before = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(before)


async def _run(
    problem: Problem, strategy: str, desk: Desk, laboratory: VirtualLaboratory, store: ArtefactStore, time: Time
) -> None:
    reader = CampaignImageReader(store, MicrographReader.load)
    minds = InlineMinds(problem.planner(strategy), problem.space.library, reader)
    instruments = laboratory.instruments  # the runner is given their names, and no way to the laboratory
    async with laboratory.connected() as client:
        runner = Runner(
            desk,
            Jobs(client, store=store, sources=laboratory.sources, clock=time.clock, validity=time.validity),
            Planning(desk, minds, store, Offline()),
            minds,
            store=store,
            ids=laboratory.ids,
            world=lambda: world_of(client, instruments, judge=time.judge),
            conduct=time.conduct,
        )
        try:
            time.conduct.wakes(runner.wake)
            await runner.run(lambda state: state.campaigns[CAMPAIGN].phase != "running")
        finally:
            await time.conduct.close()


def _created(problem: Problem, strategy: str) -> ev.CampaignCreated:
    return ev.CampaignCreated(
        name=problem.config.campaign.name,
        config=_config_of(problem, strategy),
        space_version=problem.space.version,
        software=f"labwright {version('labwright')}",
    )


def compare_with_random(problem: Problem, directory: Path, observer: Observer) -> CampaignResult:
    """The same budget and seed spent at random, beside the campaign and kept like one."""
    return run_campaign(problem, directory / COMPARISON, strategy="random", broker="none", observer=observer)


def _config_of(problem: Problem, strategy: str) -> dict[str, object]:
    config = problem.config.model_dump(mode="json")
    config["campaign"]["strategy"] = strategy
    if not problem.config.faults.rate:
        del config["faults"]
    if problem.config.compare == "random":
        del config["compare"]
    return dict(config)


def _same_space(first: ev.Event | None, problem: Problem, directory: Path) -> None:
    if isinstance(first, ev.CampaignCreated) and first.space_version != problem.space.version:
        raise UserError(
            f"{directory} was made with another version of its design space ({first.software}): "
            "continue it with that release, or start a new campaign"
        )


def ended_campaign(problem: Problem, directory: Path) -> CampaignResult | None:
    """How the campaign in a directory ended, by its record alone: nothing is made; None where it has not ended.

    Raises:
        JournalError: the record is damaged.
    """
    if not has_begun(directory):
        return None
    with Journal(directory, write=False) as journal:
        clock = SimClock(journal.read()[-1].at)
        desk = Desk(journal, core.LabRules({CAMPAIGN: problem.rules}), clock)
        campaign = desk.state.campaigns.get(CAMPAIGN)
        if campaign is None or campaign.phase == "running":
            return None
        found = _result(desk.state, problem, (clock.now() - START).total_seconds() / 86_400)
        faults = campaign_faults(problem, directory)
        return found if faults is None else replace(found, faults=faults.to_dict())


def _result(state: core.LabState, problem: Problem, days: float) -> CampaignResult:
    from agent.reveal import true_hardness  # not before the end

    top = best(state, CAMPAIGN)
    outcomes: dict[str, int] = {}
    for experiment in state.experiments.values():
        outcomes[experiment.outcome] = outcomes.get(experiment.outcome, 0) + 1
    design = top[1] if top else None
    return CampaignResult(
        experiments=len(state.experiments),
        best=top[2][0] if top else None,
        best_std=top[2][1] if top else None,
        best_true=true_hardness(problem, design) if design else None,
        design=design.to_dict() if design else None,
        formula=problem.space.library[design.crystal].name if design else "",
        simulated_days=days,
        outcomes=outcomes,
    )
