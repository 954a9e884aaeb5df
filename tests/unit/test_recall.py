"""A stop asks the instruments to end what they do, until they have, over restarts too."""

from __future__ import annotations

import asyncio
from pathlib import Path

from lab_bench import HARD, created
from lab_story import Story, completed, play

from agent import events as ev
from agent.daemon.recall import Recall


def test_a_stop_has_the_job_cancelled_also_by_the_next_life(tmp_path: Path) -> None:
    async def story(told: Story) -> None:
        async with told.life() as life:
            life.desk.tell(created(HARD))
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

    play(tmp_path, story)


def test_a_stop_that_was_cleared_cancels_nothing_any_more(tmp_path: Path) -> None:
    async def story(told: Story) -> None:
        async with told.life() as life:
            life.desk.tell(created(HARD))
            await life.until(lambda _state: bool(told.acts.done))
            told.ask(life, "ole", "stop-lab")
            told.ask(life, "clara", "clear-lab")
            recall = asyncio.create_task(Recall(life.desk, told.kept, life.client, asyncio.sleep).run())
            await life.until(completed)
            recall.cancel()
            await asyncio.gather(recall, return_exceptions=True)
        assert {e.state for e in told.of(ev.StepEnded)} == {"succeeded"}

    play(tmp_path, story)
