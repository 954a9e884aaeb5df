"""The conformance suite is fair to a device that others wrote, and finds each fault by the rule that is broken."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from instruments.conformance.examination import Options
from instruments.conformance.report import Report
from instruments.conformance.run import check_device
from instruments.local import LocalBus
from raw_device import IID, LAB, LoopClock, RawDevice, ids, in_a_moment


def examine(flaws: Iterable[str] = (), *, restart: bool = True, **options: object) -> tuple[Report, list[RawDevice]]:
    """Check one raw device with these flaws, in no time."""

    async def work() -> tuple[Report, list[RawDevice]]:
        bus, boots, journal = LocalBus(), ids(), dict[str, object]()
        devices: list[RawDevice] = []

        async def boot() -> None:
            keep = dict[str, object]() if "keeps no journal" in flaws else journal
            number = boots.new() if "same boot id" not in flaws else "0195509f-0000-7000-8000-000000000001"
            devices.append(RawDevice(bus.transport(), keep, number, LoopClock(), frozenset(flaws)))
            await devices[-1].start()

        async def again() -> None:
            await devices[-1].kill()
            if "stays away" not in flaws:
                await boot()

        await boot()
        try:
            report = await check_device(
                IID,
                lambda _: bus.transport(),
                lab=LAB,
                clock=LoopClock(),
                ids=ids(),
                options=Options(restart=again if restart else None, **options),  # type: ignore[arg-type]
            )
        finally:
            await devices[-1].stop()
        assert not [m for m in bus.retained("#") if "/job/" in m.topic], "the suite leaves jobs on the bus"
        return report, devices

    return in_a_moment(work())


def test_a_device_written_by_others_passes() -> None:
    report, devices = examine()
    assert {f.rule: f.seen for f in report.findings if f.verdict != "passed"} == {}
    assert len(report.findings) > 60
    assert len(set(devices[0].acts)) == len(devices[0].acts), "no job was carried out twice"


FLAWS: dict[str, set[str]] = {
    "desc not retained": {"PRE-1"},
}


@pytest.mark.parametrize(("flaw", "rules"), FLAWS.items())
def test_each_flaw_fails_the_rule_that_it_breaks(flaw: str, rules: set[str]) -> None:
    report, _ = examine([flaw])
    assert set(report.failed) == rules
