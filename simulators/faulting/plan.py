"""Which order meets which fault: drawn from what is ordered, never from when."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from envs.errors import ConfigError
from instruments.messages import Command
from simulators.faulting.kinds import KINDS, Kind, possible
from simulators.faulting.ledger import Fault, FaultLedger, Judged
from simulators.samples import stream


class Case:
    """One order and the fault that it meets.

    Args:
        plan: that drew it.
        iid: its instrument.
        order: it.
        kind: of the fault; None for none.
        rng: draws how it goes wrong.
    """

    def __init__(self, plan: FaultPlan, iid: str, order: Command, kind: Kind | None, rng: np.random.Generator) -> None:
        self._plan = plan
        self.iid = iid
        self.job = order.job
        self.command = order.command
        self.sample = sample_of(order)
        self.kind = kind
        self.rng = rng

    def happened(self, detail: str) -> None:
        """Count the fault: it has taken place."""
        if self.kind is not None:
            self._plan.ledger.add(Fault(self.kind, self.iid, self.job, self.sample, detail))


class FaultPlan:
    """Draws at most one fault for each order.

    An order is told by its instrument, its command and its parameters, and by how many orders of the same came before
    it. So the same campaign meets the same faults, and those of a low rate are among those of a higher one.

    Args:
        rate: share of orders that meet a fault, 0 to 1.
        seed: of the draws.
        kinds: of the faults; each is as likely as the others that the order can meet.
        ledger: counts them.

    Raises:
        ConfigError: the rate is beyond its range, or a kind is unknown or none is given.
    """

    def __init__(
        self, rate: float, seed: int, kinds: Sequence[Kind | str] = KINDS, ledger: FaultLedger | None = None
    ) -> None:
        if not 0.0 <= rate <= 1.0:
            raise ConfigError("faults.rate", rate, "0 to 1: the share of orders that meet a fault")
        names = [str(kind) for kind in kinds]
        if not names or not set(names) <= set(Kind):
            raise ConfigError("faults.kinds", ", ".join(names), f"one or more of {', '.join(Kind)}")
        self.rate = rate
        self.seed = seed
        self.kinds = tuple(kind for kind in Kind if kind in names)
        self.ledger = ledger if ledger is not None else FaultLedger()
        self._cases: dict[str, Case] = {}

    def case(self, iid: str, order: Command) -> Case:
        """What happens to an order; the same again when it is sent again, also after a restart of the laboratory."""
        known = self._cases.get(order.job)
        if known is None:
            known = self._cases[order.job] = self._judged(iid, order)
        return known

    def known(self, job: str) -> Case | None:
        """What happens to an order that came before; None where none of its id did."""
        return self._cases.get(job)

    def _judged(self, iid: str, order: Command) -> Case:
        what = f"{iid} {order.digest}"
        judged = self.ledger.judged.get(order.job)
        if judged is None:
            number = self.ledger.times(what)
            judged = Judged(order.job, what, number, self._draw(iid, order, number))
            self.ledger.judge(judged)
        rng = stream(self.seed, "fault", str(judged.kind), iid, order.digest, judged.number)
        return Case(self, iid, order, judged.kind, rng)

    def _draw(self, iid: str, order: Command, number: int) -> Kind | None:
        kinds = possible(order.command, self.kinds)
        if not kinds or stream(self.seed, "fault", "order", iid, order.digest, number).random() >= self.rate:
            return None
        return kinds[int(stream(self.seed, "fault", "kind", iid, order.digest, number).integers(len(kinds)))]


def sample_of(order: Command) -> str:
    """Label of the sample that an order is about; empty where it names none."""
    named = order.parameters.get("sample")
    return named if isinstance(named, str) else ""
