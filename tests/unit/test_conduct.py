"""Orders over kills and silences: sent once, under one id, adopted, fetched; a person is asked where nobody knows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from lab_bench import AUTOMATIC, HARD, Pen, lab_rules, limits
from lab_floor import HOT_S, SOON, Acts, Floor, Kept, Life, alive
from patience import until
from quick_time import START, LoopClock, in_a_moment
from typing_extensions import override

from agent import core
from agent import events as ev
from agent.daemon.conduct import Patient
from agent.daemon.recall import Recall
from agent.daemon.reconcile import Reconcile
from agent.requests import request_id
from envs.errors import JournalError

ONE = replace(AUTOMATIC, experiments=1, initial=1, batch=1)
EID = "hard-E001"


def rules(own: core.CampaignRules = ONE, **more: Any) -> core.LabRules:
    return lab_rules({HARD: own}, **more)


def completed(state: core.LabState) -> bool:
    return state.campaigns[HARD].phase == "completed"


class Story:
    """A laboratory of two instruments, and as many lives of the agent as it takes."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.kept = Kept()
        self.floor = Floor()
        self.pen = Pen()

    @property
    def acts(self) -> Acts:
        return self.floor.acts

    @property
    def events(self) -> list[ev.Event]:
        return [stored.event for stored in self.kept.scan()]

    def of(self, kind: type[ev.Event] | Any) -> list[Any]:
        return [e for e in self.events if isinstance(e, kind)]

    def life(self, own: core.LabRules | None = None) -> Any:
        return alive(self.floor, self.kept, own or rules(), self.directory)

    def ask(self, life: Life, user: str, action: str, subject: str = "", **more: Any) -> None:
        token = self.pen.request(user, action, subject, START, **more)
        decided = life.desk.tell(core.RequestArrived(user, request_id(token), token, START))
        assert isinstance(decided.events[0], ev.RequestAccepted), decided.events

    async def begin(self, true: Callable[[core.LabState], bool]) -> None:
        """The first life, killed as soon as something is so."""
        async with self.life() as life:
            life.desk.tell(ev.CampaignCreated(campaign=HARD, name="", config={}, space_version="1", software=""))
            await life.until(true)


def tell(directory: Path, story: Callable[[Story], Awaitable[None]]) -> None:
    async def whole() -> None:
        told = Story(directory)
        for iid in ("furnace-1", "indenter-1"):
            await told.floor.switch_on(iid)
        try:
            await story(told)
        finally:
            await told.floor.close()

    in_a_moment(whole())


# ---- Kills


def test_an_order_that_was_never_seen_is_sent_under_the_same_id(tmp_path: Path) -> None:
    async def story(told: Story) -> None:
        await told.begin(lambda state: bool(state.jobs))
        (intent,) = told.of(ev.StepDispatched)
        assert told.acts.done == []
        async with told.life() as life:
            await life.until(completed)
        assert told.acts.done[0] == (intent.job, EID)
        assert len(told.acts.done) == 2  # one of the furnace, one of the indenter

    tell(tmp_path, story)


def test_a_job_that_runs_is_adopted(tmp_path: Path) -> None:
    async def story(told: Story) -> None:
        await told.begin(lambda _state: bool(told.acts.done))
        assert not told.of(ev.StepEnded)
        async with told.life() as life:
            await life.until(completed)
        assert [sample for _, sample in told.acts.done] == [EID, EID]
        assert [e.state for e in told.of(ev.StepEnded)] == ["succeeded", "succeeded"]

    tell(tmp_path, story)


def test_what_ended_meanwhile_is_fetched(tmp_path: Path) -> None:
    async def story(told: Story) -> None:
        await told.begin(lambda _state: bool(told.acts.done))
        await asyncio.sleep(1.3 * HOT_S)
        async with told.life() as life:
            await life.until(lambda state: state.experiments[EID].step == "indent", within_s=30.0)
        assert len(told.acts.done) == 1
        assert told.of(ev.StepEnded)[0].elapsed_s >= HOT_S

    tell(tmp_path, story)


def test_a_furnace_whose_agent_stays_away_makes_itself_safe_and_its_sample_is_given_up(tmp_path: Path) -> None:
    async def story(told: Story) -> None:
        told.acts.slow = True
        await told.begin(lambda _state: bool(told.acts.done))
        await asyncio.sleep(1000.0)
        async with told.life() as life:
            await life.until(completed)
        (ended,) = told.of(ev.StepEnded)
        assert (ended.state, ended.error_code) == ("failed", "lease_lost")
        assert told.of(ev.ExperimentEnded)[0].outcome == "aborted"
        assert len(told.acts.done) == 1

    tell(tmp_path, story)


# ---- Silence


def test_where_an_instrument_stays_away_a_person_is_asked_and_its_late_answer_counts(tmp_path: Path) -> None:
    async def story(told: Story) -> None:
        await told.begin(lambda _state: bool(told.acts.done))
        await asyncio.sleep(1.3 * HOT_S)
        await told.floor.switch_off("furnace-1")
        async with told.life() as life:
            begun = life.desk._clock.elapsed()
            await life.until(lambda state: bool(state.experiments[EID].lost))
            assert life.desk._clock.elapsed() - begun >= SOON.total_seconds()
        async with told.life() as life:  # the agent does not forget to ask on, whoever started it anew
            await told.floor.switch_on("furnace-1")
            await life.until(completed)
        assert len(told.of(ev.ReconcileNeeded)) == 1
        assert not told.of(ev.Reconciled)
        assert len(told.acts.done) == 2

    tell(tmp_path, story)


def test_what_waits_for_a_person_is_not_sent_again_by_a_restart(tmp_path: Path) -> None:
    async def story(told: Story) -> None:
        await told.begin(lambda _state: bool(told.acts.done))
        await told.floor.switch_off("furnace-1")
        async with told.life() as life:
            await life.until(lambda state: bool(state.experiments[EID].lost))
        await told.floor.switch_on("furnace-1", forgetful=True)
        async with told.life() as life:
            with pytest.raises(TimeoutError):
                await life.until(completed, within_s=3600.0)
        assert len(told.acts.done) == 1

    tell(tmp_path, story)


def test_an_instrument_that_has_forgotten_what_it_confirmed_is_a_persons_business_at_once(tmp_path: Path) -> None:
    async def story(told: Story) -> None:
        async with told.life() as life:
            life.desk.tell(ev.CampaignCreated(campaign=HARD, name="", config={}, space_version="1", software=""))
            work = asyncio.create_task(life.until(lambda state: any(e.lost for e in state.experiments.values())))
            await until(lambda: bool(told.acts.done))
            begun = life.desk._clock.elapsed()
            await told.floor.switch_off("furnace-1")
            await told.floor.switch_on("furnace-1", forgetful=True)
            await work
            assert life.desk._clock.elapsed() - begun < SOON.total_seconds()
            told.ask(life, "ole", "reconcile", EID, verdict="again", comment="cold, and whole")
            await life.until(completed)
        jobs = [job for job, _ in told.acts.done]
        assert len(set(jobs)) == len(jobs) == 3  # one was in vain, by a person's word

    tell(tmp_path, story)


# ---- What changed before it was sent


def test_an_unsent_order_waits_while_a_stop_holds_and_goes_when_it_is_cleared(tmp_path: Path) -> None:
    async def story(told: Story) -> None:
        await told.begin(lambda state: bool(state.jobs))
        async with told.life() as life:
            told.ask(life, "ole", "stop-lab", comment="smoke")
            with pytest.raises(TimeoutError):
                await life.until(completed, within_s=3600.0)
            assert told.acts.done == []
            told.ask(life, "clara", "clear-lab")
            await life.until(completed)
        assert len(told.acts.done) == 2
        assert len(told.of(ev.StepDispatched)) == 2

    tell(tmp_path, story)


def test_an_unsent_order_that_the_limits_now_forbid_is_never_sent(tmp_path: Path) -> None:
    async def story(told: Story) -> None:
        await told.begin(lambda state: bool(state.jobs))
        async with told.life(rules(limits=limits(900.0))) as life:
            await life.until(completed)
        assert told.acts.done == []
        (ended,) = told.of(ev.ExperimentEnded)
        assert ended.outcome == "aborted"
        assert "above the limit of 900 Cel" in ended.reason

    tell(tmp_path, story)


# ---- Reconciling before anything new


def test_nothing_new_is_ordered_before_every_old_order_is_accounted_for(tmp_path: Path) -> None:
    two = rules(replace(AUTOMATIC, experiments=2, initial=2, at_once=2))

    async def story(told: Story) -> None:
        async with told.life(two) as life:
            life.desk.tell(ev.CampaignCreated(campaign=HARD, name="", config={}, space_version="1", software=""))
            await life.until(lambda _state: bool(told.acts.done))
        await told.floor.switch_off("furnace-1")
        async with told.life(two) as life:
            reconcile = Reconcile(life.runner, life.jobs, life.desk.state)
            assert not life.runner.ordering
            assert len(reconcile.left) == 1
            with pytest.raises(TimeoutError):
                await life.until(lambda _state: reconcile.look(), within_s=60.0)
            assert len(told.of(ev.StepDispatched)) == 1
            await told.floor.switch_on("furnace-1")
            await life.until(lambda _state: reconcile.look(), within_s=60.0)
            assert life.runner.ordering
            assert not reconcile.left
            await life.until(completed)

    tell(tmp_path, story)


def test_where_nothing_was_open_there_is_nothing_to_reconcile(tmp_path: Path) -> None:
    async def story(told: Story) -> None:
        async with told.life() as life:
            reconcile = Reconcile(life.runner, life.jobs, life.desk.state)
            assert reconcile.look()
            assert life.runner.ordering

    tell(tmp_path, story)


# ---- Stops ask instruments to end


def test_a_stop_has_the_job_cancelled_also_by_the_next_life(tmp_path: Path) -> None:
    async def story(told: Story) -> None:
        async with told.life() as life:
            life.desk.tell(ev.CampaignCreated(campaign=HARD, name="", config={}, space_version="1", software=""))
            await life.until(lambda _state: bool(told.acts.done))
            told.ask(life, "ole", "stop-lab", comment="smoke")  # and is killed before it has told anybody
        assert {e.kind for e in told.kept.outbox()} >= {"cancel", "order"}
        async with told.life() as life:
            recall = asyncio.create_task(Recall(life.desk, told.kept, life.client, asyncio.sleep).run())
            await life.until(completed, within_s=30.0)
            await asyncio.sleep(10.0)
            recall.cancel()
            await asyncio.gather(recall, return_exceptions=True)
        (ended,) = told.of(ev.StepEnded)
        assert ended.state == "cancelled"
        assert not {e.kind for e in told.kept.outbox()} & {"cancel", "order"}
        assert len(told.acts.done) == 1

    tell(tmp_path, story)


def test_a_stop_that_was_cleared_cancels_nothing_any_more(tmp_path: Path) -> None:
    async def story(told: Story) -> None:
        async with told.life() as life:
            life.desk.tell(ev.CampaignCreated(campaign=HARD, name="", config={}, space_version="1", software=""))
            await life.until(lambda _state: bool(told.acts.done))
            told.ask(life, "ole", "stop-lab")
            told.ask(life, "clara", "clear-lab")
            recall = asyncio.create_task(Recall(life.desk, told.kept, life.client, asyncio.sleep).run())
            await life.until(completed)
            recall.cancel()
            await asyncio.gather(recall, return_exceptions=True)
        assert {e.state for e in told.of(ev.StepEnded)} == {"succeeded"}

    tell(tmp_path, story)


# ---- Thinking


def test_a_planner_that_failed_is_asked_again_and_its_failure_is_on_record(tmp_path: Path) -> None:
    async def story(told: Story) -> None:
        async with told.life() as life:
            life.minds.fails = 2
            life.desk.tell(ev.CampaignCreated(campaign=HARD, name="", config={}, space_version="1", software=""))
            await life.until(completed)
            assert life.minds.asked == 3 * ["hard 0"]
        assert [e.reason for e in told.of(ev.PlanFailed)] == 2 * ["the worker died"]

    tell(tmp_path, story)


# ---- The journal


class Broken(Kept):
    """Its disk is full for a while."""

    def __init__(self) -> None:
        super().__init__()
        self.refusals = 0

    @override
    def append(self, happened: Sequence[ev.Event], at: datetime, **more: Any) -> Sequence[Any]:
        if self.refusals:
            self.refusals -= 1
            raise JournalError("the disk is full")
        return super().append(happened, at, **more)


def test_a_full_disk_is_waited_for_and_no_answer_of_an_instrument_is_lost(tmp_path: Path) -> None:
    async def story(told: Story) -> None:
        told.kept = kept = Broken()
        async with told.life() as life:
            life.desk.tell(ev.CampaignCreated(campaign=HARD, name="", config={}, space_version="1", software=""))
            kept.refusals = 3
            work = asyncio.create_task(life.until(completed))
            await until(lambda: bool(told.acts.done))
            kept.refusals = 100
            await work
        assert len(told.acts.done) == 2

    tell(tmp_path, story)


def test_a_journal_whose_lease_is_lost_ends_the_process() -> None:
    async def story() -> None:
        conduct = Patient(LoopClock(), asyncio.sleep, fatal=lambda _error: True)
        with pytest.raises(JournalError, match="another process"):
            await conduct.mend(JournalError("another process writes here"))

    in_a_moment(story())
