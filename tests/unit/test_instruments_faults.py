"""Whatever the network loses, doubles or delays, and whenever the device dies: no order is carried out twice."""

import asyncio
import random
from collections import Counter
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st
from typing_extensions import override

from envs.errors import InstrumentError
from instruments.client import InstrumentClient
from instruments.clock import SimClock
from instruments.device import Device, JobContext, JobResult, Parameter, Quantity, command
from instruments.errors import NoAnswerError
from instruments.ids import SeededIds
from instruments.journal import MemoryJournal
from instruments.local import LocalBus, LocalTransport
from instruments.messages import JobState
from instruments.transport import Mirror

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


class RoughTransport(LocalTransport):
    """Loses, doubles and delays orders, states and questions."""

    def __init__(self, bus: LocalBus, rng: random.Random, roughness: float) -> None:
        super().__init__(bus)
        self._rng = rng
        self._roughness = roughness
        self._late: list[tuple[str, bytes, int, bool]] = []

    @override
    async def publish(
        self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False, mirror: Mirror | None = None
    ) -> None:
        fate = self._rng.random() / self._roughness if self._roughness else 9.0
        if not any(word in topic for word in ("/cmd/", "/job/", "/ctl")) or fate > 3.0:
            await super().publish(topic, payload, qos=qos, retain=retain)
        elif fate > 2.0:
            await super().publish(topic, payload, qos=qos, retain=retain)
            await super().publish(topic, payload, qos=qos, retain=retain)
        elif fate > 1.0:
            self._late.append((topic, payload, qos, retain))
        while self._late and self._rng.random() < 0.5:
            old_topic, old_payload, old_qos, old_retain = self._late.pop(0)
            await super().publish(old_topic, old_payload, qos=old_qos, retain=old_retain)


class Press(Device):
    """Writes every stroke into a tally that outlives the device, as the sample does."""

    tally: Counter[str]

    @command(summary="Press once", parameters={"force": Parameter(unit="kN", low=0, high=100)})
    async def press(self, job: JobContext, *, force: float) -> JobResult:
        self.tally[job.job] += 1
        for step in range(3):
            await asyncio.sleep(0)
            await job.progress(step / 3)
        return JobResult(values={"force": Quantity(value=force, unit="kN")})


class Workshop:
    """One press that may die at any time, and one agent, on a rough bus."""

    def __init__(self, seed: int, roughness: float, deaths: float) -> None:
        self.rng, self.bus, self.clock = random.Random(seed), LocalBus(), SimClock(START)
        self.ids = SeededIds(self.clock, random.Random(seed))
        self.journal, self.tally, self.deaths = MemoryJournal(), Counter[str](), deaths
        self.roughness = roughness
        self.press, self.cable = self.new_press()
        self.client = InstrumentClient(
            self.new_cable(), lab="demo", agent="a", clock=self.clock, ids=self.ids, sleeper=self.nap
        )

    def new_cable(self) -> RoughTransport:
        return RoughTransport(self.bus, self.rng, self.roughness)

    def new_press(self) -> tuple[Press, RoughTransport]:
        cable = self.new_cable()
        press = Press("press-1", cable, lab="demo", clock=self.clock, ids=self.ids, journal=self.journal)
        press.tally = self.tally
        return press, cable

    async def nap(self, seconds: float) -> None:
        for _ in range(self.rng.randrange(1, 40)):
            await asyncio.sleep(0)
        self.clock.advance(seconds)

    async def die_now_and_then(self) -> None:
        while True:
            for _ in range(self.rng.randrange(1, 60)):
                await asyncio.sleep(0)
            if self.rng.random() < self.deaths:
                await self.cable.drop()
                await self.cable.close()
                tasks = list(self.press._desk._tasks.values())
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                self.press, self.cable = self.new_press()
                await self.press.start()

    async def insist(self, job: str) -> JobState | None:
        """Order until there is an end, as an agent does that keeps its job's id; None when it gives up."""
        for _ in range(4):
            try:
                force: dict[str, Quantity | str] = {"force": Quantity(value=10, unit="kN")}
                return await self.client.execute("press-1", "press", force, job=job)
            except NoAnswerError:
                continue
        return None


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(min_value=0, max_value=2**32),
    roughness=st.sampled_from([0.0, 0.05, 0.15, 0.3]),
    deaths=st.sampled_from([0.0, 0.1, 0.5]),
)
def test_no_order_is_ever_carried_out_twice(seed: int, roughness: float, deaths: float) -> None:
    async def act() -> None:
        shop = Workshop(seed, roughness, deaths)
        await shop.press.start()
        await shop.client.start()
        death = asyncio.create_task(shop.die_now_and_then())
        jobs = [shop.ids.new() for _ in range(6)]
        ends = await asyncio.gather(*(shop.insist(job) for job in jobs))
        death.cancel()
        await asyncio.gather(death, return_exceptions=True)
        for job, end in zip(jobs, ends, strict=True):
            assert shop.tally[job] <= 1
            if end is not None and end.state == "succeeded":
                assert shop.tally[job] == 1
            if end is not None and end.state == "rejected":
                assert shop.tally[job] == 0
        if roughness == deaths == 0.0:
            assert [end.state for end in ends if end] == ["succeeded"] * 6
        await shop.client.close()
        try:
            await shop.press.stop()
        except InstrumentError:
            assert deaths > 0.0  # it was dead already

    asyncio.run(act())


def test_most_orders_get_through_a_rough_network() -> None:
    async def act() -> int:
        shop = Workshop(7, 0.1, 0.0)
        await shop.press.start()
        await shop.client.start()
        ends = [await shop.insist(shop.ids.new()) for _ in range(50)]
        await shop.client.close()
        await shop.press.stop()
        return sum(end is not None and end.state == "succeeded" for end in ends)

    assert asyncio.run(act()) == 50
