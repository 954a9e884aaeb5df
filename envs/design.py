"""A design: what to make (a crystal of the library) and how to process it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from typing_extensions import override

FactorValue = float | str
"""A process factor's value: a number in the factor's own unit, or a category's name."""


@dataclass(frozen=True)
class Design:
    """One thing to make.

    Args:
        crystal: identifier of an entry of the crystal library (such as ``mp-10003``), or ``""`` in a purely
            parametric space.
        process: factor name to value, in the units that the design space declares.
    """

    crystal: str
    process: Mapping[str, FactorValue]

    def __post_init__(self) -> None:
        object.__setattr__(self, "process", MappingProxyType(dict(self.process)))

    @override
    def __hash__(self) -> int:
        return hash((self.crystal, tuple(sorted(self.process.items()))))

    @override
    def __reduce__(self) -> tuple[type[Design], tuple[str, dict[str, FactorValue]]]:
        return Design, (self.crystal, dict(self.process))

    def to_dict(self) -> dict[str, object]:
        """Plain JSON-ready form; ``from_dict`` is its exact inverse."""
        return {"crystal": self.crystal, "process": dict(self.process)}

    @staticmethod
    def from_dict(data: Mapping[str, object]) -> Design:
        """Read what ``to_dict`` wrote.

        Raises:
            KeyError: when ``crystal`` or ``process`` is missing.
        """
        process = data["process"]
        if not isinstance(process, Mapping):
            raise TypeError("a design's process must be a mapping of factor to value")
        return Design(str(data["crystal"]), dict(process))

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON form; equal designs have equal digests."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()
