"""The ``[limits]`` table: what may be ordered, as people write it."""

from __future__ import annotations

import math
from collections.abc import Mapping

from pydantic import ConfigDict, Field

from agent.rules.bounds import Bound, Combination, unit_fault
from agent.rules.limits import Allowed, Commands, Limits
from agent.rules.section import Section, read
from envs.errors import ConfigError

NONE_ALLOWED = "at least one command, such as commands.acquire = {}: without any nothing may be ordered from it"


class BoundSection(Section):
    """``{ low = 400, high = 1900, unit = "Cel" }``, ``{ options = ["none", "MgO"] }``, or ``{}`` for any word."""

    low: float | None = None
    high: float | None = None
    unit: str = ""
    options: list[str] = Field(default_factory=list)
    optional: bool = False

    def build(self, key: str, source: str) -> Bound:
        """The bound.

        Raises:
            ConfigError: it contradicts itself, or its unit is none.
        """
        bound = Bound(
            -math.inf if self.low is None else self.low,
            math.inf if self.high is None else self.high,
            self.unit,
            tuple(self.options),
            self.optional,
        )
        if bound.fault:
            raise ConfigError(key, self.model_dump(exclude_defaults=True), bound.fault, source=source)
        return bound


CommandsSection = dict[str, dict[str, BoundSection]]


class KindSection(Section):
    """``[limits.kind.furnace]``: what counts for every instrument of a kind."""

    commands: CommandsSection = Field(default_factory=dict)


class InstrumentSection(KindSection):
    """``[limits.furnace-1]``: an instrument on the allow-list, and its kind."""

    kind: str


class WhenSection(Section):
    """The ``if`` of a rule."""

    parameter: str
    above: float | None = None
    below: float | None = None
    options: list[str] = Field(default_factory=list)
    unit: str = ""


class ThenSection(BoundSection):
    """The ``then`` of a rule."""

    parameter: str


class RuleSection(Section):
    """``[[limits.rule]]``: if one parameter is so, another must be so."""

    kind: str = ""
    instrument: str = ""
    command: str
    when: WhenSection = Field(alias="if")
    then: ThenSection

    def build(self, key: str, source: str) -> Combination:
        """The rule.

        Raises:
            ConfigError: it says nothing, or contradicts itself.
        """
        when, then = self.when, self.then
        numbers = when.above is not None or when.below is not None
        if numbers == bool(when.options) or numbers != bool(when.unit):
            raise ConfigError(
                f"{key}.if", when.model_dump(exclude_defaults=True),
                'above or below with their unit, or options: { parameter = "temperature", above = 1600, unit = "Cel" }',
                source=source,
            )  # fmt: skip
        if unit_fault(when.unit):
            raise ConfigError(f"{key}.if.unit", when.unit, unit_fault(when.unit), source=source)
        bound = then.build(f"{key}.then", source)
        if not bound.unit and not bound.options:
            raise ConfigError(f"{key}.then", then.parameter, "low or high with their unit, or options", source=source)
        return Combination(
            self.kind,
            self.instrument,
            self.command,
            when.parameter,
            -math.inf if when.above is None else when.above,
            math.inf if when.below is None else when.below,
            tuple(when.options),
            when.unit,
            then.parameter,
            bound,
        )


class LimitsSection(Section):
    """``[limits]``: instruments by their ids, ``kind`` and ``rule`` aside."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, InstrumentSection]

    kind: dict[str, KindSection] = Field(default_factory=dict)
    rule: list[RuleSection] = Field(default_factory=list)

    def build(self, source: str = "") -> Limits:
        """The limits; without any instrument nothing may be ordered.

        Args:
            source: name of the file, for messages.

        Raises:
            ConfigError: a bound contradicts itself, a unit is none, or a rule is about nothing that is allowed.
        """
        kinds = {k: _commands(t.commands, f"limits.kind.{k}", source) for k, t in self.kind.items()}
        instruments: dict[str, Allowed] = {}
        for iid, table in (self.__pydantic_extra__ or {}).items():
            if not table.commands and not kinds.get(table.kind):
                raise ConfigError(f"limits.{iid}.commands", table.commands, NONE_ALLOWED, source=source)
            instruments[iid] = Allowed(table.kind, _commands(table.commands, f"limits.{iid}", source))
        for kind, commands in kinds.items():
            if not commands:
                raise ConfigError(f"limits.kind.{kind}.commands", {}, NONE_ALLOWED, source=source)
        for n, rule in enumerate(self.rule):
            _check_subject(rule, n, instruments, kinds, source)
        rules = tuple(rule.build(f"limits.rule[{n}]", source) for n, rule in enumerate(self.rule))
        return Limits.of(instruments, kinds, rules)


def read_limits(raw: Mapping[str, object], *, source: str = "") -> Limits:
    """The limits of a ``[limits]`` table as the file has it.

    Raises:
        ConfigError: something in it is wrong; names the key, the value and what is allowed.
    """
    return read(LimitsSection, raw, "limits", source=source).build(source)


def _commands(table: CommandsSection, key: str, source: str) -> Commands:
    return {
        command: {name: b.build(f"{key}.commands.{command}.{name}", source) for name, b in bounds.items()}
        for command, bounds in table.items()
    }


def _check_subject(
    rule: RuleSection, n: int, instruments: Mapping[str, Allowed], kinds: Mapping[str, Commands], source: str
) -> None:
    """Raise where a rule could never count: a typing mistake there would be a limit that nobody keeps."""
    key = f"limits.rule[{n}]"
    if bool(rule.kind) == bool(rule.instrument):
        raise ConfigError(key, rule.kind or None, "a kind or an instrument that it counts for", source=source)
    if rule.instrument and rule.instrument not in instruments:
        raise ConfigError(f"{key}.instrument", rule.instrument, f"one of {', '.join(instruments)}", source=source)
    known = {a.kind for a in instruments.values()}
    if rule.kind and rule.kind not in known:
        raise ConfigError(f"{key}.kind", rule.kind, f"one of {', '.join(sorted(known))}", source=source)
    subjects = [a for iid, a in instruments.items() if rule.instrument == iid or rule.kind == a.kind]
    tables = [t for a in subjects for t in (a.commands, kinds.get(a.kind, {}))]
    commands = {command for t in tables for command in t}
    if rule.command not in commands:
        raise ConfigError(f"{key}.command", rule.command, f"one of {', '.join(sorted(commands))}", source=source)
    named = {name for t in tables for name in t.get(rule.command, {})}
    for part, name in (("if", rule.when.parameter), ("then", rule.then.parameter)):
        if named and name not in named:
            allowed = f"one of {', '.join(sorted(named))}"
            raise ConfigError(f"{key}.{part}.parameter", name, allowed, source=source)
