"""Faults of real life for a virtual laboratory: seeded, counted, at any rate.

The rate is the share of orders that meet a fault; its kind is drawn among those that the order can meet. Everything is
drawn from what is ordered and never from when: the same orders of the same seed meet the same faults, in process, over
a broker, and after a restart. Only what is under way when the laboratory is switched off is not taken up again: an
instrument that drifts is recalibrated, and what was late is lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from instruments.clock import Sleeper
from instruments.transport import Transport
from simulators.faulting.kinds import KINDS, Kind
from simulators.faulting.ledger import Fault, FaultLedger
from simulators.faulting.line import Desk, Line, Restart
from simulators.faulting.mishaps import PlannedMishaps
from simulators.faulting.plan import FaultPlan

__all__ = ["FILE", "KINDS", "Fault", "FaultLedger", "Faults", "Kind"]

FILE = "faults.jsonl"
"""The ledger's file in a directory."""


class Faults:
    """The faults of one laboratory.

    Args:
        rate: share of orders that meet a fault, 0 to 1.
        seed: of the draws.
        kinds: of the faults; all where nobody chooses.
        directory: the ledger is kept in its file ``faults.jsonl``; in memory where none is given.
        sleeper: waits for what comes late or is away.

    Raises:
        ConfigError: the rate is beyond its range, or a kind is unknown.
        JournalError: the ledger cannot be read.
    """

    def __init__(
        self,
        rate: float,
        seed: int,
        *,
        kinds: Sequence[Kind | str] = KINDS,
        directory: Path | None = None,
        sleeper: Sleeper = asyncio.sleep,
    ) -> None:
        self.ledger = FaultLedger(None if directory is None else directory / FILE)
        self._plan = FaultPlan(rate, seed, kinds, self.ledger)
        self.mishaps = PlannedMishaps(self._plan)
        self._desk = Desk(self._plan, self.mishaps, sleeper)
        self.sleeper = sleeper

    @property
    def rate(self) -> float:
        """Share of orders that meet a fault."""
        return self._plan.rate

    def line(self, iid: str, transport: Transport) -> Transport:
        """The connection of an instrument with its faults upon it."""
        return Line(transport, iid, self._desk)

    def restarts_by(self, restart: Restart) -> None:
        """Say how an instrument is restarted."""
        self._desk.restart = restart

    async def close(self) -> None:
        """End what is still to come, before the instruments are switched off."""
        await self._desk.close()

    def to_dict(self) -> dict[str, object]:
        """Rate and number of injected faults by kind, for JSON."""
        return {"rate": self.rate, "injected": self.ledger.injected}
