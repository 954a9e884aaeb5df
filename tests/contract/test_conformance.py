"""Every device that comes with Labwright keeps the instrument profile, in process, on Mosquitto and on amqtt."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from conformance_subjects import LAB, SUBJECTS, Bench, examine, living
from patience import require_broker
from typer.testing import CliRunner, Result

from agent.cli import app
from envs.errors import UserError
from instruments.address import BrokerAddress
from instruments.broker import embedded_broker
from instruments.conformance.report import Report
from instruments.device import Device, JobContext, JobResult, Returns, command
from instruments.local import LocalBus
from instruments.mqtt import MqttTransport
from instruments.transport import Transport

CANNOT_BE_TRIED = {"DUP-5", "CTL-4", "CTL-6", "RST-5", "RST-6"}
"""Nothing can be done while a job runs that ends at once."""


class Scope(Device):
    """It has no place of its own for what it measures."""

    kind = "oscilloscope"

    @command(summary="Record", results={"trace": Returns(media_type="application/octet-stream")}, example={})
    async def record(self, job: JobContext) -> JobResult:
        return JobResult(artefacts={"trace": await job.keep(bytes(200_000), "application/octet-stream")})


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
    require_broker(request.param)
    with embedded_broker(request.param) as address:

        def connect(name: str) -> MqttTransport:
            return MqttTransport(address, client_id=name)

        found = asyncio.run(check_all(connect))
        if request.param == "amqtt":
            # amqtt drops what is not acknowledged within 5 s, which all at once on a busy machine may not manage.
            again = [bench for bench in benches(connect) if not found[bench[0]].conforms]
            found |= {iid: asyncio.run(examine(iid, bench)) for iid, bench in again}
        yield found


@pytest.mark.parametrize("iid", SUBJECTS)
def test_it_keeps_the_profile(reports: dict[str, Report], iid: str) -> None:
    report = reports[iid]
    assert {f.rule: f.seen for f in report.by("failed")} == {}
    assert len(report.by("passed")) > 45


@pytest.mark.parametrize(
    "iid", ["furnace", "microscope", "indenter", "robot", "diffractometer", "ultrasonic", "balance"]
)
def test_hardly_a_rule_is_left_untried_on_a_simulator(reports: dict[str, Report], iid: str) -> None:
    about_data = {"JOB-11", "JOB-12", "TEL-1", "TEL-2"}
    assert {f.rule for f in reports[iid].by("skipped")} <= CANNOT_BE_TRIED | about_data


def check(mosquitto: BrokerAddress, *arguments: str) -> Result:
    """What the command says, while the indenter and an oscilloscope are on the bus."""

    async def run(directory: Path) -> Result:
        bench = Bench(lambda name: MqttTransport(mosquitto, client_id=name), directory)
        scope = Scope("scope", bench.connect("scope"), **{**bench.base, "artefacts": None})
        bench.stack.push_async_callback(scope.stop)
        await scope.start()
        async with living("indenter", bench):
            line = ["instrument", "check", "--broker", mosquitto.url_with_password, "--lab", LAB, *arguments]
            return await asyncio.to_thread(CliRunner().invoke, app, line)

    with TemporaryDirectory() as directory:
        return asyncio.run(run(Path(directory)))


@pytest.fixture(scope="module")
def mosquitto() -> Iterator[BrokerAddress]:
    require_broker("mosquitto")
    with embedded_broker("mosquitto") as address:
        yield address


def test_the_command_prints_a_report_and_a_line_of_json(mosquitto: BrokerAddress) -> None:
    result = check(mosquitto, "indenter", "--quick", "--json")
    assert result.exit_code == 0, result.output
    assert "indenter keeps the profile in what could be tried." in " ".join(result.output.split())
    assert mosquitto.password not in result.output
    data = json.loads(result.output.splitlines()[-1])
    assert (data["conforms"], data["failed"]) == (True, 0)


def test_a_command_that_fails_as_ordered_makes_the_exit_code_1(mosquitto: BrokerAddress) -> None:
    nothing = '{"sample": "nowhere", "load": {"value": 1, "unit": "N"}, "count": {"value": 3, "unit": "1"}}'
    result = check(mosquitto, "indenter", "--quick", "--command", "indent", "--parameters", nothing)
    assert result.exit_code == 1
    assert "JOB-9  Success" in result.output
    assert "unknown_sample" in result.output


def test_bulk_data_may_come_by_the_orders_ticket(mosquitto: BrokerAddress) -> None:
    pytest.importorskip("uvicorn", reason="the extra lab is not installed")
    result = check(mosquitto, "scope", "--quick", "--json")
    rules = {r["id"]: r for r in json.loads(result.output.splitlines()[-1])["rules"]}
    assert rules["JOB-11"]["seen"] == "trace: 200000 bytes, http"
    assert result.exit_code == 0, result.output


def test_wrong_use_is_the_users_mistake(mosquitto: BrokerAddress) -> None:
    for arguments, word in (
        (["nobody"], "nobody is not on the bus"),
        (["indenter", "--command", "dance"], "it has: indent"),
    ):
        result = check(mosquitto, *arguments)
        assert isinstance(result.exception, UserError)  # main() makes it exit code 2
        assert word in str(result.exception)
    assert check(mosquitto, "indenter", "--parameters", "{}").exit_code == 2
