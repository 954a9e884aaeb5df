"""What goes over a line of text and what comes back: templates that are filled, replies that are read. Pure."""

from __future__ import annotations

import math
import re
import string
import unicodedata
from collections.abc import Mapping

from envs.errors import InstrumentError

_WHOLE = frozenset("bcdoxX")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
OVER_RANGE = 9.9e37
"""SCPI-1999, volume 1, 7.2.1: 9.9E37 stands for infinity and 9.91E37 for no number."""

BLOCK_LIMIT = 256 * 2**20
"""Most bytes of a block that are taken into memory."""

SHOWN = 200
"""Characters of a reply that a message repeats."""


class ReplyError(InstrumentError):
    """A reply is not what was to be expected: noise on the line, or an instrument that cannot say.

    Attributes:
        reply: what came back.
    """

    def __init__(self, message: str, reply: str) -> None:
        self.reply = reply
        super().__init__(f"{message}; the instrument said {shown(reply)}")


def shown(reply: str) -> str:
    """A reply as a message repeats it: shortened where it would drown the message."""
    return repr(reply) if len(reply) <= SHOWN else f"{reply[:SHOWN]!r}... ({len(reply)} characters)"


def has_control(text: str) -> bool:
    """Whether a text holds line ends or other characters that control a line (Unicode categories C, Zl and Zp)."""
    return any(unicodedata.category(letter)[0] == "C" or letter in "\u2028\u2029" for letter in text)


class Template:
    """A line with format fields, such as ``VOLT {voltage:.3f}``.

    Fields are bare names with a format specification of Python's; ``d`` and its kin round to a whole number, and
    without a specification a number has up to 12 digits. ``{{`` and ``}}`` stand for braces.

    Args:
        text: the line, without its end.

    Raises:
        ValueError: when it is empty, holds a line end, or a field is no bare name.
    """

    def __init__(self, text: str) -> None:
        if not text or has_control(text):
            raise ValueError("a line must not be empty and holds no line end or other control character")
        self.text = text
        self._parts = list(string.Formatter().parse(text))
        for _, name, spec, conversion in self._parts:
            if name is None:
                continue
            if not re.fullmatch(r"[A-Za-z_]\w*", name) or conversion or "{" in (spec or ""):
                raise ValueError(f"the field {{{name}}} in {text!r} must be the bare name of a parameter")

    @property
    def fields(self) -> list[str]:
        """Names of the fields, in their order."""
        return [name for _, name, _, _ in self._parts if name is not None]

    def fill(self, values: Mapping[str, float | str]) -> str:
        """The line with its values.

        Raises:
            KeyError: when a value is missing.
            ValueError: when a value does not suit its format, or the line would hold a line end.
        """
        line = "".join(
            literal + ("" if name is None else _formatted(values[name], spec or ""))
            for literal, name, spec, _ in self._parts
        )
        if has_control(line):
            raise ValueError(f"{line!r} holds a line end or another control character")
        return line


def _formatted(value: float | str, spec: str) -> str:
    if isinstance(value, str):
        return format(value, spec)
    if spec and spec[-1] in _WHOLE:
        return format(round(value), spec)
    return format(value + 0.0, spec or ".12g")  # -0.0 + 0.0 is 0.0: no instrument likes "-0.000"


def read_number(text: str) -> float:
    """A number in decimal notation (NR1, NR2 or NR3 of IEEE 488.2), blanks around it allowed.

    Raises:
        ReplyError: when it is none, or SCPI's mark for an overflow or no number.
    """
    if not _NUMBER.fullmatch(text.strip()):
        raise ReplyError("a number was to be expected", text)
    value = float(text)
    if not abs(value) < OVER_RANGE:
        raise ReplyError("the reading is out of range", text)
    return value


def mean_of(readings: list[float]) -> tuple[float, float | None]:
    """Mean and its standard uncertainty, the sample's standard deviation over sqrt(n) (JCGM 100:2008, 4.2.3).

    The uncertainty is None for fewer than two readings.
    """
    n = len(readings)
    mean = math.fsum(readings) / n
    if n < 2:
        return mean, None
    variance = math.fsum((reading - mean) ** 2 for reading in readings) / (n - 1)
    return mean, math.sqrt(variance / n)


def block_extent(head: bytes) -> tuple[int, int]:
    """Where a block of definite length begins and how long it is (IEEE 488.2, 8.7.9: ``#42000`` and 2000 bytes).

    Args:
        head: at least its first 11 bytes, or all there is.

    Returns:
        The number of bytes of the header, and of the content.

    Raises:
        ReplyError: when it is none.
    """
    digits = head[1:2].decode("ascii", "replace")
    size = head[2 : 2 + int(digits)] if digits.isdecimal() and digits.isascii() else b""
    if head[:1] != b"#" or not size.isdigit() or len(size) != int(digits):
        raise ReplyError("a binary block of definite length was to be expected", head[:40].decode("latin-1"))
    if int(size) > BLOCK_LIMIT:
        raise ReplyError(f"a block of more than {BLOCK_LIMIT} bytes was announced", head[:40].decode("latin-1"))
    return 2 + int(digits), int(size)
