"""Quiet hours: times of the week, on the wall clock of a place, in which nobody is expected to decide.

Written as ``22:00-06:00`` (every day, over midnight), ``Sat`` (all of it), ``Sun 00:00-24:00`` or
``Mon-Fri 18:00-24:00``. Where the clocks change, a quiet span lasts as long as any reading of its ends allows: it
begins at the first 02:30 of the day and ends at the last.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from envs.errors import ConfigError

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_DAYS = "|".join(WEEKDAYS)
_ENTRY = re.compile(rf"(?:({_DAYS})(?:-({_DAYS}))?)?(?:(?:^|\s+)(\d\d:\d\d)-(\d\d:\d\d))?")
FORMS = '"22:00-06:00", "Sat", "Sun 08:00-24:00" or "Mon-Fri 18:00-24:00"'
MINUTES = 24 * 60
_LONGEST = timedelta(days=15)
"""Quiet spans that follow on one another are followed this far; a whole week of them is refused beforehand."""


@dataclass(frozen=True)
class Span:
    """One entry: minutes of the day, on some days; one that ends no later than it begins goes on into the next day."""

    days: frozenset[int]
    start: int
    end: int


@dataclass(frozen=True)
class QuietHours:
    """Entries in one time zone; none of them is no quiet hour at all.

    Args:
        spans: of the week.
        zone: IANA name, such as Europe/Berlin.
    """

    spans: tuple[Span, ...] = ()
    zone: str = "UTC"

    @classmethod
    def parse(cls, entries: Sequence[str], zone: str = "UTC", *, key: str = "quiet", source: str = "") -> QuietHours:
        """Read entries as people write them.

        Raises:
            ConfigError: an entry is none, the zone is unknown, or the whole week would be quiet.
        """
        try:
            ZoneInfo(zone)
        except (KeyError, ValueError, OSError) as error:  # unknown, no such form, or a folder of zones
            raise ConfigError(
                f"{key}.zone", zone, "the name of a time zone, such as Europe/Berlin or UTC", source=source
            ) from error
        quiet = cls(tuple(_span(entry, f"{key}.hours", source) for entry in entries), zone)
        if len({minute for s in quiet.spans for minute in _minutes(s)}) == 7 * MINUTES:
            raise ConfigError(f"{key}.hours", list(entries), "some time of the week that is not quiet", source=source)
        return quiet

    def at(self, now: datetime) -> bool:
        """Whether a moment is in quiet hours."""
        return self.end(now) != now

    def end(self, now: datetime) -> datetime:
        """When the quiet hours that a moment is in are over, those that follow on them too; the moment itself if none.

        Args:
            now: with a time zone.
        """
        moment = now
        while moment - now < _LONGEST:
            ends = [end for start, end in self._around(moment) if start <= moment < end]
            if not ends:
                break
            moment = max(ends)
        return moment if moment == now else moment.astimezone(now.tzinfo)

    def _around(self, moment: datetime) -> Iterator[tuple[datetime, datetime]]:
        """The spans of yesterday, today and tomorrow, in UTC."""
        zone = ZoneInfo(self.zone)
        today = moment.astimezone(zone).date()
        for day in (today - timedelta(days=1), today, today + timedelta(days=1)):
            for span in self.spans:
                if day.weekday() in span.days:
                    over = span.end <= span.start
                    start = min(_readings(day, span.start, zone))
                    end = max(_readings(day + timedelta(days=1) if over else day, span.end, zone))
                    yield start, end


def _readings(day: date, minute: int, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """A time on the wall clock, in UTC: twice, since where clocks change it may come twice or not at all."""
    if minute == MINUTES:
        day, minute = day + timedelta(days=1), 0
    local = datetime.combine(day, time(minute // 60, minute % 60), zone)
    return local.replace(fold=0).astimezone(UTC), local.replace(fold=1).astimezone(UTC)


def _span(entry: str, key: str, source: str) -> Span:
    found = _ENTRY.fullmatch(entry.strip())
    if not found or not entry.strip():
        raise ConfigError(key, entry, FORMS, source=source)
    first, last, start, end = found.groups()
    days = frozenset(range(7))
    if first:
        begin = WEEKDAYS.index(first)
        days = frozenset((begin + n) % 7 for n in range((WEEKDAYS.index(last or first) - begin) % 7 + 1))
    minutes = (_minute(start or "00:00"), _minute(end or "24:00"))
    if not all(0 <= m <= MINUTES for m in minutes) or minutes[0] == MINUTES or minutes[0] == minutes[1]:
        raise ConfigError(key, entry, f"two times of the day from 00:00 to 24:00: {FORMS}", source=source)
    return Span(days, *minutes)


def _minute(text: str) -> int:
    hours, minutes = int(text[:2]), int(text[3:])
    return hours * 60 + minutes if minutes < 60 else -1


def _minutes(span: Span) -> Iterator[int]:
    """Minutes of the week that a span covers."""
    length = (span.end - span.start) % MINUTES or MINUTES
    for day in span.days:
        for minute in range(span.start, span.start + length):
            yield (day * MINUTES + minute) % (7 * MINUTES)
