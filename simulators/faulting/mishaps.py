"""What goes wrong inside an instrument, from the same plan as what goes wrong around it."""

from __future__ import annotations

from instruments.messages import Command, Quantity
from simulators.faulting.kinds import Kind
from simulators.faulting.plan import Case, FaultPlan
from simulators.samples import stream

SPOILS = (
    "the crucible broke in the hold",
    "the mains failed in the hold, and it cooled in mid-firing",
    "the green body broke while it was loaded",
    "the thermocouple came loose, and the furnace switched itself off",
    "the powder was contaminated in the mixer",
)
"""What ruins a firing without the design having a part in it."""
BLUR_PX = (6.0, 14.0)
"""Least and most blur of a frame that is out of focus, pixels."""
DRIFT_STEP = 0.02
"""Standard deviation of the relative change from one reading to the next while an instrument drifts."""
DRIFT_ORDERS = (2, 6)
"""How many orders a drift lasts before somebody recalibrates, at least and at most."""


class _Wandering:
    """One drift: a random walk of the calibration factor, so many orders long."""

    def __init__(self, case: Case, seed: int) -> None:
        self._steps = stream(seed, "fault", "drift", "walk", case.iid, case.sample, case.command)
        self.left = int(case.rng.integers(DRIFT_ORDERS[0], DRIFT_ORDERS[1] + 1))
        self._factor = 1.0

    def next(self) -> float:
        self.left -= 1
        self._factor *= 1.0 + float(self._steps.normal(0.0, DRIFT_STEP))
        return self._factor


class PlannedMishaps:
    """The mishaps inside the instruments of one laboratory, as a plan has them.

    Args:
        plan: draws them. What it drew for an order happens when that order is carried out.
    """

    def __init__(self, plan: FaultPlan) -> None:
        self._plan = plan
        self._waiting: dict[tuple[Kind, str], Case] = {}
        self._drifts: dict[str, _Wandering] = {}

    def arm(self, case: Case, order: Command) -> None:
        """Have an order's own mishap happen when it is carried out."""
        if case.kind is Kind.FAILED_SYNTHESIS:
            self._waiting[case.kind, case.sample] = case
        elif case.kind is Kind.BLUR:
            field = order.parameters.get("field")
            place = int(field.value) if isinstance(field, Quantity) else 0
            self._waiting[case.kind, f"{case.sample}/{place}"] = case
        elif case.kind is Kind.DRIFT:
            self._waiting[case.kind, case.iid] = case

    def disarm(self, case: Case) -> None:
        """An order has ended: what it did not come to does not happen to another one."""
        for place in [place for place, waiting in self._waiting.items() if waiting is case]:
            del self._waiting[place]

    def spoiled(self, sample: str) -> str | None:
        """Why this synthesis fails through no fault of the design; None where it does not."""
        case = self._waiting.pop((Kind.FAILED_SYNTHESIS, sample), None)
        if case is None:
            return None
        why = SPOILS[int(case.rng.integers(len(SPOILS)))]
        case.happened(why)
        return why

    def blur(self, sample: str, field: int) -> float:
        """By how many pixels a frame is out of focus beyond what the operator does; 0 where it is not."""
        case = self._waiting.pop((Kind.BLUR, f"{sample}/{field}"), None)
        if case is None:
            return 0.0
        pixels = float(case.rng.uniform(*BLUR_PX))
        case.happened(f"{pixels:.1f} pixels out of focus")
        return pixels

    def drift(self, iid: str) -> float:
        """Factor on what an instrument reads; 1 while it does not drift."""
        case = self._waiting.pop((Kind.DRIFT, iid), None)
        if case is not None and iid not in self._drifts:
            self._drifts[iid] = found = _Wandering(case, self._plan.seed)
            case.happened(f"drifts for {found.left} orders")
        drift = self._drifts.get(iid)
        if drift is None:
            return 1.0
        factor = drift.next()
        if not drift.left:
            del self._drifts[iid]
        return factor
