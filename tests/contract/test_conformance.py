"""Every device that comes with Labwright keeps the instrument profile, in process, on Mosquitto and on amqtt."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import pytest
from conformance_subjects import LAB, SUBJECTS, Bench

from instruments.broker import embedded_broker, find_mosquitto
from instruments.clock import SystemClock
from instruments.conformance.examination import Options
from instruments.conformance.report import Report
from instruments.conformance.run import check_device
from instruments.device import Device
from instruments.ids import SystemIds
from instruments.local import LocalBus
from instruments.mqtt import MqttTransport
from instruments.transport import Transport

CANNOT_BE_TRIED = {"DUP-5", "CTL-4", "RST-5", "RST-6"}
"""Nothing can be done while a job runs that ends at once."""


class Living:
    """A device that runs, beats and reads, and can be restarted."""

    def __init__(self, make: Callable[[], Device]) -> None:
        self._make = make

    async def start(self) -> None:
        self._device = self._make()
        await self._device.start()
        self._running = asyncio.create_task(self._device.run())

    async def stop(self) -> None:
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)
        await self._device.stop()

    async def restart(self) -> None:
        await self.stop()
        await self.start()


@asynccontextmanager
async def living(iid: str, bench: Bench) -> AsyncIterator[Living]:
    subject = SUBJECTS[iid]
    async with bench.stack:
        if subject.double is not None:
            await subject.double(bench)
        device = Living(lambda: subject.make(bench, iid))
        await device.start()
        bench.stack.push_async_callback(device.stop)
        yield device


async def examine(iid: str, bench: Bench) -> Report:
    async with living(iid, bench) as device:
        options = Options(settle_s=0.02, restart=device.restart)
        return await check_device(
            iid, bench.connect, lab=LAB, clock=SystemClock(), ids=SystemIds(), options=options, name=f"check-{iid}"
        )


@pytest.fixture(scope="module", params=["local", "mosquitto", "amqtt"])
def reports(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Report]]:
    """All devices on one bus, checked at the same time: they wait for their heartbeats together."""

    def benches(connect: Callable[[str], Transport]) -> list[tuple[str, Bench]]:
        return [(iid, Bench(connect, tmp_path_factory.mktemp(iid))) for iid in SUBJECTS]

    async def check_all(connect: Callable[[str], Transport]) -> dict[str, Report]:
        found = await asyncio.gather(*(examine(iid, bench) for iid, bench in benches(connect)))
        return {report.iid: report for report in found}

    if request.param == "local":
        bus = LocalBus()
        yield asyncio.run(check_all(lambda _: bus.transport()))
        return
    if request.param == "mosquitto" and find_mosquitto() is None:
        pytest.skip("Mosquitto is not installed")
    if request.param == "amqtt":
        pytest.importorskip("amqtt", reason="amqtt is not installed")
    with embedded_broker(request.param) as address:
        yield asyncio.run(check_all(lambda name: MqttTransport(address, client_id=name)))


@pytest.mark.parametrize("iid", SUBJECTS)
def test_it_keeps_the_profile(reports: dict[str, Report], iid: str) -> None:
    report = reports[iid]
    assert {f.rule: f.seen for f in report.by("failed")} == {}
    assert len(report.by("passed")) > 45


@pytest.mark.parametrize("iid", ["furnace", "microscope", "indenter"])
def test_hardly_a_rule_is_left_untried_on_a_simulator(reports: dict[str, Report], iid: str) -> None:
    about_data = {"JOB-11", "JOB-12", "TEL-1", "TEL-2"}
    assert {f.rule for f in reports[iid].by("skipped")} <= CANNOT_BE_TRIED | about_data
