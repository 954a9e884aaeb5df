"""While it cannot be written down that an instrument took an order up, nothing else on the bus waits for it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from lab_bench import HARD, created
from lab_floor import MACHINES
from lab_story import Story, completed, play
from patience import until
from quick_time import LoopClock

from agent import events as ev
from envs.errors import JournalError


def test_instruments_stay_in_sight_while_their_answers_cannot_be_written_down(tmp_path: Path) -> None:
    async def story(told: Story) -> None:
        async with told.life() as life:
            full, written = True, list[str]()

            def accepted(job: str) -> None:
                if full:
                    raise JournalError("the disk is full")
                written.append(job)

            life.jobs._accepted = accepted
            life.desk.tell(created(HARD))
            work = asyncio.create_task(life.until(completed))
            await until(lambda: bool(told.acts.done))
            begun = LoopClock().elapsed()
            while LoopClock().elapsed() < begun + 100.0:
                assert {life.client.presence(iid) for iid in MACHINES} <= {"online", "busy"}
                await asyncio.sleep(1.0)
            assert not told.of(ev.StepEnded)
            full = False
            await work
            assert [job for job, _ in told.acts.done] == written
        assert not told.of(ev.ReconcileNeeded)

    play(tmp_path, story)
