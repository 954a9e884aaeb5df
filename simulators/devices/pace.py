"""How fast simulated work goes: at once, or by a clock on which a day of the laboratory takes a moment."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from envs.errors import ConfigError
from instruments.clock import Clock
from instruments.device import JobContext

FASTEST = 1_000_000.0
UPDATES, LOOKS = 10, 60
"""Most reports of progress in a job, and most readings of its gauges."""
_APART_S = 0.2
"""Real seconds between two of them at least: nobody reads faster."""

At = Callable[[float], Awaitable[None]]
"""Called with the seconds of lab time that have passed."""


def check_speed(speed: float) -> None:
    """Refuse what is no speed.

    Raises:
        ConfigError: when it is neither 0 nor 1 or more.
    """
    if not (speed == 0.0 or 1.0 <= speed <= FASTEST):
        raise ConfigError("--speed", speed, f"0 (everything at once), or 1 to {FASTEST:g}")


class Pace:
    """Lets the duration of jobs pass.

    Args:
        speed: seconds of lab time in a real one, 1 or more; 0 lets all of it pass at once.
        clock: of the device, by which the end of a job is foretold; the machine's own, or one of lab time.

    Raises:
        ConfigError: when it is no such number.
    """

    def __init__(self, speed: float, clock: Clock) -> None:
        check_speed(speed)
        self._speed = speed
        self._clock_speed = float(getattr(clock, "speed", 1.0))

    @property
    def gradual(self) -> bool:
        """Whether jobs last at all."""
        return self._speed > 0.0

    def _by_the_clock(self, seconds: float) -> float:
        """By how much the device's clock moves on while so much lab time passes, s."""
        return seconds / self._speed * self._clock_speed

    async def take(self, job: JobContext, seconds: float, *, at: At | None = None) -> None:
        """Let a job last so long in lab time, and say so at once; its computing counts. A cancellation ends it at once.

        Args:
            job: it.
            seconds: of lab time, from the job's beginning to its end.
            at: called a few times while it lasts.
        """
        await job.progress(0.0, remaining_s=self._by_the_clock(seconds) if self.gradual else seconds)
        if not self.gradual:
            job.spend(seconds)
            return
        begun = job.elapsed_s
        real_s = max(0.0, seconds / self._speed - begun)
        n = max(1, min(LOOKS, int(real_s / _APART_S)))
        spent = _Spent(job)
        try:
            for step in range(1, n + 1):
                # Until a moment, not for a while: what each wait lasts too long would add up.
                await job.sleep(max(0.0, begun + real_s * step / n - spent.real_s))
                if step == n:
                    break
                spent.up_to(passed := seconds * step / n)
                if step * UPDATES // n > (step - 1) * UPDATES // n:
                    await job.progress(step / n, remaining_s=self._by_the_clock(seconds - passed))
                if at is not None:
                    await at(passed)
        except BaseException:
            spent.up_to(min(seconds, spent.real_s * self._speed))
            raise
        spent.up_to(seconds)


class _Spent:
    """What a job is said to have taken, in lab time, beside the real time that it has taken."""

    def __init__(self, job: JobContext) -> None:
        self._job = job
        self._spent = 0.0

    @property
    def real_s(self) -> float:
        """Real seconds since the job began."""
        return self._job.elapsed_s - self._spent

    def up_to(self, seconds: float) -> None:
        """Have the job's account show so much, or what it shows already."""
        more = max(0.0, seconds - self._job.elapsed_s)
        self._job.spend(more)
        self._spent += more
