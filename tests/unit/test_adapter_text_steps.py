"""A command's steps, carried out on a line that follows a script."""

import pytest
from fake_line import FakeJob, FakeLine, carry_out, settings

from envs.errors import ConfigError
from instruments.adapters.text_line import LineFault, SilenceError
from instruments.device import DeviceFault, JobCancelledError
from instruments.messages import ArtefactRef, Quantity

RAMP = {
    "wait": "PV",
    "near": "t",
    "tolerance": 1.0,
    "stable": 2,
    "every_s": 5.0,
    "timeout_s": 60.0,
    "result": "reached",
}
T = {"t": {"unit": "Cel", "low": 0, "high": 500}}


def test_a_wait_ends_when_the_reading_stays_and_tells_its_way() -> None:
    line, job = FakeLine("20", "110", "199.5", "203", "200", "200.5"), FakeJob()
    whole = settings(parameters=T, steps=[{**RAMP, "reading": {"unit": "Cel", "std": 1.0}}])
    assert carry_out(line, whole, job, t=200.0) == {"reached": Quantity(value=200.5, unit="Cel", std=1.0)}
    assert job.slept == [5.0] * 5
    assert job.told[0] == pytest.approx(0.5)  # 110 is half way from 20 to 200
    assert job.told == sorted(job.told)


def test_a_wait_converts_the_goal_into_the_readings_unit() -> None:
    line = FakeLine("473.15", "473.2")
    whole = settings(parameters=T, steps=[{**RAMP, "reading": {"unit": "K"}}])
    assert carry_out(line, whole, FakeJob(), t=200.0)["reached"] == Quantity(value=473.2, unit="K")


def test_a_wait_that_never_ends_is_a_failure() -> None:
    whole = settings(parameters=T, steps=[{**RAMP, "reading": {"unit": "Cel"}}])
    job = FakeJob()
    with pytest.raises(DeviceFault, match=r"'PV' is still '20' after 60 s, not near t") as caught:
        carry_out(FakeLine(respond=lambda _: "20"), whole, job, t=200.0)
    assert caught.value.code == "not_reached"
    assert sum(job.slept) == 60.0


def test_a_wait_for_a_word() -> None:
    whole = settings(steps=[{"wait": "STAT?", "matches": "^READY", "timeout_s": 10.0, "pattern": "S=(.*)"}])
    job = FakeJob()
    carry_out(FakeLine("S=BUSY", "S=BUSY", "S=READY"), whole, job)
    assert job.slept == [1.0, 1.0]


def test_a_delay_takes_a_parameters_time_and_tells_what_remains() -> None:
    whole = settings(parameters={"hold": {"unit": "h", "low": 0, "high": 24}}, steps=[{"delay": "hold"}])
    job = FakeJob()
    carry_out(FakeLine(), whole, job, hold=2.0)
    assert sum(job.slept) == pytest.approx(7200.0)
    assert job.told[49] == pytest.approx(0.5)
    assert job.etas[49] == pytest.approx(3600.0)


def test_a_cancellation_ends_a_delay() -> None:
    whole = settings(steps=[{"write": "A"}, {"delay": 100.0}, {"write": "B"}])
    line = FakeLine()
    with pytest.raises(JobCancelledError):
        carry_out(line, whole, FakeJob(cancel_after=3))
    assert line.sent == ["A"]


def test_what_stands_in_the_error_queue_fails_the_job() -> None:
    whole = settings(error_queue={}, steps=[{"write": "VOLT 99"}, {"check": True}])
    line = FakeLine('-222,"Data out of range"', '-350,"Queue overflow"', '+0,"No error"')
    with pytest.raises(DeviceFault, match=r"Data out of range.*Queue overflow") as caught:
        carry_out(line, whole, FakeJob())
    assert caught.value.code == "instrument_error"


def test_a_lost_answer_of_the_error_queue_is_no_good_news() -> None:
    whole = settings(error_queue={}, steps=[{"check": True}])
    line = FakeLine(SilenceError("lost"), "0", "0", "0")
    with pytest.raises(LineFault):
        carry_out(line, whole, FakeJob())


def test_values_are_told_as_the_instrument_counts() -> None:
    parameters = {
        "t": {"unit": "Cel", "low": 0, "high": 500, "scale": 10.0, "offset": 5.0},
        "mode": {"choice": {"fast": "F", "slow": "S"}},
    }
    line = FakeLine()
    carry_out(
        line, settings(parameters=parameters, steps=[{"write": "SP {t:d} {mode}"}]), FakeJob(), t=20.0, mode="slow"
    )
    assert line.sent == ["SP 205 S"]


def test_what_a_line_that_acts_is_answered_by() -> None:
    line = FakeLine("OK", "READY")
    steps = [{"write": "A"}, {"write": "B", "expect": "READY"}, {"write": "C", "expect": False}]
    carry_out(line, settings(acknowledge="^OK$", steps=steps), FakeJob())
    assert (line.sent, list(line.script)) == (["A", "B", "C"], [])


def test_a_block_becomes_an_artefact() -> None:
    whole = settings(steps=[{"block": "DUMP?", "artefact": "screen", "media_type": "image/png"}])
    kept = carry_out(FakeLine("12345"), whole, FakeJob())["screen"]
    assert isinstance(kept, ArtefactRef)
    assert (kept.bytes, kept.media_type) == (5, "image/png")


def test_what_does_not_agree_is_refused_with_its_key() -> None:
    with pytest.raises(ConfigError) as caught:
        settings(steps=[{"check": True}])
    assert caught.value.key == "commands.go.steps.0.check"
