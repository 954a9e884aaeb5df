"""Whatever a driver raises or returns, its job ends, and the end can be told."""

import asyncio
import logging
import random
from datetime import UTC, datetime
from typing import Any

import pytest

from instruments.artefacts import INLINE_LIMIT, inline_artefact
from instruments.client import InstrumentClient
from instruments.clock import SimClock
from instruments.device import Device, DeviceFault, JobContext, RetryableFault, command
from instruments.ids import SeededIds
from instruments.local import LocalBus
from instruments.messages import JobState

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Moody(Device):
    """Does what a test says."""

    kind = "moody"
    says: Any = None

    @command(summary="Do it")
    async def act(self, job: JobContext) -> Any:
        if isinstance(self.says, BaseException):
            raise self.says
        return self.says


def end_of(says: object) -> JobState:
    async def run() -> JobState:
        bus, clock = LocalBus(), SimClock(START)
        ids = SeededIds(clock, random.Random(1))
        moody = Moody("m", bus.transport(), lab="demo", clock=clock, ids=ids)
        client = InstrumentClient(bus.transport(), lab="demo", agent="a", clock=clock, ids=ids)
        await moody.start()
        await client.start()
        await client.wait_for(["m"])
        try:
            moody.says = says
            async with asyncio.timeout(5):
                end = await client.execute("m", "act", {}, job=ids.new())
                moody.says = None  # and the slot is free
                assert (await client.execute("m", "act", {}, job=ids.new())).state == "succeeded"
            return end
        finally:
            await client.close()
            await moody.stop()

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (RetryableFault("door jammed!", "it does not open"), "door_jammed_"),
        (DeviceFault("", "?"), "fault"),
        (DeviceFault("x" * 200, "?"), "x" * 64),
        (OSError("/data/\udcff.tif"), "internal"),
        (RuntimeError("x" * 2_000_000), "internal"),
    ],
)
def test_whatever_a_driver_raises_ends_its_job(raised: Exception, code: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    end = end_of(raised)
    assert (end.state, end.error and end.error.code) == ("failed", code)
    assert len(end.to_bytes()) < 10_000


def test_a_result_that_no_message_can_carry_is_a_failure_that_says_what_to_do() -> None:
    pictures = {f"picture{n}": inline_artefact(b"x" * INLINE_LIMIT, "image/tiff") for n in range(12)}
    end = end_of(pictures)
    assert end.error is not None
    assert (end.state, end.error.code) == ("failed", "too_large")
    assert "by reference" in end.error.message
