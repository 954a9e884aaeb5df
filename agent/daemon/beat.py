"""The daemon's pulse: once a second time's own consequences happen, and what may have changed outside is looked at."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from agent.daemon import logs
from agent.daemon.lab_clock import LabClock
from agent.desk import Desk
from agent.runner import Runner
from envs.errors import InstrumentError, JournalError
from instruments.clock import Sleeper

_log = logs.get("beat")
TICK_S = 1.0
POLICIES_EVERY, KEEP_EVERY, ANNOUNCE_EVERY = 10, 5, 10
"""Ticks between two looks of the rules that approve, two notes of lab time, two signs of life on the bus."""
JUMP_S = 5.0
"""A jump of the machine's clock that is worth a word."""


class Beat:
    """Ticks until cancelled.

    Args:
        desk: takes ticks.
        runner: looks again at what is due.
        clock: the laboratory's.
        sleeper: waits, in real time.
        announce: says on the bus that the agent is alive.
        keep: writes down lab time, where that is not the machine's.
        jumped: told of jumps of the machine's clock, s.
        look: looks at what may have changed outside.
        lost: why the journal can never be written again by this process; empty while it can.
    """

    def __init__(
        self,
        desk: Desk,
        runner: Runner,
        clock: LabClock,
        sleeper: Sleeper,
        *,
        announce: Callable[[], Awaitable[None]],
        keep: Callable[[], None] = lambda: None,
        jumped: Callable[[float], None] = lambda _s: None,
        look: Callable[[], None] = lambda: None,
        lost: Callable[[], str] = lambda: "",
    ) -> None:
        self._desk = desk
        self._runner = runner
        self._clock = clock
        self._sleeper = sleeper
        self._announce = announce
        self._keep = keep
        self._jumped = jumped
        self._look = look
        self._lost = lost
        self.last = clock.elapsed()
        """When it ticked last, by the monotonic clock: a health check looks at it."""

    async def run(self) -> None:
        """Tick.

        Raises:
            JournalError: the lease on the journal is lost: a process that only looks alive would let people's decisions
                pass by.
        """
        n = 0
        while True:
            await self._sleeper(TICK_S)
            n += 1
            self.last = self._clock.elapsed()
            try:
                self._desk.tick(policies=n % POLICIES_EVERY == 0)
                if n % KEEP_EVERY == 0:
                    self._keep()
                if n % ANNOUNCE_EVERY == 0:
                    await self._announce()
            except (JournalError, OSError) as error:
                _log.error("not recorded for now", reason=str(error))
            except InstrumentError as error:
                _log.warning("not announced for now", reason=str(error))
            if (why := self._lost()) != "":
                raise JournalError(why)
            self._look_at_the_clock()
            self._look()
            self._runner.wake()

    def _look_at_the_clock(self) -> None:
        ahead = self._clock.jump()
        if abs(ahead) >= JUMP_S:
            _log.warning(
                "the machine's clock jumped: lab time goes on as if it had not, and never back", seconds=round(ahead, 1)
            )
            self._jumped(ahead)
