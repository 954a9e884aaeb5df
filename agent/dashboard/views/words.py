"""Numbers, units, times and names as people read them on every page.

Everything here gives plain text: whoever puts it into markup escapes it. Numbers are written with a real minus sign,
units with a blank that does not break, and nothing is written with more digits than are known.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from agent.words import NO_BREAK, NO_VALUE, chemical
from instruments.messages import Quantity
from instruments.profile.agent_messages import Estimate

MINUS, DOT, NARROW = "\N{MINUS SIGN}", "\N{MIDDLE DOT}", "\N{NARROW NO-BREAK SPACE}"
NOTHING = NO_VALUE
"""Stands where there is no value."""
Z90 = 1.6448536269514722
"""95% quantile of the standard normal distribution: half the width of a 90% interval, in standard deviations."""
_COMPOUND = ("formula", "compound", "crystal", "material")
"""What names that which is made, the plainest first."""
_WIDE, _LEANING = 0.5, 2.0
"""A 90% interval of more than so much of the value, or so many times as far on one side as on the other, is uneven."""
_PLAIN = 1e-4, 1e7
"""Smaller and larger numbers are written with a power of ten."""
_SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
_UNITS: Mapping[str, str] = {
    "1": "",
    "Cel": "°C",
    "[degF]": "°F",
    "deg": "°",
    "Ohm": "Ω",
    "kOhm": "kΩ",
    "MOhm": "MΩ",
    "Ao": "Å",
    "a": "yr",
    "[ppm]": "ppm",
    "[pH]": "pH",
    "[in_i]": "in",
    "[psi]": "psi",
    "[HV]": "HV",
    "bit_s": "bit",
}
_ATOM = re.compile(r"(10\*|\[[^\]]*\]|[A-Za-z_%']+)?([+-]?\d+)?")
_SECONDS: Mapping[str, float] = {
    "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "wk": 604800.0,
}  # fmt: skip


# ------------------------------------------------------------------------------------------------------------- numbers


def number(value: float, digits: int = 4) -> str:
    """A number to so many significant digits, without empty ones behind the point."""
    if not math.isfinite(value):
        return NO_VALUE
    return _written(Decimal(f"{value:.{digits}g}"))


def exact(value: float) -> str:
    """A number to its last digit: what is ordered, and signed, is never rounded."""
    return _written(Decimal(repr(float(value)))) if math.isfinite(value) else NO_VALUE


def _written(value: Decimal) -> str:
    if value and not _PLAIN[0] <= abs(float(value)) < _PLAIN[1]:
        power = value.adjusted()
        return f"{_digits(value.scaleb(-power))}{_times_ten_to(power)}"
    return grouped(_digits(value))


def _digits(value: Decimal) -> str:
    text = f"{value + 0:f}"  # the sum of zeros has no sign
    return (text.rstrip("0").rstrip(".") if "." in text else text).replace("-", MINUS)


def _times_ten_to(power: int) -> str:
    return f" × 10{str(power).translate(_SUPERSCRIPTS)}"


def _power(size: float) -> int:
    """Power of ten that is written apart; 0 where numbers of this size are written out."""
    return 0 if not size or _PLAIN[0] <= size < _PLAIN[1] else math.floor(math.log10(size))


def grouped(text: str) -> str:
    """A written number with a real minus sign, and its thousands apart from 10 000 on."""
    sign, text = (MINUS, text[1:]) if text[:1] in {"-", MINUS} else ("", text)
    whole, point, rest = text.partition(".")
    if len(whole) > 4:
        whole = f"{int(whole):,}".replace(",", NARROW)
    return f"{sign}{whole}{point}{rest}"


def decimals(std: float) -> int:
    """Digits behind the point that an uncertainty leaves, by the Particle Data Group's rule; may be negative.

    Two digits of an uncertainty below 3.55 of its leading place, one above (Review of Particle Physics, section 5.3).
    """
    if not (math.isfinite(std) and std > 0.0):
        return 2
    power = math.floor(math.log10(std))
    return min((1 if std / 10.0**power < 3.55 else 0) - power, 15)


def fixed(value: float, n_decimals: int) -> str:
    """A number with so many digits behind the point; a negative count rounds to tens, hundreds and so on."""
    if not math.isfinite(value):
        return NO_VALUE
    return grouped(f"{round(value, n_decimals) + 0.0:.{max(n_decimals, 0)}f}")


def uncertain(value: float, std: float | None, unit: str = "1") -> str:
    """A value with its standard uncertainty and its unit, such as ``12.3 ± 0.4 GPa``."""
    if std is None or not math.isfinite(std) or std <= 0.0:
        return with_unit(number(value), unit)
    power = _power(max(abs(value), std))
    n_decimals = decimals(std / 10.0**power)
    text = f"{fixed(value / 10.0**power, n_decimals)} ± {fixed(std / 10.0**power, n_decimals)}"
    if power:
        return with_unit(f"({text}){_times_ten_to(power)}", unit)
    return with_unit(f"({text})" if pretty_unit(unit) == "%" else text, unit)


def percent(share: float, digits: int = 2) -> str:
    """A share of 1 in per cent; what is not quite all or nothing is not written as that."""
    value = 100.0 * share
    if 0.0 < value < 0.1:
        return f"<{NO_BREAK}0.1{NO_BREAK}%"
    if 99.9 < value < 100.0:
        return f">{NO_BREAK}99.9{NO_BREAK}%"
    if 99.0 <= value < 100.0:
        digits = 3
    return f"{number(value, digits) if value < 100.0 else number(value, 3)}{NO_BREAK}%"


# --------------------------------------------------------------------------------------------------------------- units


def pretty_unit(code: str) -> str:
    """A UCUM code as people write the unit, such as ``µm`` for ``um``; empty for the unit one."""
    if code in _UNITS:
        return _UNITS[code]
    plain = re.sub(r"\{[^}]*\}", "", code)
    if plain in {"", "1"}:
        return ""
    parts = re.split(r"([./()])", plain)
    return "".join(DOT if part == "." else part if part in {"/", "(", ")"} else _atom(part) for part in parts)


def _atom(text: str) -> str:
    found = _ATOM.fullmatch(text)
    if found is None or not found[1]:
        return text
    name, power = found[1], found[2] or ""
    if name == "10*":
        name = "10"
    elif name in _UNITS:
        name = _UNITS[name]
    elif name.startswith("u") and len(name) > 1:
        name = "µ" + name[1:]
    else:
        name = name.strip("[]").replace("_", " ")
    return name + power.lstrip("+").translate(_SUPERSCRIPTS)


def with_unit(text: str, unit: str) -> str:
    """A written number with its unit."""
    name = pretty_unit(unit)
    if not name:
        return text
    return f"{text}{name}" if name == "°" else f"{text}{NO_BREAK}{name}"


def quantity(value: Quantity | str, digits: int = 4) -> str:
    """A quantity with its unit and, where known, its uncertainty; a word as it is."""
    if isinstance(value, str):
        return value
    return uncertain(value.value, value.std, value.unit) if value.std else with_unit(
        number(value.value, digits), value.unit
    )  # fmt: skip


def plain(value: float | str, unit: str = "1", digits: int | None = None) -> str:
    """A level with its unit, to its last digit or to so many; a word as it is, and a count is whole in any case."""
    if isinstance(value, str):
        return value
    is_count = not pretty_unit(unit) and float(value).is_integer()
    return with_unit(exact(value) if digits is None or is_count else number(value, digits), unit)


def ordered(value: Quantity | str) -> str:
    """What is ordered, and signed: to its last digit, with its unit; a word as it is."""
    if isinstance(value, str):
        return value
    spread = f" ± {exact(value.std)}" if value.std else ""
    return with_unit(f"{exact(value.value)}{spread}", value.unit)


# ----------------------------------------------------------------------------------------------------------- estimates


def bounds(estimate: Estimate) -> tuple[float, float]:
    """The 90% interval: the published quantiles, else those of a normal distribution."""
    low = estimate.value - Z90 * estimate.std if estimate.low is None else estimate.low
    high = estimate.value + Z90 * estimate.std if estimate.high is None else estimate.high
    return low, high


def is_uneven(estimate: Estimate) -> bool:
    """Whether its spread is too large, or too much on one side, to be said as one number behind a plus and a minus."""
    low, high = bounds(estimate)
    below, above = estimate.value - low, high - estimate.value
    return high - low > _WIDE * abs(estimate.value) or not _LEANING * below >= above >= below / _LEANING


def expected(estimate: Estimate) -> str:
    """An expectation: ``32.4 ± 2.1 GPa``, or ``44.9 GPa``, the median alone, beside whose interval it must stand."""
    if is_uneven(estimate):
        return with_unit(number(estimate.value, 3), estimate.unit)
    return uncertain(estimate.value, estimate.std, estimate.unit)


def spread(estimate: Estimate) -> str:
    """The 90% interval with the digits that it needs beside ``expected``, such as ``12.4 to 154 GPa``."""
    low, high = bounds(estimate)
    return (_apart if is_uneven(estimate) else interval)(low, high, estimate.unit)


def estimated(estimate: Estimate) -> str:
    """An expectation with its spread in a line: ``32.4 ± 2.1 GPa``, or ``44.9 GPa (90%: 12.4 to 154 GPa)``."""
    return f"{expected(estimate)} (90%: {spread(estimate)})" if is_uneven(estimate) else expected(estimate)


def _apart(low: float, high: float, unit: str) -> str:
    """From and to, three digits of each: one may be many times the other, and none is rounded to nothing much."""
    if not (math.isfinite(high - low) and high > low):
        return interval(low, high, unit)
    power = _power(max(abs(low), abs(high)))
    low, high = low / 10.0**power, high / 10.0**power
    finest = 3 - math.floor(math.log10(high - low))
    text = f"{number(round(low, finest), 3)} to {number(round(high, finest), 3)}"
    return with_unit(f"({text}){_times_ten_to(power)}" if power else text, unit)


def interval(low: float, high: float, unit: str = "1") -> str:
    """From and to, both to the digits that their distance leaves, such as ``28.6 to 35.5 GPa``."""
    width = high - low
    if not math.isfinite(width):
        return with_unit(f"{number(low)} to {number(high)}", unit)
    power = _power(max(abs(low), abs(high)))
    low, high, width = low / 10.0**power, high / 10.0**power, width / 10.0**power
    n_decimals = min(1 - math.floor(math.log10(width)), 15) if width > 0.0 else 2
    text = f"{fixed(low, n_decimals)} to {fixed(high, n_decimals)}"
    return with_unit(f"({text}){_times_ten_to(power)}" if power else text, unit)


# --------------------------------------------------------------------------------------------------------------- times


def duration(seconds: float) -> str:
    """A length of time in its two largest units, such as ``2 h 10 min``."""
    if not math.isfinite(seconds):
        return NO_VALUE
    size = abs(seconds)
    sign = MINUS if seconds < 0 else ""
    if size < 10.0:
        return f"{sign}{number(size, 2)}{NO_BREAK}s"
    for big, small, each, name, lesser in (
        (86400.0, 3600.0, 24, "d", "h"),
        (3600.0, 60.0, 60, "h", "min"),
        (60.0, 1.0, 60, "min", "s"),
    ):
        if size >= big - small / 2:
            whole, rest = divmod(round(size / small), each)
            more = f" {rest}{NO_BREAK}{lesser}" if rest and whole < 10 * (3 if name == "d" else 6) else ""
            return f"{sign}{whole}{NO_BREAK}{name}{more}"
    return f"{sign}{size:.0f}{NO_BREAK}s"


def seconds_of(value: Quantity) -> float | None:
    """A length of time in seconds; None where the unit is none of time."""
    factor = _SECONDS.get(value.unit)
    return None if factor is None else factor * value.value


def lasting(value: Quantity) -> str:
    """A length of time that came as a quantity, such as ``4 h 30 min``."""
    seconds = seconds_of(value)
    return quantity(value) if seconds is None else duration(seconds)


def clock(at: datetime, now: datetime | None = None) -> str:
    """A moment of lab time: ``14:05`` on the day of ``now``, else with the date."""
    if now is not None and at.date() == now.date():
        return f"{at:%H:%M}"
    year = "" if now is not None and at.year == now.year else f" {at:%Y}"
    return f"{at.day}{NO_BREAK}{at:%b}{year}, {at:%H:%M}"


def stamp(at: datetime) -> str:
    """A moment of lab time, whole: ``2026-03-01 14:05 UTC``."""
    return f"{at:%Y-%m-%d %H:%M} UTC"


def away(at: datetime, now: datetime) -> str:
    """How far off a moment is: ``in 2 h 10 min``, ``35 min ago``, ``now``."""
    seconds = (at - now) / timedelta(seconds=1)
    if abs(seconds) < 1.0:
        return "now"
    return f"in {duration(seconds)}" if seconds > 0 else f"{duration(-seconds)} ago"


def moment(at: datetime, now: datetime) -> str:
    """A moment with its distance, such as ``14:05 (in 2 h 10 min)``."""
    return f"{clock(at, now)} ({away(at, now)})"


# --------------------------------------------------------------------------------------------------------------- names


def label(path: str) -> str:
    """A path or a name for people: its last part, with blanks, such as ``heating rate``."""
    return path.rpartition(".")[2].replace("_", " ")


def title(path: str) -> str:
    """The same at the start of a line, such as ``Heating rate``."""
    text = label(path)
    return text[:1].upper() + text[1:]


def formula(text: str) -> str:
    """A formula with its counts as subscripts, such as ``HfB₂``."""
    return chemical(text)


def labels(paths: Iterable[str]) -> dict[str, str]:
    """Paths for people: the last part, or the whole path where two have the same last part."""
    names = {path: label(path) for path in paths}
    told = Counter(names.values())
    return {path: name if told[name] == 1 else label(path.replace(".", " ")) for path, name in names.items()}


def titles(paths: Iterable[str]) -> dict[str, str]:
    """The same at the start of a line."""
    return {path: name[:1].upper() + name[1:] for path, name in labels(paths).items()}


def formula_of(design: Mapping[str, Quantity | str]) -> str:
    """What a design is made of, ready to be read: its formula where it names one, else its crystal."""
    path = _made_of(design)
    if path:
        return chemical(str(design[path]))
    return next((value for value in design.values() if isinstance(value, str)), NO_VALUE)


def crystal_of(design: Mapping[str, Quantity | str]) -> str:
    """The id of the crystal that a design names beside its formula; empty where it does not."""
    path = _crystal_path(design)
    return str(design[path]) if path else ""


def process_of(design: Mapping[str, Quantity | str]) -> tuple[tuple[str, str], ...]:
    """How a design is made: names and values with units, without what it is made of."""
    made_of = {_made_of(design), _crystal_path(design)}
    process = {path: value for path, value in design.items() if path not in made_of}
    names = labels(process)
    return tuple((names[path], ordered(value)) for path, value in process.items())


def _made_of(design: Mapping[str, Quantity | str]) -> str:
    for wanted in _COMPOUND:
        for path, value in design.items():
            if path.rpartition(".")[2] == wanted and isinstance(value, str):
                return path
    return ""


def _crystal_path(design: Mapping[str, Quantity | str]) -> str:
    named = _made_of(design)
    crystals = (path for path, value in design.items() if isinstance(value, str) and path != named)
    return next((path for path in crystals if path.rpartition(".")[2] == "crystal"), "")


def listed(words: Sequence[str], last: str = "and") -> str:
    """Words in a row: ``a``, ``a and b``, ``a, b and c``."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"


def counted(n: int, one: str, many: str = "") -> str:
    """A count with its noun, such as ``1 proposal``, ``12 proposals``."""
    return f"{grouped(str(n))} {one if n == 1 else many or one + 's'}"
