"""Who is told of a job may need several attempts to write it down, and is told again until it is written."""

import asyncio
from collections.abc import Callable

import pytest

from instruments.client import InstrumentClient
from instruments.clock import SystemClock
from instruments.device import Device, JobContext, command
from instruments.errors import NotCommittedError
from instruments.ids import SystemIds
from instruments.local import LocalBus, LocalTransport
from instruments.messages import JobState


class Oven(Device):
    @command(summary="Bake")
    async def bake(self, job: JobContext) -> None:
        await job.progress(0.5)


async def no_pause(_seconds: float) -> None:
    await asyncio.sleep(0)


def bake(on_update: Callable[[JobState], None]) -> JobState:
    async def act() -> JobState:
        bus = LocalBus()
        oven = Oven("oven", LocalTransport(bus), lab="demo", clock=SystemClock(), ids=SystemIds())
        client = InstrumentClient(
            LocalTransport(bus, sleeper=no_pause), lab="demo", agent="a", clock=SystemClock(), ids=SystemIds()
        )
        await oven.start()
        await client.start()
        async with asyncio.timeout(5):
            end = await client.execute("oven", "bake", {}, job="j", on_update=on_update)
        await client.close()
        await oven.stop()
        return end

    return asyncio.run(act())


def test_an_end_that_could_not_be_written_down_is_told_again() -> None:
    attempts: list[str] = []
    written: list[str] = []

    def write(state: JobState) -> None:
        attempts.append(state.state)
        if attempts.count(state.state) < 3:
            raise NotCommittedError("the disk is full")
        written.append(state.state)

    assert bake(write).state == "succeeded"
    assert written[-1] == "succeeded"
    assert attempts.count("succeeded") == 3
    assert attempts.count("accepted") == 3


def test_a_mistake_of_who_is_told_does_not_hide_the_end(caplog: pytest.LogCaptureFixture) -> None:
    def stumble(_state: JobState) -> None:
        raise RuntimeError("not thought of")

    assert bake(stumble).state == "succeeded"
    assert "not thought of" in caplog.text
