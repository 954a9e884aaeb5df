"""A result whose unit is another one: that converts, that does not, or none."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

CONVERTED: dict[str, tuple[str, float, float]] = {
    "GPa": ("MPa", 1e3, 0.0),
    "um": ("nm", 1e3, 0.0),
    "Cel": ("K", 1.0, 273.15),
    "h": ("min", 60.0, 0.0),
    "N": ("mN", 1e3, 0.0),
    "g": ("mg", 1e3, 0.0),
    "kg/m3": ("g/cm3", 1e-3, 0.0),
    "g/cm3": ("kg/m3", 1e3, 0.0),
    "m/s": ("km/s", 1e-3, 0.0),
    "mm": ("um", 1e3, 0.0),
    "nm": ("um", 1e-3, 0.0),
    "1": ("%", 1e2, 0.0),
    "%": ("1", 1e-2, 0.0),
    "deg": ("rad", np.pi / 180.0, 0.0),
}
"""UCUM unit to another of the same kind: its code, by how much numbers grow, and what is added."""
FOREIGN = ("cd", "A")
"""Units of nothing that a materials laboratory measures."""


def in_other_units(payload: bytes, rng: np.random.Generator) -> tuple[bytes, str]:
    """A job's end with one of its values in a wrong unit.

    Args:
        payload: of the state, with a result.
        rng: draws which value, and how it is wrong.

    Returns:
        The changed payload, and what was done in words; unchanged and empty where the result has no quantity.
    """
    message: dict[str, Any] = json.loads(payload)
    values = message["result"]["values"]
    names = sorted(name for name, value in values.items() if isinstance(value, dict))
    if not names:
        return payload, ""
    name = names[int(rng.integers(len(names)))]
    value = values[name]
    unit = str(value["unit"])
    way = int(rng.integers(3))
    if way == 0 and unit in CONVERTED:
        other, factor, added = CONVERTED[unit]
        value["value"] = value["value"] * factor + added
        if value.get("std") is not None:
            value["std"] *= factor
        value["unit"] = other
        words = f"{name} in {other} in place of {unit}"
    elif way == 1:
        del value["unit"]
        words = f"{name} without its unit"
    else:
        value["unit"] = other = FOREIGN[int(rng.integers(len(FOREIGN)))]
        words = f"{name} in {other}, which is no {unit}"
    return json.dumps(message).encode(), words
