"""The conformance suite is fair to a device that others wrote, and finds each fault by the rule that is broken."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from quick_time import LoopClock, ids, in_a_moment
from raw_description import IID, LAB
from raw_device import RawDevice

from instruments.conformance.evidence import Options
from instruments.conformance.report import Report
from instruments.conformance.run import check_device
from instruments.local import LocalBus


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
    # Presence
    "desc not retained": {"PRE-1"},
    "wrong iid": {"PRE-2"},
    "boot id no UUID": {"PRE-3", "RST-1"},
    "status not retained": {"PRE-4"},
    "status of another boot": {"PRE-4", "RST-2"},
    "status invalid": {"PRE-4", "RST-1"},
    "no desc again": {"PRE-5", "RST-1"},
    "clock wrong": {"PRE-6"},
    "no heartbeat": {"PRE-7"},
    "slow heartbeat": {"PRE-7"},
    "status seq stands": {"PRE-8"},
    "channel undeclared": {"TEL-1"},
    "no readings": {"TEL-1"},
    "readings in another unit": {"TEL-1"},
    "readings stand": {"TEL-2"},
    "readings retained": {"TEL-3"},
    # Description
    "schema invalid": {"DES-1"},
    "unit is no UCUM": {"DES-2"},
    "limits missing": {"DES-3"},
    "example breaks schema": {"DES-4", "JOB-1", "JOB-9"},
    "limits upside down": {"DES-3", "DES-4"},
    # Refusals
    "another code for an unknown command": {"REF-1"},
    "in error": set(),
    "forgets rejections": {"REF-2"},
    "dies on garbage": {"REF-3"},
    "dies on bytes": {"REF-4"},
    "believes the payload": {"REF-5"},
    "any version": {"REF-6"},
    "needs no times": {"REF-7"},
    "starts expired orders": {"REF-8"},
    "dies of length": {"REF-9"},
    "dies of depth": {"REF-10"},
    "refuses newer fields": {"REF-11"},
    "dies on ctl garbage": {"REF-12"},
    "unknown retained": {"REF-13"},
    "another code for unknown": {"REF-13", "CTL-2"},
    "answers everybody": {"REF-14"},
    "starts the expired later": {"REF-15"},
    "answers no query": {"REF-11", "REF-13", "DUP-4", "CTL-1", "RST-3", "RST-5"},
    # The life of a job
    "never accepts": {"JOB-1", "JOB-3"},
    "accepts late": {"JOB-1", "DUP-5"},
    "invalid state": {"JOB-2"},
    "succeeds without running": {"JOB-3"},
    "seq stands": {"JOB-4"},
    "never ends": {"JOB-5"},
    "two ends": {"JOB-5", "DUP-2", "DUP-4", "CTL-1", "CTL-3", "RST-3", "RST-4"},
    "wrong digest": {"JOB-6", "REF-1", "DUP-3"},
    "progress backwards": {"JOB-7"},
    "time backwards": {"JOB-8"},
    "fails its example": {"JOB-9"},
    "result in another unit": {"JOB-10"},
    "result undeclared": {"JOB-10"},
    "result missing": {"JOB-10"},
    "optional result missing": set(),
    "another media type": {"JOB-10"},
    "artefact hash wrong": {"JOB-11"},
    "artefact in no place": {"JOB-11"},
    "artefact at no server": {"JOB-11"},
    "too much inline": {"JOB-12"},
    "forgets the retained flag": {"JOB-13"},
    "retains no end": {"JOB-13"},
    "retains rubbish": {"JOB-2", "JOB-13"},
    # Parameters
    "missing accepted": {"PAR-1"},
    "unknown accepted": {"PAR-2"},
    "any kind": {"PAR-3"},
    "any unit": {"PAR-4"},
    "units as they stand": {"PAR-5"},
    "ignores upper limits": {"PAR-6", "PAR-5"},
    "ignores lower limits": {"PAR-7"},
    "any word": {"PAR-8"},
    "NaN accepted": {"PAR-9"},
    # Doubled orders
    "runs duplicates": {"DUP-1", "DUP-2", "DUP-3", "DUP-4", "REF-2", "CTL-1", "CTL-3", "RST-3", "RST-4", "RST-6"},
    "echo is news": {"DUP-2", "DUP-1", "REF-2", "RST-4"},
    "no conflict": {"DUP-3"},
    "conflict with the first digest": {"DUP-3"},
    "conflict retained": {"DUP-4"},
    "more at a time": {"DUP-5"},
    "busy by another name": {"DUP-5"},
    # Query and cancel
    "query is news": {"CTL-1", "DUP-4", "CTL-3", "RST-3"},
    "cancels the finished": {"CTL-3", "RST-3", "RST-4"},
    "ignores cancellations": {"CTL-4"},
    "dies of a lease": {"CTL-5"},
    "ignores the lease": {"CTL-6"},
    "declares uncancellable": {"CTL-4"},
    # Restarts
    "same boot id": {"RST-1"},
    "stays away": {"RST-1"},
    "no will": {"RST-2"},
    "keeps no journal": {"RST-3", "RST-4", "RST-5", "RST-6"},
    "forgets the interrupted": {"RST-5", "RST-6"},
    "resumes": {"RST-6", "RST-5"},
    "obeys ghosts": {"RST-7"},
}
"""What a device gets wrong, the rule that it breaks, and what follows from it."""


@pytest.mark.parametrize(("flaw", "rules"), FLAWS.items())
def test_each_flaw_fails_the_rule_that_it_breaks(flaw: str, rules: set[str]) -> None:
    report, _ = examine([flaw])
    assert set(report.failed) == rules
    assert all(f.advice for f in report.by("failed") if f.rule.startswith(("REF-8", "PAR", "RST")))


def test_every_rule_finds_a_flaw() -> None:
    """One that can never fail would be worth nothing."""
    report, _ = examine()
    assert {f.rule for f in report.findings} == set().union(*FLAWS.values())
