"""What a laboratory has in stock: powders by the gram, and the green compacts that were pressed from them.

How much is left is never counted down: it is what there was at first and what was delivered, less what the compacts on
the shelf took. So an order that is repeated, or recovered after a crash, takes nothing twice.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np

from envs.errors import InstrumentError, JournalError
from instruments.artefacts import write_durably
from simulators.samples import is_name, stream

AT_FIRST = (250.0, 2500.0)
"""Range of what there is of a powder at first, g: from a sample bag to a small drum."""
AS_RECEIVED = (4.0, 9.0)
"""Range of the particle size of a powder as it was delivered, um; no mill makes it coarser."""
_DUST = 1e-9
"""g. Less than this is missing by rounding alone."""
_Kept = TypeVar("_Kept", bound="Compact | Delivery")


class OutOfStockError(InstrumentError):
    """There is too little of a powder.

    Attributes:
        powder: which.
        left: how much of it there is, g.
        needed: how much was asked for, g.
    """

    def __init__(self, powder: str, left: float, needed: float) -> None:
        self.powder, self.left, self.needed = powder, left, needed
        super().__init__(f"{left:.3g} g of {powder} are in stock and {needed:.3g} g are needed: restock it")


class LabelTakenError(InstrumentError):
    """A label already stands on something else."""


@dataclass(frozen=True)
class Compact:
    """One pressed green body, waiting for its firing.

    Args:
        sample: its label, which the fired body keeps.
        crystal: identifier of the compound.
        powder_size: mean particle diameter, um.
        additive: the sintering aid, ``none`` where there is none.
        mass: of the compact, g.
        taken: powder to the grams that making it took, what was lost in handling included.
    """

    sample: str
    crystal: str
    powder_size: float
    additive: str
    mass: float
    taken: Mapping[str, float]

    def __post_init__(self) -> None:
        object.__setattr__(self, "taken", MappingProxyType(dict(self.taken)))

    @property
    def name(self) -> str:
        """Of its file."""
        return self.sample

    def agrees(self, crystal: str, powder_size: float, additive: str) -> bool:
        """Whether a firing of these is a firing of this compact."""
        return (self.crystal, self.powder_size, self.additive) == (crystal, powder_size, additive)

    def to_dict(self) -> dict[str, Any]:
        """Plain form; ``Compact(**...)`` is its inverse."""
        fields = ("sample", "crystal", "powder_size", "additive", "mass")
        return {name: getattr(self, name) for name in fields} | {"taken": dict(self.taken)}


@dataclass(frozen=True)
class Delivery:
    """One delivery of a powder.

    Args:
        name: of the delivery; one of a name comes once.
        powder: identifier of the compound, or the additive.
        mass: g.
    """

    name: str
    powder: str
    mass: float

    def to_dict(self) -> dict[str, Any]:
        """Plain form; ``Delivery(**...)`` is its inverse."""
        return asdict(self)


class Stock:
    """Powders and compacts of one laboratory, in memory, and in a directory when one is given.

    Args:
        directory: one file a compact and one a delivery are kept here; made when it does not exist.
        seed: of the laboratory: each has other amounts at first.

    Raises:
        JournalError: when the directory cannot be used or holds a damaged record.
    """

    def __init__(self, directory: Path | None = None, *, seed: int = 0) -> None:
        self._seed = seed
        self._green = None if directory is None else directory / "green"
        self._delivered = None if directory is None else directory / "deliveries"
        self._compacts = _read(self._green, lambda data: Compact(**data))
        self._deliveries = _read(self._delivered, lambda data: Delivery(**data))

    def __len__(self) -> int:
        return len(self._compacts)

    def green(self, sample: str) -> Compact | None:
        """The compact that was pressed under a label; None when there is none."""
        return self._compacts.get(sample)

    def received_size(self, powder: str) -> float:
        """Particle size of a powder as it was delivered, um."""
        return float(np.exp(stream(self._seed, "received", powder).uniform(*np.log(AS_RECEIVED))))

    def left(self, powder: str) -> float:
        """How much there is of a powder, g."""
        at_first = float(np.exp(stream(self._seed, "stock", powder).uniform(*np.log(AT_FIRST))))
        came = sum(d.mass for d in self._deliveries.values() if d.powder == powder)
        went = sum(c.taken.get(powder, 0.0) for c in self._compacts.values())
        return max(0.0, round(at_first, 1) + came - went)

    def shelve(self, compact: Compact) -> Compact:
        """Take a compact's powders out of stock and keep it; it is durable when this returns.

        The same compact again takes nothing.

        Raises:
            LabelTakenError: its label stands on another compact.
            OutOfStockError: there is too little of a powder.
            JournalError: when it cannot be written.
            ValueError: when its label is not fit for a file.
        """
        present = self._compacts.get(compact.sample)
        if present is not None:
            if present != compact:
                raise LabelTakenError(f"compact {compact.sample} was pressed before, to another order")
            return present
        self.check(compact.taken)
        _write(self._green, compact)
        self._compacts[compact.sample] = compact
        return compact

    def check(self, needed: Mapping[str, float]) -> None:
        """Refuse what there is too little of.

        Args:
            needed: powder to grams.

        Raises:
            OutOfStockError: there is too little of one.
        """
        for powder, mass in needed.items():
            if (left := self.left(powder)) + _DUST < mass:
                raise OutOfStockError(powder, left, mass)

    def deliver(self, delivery: Delivery) -> None:
        """Add a delivery; it is durable when this returns. The same delivery again adds nothing.

        Raises:
            LabelTakenError: another delivery came under this name.
            JournalError: when it cannot be written.
            ValueError: when its name is not fit for a file, or its mass is no mass.
        """
        if not 0.0 < delivery.mass < np.inf:
            raise ValueError(f"no delivery weighs {delivery.mass} g")
        present = self._deliveries.get(delivery.name)
        if present is not None:
            if present != delivery:
                raise LabelTakenError(f"delivery {delivery.name} came before, with something else in it")
            return
        _write(self._delivered, delivery)
        self._deliveries[delivery.name] = delivery


def _read(directory: Path | None, build: Callable[[dict[str, Any]], _Kept]) -> dict[str, _Kept]:
    """All records in a directory, by name."""
    if directory is None:
        return {}
    try:
        directory.mkdir(parents=True, exist_ok=True)
        paths = sorted(directory.glob("*.json"))
    except OSError as error:
        raise JournalError(f"{directory} cannot hold a stock's records: {error}") from error
    found = {}
    for path in paths:
        try:
            record = build(json.loads(path.read_bytes()))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise JournalError(f"{path} is no record of a stock: {error}") from error
        found[record.name] = record
    return found


def _write(directory: Path | None, record: Compact | Delivery) -> None:
    if not is_name(record.name):
        raise ValueError(f"{record.name!r} is no label: 1 to 64 letters, digits, '_', '-' and inner dots")
    if directory is None:
        return
    path = directory / f"{record.name}.json"
    try:
        write_durably(path, json.dumps(record.to_dict(), sort_keys=True).encode())
    except OSError as error:
        raise JournalError(f"{path} cannot be written: {error}") from error
