"""What can hurt: notes on a proposal, found in what the design holds and how hot it is made.

The laboratory writes its own (``[hazards.NAME]``). One note is built in: the elements that the design space leaves out
unless it is told otherwise, because compounds of them are toxic, radioactive or corrosive.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from agent.rules.section import Section, read
from envs.crystals import HAZARDOUS
from envs.design import Design
from envs.elements import check_elements
from envs.errors import ConfigError
from envs.factors import Factor
from instruments.profile.agent_messages import Hazard

MAX_HAZARDS = 32
"""As many as a message may have."""
Severity = Literal["note", "warning", "danger"]
_ORDER: Mapping[str, int] = {"danger": 0, "warning": 1, "note": 2}


@dataclass(frozen=True)
class HazardRule:
    """When a note is due: all that it names must be so.

    Args:
        hazard: the note.
        elements: one of them is in the compound; empty for any compound.
        factor: that is looked at; empty for none.
        above: it is larger than this, in its own unit.
        below: it is smaller than this.
        options: it is one of these words.
    """

    hazard: Hazard
    elements: frozenset[str] = frozenset()
    factor: str = ""
    above: float = -math.inf
    below: float = math.inf
    options: tuple[str, ...] = ()

    def due(self, design: Design, elements: frozenset[str]) -> bool:
        """Whether the note is due for a design whose compound holds these elements."""
        if self.elements and not self.elements & elements:
            return False
        if not self.factor:
            return True
        value = design.process.get(self.factor)
        if value is None or isinstance(value, str):
            return value in self.options
        return self.above < value < self.below


@dataclass(frozen=True)
class Hazards:
    """Finds the notes of designs: call it with one.

    Args:
        rules: of the laboratory.
        crystals: formulas by id.
    """

    rules: tuple[HazardRule, ...] = ()
    crystals: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, design: Design) -> tuple[Hazard, ...]:
        """The notes of a design, the gravest first."""
        formula = self.crystals.get(design.crystal, "")
        elements = elements_of(formula)
        found = [rule.hazard for rule in self.rules if rule.due(design, elements)]
        found += _built_in(formula, elements, found, self.rules)
        return tuple(sorted(found, key=lambda h: _ORDER[h.severity])[:MAX_HAZARDS])


def elements_of(formula: str) -> frozenset[str]:
    """Symbols of the elements in a formula."""
    return frozenset(re.findall(r"[A-Z][a-z]?", formula))


def _built_in(
    formula: str, elements: frozenset[str], found: Sequence[Hazard], rules: Sequence[HazardRule]
) -> Iterator[Hazard]:
    said = frozenset().union(*(rule.elements for rule in rules if rule.hazard in found))
    if left := sorted((elements & HAZARDOUS) - said):
        text = f"{formula} holds {', '.join(left)}: compounds of it are toxic, radioactive or corrosive."
        yield Hazard(code="hazardous-element", severity="danger", text=text)


class HazardSection(Section):
    """``[hazards.NAME]``: what it is about, a GHS statement if there is one, and what to know."""

    text: Annotated[str, Field(min_length=1, max_length=2000)]
    code: Annotated[str, Field(pattern=r"^([A-Za-z0-9_.\-]{1,64})?$")] = ""
    severity: Severity = "warning"
    elements: list[str] = Field(default_factory=list)
    factor: str = ""
    above: float | None = None
    below: float | None = None
    options: list[str] = Field(default_factory=list)

    def build(
        self, name: str, factors: Sequence[Factor] | None, *, source: str = "", key: str = "hazards"
    ) -> HazardRule:
        """The rule; ``factors`` are those of the design space, None where they are not checked.

        Raises:
            ConfigError: an element is none, or a factor is unknown or compared with what it never is.
        """
        at = f"{key}.{name}"
        try:
            check_elements(self.elements, f"{at}.elements")
        except ConfigError as error:
            raise error.at(source) from error
        bounded = self.above is not None or self.below is not None
        if bool(self.factor) != (bounded or bool(self.options)) or (bounded and self.options):
            raise ConfigError(
                f"{at}.factor", self.factor, "a factor with above or below, or with options", source=source
            )
        if not (self.elements or self.factor):
            raise ConfigError(at, self.text, "elements, a factor, or both: what it is about", source=source)
        self._check_factor(factors, at, source)
        return HazardRule(
            Hazard(code=self.code or name, severity=self.severity, text=self.text),
            frozenset(self.elements),
            self.factor,
            -math.inf if self.above is None else self.above,
            math.inf if self.below is None else self.below,
            tuple(self.options),
        )

    def _check_factor(self, factors: Sequence[Factor] | None, at: str, source: str) -> None:
        if factors is None or not self.factor:
            return
        known = {f.name: f for f in factors}
        if self.factor not in known:
            raise ConfigError(f"{at}.factor", self.factor, f"one of {', '.join(known)}", source=source)
        if known[self.factor].is_numeric == bool(self.options):
            allowed = "above or below for a number, options for words"
            raise ConfigError(f"{at}.factor", self.factor, allowed, source=source)


def read_hazards(
    raw: Mapping[str, object],
    factors: Sequence[Factor] | None,
    crystals: Mapping[str, str],
    *,
    source: str = "",
    key: str = "hazards",
) -> Hazards:
    """The hazards of a ``[hazards]`` table as the file has it.

    Args:
        raw: tables by name.
        factors: of the design space; None where factors of several campaigns share the table.
        crystals: formulas by id.
        source: name of the file, for messages.
        key: of the table.

    Raises:
        ConfigError: something in it is wrong; names the key, the value and what is allowed.
    """
    sections = {name: read(HazardSection, table, f"{key}.{name}", source=source) for name, table in raw.items()}
    rules = tuple(s.build(name, factors, source=source, key=key) for name, s in sections.items())
    return Hazards(rules, dict(crystals))
