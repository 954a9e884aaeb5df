"""Settings that say how a reply is read: one value, several in a list, or named groups of a regular expression."""

from __future__ import annotations

import math
import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from instruments.adapters.text_template import ReplyError, mean_of, read_number
from instruments.messages import Name, Quantity, ResultDescription, Unit, Value
from instruments.units import UnitError, check_unit


class Section(BaseModel):
    """One table of an adapter's file: closed, immutable, and nothing is guessed (``"12"`` is no number)."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)


def _ucum(code: str) -> str:
    try:
        return check_unit(code)
    except UnitError as error:
        raise ValueError(str(error)) from error


def _regex(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"no regular expression: {error}") from error
    return pattern


Ucum = Annotated[Unit, AfterValidator(_ucum)]
Regex = Annotated[str, Field(min_length=1), AfterValidator(_regex)]
Factor = Annotated[float, AfterValidator(lambda value: value or _zero())]


def _zero() -> float:
    raise ValueError("a scale of 0 would lose the number")


class Reading(Section):
    """One value of a reply: a quantity where there is a unit, else a word.

    The instrument's number times ``scale`` plus ``offset`` is the value in ``unit``. Its standard uncertainty is the
    root of ``std``² + (``std_of_value`` · value)². ``words`` puts meaningful words in the place of the instrument's.
    """

    unit: Ucum | None = None
    scale: Factor = 1.0
    offset: float = 0.0
    std: Annotated[float, Field(ge=0.0)] | None = None
    std_of_value: Annotated[float, Field(ge=0.0)] | None = None
    words: dict[str, str] = Field(default_factory=dict)
    summary: str = ""

    def describe(self) -> ResultDescription:
        """As it stands in the instrument's description."""
        return ResultDescription(summary=self.summary, unit=self.unit)

    def number(self, text: str) -> float:
        """The value in ``unit``, or the bare scaled number where there is none.

        Raises:
            ReplyError: when the text is no number.
        """
        return read_number(text) * self.scale + self.offset

    def value(self, text: str) -> Value:
        """The value in a piece of a reply.

        Raises:
            ReplyError: when the text is no number, or none of the words.
        """
        if self.unit is not None:
            return self.quantity(self.number(text))
        word = text.strip()
        if self.words and word not in self.words:
            raise ReplyError(f"one of {', '.join(self.words)} was to be expected", text)
        return self.words.get(word, word)

    def quantity(self, value: float, spread: float = 0.0) -> Quantity:
        """A number with this unit and uncertainty; ``spread`` is added to it as a root of squares."""
        std = math.hypot(self.std or 0.0, (self.std_of_value or 0.0) * value, spread)
        unknown = self.std is None and self.std_of_value is None and not spread
        return Quantity(value=value, unit=self.unit or "1", std=None if unknown else std)


class ReplySettings(Section):
    """How a whole reply is read.

    With ``pattern`` each result is the named group of its name; else the reply is split at ``separator`` into as many
    pieces as there are results; ``samples`` makes all pieces readings of the only result: their mean with its
    standard uncertainty.
    """

    results: dict[Name, Reading] = Field(default_factory=dict)
    pattern: Regex | None = None
    separator: Annotated[str, Field(min_length=1)] = ","
    samples: bool = False

    def fault(self) -> tuple[str, object, str] | None:
        """What is wrong among these settings: key, value and what is allowed; None when they agree."""
        if self.pattern is not None:
            groups = set(re.compile(self.pattern).groupindex)
            if missing := sorted(self.results.keys() - groups):
                return "pattern", self.pattern, f"a named group (?P<{missing[0]}>...) for each result"
        if self.samples and (len(self.results) != 1 or self.pattern is not None):
            return "samples", True, "exactly one result, and no pattern"
        if self.samples and next(iter(self.results.values())).unit is None:
            return "samples", True, "a result with a unit"
        return None

    def read(self, reply: str) -> dict[str, Value]:
        """The results of a reply.

        Raises:
            ReplyError: when it does not fit.
        """
        if self.samples:
            name, reading = next(iter(self.results.items()))
            mean, spread = mean_of([reading.number(piece) for piece in reply.split(self.separator)])
            return {name: reading.quantity(mean, spread or 0.0)}
        return {name: self.results[name].value(piece) for name, piece in self._pieces(reply).items()}

    def _pieces(self, reply: str) -> dict[str, str]:
        if self.pattern is not None:
            match = re.search(self.pattern, reply)
            if match is None:
                raise ReplyError(f"something like {self.pattern} was to be expected", reply)
            return {name: match[name] or "" for name in self.results}
        if len(self.results) <= 1:
            return dict.fromkeys(self.results, reply)
        pieces = reply.split(self.separator)
        if len(pieces) != len(self.results):
            raise ReplyError(f"{len(self.results)} values between {self.separator!r} were to be expected", reply)
        return dict(zip(self.results, pieces, strict=True))
