"""Whatever people, instruments and time do, in whatever order: the laboratory's promises hold."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest
from lab_bench import CAMPAIGN, FULL_RECIPE, HARD, SOFT, TRUSTED, TWO_ABOVE, Bench, limits

from agent import core
from agent import events as ev
from agent.rules.budgets import Budgets
from agent.rules.policy import ApprovalPolicy

FIRST = replace(
    CAMPAIGN, experiments=8, batch=3, initial=3, at_once=2, policy=ApprovalPolicy(auto=TRUSTED, factors=TWO_ABOVE)
)
SECOND = replace(
    CAMPAIGN, experiments=3, batch=1, initial=1, recipe=FULL_RECIPE, priority=1, budgets=Budgets(runs_per_day=2)
)
STEPS = {"plan": 3, "decide": 8, "work": 8, "look": 3, "put_right": 3, "time": 2, "ask": 1, "change": 1}
PEOPLE = ("anna", "ben", "clara", "ole", "vera")
ENDS = ("retryable", "infeasible", "fatal", "interrupted")
TEMPERATURES = tuple(float(t) for t in range(1000, 1801, 100))


class Chance:
    """One thing after another, as it is drawn."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.bench = Bench({HARD: FIRST, SOFT: SECOND})

    def one_of(self, *of: str) -> str:
        return self.rng.choice(of)

    def plan(self) -> None:
        for command in self.bench.due:
            if isinstance(command, core.PlanRound):
                designs = [{"temperature": self.rng.choice(TEMPERATURES)} for _ in range(command.n)]
                self.bench.plan(*designs, cid=command.campaign)

    def decide(self) -> None:
        waiting = [p.id for p in self.bench.state.proposals.values()]
        if not waiting:
            return
        pid, user = self.one_of(*waiting), self.one_of(*PEOPLE)
        verdict = self.one_of("approve", "approve", "approve", "reject", "edit")
        changes = {"temperature": self.rng.choice(TEMPERATURES)} if verdict == "edit" else {}
        self.bench.decide(user, pid, verdict, changes=changes)

    def ask(self) -> None:
        action = self.one_of("pause", "pause", "stop", "stop-lab")
        self.bench.ask(self.one_of(*PEOPLE), action, "" if action.endswith("-lab") else self.one_of(HARD, SOFT))

    def put_right(self) -> None:
        """A person clears what holds everything."""
        self.bench.ask(self.one_of(*PEOPLE), "clear-lab")
        self.bench.ask(self.one_of(*PEOPLE), "resume", self.one_of(HARD, SOFT))

    def look(self) -> None:
        """A person looks at what nobody knows, or corrects something."""
        for experiment in list(self.bench.state.experiments.values()):
            if experiment.lost:
                self.bench.ask("ole", "reconcile", experiment.id, verdict=self.one_of("again", "aborted"))
            elif experiment.outcome == "completed":
                self.bench.ask("anna", "retract", experiment.id)

    def work(self) -> None:
        for command in self.bench.due:
            if isinstance(command, core.Holding):
                self.bench.tell(command)
            elif isinstance(command, core.ReadImage):
                self.bench.read(command, accepted=self.rng.random() < 0.7)
            elif isinstance(command, core.SendOrder) and not command.job:
                self.bench.intend(command)
            elif isinstance(command, core.SendOrder):
                self.end(command)

    def end(self, order: core.SendOrder) -> None:
        how = self.one_of("well", "well", "well", "ill", "lost", "later")
        if how == "well":
            self.bench.answer(order)
        elif how == "ill":
            self.bench.answer(order, state="failed", error_kind=self.one_of(*ENDS), error="why")
        elif how == "lost":
            self.bench.tell(core.Lost(order.experiment, order.job, "no answer"))

    def time(self) -> None:
        self.bench.pass_time(hours=self.rng.randint(0, 12))

    def change(self) -> None:
        self.bench.rules = replace(self.bench.rules, limits=limits(self.rng.choice((1400.0, 1700.0, 1700.0))))

    def step(self) -> None:
        getattr(self, self.rng.choices(list(STEPS), list(STEPS.values()))[0])()


def check(bench: Bench) -> None:
    """What must hold of every record."""
    approved: set[str] = set()
    queued: dict[str, str] = {}
    ended: Counter[str] = Counter()
    stopped = False
    for event in bench.events:
        if isinstance(event, ev.LabStopped | ev.LabCleared):
            stopped = isinstance(event, ev.LabStopped)
        elif isinstance(event, ev.ProposalDecided) and event.verdict == "approved":
            approved.add(event.proposal)
        elif isinstance(event, ev.ExperimentQueued):
            assert event.proposal in approved
            queued[event.experiment] = event.proposal
        elif isinstance(event, ev.StepDispatched):
            assert not stopped
            assert event.experiment in queued
            assert not ended[event.experiment]
        elif isinstance(event, ev.ExperimentEnded):
            ended[event.experiment] += 1
    assert set(ended.values()) <= {1}
    assert len(set(queued.values())) == len(queued)  # one experiment for an approval
    state = bench.state
    assert Counter(state.experiments[e].instrument for e in state.jobs.values()) == Counter(state.busy)
    for campaign in state.campaigns.values():
        assert len(campaign.experiments) <= bench.rules.campaigns[campaign.id].experiments
        for eid in campaign.experiments:
            places = (eid in campaign.queue) + (eid in campaign.begun) + bool(state.experiments[eid].outcome)
            assert places == 1
        if campaign.phase in {"stopped", "completed"}:
            assert campaign.idle


@pytest.mark.parametrize("seed", range(12))
def test_the_promises_hold_after_every_step_and_the_record_alone_tells_all(seed: int) -> None:
    chance = Chance(random.Random(seed))
    folded = core.LabState()
    for event in chance.bench.events:
        core.evolve(folded, event, chance.bench.now)
    for _ in range(250):
        before = len(chance.bench.events)
        chance.step()
        for event in chance.bench.events[before:]:
            # What a restart would make of the bytes is what was made of the event as it happened.
            core.evolve(folded, ev.parse_event(event.model_dump_json()), chance.bench.now)
    assert folded == chance.bench.state
    check(chance.bench)


def test_the_laboratory_of_these_tests_is_no_idle_one() -> None:
    outcomes: Counter[str] = Counter()
    for seed in range(8):
        chance = Chance(random.Random(seed))
        for _ in range(250):
            chance.step()
        outcomes.update(experiment.outcome for experiment in chance.bench.state.experiments.values())
    assert min(outcomes["completed"], outcomes["aborted"], outcomes["retryable"] + outcomes["infeasible"]) > 0
