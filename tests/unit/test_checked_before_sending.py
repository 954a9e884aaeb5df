"""Whether an order may go out is asked in the moment before every sending, not once before the first."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from quick_time import LoopClock, ids, in_a_moment

from instruments.client import InstrumentClient
from instruments.device import Device, JobContext, command
from instruments.errors import NoAnswerError
from instruments.local import LocalBus


class StoppedError(Exception):
    """A person stopped the laboratory."""


class Oven(Device):
    """Bakes for two minutes."""

    kind = "oven"
    baked: list[str]

    @command(summary="Bake")
    async def bake(self, job: JobContext) -> None:
        """Bake."""
        self.baked.append(job.job)
        await job.sleep(120.0)


@dataclass
class Kitchen:
    """An oven, an agent, and a line between them that loses orders and answers.

    Attributes:
        loses_orders: how many orders in a row do not arrive.
        deaf: whether nothing that the oven says arrives.
        stopped: whether nothing may be sent.
        sent: how often an order was sent.
    """

    client: InstrumentClient
    oven: Oven
    loses_orders: int = 0
    deaf: bool = False
    stopped: bool = False
    sent: int = 0
    baked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.oven.baked = self.baked
        orders: Any = self.client._orders
        send, hear = orders._send, orders.on_job

        async def send_(iid: str, order: Any) -> None:
            self.sent += 1
            if self.loses_orders:
                self.loses_orders -= 1
            else:
                await send(iid, order)

        def hear_(iid: str, state: Any, *, live: bool) -> None:
            if not self.deaf:
                hear(iid, state, live=live)

        orders._send, orders.on_job = send_, hear_

    def check(self) -> None:
        if self.stopped:
            raise StoppedError

    async def bake(self, job: str = "j") -> str:
        return (await self.client.execute("oven", "bake", {}, job=job, check=self.check)).state


def play(story: Callable[[Kitchen], Awaitable[None]]) -> Kitchen:
    async def whole() -> Kitchen:
        bus = LocalBus()
        oven = Oven("oven", bus.transport(), lab="demo", clock=LoopClock(), ids=ids())
        client = InstrumentClient(bus.transport(), lab="demo", agent="a", clock=LoopClock(), ids=ids())
        await oven.start()
        await client.start()
        await client.wait_for(["oven"])
        kitchen = Kitchen(client, oven)
        try:
            await story(kitchen)
        finally:
            await client.close()
            await oven.stop()
        return kitchen

    return in_a_moment(whole())


def test_what_was_lost_on_its_way_is_not_sent_again_after_a_stop() -> None:
    async def story(kitchen: Kitchen) -> None:
        kitchen.loses_orders = 1
        baking = asyncio.create_task(kitchen.bake())
        await asyncio.sleep(1.0)
        kitchen.stopped = True
        with pytest.raises(StoppedError):
            await baking

    kitchen = play(story)
    assert (kitchen.sent, kitchen.baked) == (1, [])


def test_what_arrived_before_a_stop_is_followed_to_its_end_though_its_answer_was_lost() -> None:
    async def story(kitchen: Kitchen) -> None:
        kitchen.deaf = True
        baking = asyncio.create_task(kitchen.bake())
        await asyncio.sleep(1.0)
        kitchen.stopped, kitchen.deaf = True, False
        assert await baking == "succeeded"

    kitchen = play(story)
    assert (kitchen.sent, kitchen.baked) == (1, ["j"])


def test_where_the_instrument_does_not_tell_nobody_says_that_it_was_never_sent() -> None:
    async def story(kitchen: Kitchen) -> None:
        kitchen.deaf = True
        baking = asyncio.create_task(kitchen.bake())
        await asyncio.sleep(1.0)
        kitchen.stopped = True
        with pytest.raises(NoAnswerError, match="not sent again") as silent:
            await baking
        assert silent.value.seen is None

    play(story)


def test_an_order_that_waited_for_a_place_is_not_sent_after_a_stop() -> None:
    async def story(kitchen: Kitchen) -> None:
        first = asyncio.create_task(kitchen.bake("first"))
        second = asyncio.create_task(kitchen.bake("second"))
        await asyncio.sleep(1.0)
        kitchen.stopped = True
        assert await first == "succeeded"
        with pytest.raises(StoppedError):
            await second

    kitchen = play(story)
    assert (kitchen.sent, kitchen.baked) == (1, ["first"])
