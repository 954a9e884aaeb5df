"""Numbers, lengths and sections in the texts that microscopes write."""

from __future__ import annotations

import codecs
import math
import re
from collections.abc import Mapping

TO_UM = {
    "fm": 1e-9,
    "pm": 1e-6,
    "nm": 1e-3,
    "um": 1.0,
    "µm": 1.0,
    "μm": 1.0,
    "micron": 1.0,
    "mm": 1e3,
    "cm": 1e4,
    "m": 1e6,
}
_LENGTH = re.compile(r"\s*([0-9.]+(?:[eE][+-]?\d+)?)\s*([fpnuµμcm]?m)\b")


def decode(data: bytes) -> str:
    """Text of a file in any encoding that microscopes use: UTF-16 or UTF-8 with a mark, else Latin-1."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", errors="replace")
    return data.removeprefix(codecs.BOM_UTF8).decode("latin-1")


def ini(text: str) -> Mapping[str, Mapping[str, str]]:
    """Sections of ini text; the first value of a key counts, and lines of other forms are passed over."""
    sections: dict[str, dict[str, str]] = {}
    current: dict[str, str] = {}
    for line in (raw.strip() for raw in text.splitlines()):
        if line.startswith("[") and line.endswith("]"):
            current = sections.setdefault(line[1:-1].strip(), {})
        elif "=" in line:
            key, _, value = line.partition("=")
            current.setdefault(key.strip(), value.strip())
    return sections


def number(text: str | None) -> float | None:
    """The finite number with which a text begins, None where there is none."""
    match = re.match(r"\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", text or "")
    value = float(match[0]) if match else math.nan
    return value if math.isfinite(value) else None


def count(text: str | None) -> int | None:
    """A positive whole number of pixels."""
    value = number(text)
    return round(value) if value is not None and 1.0 <= value < 1e9 else None


def times(factor: float, value: float | None) -> float | None:
    """In another unit; what is not known stays so."""
    return None if value is None else factor * value


def micrometres(text: str) -> float | None:
    """A length with its unit."""
    match = _LENGTH.match(text.replace("Â", ""))  # UTF-8 that was read as Latin-1
    return None if match is None else (number(match[1]) or 0.0) * TO_UM[match[2]]


def kilovolts(text: str) -> float | None:
    """A voltage, in volts where no kilo stands beside it."""
    value = number(text)
    return None if value is None else value if "k" in text.lower() else value / 1e3
