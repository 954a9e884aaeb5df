"""Virtual instruments that take their time: the data of always, progress now and then, nothing done before its end."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from itertools import pairwise
from typing import TypeVar

import pytest
from quick_time import START, LoopClock, ids, in_a_moment

from agent.daemon.lab_clock import LabClock
from envs.crystals import CrystalLibrary, ceramics
from envs.errors import ConfigError
from instruments.client import InstrumentClient
from instruments.local import LocalBus
from instruments.messages import JobState, Quantity, Telemetry, Value
from instruments.topics import Lab
from instruments.transport import Message
from simulators.devices.pace import LOOKS, UPDATES, check_speed
from simulators.lab import FURNACE, INDENTER, INSTRUMENTS, MICROSCOPE, VirtualLab
from surrogates.datasets.elastic import load

LIBRARY, MODULI = ceramics(CrystalLibrary.builtin()), load()
FIRING_S = 3600.0 * (0.75 + 1475.0 / 600.0 + 2.0 + 1475.0 / 900.0)
"""Preparation, 10 K/min from 25 to 1500 Cel, two hours there, and cooling at 15 K/min, by hand."""
HOT = {"temperature": 2200.0}
T = TypeVar("T")


def firing(sample: str, **changes: float) -> Mapping[str, Value]:
    numbers = {
        "powder_size": (0.4, "um"), "temperature": (1500.0, "Cel"), "hold": (2.0, "h"), "heating_rate": (10.0, "K/min"),
        "pressure": (40.0, "MPa"),
    }  # fmt: skip
    process = {name: Quantity(value=changes.get(name, v), unit=unit) for name, (v, unit) in numbers.items()}
    return {"sample": sample, "crystal": "mp-1143", "additive": "MgO", **process}


def indents(sample: str) -> Mapping[str, Value]:
    return {"sample": sample, "load": Quantity(value=9.8, unit="N"), "count": Quantity(value=10, unit="1")}


def image(sample: str) -> Mapping[str, Value]:
    return {"sample": sample, "pixel_size": Quantity(value=0.1, unit="um"), "field": Quantity(value=0, unit="1")}


class Room:
    """A laboratory and its agent on a bus in this process, whose sleeps take no time."""

    def __init__(self, speed: float, clock_speed: float | None = None) -> None:
        loop = asyncio.get_running_loop()
        self.ids = ids()
        self.clock = LabClock(
            clock_speed or max(speed, 1.0),
            anchor_real=START,
            anchor_lab=START,
            wall=LoopClock().now,
            monotonic=loop.time,
        )
        self.bus = LocalBus()
        self.lab = VirtualLab(
            1, LIBRARY, MODULI, directory=None, clock=self.clock, ids=self.ids, image_shape=(128, 128), speed=speed
        )
        self.agent = self.bus.transport()
        self.client = InstrumentClient(
            self.agent, lab="virtual", agent="agent-1", clock=self.clock, ids=self.ids, judge_clocks=False
        )
        self.shown: dict[str, list[float]] = {}
        self.updates: list[JobState] = []

    async def hear(self, message: Message) -> None:
        self.shown.setdefault(message.topic.rpartition("/")[2], []).append(Telemetry.parse(message.payload).value)

    async def order(self, iid: str, command: str, parameters: Mapping[str, Value], job: str = "") -> JobState:
        later = self.clock.now() + timedelta(days=1)
        return await self.client.execute(
            iid, command, parameters, job=job or self.ids.new(), not_after=later, on_update=self.updates.append
        )


def in_room(work: Callable[[Room], Awaitable[T]], speed: float, clock_speed: float | None = None) -> T:
    async def whole() -> T:
        room = Room(speed, clock_speed)
        await room.lab.start(lambda _iid: room.bus.transport())
        await room.client.start()
        await room.client.wait_for(INSTRUMENTS)
        for channel in ("temperature", "density"):
            await room.agent.subscribe(Lab("labwright", "virtual").telemetry(FURNACE, channel), room.hear)
        try:
            return await work(room)
        finally:
            await room.client.close()
            await room.lab.close()

    return in_a_moment(whole())


async def campaign(room: Room) -> list[JobState]:
    return [
        await room.order(FURNACE, "sinter", firing("S1")),
        await room.order(MICROSCOPE, "survey", {"sample": "S1"}),
        await room.order(MICROSCOPE, "acquire", image("S1")),
        await room.order(INDENTER, "indent", indents("S1")),
        await room.order(FURNACE, "sinter", firing("S2", **HOT)),
    ]


@pytest.mark.parametrize("speed", [1.0, 3600.0])
def test_what_is_measured_does_not_depend_on_the_pace(speed: float) -> None:
    at_once, paced = in_room(campaign, 0.0), in_room(campaign, speed)
    for a, b in zip(at_once, paced, strict=True):
        assert (a.state, a.error) == (b.state, b.error)
        assert (a.result is None) == (b.result is None)
        if a.result is not None and b.result is not None:
            assert a.result.values == b.result.values
            assert [r.sha256 for r in a.result.artefacts.values()] == [r.sha256 for r in b.result.artefacts.values()]
        assert b.elapsed_s == pytest.approx(a.elapsed_s, rel=1e-6)


@pytest.mark.parametrize("speed", [1.0, 3600.0, 100_000.0])
def test_a_firing_takes_its_hours_of_lab_time(speed: float) -> None:
    async def work(room: Room) -> None:
        begun, real = room.clock.now(), room.clock.elapsed()
        end = await room.order(FURNACE, "sinter", firing("S1"))
        assert end.elapsed_s == pytest.approx(FIRING_S, rel=1e-3)
        assert (room.clock.now() - begun).total_seconds() == pytest.approx(FIRING_S, rel=0.01)
        assert room.clock.elapsed() - real == pytest.approx(FIRING_S / speed, rel=0.01)

    in_room(work, speed)


def test_progress_is_told_now_and_then_with_the_end_in_lab_time() -> None:
    async def work(room: Room) -> None:
        begun = room.clock.now()
        await room.order(FURNACE, "sinter", firing("S1"))
        running = [u for u in room.updates if u.state == "running" and u.progress]
        assert len(running) == UPDATES - 1
        for update in running:
            assert update.progress is not None
            assert update.elapsed_s == pytest.approx(update.progress * FIRING_S, rel=1e-3)
            assert update.eta is not None
            assert (update.eta - begun).total_seconds() == pytest.approx(FIRING_S, rel=0.01)

    in_room(work, 3600.0)


def test_on_the_machines_own_clock_the_end_is_foretold_in_its_time() -> None:
    async def work(room: Room) -> None:
        begun = room.clock.now()
        end = await room.order(FURNACE, "sinter", firing("S1"))
        assert end.elapsed_s == pytest.approx(FIRING_S, rel=1e-3), "in the laboratory's"
        foretold = [u.eta for u in room.updates if u.eta]
        assert len(foretold) == UPDATES
        for eta in foretold:
            assert (eta - begun).total_seconds() == pytest.approx(FIRING_S / 3600.0, rel=0.01)

    in_room(work, 3600.0, clock_speed=1.0)


def test_the_furnace_shows_its_temperature_and_the_compact_shrinking() -> None:
    async def work(room: Room) -> None:
        await room.order(FURNACE, "sinter", firing("S1"))
        temperatures, densities = room.shown["temperature"], room.shown["density"]
        assert 20 <= len(densities) <= LOOKS
        assert max(temperatures) == pytest.approx(1500.0, abs=10.0)
        assert temperatures[-1] == pytest.approx(25.0, abs=1.0)
        assert 0.45 < densities[0] < 0.65, "a powder compact"
        assert densities[-1] > densities[0] + 0.1
        assert all(b > a - 0.02 for a, b in pairwise(densities))

    in_room(work, 3600.0)


def test_the_dilatometer_falls_silent_when_the_body_melts_and_not_before() -> None:
    async def work(room: Room) -> None:
        end = await room.order(FURNACE, "sinter", firing("S1", **HOT))
        assert end.error is not None
        assert end.error.kind == "infeasible"
        assert max(room.shown["temperature"]) > 2000.0
        # None while the compact is pressed, nor once it has melted; between them as of any other.
        assert 3 < len(room.shown["density"]) < len(room.shown["temperature"]) - 10
        assert all(0.5 < density < 1.0 for density in room.shown["density"])

    in_room(work, 3600.0)


def test_every_job_says_at_its_beginning_when_it_will_end() -> None:
    async def work(room: Room) -> None:
        await room.order(FURNACE, "sinter", firing("S1"))
        for iid, command, order in ((MICROSCOPE, "survey", {"sample": "S1"}), (INDENTER, "indent", indents("S1"))):
            room.updates.clear()
            begun = room.clock.now()
            end = await room.order(iid, command, order)
            first = next(state for state in room.updates if state.eta is not None)
            assert first.progress == 0.0
            assert first.eta is not None
            assert (first.eta - begun).total_seconds() == pytest.approx(end.elapsed_s, rel=0.05)

    in_room(work, 3600.0)


def test_a_firing_that_is_cancelled_ends_at_once_and_leaves_no_sample() -> None:
    async def work(room: Room) -> None:
        job = room.ids.new()
        task = asyncio.create_task(room.order(FURNACE, "sinter", firing("S1"), job=job))
        await asyncio.sleep(2.0)
        begun = room.clock.elapsed()
        await room.client.cancel(FURNACE, job)
        end = await task
        assert end.state == "cancelled"
        assert room.clock.elapsed() - begun < 0.01
        assert end.elapsed_s == pytest.approx(2.0 * 3600.0, rel=0.01)
        assert room.shown["temperature"][-1] == pytest.approx(25.0, abs=1.0)
        survey = await room.order(MICROSCOPE, "survey", {"sample": "S1"})
        assert survey.error is not None
        assert survey.error.code == "unknown_sample"
        again = await room.order(FURNACE, "sinter", firing("S1"))
        assert again.state == "succeeded"

    in_room(work, 3600.0)


@pytest.mark.parametrize("speed", [-1.0, 0.5, float("nan"), 1e9])
def test_a_pace_that_is_none_is_refused(speed: float) -> None:
    with pytest.raises(ConfigError, match=r"--speed = .* allowed: 0 \(everything at once\), or 1 to"):
        check_speed(speed)
