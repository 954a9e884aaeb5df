"""One turn at a time; those who give way come after all others, and who leaves takes nobody's turn along."""

from __future__ import annotations

import asyncio

from agent.daemon.turns import Turns


async def soon() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


class Line:
    """People who take turns, each until told to go."""

    def __init__(self) -> None:
        self.turns = Turns()
        self.had: list[str] = []
        self.gates: dict[str, asyncio.Event] = {}

    def come(self, name: str, *, gives_way: bool = False) -> asyncio.Task[None]:
        self.gates[name] = asyncio.Event()

        async def stay() -> None:
            async with self.turns.take(gives_way=gives_way):
                self.had.append(name)
                await self.gates[name].wait()

        return asyncio.create_task(stay())

    async def go(self, name: str) -> None:
        self.gates[name].set()
        await soon()


def test_those_who_give_way_come_after_all_others() -> None:
    async def story() -> None:
        line = Line()
        tasks = [line.come("a"), line.come("preview-1", gives_way=True), line.come("preview-2", gives_way=True)]
        await soon()
        tasks += [line.come("plan"), line.come("image")]
        await soon()
        assert line.had == ["a"]
        for name in ("a", "plan"):
            await line.go(name)
        tasks.append(line.come("late"))
        await soon()
        for name in ("image", "late", "preview-1", "preview-2"):
            await line.go(name)
        await asyncio.gather(*tasks)
        assert line.had == ["a", "plan", "image", "late", "preview-1", "preview-2"]
        again = line.come("again", gives_way=True)
        await soon()
        assert line.had[-1] == "again"
        await line.go("again")
        await again

    asyncio.run(story())


def test_who_leaves_before_or_just_when_it_is_his_turn_takes_it_from_nobody() -> None:
    async def story() -> None:
        line = Line()
        async with line.turns.take():
            second, third, fourth = (line.come(name) for name in "bcd")
            await soon()
            second.cancel()
            await soon()
        third.cancel()  # it has the turn now, and has not run since
        await soon()
        assert line.had == ["d"]
        await line.go("d")
        await asyncio.gather(second, third, fourth, return_exceptions=True)
        last = line.come("e")
        await soon()
        assert line.had == ["d", "e"]
        await line.go("e")
        await last

    asyncio.run(story())
