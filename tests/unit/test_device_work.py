"""How a device carries its work out: blocking drivers, cancellation, leases, bulk data, what stays on the bus."""

import asyncio
import logging
import random
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import pytest
from kitchen import START, Kitchen, Oven, hot, play

from instruments.artefacts import INLINE_LIMIT
from instruments.bulk.fetch import read as read_artefact
from instruments.client import InstrumentClient
from instruments.clock import SimClock
from instruments.declare import Instrument
from instruments.device import (
    Device,
    JobContext,
    JobResult,
    Parameter,
    Quantity,
    Returns,
    command,
)
from instruments.driving.job_desk import KEPT_ENDS
from instruments.ids import SeededIds
from instruments.journal import MemoryJournal
from instruments.local import LocalBus
from instruments.messages import Command, JobState, Status, Telemetry, Value


def test_a_blocking_driver_runs_in_its_thread_with_converted_units_and_defaults() -> None:
    async def act(kitchen: Kitchen, oven: Oven) -> None:
        order = asyncio.create_task(kitchen.order("bake", temperature=hot(1773.15, "K")))
        await kitchen.wake(3600.0)
        end = await order
        assert (end.state, end.result and end.result.values["peak"]) == ("succeeded", hot(1500.0))
        assert oven.hardware == ["opened", "bake 1500 x1 air"]

    play(act)


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"temperature": hot(1974.0, "K")}, "limits"),
        ({"temperature": hot(100.0, "s")}, "unit"),
        ({"temperature": hot(100.0, "furlong")}, "unit"),
        ({"temperature": hot(100.0), "cycles": Quantity(value=1.5, unit="1")}, "limits"),
        ({"cycles": Quantity(value=1, unit="1")}, "parameters"),
    ],
)
def test_what_a_driver_may_not_get_never_reaches_it(parameters: Mapping[str, Value], code: str) -> None:
    async def act(kitchen: Kitchen, oven: Oven) -> None:
        end = await kitchen.order("bake", **parameters)
        assert (end.state, end.error and end.error.code, oven.hardware) == ("rejected", code, ["opened"])

    play(act)


def test_a_limit_in_another_unit_is_still_within_the_limits() -> None:
    async def act(kitchen: Kitchen, oven: Oven) -> None:
        order = asyncio.create_task(kitchen.order("bake", temperature=hot(1973.15, "K")))
        await kitchen.wake(3600.0)
        assert (await order).state == "succeeded"
        assert oven.hardware[1] == "bake 1700 x1 air"

    play(act)


def test_a_cancellation_reaches_a_driver_that_blocks() -> None:
    async def act(kitchen: Kitchen, oven: Oven) -> None:
        job = kitchen.ids.new()
        order = asyncio.create_task(kitchen.client.execute("oven", "bake", {"temperature": hot(500)}, job=job))
        await asyncio.to_thread(oven.entered.wait, 5)
        await kitchen.client.cancel("oven", job)
        assert (await order).state == "cancelled"
        again = asyncio.create_task(kitchen.order("bake", temperature=hot(400)))
        await kitchen.wake(3600.0)
        assert (await again).state == "succeeded"  # the thread is free again

    play(act)


def test_what_says_that_it_cannot_be_cancelled_goes_on() -> None:
    async def act(kitchen: Kitchen, oven: Oven) -> None:
        job = kitchen.ids.new()
        order = asyncio.create_task(kitchen.client.execute("oven", "idle", {}, job=job))
        await asyncio.sleep(0.01)
        await kitchen.client.cancel("oven", job)
        await kitchen.wake(1.0)
        assert (await order).state == "succeeded"

    play(act)


def test_when_the_agent_is_gone_the_oven_ends_its_job_and_makes_itself_safe(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)

    async def act(kitchen: Kitchen, oven: Oven) -> None:
        job = kitchen.ids.new()
        order = Command(
            job=job,
            command="bake",
            parameters={"temperature": hot(900)},
            issued_at=START,
            not_after=START + timedelta(minutes=5),
        )
        agent = kitchen.bus.transport()
        await agent.connect()
        await agent.publish(kitchen.topics.command("oven", job), order.to_bytes())
        await agent.close()
        await asyncio.to_thread(oven.entered.wait, 5)
        kitchen.clock.advance(59.0)
        await oven.check_lease()
        assert oven.hardware[-1] == "bake 900 x1 air"
        kitchen.clock.advance(2.0)
        await oven.check_lease()
        assert oven.hardware[-1] == "heater off"
        await oven.check_lease()
        assert oven.hardware.count("heater off") == 1
        end = await kitchen.client.query("oven", job)
        assert end is not None
        assert (end.state, end.error and end.error.code) == ("failed", "lease_lost")

    play(act)


def test_what_heats_is_made_safe_at_each_start_before_anything_else() -> None:
    async def act(kitchen: Kitchen, oven: Oven) -> None:
        assert kitchen.at_start == ["opened", "heater off"]

    play(act)


def test_a_restart_tells_what_it_interrupted() -> None:
    journal = MemoryJournal()
    journal.put(JobState(job="j", boot_id="earlier", seq=3, state="accepted", ts=START))

    async def act(kitchen: Kitchen, oven: Oven) -> None:
        end = await kitchen.client.query("oven", "j")
        assert end is not None
        assert (end.state, end.error and end.error.code) == ("failed", "interrupted")

    play(act, Kitchen(journal))


def test_stopping_a_device_in_the_middle_of_a_job_leaves_it_safe_and_says_so() -> None:
    journal = MemoryJournal()
    ovens: list[Oven] = []

    async def act(kitchen: Kitchen, oven: Oven) -> None:
        ovens.append(oven)
        watching = asyncio.create_task(kitchen.order("bake", temperature=hot(900)))
        await asyncio.to_thread(oven.entered.wait, 5)
        watching.cancel()

    play(act, Kitchen(journal))
    assert ovens[0].hardware[-2:] == ["heater off", "shut"]
    assert journal.unfinished() == []


def test_bulk_data_go_by_reference_and_little_ones_inline(tmp_path: Path) -> None:
    async def act(kitchen: Kitchen, oven: Oven) -> None:
        end = await kitchen.order("picture")
        assert end.result is not None
        large, small = end.result.artefacts["picture"], end.result.artefacts["small"]
        assert (large.uri[:7], small.uri[:5]) == ("file://", "data:")
        assert len(read_artefact(large)) == INLINE_LIMIT + 1

    play(act, Kitchen(artefacts=tmp_path / "artefacts"))


def test_bulk_data_without_a_place_fail_the_job_and_say_why() -> None:
    async def act(kitchen: Kitchen, oven: Oven) -> None:
        end = await kitchen.order("picture")
        assert end.state == "failed"
        assert end.error is not None
        assert "no upload ticket" in end.error.message

    play(act)


def test_a_driver_that_returns_nonsense_fails_its_job_alone(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)

    async def act(kitchen: Kitchen, oven: Oven) -> None:
        end = await kitchen.order("muddle")
        assert (end.state, end.error and end.error.code) == ("failed", "internal")

    play(act)


def test_an_order_from_the_future_is_flagged() -> None:
    async def act(kitchen: Kitchen, oven: Oven) -> None:
        job, ahead = kitchen.ids.new(), START + timedelta(seconds=10)
        order = Command(job=job, command="idle", parameters={}, issued_at=ahead, not_after=ahead)
        agent = kitchen.bus.transport()
        await agent.connect()
        await agent.publish(kitchen.topics.command("oven", job), order.to_bytes())
        await kitchen.wake(1.0)
        end = await kitchen.client.query("oven", job)
        assert end is not None
        assert (end.state, end.clock_skew_s) == ("succeeded", 10.0)
        await agent.close()

    play(act)


def test_only_the_newest_ends_stay_on_the_bus_and_the_journal_knows_the_others() -> None:
    kitchen = Kitchen()

    async def act(kitchen: Kitchen, oven: Oven) -> None:
        jobs = [(await kitchen.order("dance")).job for _ in range(KEPT_ENDS + 5)]
        retained = [m.topic.rsplit("/", 1)[1] for m in kitchen.bus.retained(kitchen.topics.every("job"))]
        assert retained == jobs[5:]
        oldest = await kitchen.client.query("oven", jobs[0])
        assert oldest is not None
        assert oldest.error is not None
        assert oldest.error.code == "unknown_command"

    play(act, kitchen)


def test_a_running_device_beats_and_reads_its_channels() -> None:
    async def act(kitchen: Kitchen, oven: Oven) -> None:
        running = asyncio.create_task(oven.run())
        kitchen.heard.clear()
        await kitchen.wake(5.0)
        await kitchen.wake(10.0)
        async with asyncio.timeout(5):
            while len(kitchen.heard) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        found = {m.topic.split("/instrument/oven/")[1]: m.payload for m in kitchen.heard}
        reading = Telemetry.parse(found["telemetry/temperature"])
        assert (reading.value, reading.unit) == (21.5, "Cel")
        assert Status.parse(found["status"]).state == "online"

    play(act)


def test_refusals_change_nothing_about_the_presence() -> None:
    async def act(kitchen: Kitchen, oven: Oven) -> None:
        kitchen.heard.clear()
        for _ in range(20):
            await kitchen.order("dance")
        assert not [m for m in kitchen.heard if m.topic.endswith("/status")]

    play(act)


def test_functions_become_an_instrument_without_a_class() -> None:
    done: list[str] = []
    shaker = Instrument("shaker", driver="shaker 1", safe_state="at rest", lease_s=5.0)

    @shaker.command(summary="Shake", results={"turns": Returns("1")})
    async def shake(job: JobContext, speed: Annotated[float, Parameter("/min", 10, 500)]) -> JobResult:
        done.append(f"shake {speed:g}")
        return JobResult({"turns": Quantity(value=speed, unit="1")})

    @shaker.channel("1/min", period_s=1.0)
    def speed() -> float:
        return 60.0

    @shaker.safe
    def rest() -> None:
        done.append("rest")

    async def run() -> None:
        bus, clock = LocalBus(), SimClock(START)
        ids = SeededIds(clock, random.Random(1))
        device = shaker.on("shaker-1", bus.transport(), lab="demo", clock=clock, ids=ids)
        client = InstrumentClient(bus.transport(), lab="demo", agent="a", clock=clock, ids=ids)
        await device.start()
        await client.start()
        await client.wait_for(["shaker-1"])
        described = client.instruments["shaker-1"]
        assert (described.kind, described.lease_s, described.channels["speed"].unit) == ("shaker", 5.0, "1/min")
        end = await client.execute("shaker-1", "shake", {"speed": Quantity(value=2, unit="/s")}, job=ids.new())
        assert end.state == "succeeded"
        clock.advance(6.0)
        await device.check_lease()
        await client.close()
        await device.stop()

    asyncio.run(run())
    assert done == ["rest", "shake 120", "rest"]


def test_declarations_that_contradict_themselves_are_refused_where_they_stand() -> None:
    with pytest.raises(ValueError, match="outside 0 to 1"):
        Parameter("1", 0, 1, default=2)
    with pytest.raises(Exception, match="no UCUM unit"):
        Parameter("degrees", 0, 1)
    with pytest.raises(ValueError, match="needs a safe_state"):
        Instrument("oven", lease_s=5.0)
    with pytest.raises(ValueError, match="example of command f would be refused"):

        @command(summary="F", example={"x": "y"})
        async def f(self: Device, job: JobContext) -> None: ...
