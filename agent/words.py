"""Numbers as people read them."""

from __future__ import annotations

import math
import re

NO_VALUE = "–"
NO_BREAK = "\N{NO-BREAK SPACE}"
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_UNITS = {"Cel": "°C", "um": "µm"}
_MEASURED = re.compile(r"(?<=\d) (Cel|um)(?![A-Za-z0-9_/*]|\.[A-Za-z0-9])")
_RULE = "policy:"
_ELEMENTS = (
    "He Li Be Ne Na Mg Al Si Cl Ar Ca Sc Ti Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb Sr Zr Nb Mo Tc Ru Rh Pd Ag Cd "
    "In Sn Sb Te Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn Fr "
    "Ra Ac Th Pa Np Pu Am Cm Bk Cf Es Fm Md No Lr H B C N O F P S K V Y I W U D"
)
_COUNT = r"(?:0?\.\d+|[1-9]\d*(?:\.\d+)?)"
_ATOMS = rf"[(\[]{{0,3}}(?:{'|'.join(_ELEMENTS.split())}){_COUNT}?(?:[)\]]{_COUNT}?){{0,3}}"
_FORMULA = re.compile(rf"(?<![\w.\-])(?:{_ATOMS})+(?:[-·](?:{_ATOMS})+)*(?!\w|[-.]\w)")
_COUNTS = re.compile(rf"(?<=[A-Za-z)\]]){_COUNT}")


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


def in_print(text: str) -> str:
    """Units behind numbers as people write them: ``1600 Cel`` is 1600 °C, ``2 um`` is 2 µm."""
    return _MEASURED.sub(lambda found: f" {_UNITS[found[1]]}", text)


def unit_in_print(unit: str) -> str:
    """A UCUM code as people write it."""
    return _UNITS.get(unit, unit)


def who(by: str) -> str:
    """Who decided: several with commas between are listed, and ``policy:mild`` is the rule mild."""
    names = [f"the rule {n.removeprefix(_RULE)}" if n.startswith(_RULE) else n for n in by.split(",") if n]
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def chemical(text: str) -> str:
    """Formulas with their counts as subscripts, as in B₆O and Ti₀.₉₅Al₀.₀₅N; other names, as AISI304, stay."""
    return _FORMULA.sub(lambda formula: _COUNTS.sub(lambda n: n[0].translate(_SUBSCRIPTS), formula[0]), text)


def typeset(process: str) -> str:
    """A described process for a page: it breaks between factors only, and its formulas have subscripts."""
    return chemical(process).replace(" ", NO_BREAK).replace(f",{NO_BREAK}", ", ")


def duration(seconds: float | None) -> str:
    """So many seconds of lab time as people say them."""
    if seconds is None:
        return ""
    for unit, length in (("h", 3600.0), ("min", 60.0)):
        if seconds >= length:
            return f"{seconds / length:.2g} {unit}"
    return f"{seconds:g} s"
