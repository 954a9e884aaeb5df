"""While the broker is away nothing is asked: it would all arrive together, and late."""

from __future__ import annotations

import asyncio
from pathlib import Path

from lab_bench import HARD, created
from lab_story import Story, completed, play

from agent import events as ev
from agent.daemon.recall import Recall


def test_a_stop_is_not_asked_for_while_the_broker_is_away_and_is_when_it_is_back(tmp_path: Path) -> None:
    async def story(told: Story) -> None:
        told.acts.slow = True
        async with told.life() as life:
            life.desk.tell(created(HARD))
            await life.until(lambda _state: bool(told.acts.done))
            recall = asyncio.create_task(Recall(life.desk, told.kept, life.client, asyncio.sleep).run())
            await life.transport.drop()
            told.ask(life, "ole", "stop-lab", comment="smoke")
            await asyncio.sleep(60.0)
            assert not any(b"cancel" in payload for _, payload, _ in life.transport._outbox or [])
            await life.transport.reconnect()
            await life.until(completed, within_s=30.0)
            recall.cancel()
            await asyncio.gather(recall, return_exceptions=True)
        (ended,) = told.of(ev.StepEnded)
        assert ended.state == "cancelled"

    play(tmp_path, story)
