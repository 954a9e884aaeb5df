"""Computations beside the event loop: their results, their errors, and that nobody waits for one left behind."""

from __future__ import annotations

import asyncio
import threading

import pytest

from agent.background import in_background


def test_the_result_comes_back() -> None:
    assert asyncio.run(in_background(lambda a, b: a * b, 6, 7)) == 42


def test_an_error_comes_back_as_itself() -> None:
    def fail() -> None:
        raise ValueError("no model")

    with pytest.raises(ValueError, match="no model"):
        asyncio.run(in_background(fail))


def test_the_loop_goes_on_meanwhile() -> None:
    seen = threading.Event()

    async def run() -> bool:
        async def tick() -> None:
            seen.set()

        ticking = asyncio.ensure_future(tick())
        found = await in_background(seen.wait, 10.0)
        await ticking
        return found

    assert asyncio.run(run())


def test_an_interruption_does_not_wait_for_the_computation() -> None:
    started, may_end = threading.Event(), threading.Event()

    def long() -> None:
        started.set()
        may_end.wait(60.0)

    async def run() -> None:
        computing = asyncio.ensure_future(in_background(long))
        await asyncio.sleep(0)
        started.wait(10.0)
        computing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await computing

    asyncio.run(run())
    assert not may_end.is_set()
    assert any(t.name == "background long" and t.daemon for t in threading.enumerate())
    may_end.set()
