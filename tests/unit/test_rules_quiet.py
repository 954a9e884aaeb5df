"""Quiet hours hold on the wall clock of the place, over midnight and over changes of the clocks."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.rules.quiet import WEEKDAYS, QuietHours
from envs.errors import ConfigError

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "America/Sao_Paulo")
moments = st.integers(0, 4 * 365 * 86400).map(lambda s: datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=s))
clock = st.integers(0, 1439)


def text_of(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def on_the_wall(moment: datetime, zone: str, days: set[int], start: int, end: int) -> bool:
    """Whether a moment's wall-clock time is within a span: the oracle, which knows nothing of changes of the clocks."""
    local = moment.astimezone(ZoneInfo(zone))
    minute, day = local.hour * 60 + local.minute, local.weekday()
    if start < end:
        return day in days and start <= minute < end
    return (day in days and minute >= start) or ((day - 1) % 7 in days and minute < end)


def clocks_change(moment: datetime, zone: str) -> bool:
    """Whether the clocks change within two days of a moment."""
    place = ZoneInfo(zone)
    offsets = {(moment + timedelta(hours=h)).astimezone(place).utcoffset() for h in range(-48, 49, 6)}
    return len(offsets) > 1


@given(moments, st.sampled_from(ZONES), st.sets(st.integers(0, 6), min_size=1, max_size=6), clock, clock)
def test_quiet_hours_are_those_on_the_wall(moment: datetime, zone: str, days: set[int], start: int, end: int) -> None:
    if start == end:
        end = (end + 1) % 1440
    quiet = QuietHours.parse([f"{WEEKDAYS[d]} {text_of(start)}-{text_of(end)}" for d in days], zone)
    expected = on_the_wall(moment, zone, days, start, end)
    if not clocks_change(moment, zone):
        assert quiet.at(moment) == expected
    elif expected:
        assert quiet.at(moment)


@given(moments, st.sampled_from(ZONES), clock, clock)
def test_their_end_is_the_first_moment_that_is_not_quiet(moment: datetime, zone: str, start: int, end: int) -> None:
    if start == end:
        end = (end + 1) % 1440
    quiet = QuietHours.parse([f"{text_of(start)}-{text_of(end)}", "Sat"], zone)
    over = quiet.end(moment)
    assert not quiet.at(over)
    assert over.tzinfo is moment.tzinfo
    if over != moment:
        assert quiet.at(moment)
        assert quiet.at(over - timedelta(seconds=1))
        steps = int((over - moment) / timedelta(minutes=17))
        assert all(quiet.at(moment + n * timedelta(minutes=17)) for n in range(steps + 1))


def test_a_night_across_the_spring_change_is_an_hour_shorter() -> None:
    quiet = QuietHours.parse(["22:00-06:00"], "Europe/Berlin")
    evening = datetime(2026, 3, 28, 21, 0, tzinfo=UTC)  # 22:00 in Berlin; clocks go forward in the night
    assert quiet.end(evening) - evening == timedelta(hours=7)
    assert not quiet.at(evening - timedelta(seconds=1))
    autumn = datetime(2026, 10, 24, 20, 0, tzinfo=UTC)
    assert quiet.end(autumn) - autumn == timedelta(hours=9)


def test_spans_that_follow_on_one_another_are_one() -> None:
    quiet = QuietHours.parse(["22:00-06:00", "Sat", "Sun 00:00-24:00"], "Europe/Berlin")
    friday_night = datetime(2026, 6, 5, 22, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    assert quiet.end(friday_night) == datetime(2026, 6, 8, 6, 0, tzinfo=ZoneInfo("Europe/Berlin"))


def test_days_may_be_a_range_also_over_the_end_of_the_week() -> None:
    quiet = QuietHours.parse(["Sat-Mon", "Tue-Thu 08:00-09:00"])
    days = [quiet.at(datetime(2026, 6, day, 8, 30, tzinfo=UTC)) for day in range(1, 8)]  # the 1st is a Monday
    assert days == [True, True, True, True, False, True, True]


def test_without_entries_it_is_never_quiet() -> None:
    now = datetime(2026, 6, 5, 3, 0, tzinfo=UTC)
    assert not QuietHours().at(now)
    assert QuietHours().end(now) is now


@pytest.mark.parametrize(
    "entry", ["", " ", "Saturday", "22-06", "25:00-26:00", "10:75-11:00", "10:00-10:00", "24:00-06:00", "Sat 10:00"]
)
def test_what_is_no_time_is_refused_with_what_is(entry: str) -> None:
    with pytest.raises(ConfigError, match=r"policy\.quiet\.hours.*22:00-06:00"):
        QuietHours.parse([entry], key="policy.quiet")


def test_an_unknown_zone_and_a_week_without_a_waking_hour_are_refused() -> None:
    for zone in ("Europe/Berlinn", "", "../etc/passwd", "Europe"):
        with pytest.raises(ConfigError, match="time zone"):
            QuietHours.parse(["Sat"], zone)
    with pytest.raises(ConfigError, match="some time of the week"):
        QuietHours.parse(["Mon-Fri", "Sat-Sun 00:00-12:00", "12:00-24:00"])


CHANGES = (
    ("Europe/Berlin", datetime(2026, 3, 29, 1, 0, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2026, 10, 25, 1, 0, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 11, 1, 6, 0, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 4, 4, 15, 0, tzinfo=UTC)),  # by half an hour
)


@given(st.sampled_from(CHANGES), st.integers(-150, 150), st.integers(0, 240), st.integers(1, 150))
def test_where_the_clocks_change_quiet_hours_are_rather_too_long(
    change: tuple[str, datetime], minutes: int, start: int, length: int
) -> None:
    zone, at = change
    quiet = QuietHours.parse([f"{text_of(start)}-{text_of(start + length)}"], zone)
    moment = at + timedelta(minutes=minutes)
    if on_the_wall(moment, zone, set(range(7)), start, start + length):
        assert quiet.at(moment)


def test_a_span_within_the_hour_that_comes_twice_lasts_from_the_first_to_the_last() -> None:
    quiet = QuietHours.parse(["02:15-02:45"], "Europe/Berlin")
    first = datetime(2026, 10, 25, 0, 15, tzinfo=UTC)
    assert not quiet.at(first - timedelta(seconds=1))
    assert quiet.end(first) == datetime(2026, 10, 25, 1, 45, tzinfo=UTC)
