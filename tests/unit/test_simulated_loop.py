"""Virtual time keeps asyncio's order and promises, and takes no real time."""

import asyncio
import contextvars
import time

import pytest
from faults.simulation.loop import Killed, StalledError, VirtualClock, VirtualLoop, owner, run


def test_a_month_of_sleeping_takes_no_time() -> None:
    async def work(loop: VirtualLoop) -> float:
        await asyncio.sleep(29 * 86_400)
        return loop.time()

    began = time.monotonic()
    assert run(work) == 29 * 86_400
    assert time.monotonic() - began < 1.0


def test_timers_ring_in_the_order_of_their_times_and_ties_in_that_of_their_setting() -> None:
    async def work(loop: VirtualLoop) -> list[str]:
        heard: list[str] = []
        for name, when in (("late", 3.0), ("first", 1.0), ("second", 1.0), ("between", 2.0)):
            loop.call_later(when, heard.append, f"{name} at {when}")
        loop.call_soon(heard.append, "soon")
        await asyncio.sleep(10.0)
        return heard

    assert run(work) == ["soon", "first at 1.0", "second at 1.0", "between at 2.0", "late at 3.0"]


def test_a_timeout_comes_exactly_when_it_is_due() -> None:
    async def work(loop: VirtualLoop) -> tuple[float, float]:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 5.5)
        after_wait_for = loop.time()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2.25):
                await asyncio.sleep(100)
        return after_wait_for, loop.time()

    assert run(work) == (5.5, 7.75)


def test_what_is_faster_than_its_timeout_is_not_disturbed() -> None:
    async def work(_loop: VirtualLoop) -> str:
        return await asyncio.wait_for(asyncio.sleep(4.0, "done"), 5.0)

    assert run(work) == "done"


def test_waiting_for_what_nobody_will_do_is_told() -> None:
    async def work(_loop: VirtualLoop) -> None:
        await asyncio.Event().wait()

    with pytest.raises(StalledError, match="nobody does anything"):
        run(work)


def test_what_never_ends_is_told() -> None:
    async def work(_loop: VirtualLoop) -> None:
        while True:  # noqa: ASYNC110 - it is what is tested
            await asyncio.sleep(60.0)

    with pytest.raises(StalledError, match="has not come to an end"):
        run(work, limit_s=3600.0)


def test_threads_are_refused() -> None:
    async def work(_loop: VirtualLoop) -> None:
        await asyncio.to_thread(time.sleep, 0.0)

    with pytest.raises(RuntimeError, match="would run in a thread"):
        run(work)


def test_tasks_belong_to_the_process_that_began_them() -> None:
    async def work(loop: VirtualLoop) -> list[str]:
        async def process() -> None:
            asyncio.create_task(asyncio.sleep(1000.0), name="child")  # noqa: RUF006 - the loop keeps it
            await asyncio.sleep(1000.0)

        context = contextvars.copy_context()
        context.run(owner.set, "agent")
        asyncio.create_task(process(), name="root", context=context)  # noqa: RUF006
        asyncio.create_task(asyncio.sleep(1000.0), name="other")  # noqa: RUF006
        await asyncio.sleep(1.0)
        return [task.get_name() for task in loop.tasks_of("agent")]

    assert run(work) == ["root", "child"]


def test_a_death_is_no_failure_and_everything_else_that_nobody_looked_at_is() -> None:
    async def work(loop: VirtualLoop) -> list[str]:
        async def end(error: BaseException) -> None:
            raise error

        for error in (Killed(), ValueError("a mistake")):
            asyncio.create_task(end(error))  # noqa: RUF006
        await asyncio.sleep(1.0)
        return loop.failures

    assert [text.split(": ", 1)[1] for text in run(work)] == ["ValueError('a mistake')"]


def test_a_wall_clock_that_jumps_leaves_the_monotonic_one_alone() -> None:
    async def work(loop: VirtualLoop) -> tuple[float, float]:
        clock = VirtualClock(loop)
        before, began = clock.elapsed(), clock.now()
        clock.offset_s = -3600.0
        await asyncio.sleep(60.0)
        return clock.elapsed() - before, (clock.now() - began).total_seconds()

    assert run(work) == (60.0, -3540.0)
