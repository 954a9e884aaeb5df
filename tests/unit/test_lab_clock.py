"""Lab time: as fast as it is told, never backwards, the same in every process, and resumed where it stood."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.daemon.lab_clock import Anchor, LabClock, LabTime
from envs.errors import JournalError

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Machine:
    """A machine's two clocks."""

    def __init__(self) -> None:
        self.wall = NOON
        self.monotonic = 1000.0

    def wait(self, seconds: float) -> None:
        self.wall += timedelta(seconds=seconds)
        self.monotonic += seconds

    def clock(self, speed: float, lab: datetime = NOON) -> LabClock:
        return LabClock(
            speed, anchor_real=self.wall, anchor_lab=lab, wall=lambda: self.wall, monotonic=lambda: self.monotonic
        )

    def resumed(self, path: Path, speed: float, journal: datetime | None = None) -> LabClock:
        return LabTime(path).resumed(speed, journal=journal, wall=lambda: self.wall, monotonic=lambda: self.monotonic)


def test_a_second_is_an_hour_and_leases_still_count_real_seconds() -> None:
    machine = Machine()
    clock = machine.clock(3600.0)
    before = clock.elapsed()
    machine.wait(2.0)
    assert clock.now() == NOON + 2 * HOUR
    assert clock.elapsed() - before == pytest.approx(2.0)
    assert clock.real_seconds(8 * 3600.0) == pytest.approx(8.0)


def test_a_machine_that_forgot_the_time_begins_at_the_journals_last_entry() -> None:
    machine = Machine()

    def begun(journal: datetime | None) -> LabClock:
        return LabClock.system(journal=journal, wall=lambda: machine.wall, monotonic=lambda: machine.monotonic)

    ahead = begun(NOON + HOUR)
    assert (ahead.now(), ahead.behind) == (NOON + HOUR, 3600.0)
    machine.wait(60.0)
    assert ahead.now() == NOON + HOUR + timedelta(minutes=1)
    machine.wall = NOON + 5 * HOUR  # somebody set it
    ahead.jump()
    assert ahead.now() == NOON + 5 * HOUR
    for journal in (None, NOON):
        assert (begun(journal).now(), begun(journal).behind) == (machine.wall, 0.0)


def test_it_stands_where_its_anchor_says() -> None:
    machine = Machine()
    clock = LabClock(
        60.0, anchor_real=NOON - HOUR, anchor_lab=NOON, wall=lambda: machine.wall, monotonic=lambda: machine.monotonic
    )
    assert clock.now() == NOON + 60 * HOUR


def test_an_anchor_in_the_future_holds_lab_time_where_it_is() -> None:
    machine = Machine()
    clock = LabClock(
        60.0, anchor_real=NOON + HOUR, anchor_lab=NOON, wall=lambda: machine.wall, monotonic=lambda: machine.monotonic
    )
    assert clock.now() == NOON


@given(
    speed=st.sampled_from([1.0, 7.5, 3600.0, 100_000.0]),
    moves=st.lists(st.tuples(st.floats(0.0, 1e5), st.floats(-1e6, 1e6)), max_size=20),
)
def test_whatever_is_done_to_the_wall_clock_lab_time_runs_on(speed: float, moves: list[tuple[float, float]]) -> None:
    machine = Machine()
    clock = machine.clock(speed)
    last, passed = clock.now(), 0.0
    for seconds, jump in moves:
        machine.wait(seconds)
        machine.wall += timedelta(seconds=jump)
        passed += seconds
        assert clock.now() >= last
        last = clock.now()
        assert clock.jump() == pytest.approx(jump, abs=1e-4)
        assert clock.jump() == pytest.approx(0.0, abs=1e-4), "told once"
    assert (clock.now() - NOON).total_seconds() == pytest.approx(passed * speed, abs=1e-3 * speed)


@given(moves=st.lists(st.tuples(st.floats(0.0, 1e5), st.floats(-1e6, 1e6)), max_size=20))
def test_the_clock_of_a_real_laboratory_follows_a_jump_forwards_and_never_one_back(
    moves: list[tuple[float, float]],
) -> None:
    machine = Machine()
    clock = LabClock.system(wall=lambda: machine.wall, monotonic=lambda: machine.monotonic)
    last = clock.now()
    for seconds, jump in moves:
        machine.wait(seconds)
        machine.wall += timedelta(seconds=jump)
        clock.jump()
        assert clock.now() >= max(last, machine.wall) - timedelta(milliseconds=1)
        assert clock.now() >= last
        last = clock.now()


def test_another_process_reads_the_same_time_though_the_wall_clock_was_set_in_between() -> None:
    machine = Machine()
    clock = machine.clock(3600.0)
    told = Anchor.from_text(clock.anchor.to_text())
    machine.wait(12.0)
    machine.wall -= 5 * HOUR
    other = LabClock.beside(3600.0, told, wall=lambda: machine.wall, monotonic=lambda: machine.monotonic)
    assert other.now() == clock.now()
    machine.wait(0.5)
    assert other.now() == clock.now()


def test_a_laboratory_that_was_off_goes_on_where_it_stood(tmp_path: Path) -> None:
    path, machine = tmp_path / "virtual" / "clock.json", Machine()
    clock = machine.resumed(path, 3600.0)
    assert clock.now() == NOON, "the first start of all"
    machine.wait(24.0)
    LabTime(path).keep(clock)
    machine.wait(1e6)
    assert machine.resumed(path, 3600.0).now() == NOON + 24 * HOUR
    assert machine.resumed(path, 10.0).now() == NOON + 24 * HOUR, "at another speed"


def test_what_the_journal_says_last_counts_where_it_is_later(tmp_path: Path) -> None:
    path, machine = tmp_path / "clock.json", Machine()
    LabTime(path).keep(machine.clock(1.0))
    assert machine.resumed(path, 60.0, journal=NOON + 3 * HOUR).now() == NOON + 3 * HOUR
    assert machine.resumed(path, 60.0, journal=NOON - 3 * HOUR).now() == NOON


@pytest.mark.parametrize("content", ["", "{}", '{"lab": "yesterday"}', '{"lab": "2026-03-01T12:00:00"}', "[1]"])
def test_a_file_that_tells_no_time_is_said_with_what_to_do(tmp_path: Path, content: str) -> None:
    (tmp_path / "clock.json").write_text(content)
    with pytest.raises(JournalError, match=r"clock\.json does not tell .* delete it"):
        LabTime(tmp_path / "clock.json").last()


@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan"), float("inf"), 1e7])
def test_a_speed_is_a_number_above_zero(speed: float) -> None:
    with pytest.raises(ValueError, match="speed above 0"):
        Machine().clock(speed)


def test_a_time_without_a_zone_is_no_anchor() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        Machine().clock(1.0, lab=datetime(2026, 3, 1))  # noqa: DTZ001
