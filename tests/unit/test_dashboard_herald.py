"""Listeners are told together and at one moment; a flood of readings does not reach them as one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from agent.dashboard.live.herald import BREATH, BREATH_S, Herald
from agent.dashboard.live.picture import Change

READING, PROPOSAL = Change("telemetry", "furnace-1"), Change("proposal", "hard-P001")


class Day:
    """A herald whose pauses are counted, and in each of which something happens."""

    def __init__(self) -> None:
        self.told: list[frozenset[Change]] = []
        self.pauses = 0
        self.herald = Herald(self.sleep)
        self.events: list[tuple[Change, ...]] = []

    async def sleep(self, _seconds: float) -> None:
        self.pauses += 1
        if self.events:
            self.herald.note(self.events.pop(0))
        await asyncio.sleep(0)

    async def live(self, *first: Change) -> None:
        self.herald.note(first)
        with self.herald.listening(self.told.append):
            task = asyncio.create_task(self.herald.run())
            for _ in range(100):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def test_of_a_flood_of_readings_every_second_word_tells() -> None:
    day = Day()
    day.events = [(READING,)] * 8
    asyncio.run(day.live(READING))
    assert day.told == [frozenset({READING})] * 5
    assert day.pauses >= 9


def test_what_people_decide_on_does_not_wait_for_readings() -> None:
    day = Day()
    day.events = [(READING, PROPOSAL), (PROPOSAL,), (READING,)]
    asyncio.run(day.live(READING))
    assert day.told[:2] == [frozenset({READING}), frozenset({PROPOSAL})]
    assert sum(PROPOSAL in word for word in day.told) == 2
    assert READING in day.told[2]


def test_all_are_told_at_one_moment_and_others_have_their_turn_in_between() -> None:
    inside, seen, turns = [False], list[bool](), list[int]()

    @contextmanager
    def moment() -> Iterator[None]:
        inside[0] = True
        yield
        inside[0] = False

    async def whole() -> None:
        herald = Herald(asyncio.sleep, moment)
        held = [herald.listening(lambda _changes: seen.append(inside[0])) for _ in range(2 * BREATH)]
        for one in held:
            one.__enter__()
        herald.note((PROPOSAL,))
        asyncio.get_running_loop().call_soon(lambda: turns.append(len(seen)))
        await herald.tell()

    asyncio.run(whole())
    assert seen == [True] * (2 * BREATH)
    assert turns == [BREATH]
    assert not inside[0]


def test_who_has_gone_while_others_were_told_is_not_told() -> None:
    told: list[str] = []

    async def whole() -> None:
        herald = Herald(asyncio.sleep)
        second = herald.listening(lambda _changes: told.append("second"))

        def leave(_changes: frozenset[Change]) -> None:
            second.__exit__(None, None, None)

        with herald.listening(leave):
            second.__enter__()
            herald.note((PROPOSAL,))
            await herald.tell()

    asyncio.run(whole())
    assert told == []


def test_listeners_that_take_long_let_others_have_their_turn_after_each() -> None:
    """Twenty-five pages that are drawn anew must not hold up an order for as long as all of them take."""
    turns: list[int] = []
    told: list[int] = []

    async def run() -> None:
        herald = Herald(asyncio.sleep)
        loop = asyncio.get_running_loop()

        def slow(_changes: frozenset[Change]) -> None:
            begun = loop.time()
            while loop.time() - begun < BREATH_S:
                pass
            told.append(len(told))

        async def other() -> None:
            while len(told) < BREATH - 1:
                turns.append(len(told))
                await asyncio.sleep(0)

        with ExitStack() as stack:
            for _ in range(BREATH - 1):
                stack.enter_context(herald.listening(slow))
            herald.note([PROPOSAL])
            await asyncio.gather(herald.tell(), other())

    asyncio.run(run())
    assert turns == list(range(1, BREATH - 1))
