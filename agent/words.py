"""Numbers as people read them."""

from __future__ import annotations

import math

NO_VALUE = "–"
NO_BREAK = "\N{NO-BREAK SPACE}"


def plus_minus(reading: tuple[float, float] | None, *, factor: float = 1.0, unit: str = "") -> str:
    """A value and its standard uncertainty, both to the uncertainty's first digit (two digits where that is 1)."""
    if reading is None:
        return NO_VALUE
    value, std = factor * reading[0], factor * reading[1]
    digits = _decimals(std)
    return f"{value:.{digits}f} ± {std:.{digits}f}{NO_BREAK + unit if unit else ''}"


def _decimals(std: float) -> int:
    if not (math.isfinite(std) and std > 0):
        return 2
    power = math.floor(math.log10(std))
    first = std / 10.0**power
    return min(max((1 if first < 1.95 else 0) - power, 0), 6)


def length(um: float) -> str:
    """A length in nm, µm or mm, three digits."""
    if um < 1.0:
        return f"{float(f'{1000 * um:.3g}'):g}{NO_BREAK}nm"
    if um < 1000.0:
        return f"{float(f'{um:.3g}'):g}{NO_BREAK}µm"
    return f"{float(f'{um / 1000:.3g}'):g}{NO_BREAK}mm"


def unbroken(process: str) -> str:
    """A described process that breaks between its factors only, never between a number and its unit."""
    return process.replace(" ", NO_BREAK).replace(f",{NO_BREAK}", ", ")
