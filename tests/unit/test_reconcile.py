"""After a restart nothing new is ordered before every old order is accounted for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from lab_bench import AUTOMATIC, HARD, created
from lab_story import EID, Story, completed, play, rules

from agent import core
from agent import events as ev
from agent.daemon.reconcile import Reconcile


def test_nothing_new_is_ordered_before_every_old_order_is_accounted_for(tmp_path: Path) -> None:
    two = rules(replace(AUTOMATIC, experiments=2, initial=2, at_once=2))

    async def story(told: Story) -> None:
        async with told.life(two) as life:
            life.desk.tell(created(HARD))
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

    play(tmp_path, story)


def test_where_nothing_was_open_there_is_nothing_to_reconcile(tmp_path: Path) -> None:
    async def story(told: Story) -> None:
        async with told.life() as life:
            reconcile = Reconcile(life.runner, life.jobs, life.desk.state)
            assert reconcile.look()
            assert life.runner.ordering

    play(tmp_path, story)


def test_an_order_that_waits_for_a_person_holds_nothing_else_up(tmp_path: Path) -> None:
    async def story(told: Story) -> None:
        async with told.life() as life:
            life.desk.tell(created(HARD))
            await life.until(lambda _state: bool(told.acts.done))
            (job,) = life.desk.state.jobs
            life.desk.tell(core.Lost(EID, job, "nobody answers"))
        async with told.life() as life:
            reconcile = Reconcile(life.runner, life.jobs, life.desk.state)
            assert not reconcile.left
            assert reconcile.look()
            assert life.runner.ordering

    play(tmp_path, story)
