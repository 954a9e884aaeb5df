"""Lab time: the time that is journalled and told, which in a virtual laboratory runs faster than people's."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from envs.errors import JournalError
from instruments.artefacts import write_durably

FASTEST = 1_000_000.0
"""Beyond it a round trip over the bus takes longer than an experiment."""


def _wall() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Anchor:
    """One moment by two clocks, from which every process of one machine reads the same lab time.

    Args:
        elapsed: the machine's monotonic clock, s; the same for all its processes until it is switched off.
        lab: lab time at that moment.
    """

    elapsed: float
    lab: datetime

    def to_text(self) -> str:
        """One word, for a command line or the environment; ``from_text`` is its inverse."""
        return f"{self.elapsed!r}@{self.lab.isoformat()}"

    @staticmethod
    def from_text(text: str) -> Anchor:
        """Read what ``to_text`` wrote.

        Raises:
            ValueError: it is nothing of the kind.
        """
        elapsed, _, lab = text.partition("@")
        return Anchor(float(elapsed), _aware(datetime.fromisoformat(lab)))


class LabClock:
    """A clock whose days may be shorter than a day, and whose seconds elapsed are real ones.

    Lab time is counted by the monotonic clock from the moment of construction, so it never runs backwards, whatever is
    done to the machine's wall clock; ``jump`` tells what was.

    Args:
        speed: seconds of lab time in a second, above 0.
        anchor_real: a moment by the machine's wall clock.
        anchor_lab: lab time at that moment; where the wall clock shows less, lab time begins here.
        wall: the machine's wall clock.
        monotonic: its monotonic one, s.

    Attributes:
        behind: by how many seconds the wall clock was behind the journal at the start.

    Raises:
        ValueError: the speed is no such number, or a time is naive.
    """

    def __init__(
        self,
        speed: float,
        *,
        anchor_real: datetime,
        anchor_lab: datetime,
        wall: Callable[[], datetime] = _wall,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        if not 0.0 < speed <= FASTEST:
            raise ValueError(f"lab time runs by a speed above 0 and up to {FASTEST:g}, not {speed}")
        self.speed = speed
        self._wall, self._monotonic = wall, monotonic
        self._begun, self._seen = monotonic(), wall()
        passed = max((self._seen - _aware(anchor_real)).total_seconds(), 0.0)
        self._lab = _aware(anchor_lab) + timedelta(seconds=passed * speed)
        self._looked = self._begun
        self._follows = False
        self.behind = 0.0

    @classmethod
    def system(
        cls,
        *,
        journal: datetime | None = None,
        wall: Callable[[], datetime] = _wall,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> LabClock:
        """The machine's own time, for a laboratory that is there; a jump of it forwards is followed by ``jump``.

        Args:
            journal: the stamp of the journal's last entry: a machine whose clock forgot the time begins there.
            wall: the machine's wall clock.
            monotonic: its monotonic one, s.
        """
        now = wall()
        lab = now if journal is None else max(now, _aware(journal))
        clock = cls(1.0, anchor_real=now, anchor_lab=lab, wall=wall, monotonic=monotonic)
        clock._follows, clock.behind = True, (lab - now).total_seconds()
        return clock

    @classmethod
    def beside(
        cls,
        speed: float,
        anchor: Anchor,
        *,
        wall: Callable[[], datetime] = _wall,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> LabClock:
        """The lab time of another process of this machine, which told its ``anchor``."""
        now = wall()
        clock = cls(speed, anchor_real=now, anchor_lab=anchor.lab, wall=wall, monotonic=monotonic)
        clock._begun, clock._lab = anchor.elapsed, anchor.lab
        return clock

    @property
    def anchor(self) -> Anchor:
        """From which another process of this machine reads the same lab time."""
        return Anchor(self._begun, self._lab)

    def now(self) -> datetime:
        """Lab time, in UTC."""
        return self._lab + timedelta(seconds=(self._monotonic() - self._begun) * self.speed)

    def elapsed(self) -> float:
        """Seconds of the machine's monotonic clock: real ones, whatever the speed."""
        return self._monotonic()

    def jump(self) -> float:
        """By how many seconds the wall clock ran ahead of the monotonic one since this was last asked.

        Positive when it was set forwards or the machine slept, negative when it was set back. Lab time takes no part in
        it; only the clock made by ``system`` goes forwards with the machine's, and never back.
        """
        wall, elapsed = self._wall(), self._monotonic()
        ahead = (wall - self._seen).total_seconds() - (elapsed - self._looked)
        self._seen, self._looked = wall, elapsed
        if self._follows and wall > self.now():
            self._lab, self._begun = wall, elapsed
        return ahead

    def real_seconds(self, lab_seconds: float) -> float:
        """How long a duration of the laboratory takes, s."""
        return lab_seconds / self.speed


class LabTime:
    """The last lab time known, in a file: a laboratory that was off goes on where it stood.

    Args:
        path: the file, such as ``virtual/clock.json``.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def last(self) -> datetime | None:
        """The time kept; None where none is.

        Raises:
            JournalError: the file is there and cannot be read.
        """
        try:
            kept = json.loads(self._path.read_bytes())
            return _aware(datetime.fromisoformat(kept["lab"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise JournalError(
                f"{self._path} does not tell the laboratory's time ({error}): delete it, and it goes on from the "
                "journal's last entry"
            ) from error

    def keep(self, clock: LabClock) -> None:
        """Write down what time it is.

        Raises:
            OSError: it cannot be written.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        kept = {"lab": clock.now().isoformat(), "speed": clock.speed}
        write_durably(self._path, f"{json.dumps(kept)}\n".encode())

    def resumed(
        self,
        speed: float,
        *,
        journal: datetime | None = None,
        wall: Callable[[], datetime] = _wall,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> LabClock:
        """The laboratory's clock, going on from the last lab time known; from the wall clock where none is.

        Args:
            speed: seconds of lab time in a second.
            journal: the stamp of the journal's last entry.
            wall: the machine's wall clock.
            monotonic: its monotonic one, s.

        Raises:
            JournalError: the file is there and cannot be read.
            ValueError: the speed is none.
        """
        known = [at for at in (self.last(), journal) if at is not None]
        real = wall()
        return LabClock(speed, anchor_real=real, anchor_lab=max(known, default=real), wall=wall, monotonic=monotonic)


def _aware(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone")
    return moment.astimezone(UTC)
