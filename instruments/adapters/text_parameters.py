"""Settings of a command's parameters: what an order may say, and how the instrument is told."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag

from instruments.adapters.text_reply import Factor, Regex, Section, Ucum
from instruments.adapters.text_template import has_control
from instruments.driving.parameters import Choice, Parameter, ParameterRule
from instruments.messages import JobError, Value


@dataclass(frozen=True)
class Alphabet:
    """What may stand in a text that goes into a line.

    Attributes:
        forbidden: characters that may not occur, besides control characters.
        encoding: of the line; what it lacks may not occur either.
    """

    forbidden: str = ""
    encoding: str = "ascii"

    def bad(self, text: str) -> list[str]:
        """The characters of a text that may not stand in it."""
        return sorted({letter for letter in text if letter in self.forbidden or not self._goes(letter)})

    def _goes(self, letter: str) -> bool:
        try:
            letter.encode(self.encoding)
        except UnicodeEncodeError:
            return False
        return not has_control(letter)


@dataclass(frozen=True)
class LineText:
    """Text that goes into a line: no line ends, no separators of commands, nothing that ends a quotation.

    Args:
        max_length: most characters.
        alphabet: what may stand in it.
        pattern: what the whole text must match, if anything.
        summary: one line for people.
        default: taken when an order does not say it.
    """

    max_length: int
    alphabet: Alphabet = Alphabet()
    pattern: str | None = None
    summary: str = ""
    default: str | None = None

    def schema(self) -> dict[str, Any]:
        """A string of limited length and alphabet."""
        forbidden = "".join(rf"\{c}" if c in r"\]^-" else c for c in self.alphabet.forbidden if not has_control(c))
        alphabet = rf"^[^\u0000-\u001f\u007f{forbidden}]*$"
        extra = {"description": self.summary} if self.summary else {}
        default = {} if self.default is None else {"default": self.default}
        return {"type": "string", "maxLength": self.max_length, "pattern": alphabet, **extra, **default}

    def check(self, name: str, value: Value) -> JobError | None:
        """Refuse quantities, long texts, and texts that could say more to the instrument than they should."""
        if not isinstance(value, str):
            return JobError(code="parameters", message=f"{name} must be text")
        if len(value) > self.max_length:
            return JobError(code="limits", message=f"{name} is longer than {self.max_length} characters")
        if bad := self.alphabet.bad(value):
            return JobError(code="limits", message=f"{name} = {value!r} must not contain {' '.join(map(repr, bad))}")
        if self.pattern is not None and not re.fullmatch(self.pattern, value):
            return JobError(code="limits", message=f"{name} = {value!r} does not match {self.pattern}")
        return None

    def plain(self, value: Value) -> float | str:
        """The text."""
        return str(value)


class NumberSettings(Section):
    """A quantity between limits; the instrument is told the value in ``unit`` times ``scale`` plus ``offset``."""

    unit: Ucum
    low: float
    high: float
    default: float | None = None
    scale: Factor = 1.0
    offset: float = 0.0
    whole: bool = False
    summary: str = ""

    def rule(self, alphabet: Alphabet) -> ParameterRule:  # noqa: ARG002 - a number holds no letters
        """A quantity between two limits.

        Raises:
            ValueError: when the limits are not in order, or the default is beyond them.
        """
        return Parameter(self.unit, self.low, self.high, self.summary, self.default, self.whole)

    def sent(self, value: float | str) -> float | str:
        """The number as the instrument counts."""
        return float(value) * self.scale + self.offset

    def samples(self) -> list[float | str]:
        """The limits."""
        return [self.low, self.high]


class ChoiceSettings(Section):
    """One word of a few; a table says what the instrument is told for each, a list sends the words themselves."""

    choice: Annotated[dict[str, str] | list[str], Field(min_length=1)]
    default: str | None = None
    summary: str = ""

    def rule(self, alphabet: Alphabet) -> ParameterRule:  # noqa: ARG002 - the words are the engineer's own
        """One of the words.

        Raises:
            ValueError: when the default is not among them, or a word holds a line end.
        """
        told = self.choice.values() if isinstance(self.choice, dict) else self.choice
        if bad := [word for word in (*self.choice, *told) if not word or has_control(word)]:
            raise ValueError(f"{bad[0]!r} must not be empty and holds no line end or other control character")
        return Choice(tuple(self.choice), self.summary, self.default)

    def sent(self, value: float | str) -> float | str:
        """What the instrument is told."""
        return self.choice[str(value)] if isinstance(self.choice, dict) else value

    def samples(self) -> list[float | str]:
        """All the words."""
        return list(self.choice)


class TextSettings(Section):
    """Free text of at most ``text`` characters."""

    text: Annotated[int, Field(ge=1, le=1024)]
    pattern: Regex | None = None
    default: str | None = None
    summary: str = ""

    def rule(self, alphabet: Alphabet) -> ParameterRule:
        """Text that cannot end a line or a command.

        Raises:
            ValueError: when the default would be refused.
        """
        rule = LineText(self.text, alphabet, self.pattern, self.summary, self.default)
        if self.default is not None and (fault := rule.check("default", self.default)) is not None:
            raise ValueError(fault.message)
        return rule

    def sent(self, value: float | str) -> float | str:
        """The text itself."""
        return value

    def samples(self) -> list[float | str]:
        """One text."""
        return ["text"]


_KINDS = ("choice", "text", "unit")


def _kind(raw: object) -> str | None:
    if isinstance(raw, dict):
        return next((kind for kind in _KINDS if kind in raw), "unit")
    return {ChoiceSettings: "choice", TextSettings: "text"}.get(type(raw), "unit")  # type: ignore[call-overload, no-any-return]


AnyParameter = Annotated[
    Annotated[NumberSettings, Tag("unit")]
    | Annotated[ChoiceSettings, Tag("choice")]
    | Annotated[TextSettings, Tag("text")],
    Discriminator(_kind),
]
