"""Orders over kills and silences: sent once, under one id, adopted, fetched; a person is asked where nobody knows."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from lab_bench import HARD, created, limits
from lab_floor import HOT_S, SOON, Kept
from lab_story import EID, Story, completed, play, rules
from patience import until
from quick_time import LoopClock, in_a_moment
from typing_extensions import override

from agent import events as ev
from agent.daemon.conduct import Patient
from envs.errors import JournalError

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

    play(tmp_path, story)


def test_a_job_that_runs_is_adopted(tmp_path: Path) -> None:
    async def story(told: Story) -> None:
        await told.begin(lambda _state: bool(told.acts.done))
        assert not told.of(ev.StepEnded)
        async with told.life() as life:
            await life.until(completed)
        assert [sample for _, sample in told.acts.done] == [EID, EID]
        assert [e.state for e in told.of(ev.StepEnded)] == ["succeeded", "succeeded"]

    play(tmp_path, story)


def test_what_ended_meanwhile_is_fetched(tmp_path: Path) -> None:
    async def story(told: Story) -> None:
        await told.begin(lambda _state: bool(told.acts.done))
        await asyncio.sleep(1.3 * HOT_S)
        async with told.life() as life:
            await life.until(lambda state: state.experiments[EID].step == "indent", within_s=30.0)
        assert len(told.acts.done) == 1
        assert told.of(ev.StepEnded)[0].elapsed_s >= HOT_S

    play(tmp_path, story)


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

    play(tmp_path, story)


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

    play(tmp_path, story)


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

    play(tmp_path, story)


def test_an_instrument_that_has_forgotten_what_it_confirmed_is_a_persons_business_at_once(tmp_path: Path) -> None:
    async def story(told: Story) -> None:
        async with told.life() as life:
            life.desk.tell(created(HARD))
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

    play(tmp_path, story)


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

    play(tmp_path, story)


def test_an_unsent_order_that_the_limits_now_forbid_is_never_sent(tmp_path: Path) -> None:
    async def story(told: Story) -> None:
        await told.begin(lambda state: bool(state.jobs))
        async with told.life(rules(limits=limits(900.0))) as life:
            await life.until(completed)
        assert told.acts.done == []
        (ended,) = told.of(ev.ExperimentEnded)
        assert ended.outcome == "aborted"
        assert "above the limit of 900 Cel" in ended.reason

    play(tmp_path, story)


# ---- Thinking


def test_a_planner_that_failed_is_asked_again_and_its_failure_is_on_record(tmp_path: Path) -> None:
    async def story(told: Story) -> None:
        async with told.life() as life:
            life.minds.fails = 2
            life.desk.tell(created(HARD))
            await life.until(completed)
            assert life.minds.asked == 3 * ["hard 0"]
        assert [e.reason for e in told.of(ev.PlanFailed)] == 2 * ["the worker died"]

    play(tmp_path, story)


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
            life.desk.tell(created(HARD))
            kept.refusals = 3
            work = asyncio.create_task(life.until(completed))
            await until(lambda: bool(told.acts.done))
            kept.refusals = 100
            await work
        assert len(told.acts.done) == 2

    play(tmp_path, story)


def test_a_journal_whose_lease_is_lost_ends_the_process() -> None:
    async def story() -> None:
        conduct = Patient(LoopClock(), asyncio.sleep, fatal=lambda _error: True)
        with pytest.raises(JournalError, match="another process"):
            await conduct.mend(JournalError("another process writes here"))

    in_a_moment(story())
