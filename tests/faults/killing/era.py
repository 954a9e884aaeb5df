"""A laboratory's life under kills: killed, started again, and in the end left alone until everything has ended."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import sqlalchemy as sa

from agent.journal import Journal
from agent.ledger import tables as t
from envs.errors import JournalError

from .laboratory import Laboratory, last_words
from .plan import Kill, at_point

UP_S = 30.0
"""How long a daemon may take to be up."""
POINT_S = 10.0
"""A crash point that is not reached in this time is tried again later, and this life ends at random."""
AGAIN = 4
"""How often a crash point is tried."""
QUIET_S = 90.0
SHOP = 0.12
"""Share of the daemon's deaths with which the instruments die, too."""
RETRIES = 40
"""Starts that a service manager tries while the dead process's lease is still held, or the database is away."""


@dataclass
class Tally:
    """What was done to a laboratory.

    Attributes:
        kills: by point.
        starts: lives of the daemon.
        up_s: how long each took to be up that came so far.
        cold_s: likewise, of an interpreter started anew.
        with_untold: deaths with a proposal or an outcome still to be told; others prove nothing about telling.
        with_orders: deaths with an order whose end was not known; others prove nothing about doing things once.
        not_up: lives that should have come so far, and did not.
        refused: starts that failed because the lease was still held or the database was away.
        by_itself: lives that ended without being killed, and how.
        missed: crash points that were never reached.
        shop_kills: deaths of the instruments.
        server_faults: deaths of what the daemon needs.
    """

    kills: Counter[str] = field(default_factory=Counter)
    starts: int = 0
    up_s: list[float] = field(default_factory=list)
    cold_s: list[float] = field(default_factory=list)
    with_untold: int = 0
    with_orders: int = 0
    not_up: int = 0
    refused: int = 0
    by_itself: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    shop_kills: int = 0
    server_faults: int = 0
    tried: Counter[str] = field(default_factory=Counter)

    def add(self, other: Tally) -> None:
        """Count another laboratory's, too."""
        self.kills += other.kills
        self.starts += other.starts
        self.up_s += other.up_s
        self.cold_s += other.cold_s
        self.with_untold += other.with_untold
        self.with_orders += other.with_orders
        self.not_up += other.not_up
        self.refused += other.refused
        self.by_itself += other.by_itself
        self.missed += other.missed
        self.shop_kills += other.shop_kills
        self.server_faults += other.server_faults


Break = Callable[[str], None]
"""Kills what a daemon needs: ``backend``, ``connections`` or ``server``; it is back when this returns."""


class Era:
    """One laboratory, killed as planned.

    Args:
        lab: it.
        kills: in their order.
        tell: told how it goes.
        after: called after each death, before the next start.
        broken: kills what the daemon needs.
    """

    def __init__(
        self, lab: Laboratory, kills: list[Kill], tell: Callable[[str], None], *,
        after: Callable[[Laboratory], None] = lambda _lab: None, broken: Break = lambda _what: None,
    ) -> None:  # fmt: skip
        self._lab = lab
        self._kills = kills
        self._tell = tell
        self._after = after
        self._broken = broken
        self.tally = Tally()

    async def run(self) -> Tally:
        """Kill and start again; then let it run out, and leave in order."""
        waiting = list(self._kills)
        while waiting:
            kill = waiting.pop(0)
            if not await self._die(kill):
                self.tally.tried[kill.name] += 1
                if self.tally.tried[kill.name] < AGAIN:
                    waiting.insert(min(3, len(waiting)), at_point(kill.name, self._lab.rng))
                else:
                    self.tally.missed.append(kill.name)
            self._after(self._lab)
            await asyncio.to_thread(self._look)
            if self._lab.rng.random() < SHOP:
                await self._lab.kill_shop()
        await self._run_out()
        self.tally.up_s = self._lab.daemon.up_s
        self.tally.shop_kills = self._lab.n_shop_kills
        return self.tally

    # ---- Deaths

    async def _start(self, crash: str = "") -> None:
        """Start the daemon; again while the lease of the dead one is still held, as a service manager does."""
        daemon = self._lab.daemon
        for _ in range(RETRIES):
            await daemon.start(crash)
            self.tally.starts += 1
            # Whoever is refused is refused at once.
            if not (await daemon.has_ended(0.3) and daemon.status == 1):
                return
            self.tally.refused += 1
            await asyncio.sleep(0.1)

    async def _die(self, kill: Kill) -> bool:
        """Whether it died as planned; else it was killed all the same."""
        daemon = self._lab.daemon
        if kill.what == "random":
            await daemon.start()
            self.tally.starts += 1
            if await daemon.has_ended(kill.after_s):
                if daemon.status == 1 and not isinstance(self._lab.place, str):
                    self._note_end()
                self.tally.refused += daemon.status == 1
                await self._start()
                await asyncio.sleep(kill.after_s)
            await self._kill("random")
            return True
        if kill.what == "point":
            return await self._at_point(kill)
        await self._start()
        if await self._is_up():
            await asyncio.sleep(kill.after_s)
            await asyncio.to_thread(self._broken, kill.what)
            self.tally.server_faults += 1
            if not await daemon.has_ended(UP_S):
                self.tally.by_itself.append(f"{kill.what}: the daemon goes on without its lease")
            elif daemon.status == 1:
                self.tally.kills[kill.what] += 1
                return True
            else:
                self._note_end()
        await self._kill(kill.what)
        return True

    async def _at_point(self, kill: Kill) -> bool:
        daemon = self._lab.daemon
        await self._start(kill.point)
        if kill.name in {"in-stop", "in-reload"} and await self._is_up():
            await asyncio.sleep(self._lab.rng.uniform(0.1, 1.0))
            if kill.name == "in-reload":
                self._lab.at_once = 5 - self._lab.at_once
                self._lab.write_file()
            daemon.signal(signal.SIGTERM if kill.name == "in-stop" else signal.SIGHUP)
        if not await daemon.has_ended(POINT_S):
            await self._is_up()
            await self._kill("random")
            return False
        if daemon.status != -signal.SIGKILL:
            self._note_end()
            return False
        self.tally.kills[kill.name] += 1
        return True

    async def _is_up(self) -> bool:
        if await self._lab.daemon.is_up(UP_S):
            return True
        if self._lab.daemon.status != -signal.SIGKILL:
            self.tally.not_up += 1
        return False

    async def _kill(self, name: str) -> None:
        daemon = self._lab.daemon
        if daemon.status is None:
            await daemon.kill()
        if daemon.status == -signal.SIGKILL:
            self.tally.kills[name] += 1
        else:
            self._note_end()

    def _note_end(self) -> None:
        words = f"exit status {self._lab.daemon.status}: {last_words(self._lab.directory)}"
        self.tally.by_itself.append(words)
        self._tell(f"ended by itself, {words}")

    # ---- The end

    async def _run_out(self) -> None:
        """People decide nothing more, and what is approved comes to its end; then it leaves in order."""
        lab, daemon = self._lab, self._lab.daemon
        await self._start()
        if not await self._is_up():
            return
        await asyncio.sleep(1.0)  # of ordinary life after all this
        lab.people.holding = True
        deadline = time.monotonic() + QUIET_S
        while (left := await asyncio.to_thread(self._left)) and time.monotonic() < deadline:
            await asyncio.sleep(0.3)
            if daemon.status is not None:
                self._note_end()
                return
        if left:
            self.tally.by_itself.append(f"not quiet after {QUIET_S:g} s: {left}")
        daemon.signal(signal.SIGTERM)
        if not await daemon.has_ended(UP_S):
            self.tally.by_itself.append("did not leave after SIGTERM")
            await daemon.kill()
        elif daemon.status != 0:
            self._note_end()
        self.tally.cold_s.append(await lab.cold_start())

    def _look(self) -> None:
        """What was under way when it died."""
        try:
            with Journal(self._lab.place, write=False) as journal:
                kinds = {effect.kind for effect in journal.outbox()}
        except JournalError:
            return  # it died before there was a journal
        self.tally.with_untold += bool(kinds & {"proposal", "outcome"})
        self.tally.with_orders += "order" in kinds

    def _left(self) -> str:
        """What is still under way, in words."""
        try:
            with Journal(self._lab.place, write=False) as journal:
                query = sa.select(t.experiments.c.experiment).where(
                    t.experiments.c.ended_at.is_(None) & t.experiments.c.campaign.in_(("hard", "dense"))
                )
                under_way = [str(row["experiment"]) for row in journal.table(query)]
                told = [f"{effect.kind} {effect.key}" for effect in journal.outbox()]
        except JournalError as error:
            return str(error)
        return "; ".join([*under_way, *told][:8])
