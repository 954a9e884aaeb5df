"""The places at an instrument: never more than it says, in the order of asking, none lost."""

import asyncio
import random

from instruments.ordering.slots import Slots


def test_places_are_handed_out_in_order_and_never_more_than_there_are() -> None:
    async def run() -> None:
        n_inside, most, order = 0, 0, list[int]()
        slots = Slots(lambda: 3)

        async def visit(number: int) -> None:
            nonlocal n_inside, most
            async with slots.place():
                order.append(number)
                n_inside += 1
                most = max(most, n_inside)
                await asyncio.sleep(0)
                n_inside -= 1

        await asyncio.gather(*(visit(number) for number in range(50)))
        assert (most, order) == (3, list(range(50)))

    asyncio.run(run())


def test_a_description_that_offers_more_lets_more_in_and_those_inside_count() -> None:
    async def run() -> None:
        size, leave, inside = 1, asyncio.Event(), list[int]()
        slots = Slots(lambda: size)

        async def visit(number: int) -> None:
            async with slots.place():
                inside.append(number)
                await leave.wait()

        visits = [asyncio.create_task(visit(number)) for number in range(5)]
        await asyncio.sleep(0)
        assert inside == [0]
        size = 3
        slots.look()
        await asyncio.sleep(0)
        assert inside == [0, 1, 2]
        leave.set()
        await asyncio.gather(*visits)

    asyncio.run(run())


def test_a_job_that_runs_already_takes_a_place_at_once_and_others_wait_for_it() -> None:
    async def run() -> None:
        slots, inside = Slots(lambda: 1), list[str]()

        async def order() -> None:
            async with slots.place():
                inside.append("ordered")

        async with slots.seat(), slots.seat():
            waiting = asyncio.create_task(order())
            await asyncio.sleep(0)
            assert inside == []
        await waiting
        assert inside == ["ordered"]

    asyncio.run(run())


def test_whoever_gives_up_while_waiting_leaves_no_place_taken() -> None:
    async def run() -> None:
        rng = random.Random(3)
        slots = Slots(lambda: 2)

        async def visit() -> None:
            async with slots.place():
                await asyncio.sleep(rng.random() * 1e-3)

        for _ in range(30):
            visits = [asyncio.create_task(visit()) for _ in range(8)]
            await asyncio.sleep(rng.random() * 1e-3)
            for one in visits:
                if rng.random() < 0.5:
                    one.cancel()
            await asyncio.gather(*visits, return_exceptions=True)
        async with asyncio.timeout(1), slots.place(), slots.place():
            pass

    asyncio.run(run())
