"""The virtual synthesis robot: weighs powders out of stock, mixes them, and presses green compacts for the furnace."""

from __future__ import annotations

import json

from instruments.device import Choice, DeviceFault, JobContext, JobResult, Parameter, Quantity, Returns, Text, command
from simulators.devices.bench import BenchDevice
from simulators.potential_beside import known
from simulators.reference import REFERENCE, REFERENCE_DESIGN
from simulators.samples import is_name, stream
from simulators.stock import Compact, Delivery, LabelTakenError, OutOfStockError
from simulators.truth import ADDITIVES
from simulators.truth.powders import ADDITIVE_SHARE

WEIGH_S, MIX_S, PRESS_S = 600.0, 1800.0, 300.0
INVENTORY_S, RESTOCK_S = 120.0, 900.0
LOSS = 0.02
"""Share of the powder that stays in the jar, on the balls and in the die."""
FINEST = 0.08
"""um. A stirred mill grinds no finer in any time: smaller particles deform instead of breaking, at some tens of
nanometres (Knieke, Sommer and Peukert, Powder Technol. 195, 25, 2009)."""
ADDITIVE_DENSITY = {"MgO": 3580.0, "Y2O3": 5030.0, "B4C": 2520.0}
"""kg/m3 of the dense solids (CRC Handbook of Chemistry and Physics)."""
BALANCE_ERROR = 0.002
"""Standard deviation of one weighing of a compact, g."""
CALIPER_ERROR = 0.004
"""Standard deviation of the relative density by mass and dimensions: corners and faces are never perfect."""


class Robot(BenchDevice):
    """Dosing heads, a planetary ball mill and a press around one arm; one compact at a time."""

    kind = "synthesis"
    driver = "labwright virtual synthesis robot"

    @command(
        summary="Weigh, mix and press one green compact of a crystal's powder",
        parameters={
            "sample": Text(max_length=64, summary="label of the compact, and of the body that it will be"),
            "crystal": Text(max_length=64, summary="identifier of the compound; generated: labwright lab prototypes"),
            "powder_size": Parameter(unit="um", low=0.05, high=10.0, summary="mean particle diameter"),
            "additive": Choice(ADDITIVES, summary="sintering aid, 2 % by volume"),
            "mass": Parameter(unit="g", low=0.5, high=50.0, summary="of the compact, out of stock", default=5.0),
        },
        results={
            "mass": Returns(unit="g", summary="of the compact"),
            "green_density": Returns(unit="1", summary="relative density by mass and dimensions"),
            "left": Returns(unit="g", summary="of the compound's powder, in stock"),
            "additive_left": Returns(unit="g", summary="of the additive, in stock", optional=True),
        },
        duration_s=WEIGH_S + MIX_S + PRESS_S,
        example={
            "sample": REFERENCE,
            "crystal": REFERENCE_DESIGN.crystal,
            "powder_size": Quantity(value=float(REFERENCE_DESIGN.process["powder_size"]), unit="um"),
            "additive": str(REFERENCE_DESIGN.process["additive"]),
        },
    )
    async def prepare(
        self, job: JobContext, *, sample: str, crystal: str, powder_size: float, additive: str, mass: float
    ) -> JobResult:
        """Press a compact. The same order again finds it pressed and takes nothing out of stock.

        Raises:
            DeviceFault: the label is unfit or taken, the compound is unknown, there is too little of a powder, or no
                mill gives the powder size.
        """
        await known(self.bench.truth.origin, crystal)
        compact = self._compact(sample, crystal, powder_size, additive, mass)
        self._check(compact)
        total_s = WEIGH_S + MIX_S + PRESS_S
        await self.pace.take(job, total_s)
        # Not before it is pressed: what is interrupted goes back into its jars.
        if sample != REFERENCE:
            self._shelve(compact)
        stock = self.bench.stock
        values: dict[str, Quantity | str] = {
            **self._measured(compact),
            "left": Quantity(value=stock.left(crystal), unit="g"),
        }
        if additive in ADDITIVE_DENSITY:
            values["additive_left"] = Quantity(value=stock.left(additive), unit="g")
        return JobResult(values=values)

    @command(
        summary="Say what is in stock",
        parameters={
            "powder": Text(max_length=64, summary="compound or additive; empty for the list alone", default="")
        },
        results={
            "powders": Returns(unit="1", summary="number of powders of which there is any"),
            "mass": Returns(unit="g", summary="of the powder that was asked for", optional=True),
            "stock": Returns(media_type="application/json", summary="grams of every powder, by its identifier"),
        },
        duration_s=INVENTORY_S,
        example={"powder": "MgO"},
    )
    async def inventory(self, job: JobContext, *, powder: str) -> JobResult:
        """Grams of each powder.

        Raises:
            DeviceFault: there is no such powder.
        """
        if powder:
            await known(self.bench.truth.origin, powder, fault="unknown_powder")
            self._check_known(powder)
        await self.pace.take(job, INVENTORY_S)
        stock = self.bench.stock
        compounds = {c.id: round(stock.left(c.id), 3) for c in self.bench.truth.library}
        additives = {name: round(stock.left(name), 3) for name in ADDITIVE_DENSITY}
        listed = json.dumps({"unit": "g", "compounds": compounds, "additives": additives}, sort_keys=True).encode()
        values: dict[str, Quantity | str] = {
            "powders": Quantity(value=sum(m > 0.0 for m in (*compounds.values(), *additives.values())), unit="1")
        }
        if powder:
            values["mass"] = Quantity(value=stock.left(powder), unit="g")
        kept = await self.kept(job, listed, "application/json", ".json")
        return JobResult(values=values, artefacts={"stock": kept})

    @command(
        summary="Take a delivery of a powder into stock",
        parameters={
            "powder": Text(max_length=64, summary="compound or additive"),
            "mass": Parameter(unit="g", low=1.0, high=10_000.0),
            "delivery": Text(max_length=64, summary="its number; one comes once", default=""),
        },
        results={"mass": Returns(unit="g", summary="of the powder, in stock now")},
        duration_s=RESTOCK_S,
    )
    async def restock(self, job: JobContext, *, powder: str, mass: float, delivery: str) -> JobResult:
        """Add a powder to what there is; a delivery without a number is one of its order's own.

        Raises:
            DeviceFault: there is no such powder, or another delivery came under this number.
        """
        await known(self.bench.truth.origin, powder, fault="unknown_powder")
        self._check_known(powder)
        name = delivery or job.job
        if not is_name(name):
            raise DeviceFault("bad_label", f"{name!r} is no delivery number: use letters, digits, '_', '-' and dots")
        await self.pace.take(job, RESTOCK_S)
        try:
            self.bench.stock.deliver(Delivery(name, powder, mass))
        except LabelTakenError as error:
            raise DeviceFault("delivery_exists", str(error)) from error
        return JobResult(values={"mass": Quantity(value=self.bench.stock.left(powder), unit="g")})

    def _compact(self, sample: str, crystal: str, powder_size: float, additive: str, mass: float) -> Compact:
        """What an order makes, and what it takes."""
        if not is_name(sample):
            raise DeviceFault("bad_label", f"{sample!r} is no sample label: use letters, digits, '_', '-' and dots")
        try:
            density = self.bench.truth.theoretical_density(crystal)
        except KeyError as error:
            raise DeviceFault("unknown_crystal", f"no powder of {crystal!r} is in stock here") from error
        taken = recipe(crystal, density, additive, mass * (1.0 + LOSS))
        return Compact(sample, crystal, powder_size, additive, mass, taken)

    def _check(self, compact: Compact) -> None:
        """Refuse what cannot be made before any time is spent on it."""
        if compact.sample == REFERENCE:
            process = REFERENCE_DESIGN.process
            if not compact.agrees(REFERENCE_DESIGN.crystal, float(process["powder_size"]), str(process["additive"])):
                raise DeviceFault(
                    "compact_exists", f"{REFERENCE} is the label of the reference body, of another powder"
                )
            return
        stock = self.bench.stock
        present = stock.green(compact.sample)
        if present is not None:
            if present != compact:
                raise DeviceFault("compact_exists", f"compact {compact.sample} was pressed before, to another order")
            return
        if self.bench.samples.get(compact.sample) is not None:
            raise DeviceFault("sample_exists", f"a body of the label {compact.sample} was fired before")
        coarsest = stock.received_size(compact.crystal)
        if not FINEST <= compact.powder_size <= coarsest:
            raise DeviceFault(
                "powder_size",
                f"the mill gives no {compact.powder_size:g} um of {compact.crystal}: it grinds to {FINEST:g} um, and "
                f"the powder came with {coarsest:.1f} um",
            )
        try:
            stock.check(compact.taken)
        except OutOfStockError as error:
            raise DeviceFault("out_of_stock", str(error)) from error

    def _shelve(self, compact: Compact) -> None:
        try:
            self.bench.stock.shelve(compact)
        except OutOfStockError as error:  # another robot was quicker
            raise DeviceFault("out_of_stock", str(error)) from error
        except LabelTakenError as error:
            raise DeviceFault("compact_exists", str(error)) from error

    def _check_known(self, powder: str) -> None:
        if powder in ADDITIVE_DENSITY:
            return
        try:
            self.bench.truth.crystal(powder)
        except KeyError as error:
            message = f"{powder!r} is neither a compound of this laboratory nor an additive"
            raise DeviceFault("unknown_powder", message) from error

    def _measured(self, compact: Compact) -> dict[str, Quantity | str]:
        """A compact's weight and density as the robot reads them; the same compact reads the same."""
        truth = self.bench.truth
        rng = stream(truth.seed, "compact", compact.sample)
        factor = self.bench.mishaps.drift(self.iid)
        mass = factor * (compact.mass * (1.0 + 0.002 * rng.normal()) + BALANCE_ERROR * rng.normal())
        batch = truth.batch(stream(truth.seed, "batch", compact.sample))
        green = truth.green_density(compact.powder_size, batch)
        return {
            "mass": Quantity(value=mass, unit="g", std=BALANCE_ERROR),
            "green_density": Quantity(
                value=factor * (green + CALIPER_ERROR * rng.normal()), unit="1", std=CALIPER_ERROR
            ),
        }


def recipe(crystal: str, density: float, additive: str, mass: float) -> dict[str, float]:
    """Grams of each powder in so many grams of the mixture, the additive by its share of the volume.

    Args:
        crystal: identifier of the compound.
        density: of its perfect crystal, kg/m3.
        additive: ``none`` or one of ``ADDITIVE_DENSITY``.
        mass: of both, g.

    Returns:
        Powder to grams: the compound by its identifier, the additive by its name.
    """
    if additive not in ADDITIVE_DENSITY:
        return {crystal: mass}
    aid = ADDITIVE_SHARE * ADDITIVE_DENSITY[additive]
    share = aid / (aid + (1.0 - ADDITIVE_SHARE) * density)
    return {crystal: mass * (1.0 - share), additive: mass * share}
