"""The ``[policy]`` table of the laboratory or of a campaign: who must approve, as people write it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated

from pydantic import Field

from agent.rules.policy import ApprovalPolicy, AutoRule, Threshold
from agent.rules.quiet import QuietHours
from agent.rules.region import Range, Region
from agent.rules.section import Section, read
from envs.errors import ConfigError
from envs.factors import Factor

Costs = dict[str, Annotated[float, Field(ge=0.0)]]
RULE_NAME = r"^[A-Za-z0-9]([A-Za-z0-9_.\-]{0,62}[A-Za-z0-9])?$"


class RangeSection(Section):
    """``{ low = 1200, high = 1600 }`` in the factor's own unit, or ``{ options = ["none"] }``."""

    low: float | None = None
    high: float | None = None
    options: list[str] = Field(default_factory=list)


class AutoSection(Section):
    """``[policy.auto]``: the region and the cost within which a rule approves by itself."""

    name: Annotated[str, Field(pattern=RULE_NAME)] = "trusted-region"
    factors: dict[str, RangeSection] = Field(default_factory=dict)
    crystals: list[str] = Field(default_factory=list)
    formulas: list[str] = Field(default_factory=list)
    cost: Costs = Field(default_factory=dict)


class ThresholdSection(Section):
    """``{ above = 1800 }``, ``{ below = 100 }`` in the factor's own unit, or ``{ options = ["B4C"] }``."""

    above: float | None = None
    below: float | None = None
    options: list[str] = Field(default_factory=list)


class TwoPersonsSection(Section):
    """``[policy.two_persons]``: where two must approve."""

    factors: dict[str, ThresholdSection] = Field(default_factory=dict)
    cost: Costs = Field(default_factory=dict)


class QuietSection(Section):
    """``[policy.quiet]``: hours in which nobody is expected to decide."""

    hours: list[str] = Field(default_factory=list)
    zone: str = "UTC"


class PolicySection(Section):
    """``[policy]``: everyone waits for people, where nothing else is said."""

    expires_h: Annotated[float, Field(gt=0.0, le=24 * 366)] = 24.0
    four_eyes_on_edits: bool = True
    auto: AutoSection | None = None
    two_persons: TwoPersonsSection = TwoPersonsSection()
    quiet: QuietSection = QuietSection()

    def build(
        self,
        factors: Sequence[Factor],
        crystals: Mapping[str, str],
        *,
        costs: Sequence[str] | None = None,
        source: str = "",
        key: str = "policy",
    ) -> ApprovalPolicy:
        """The policy.

        Args:
            factors: of the design space.
            crystals: formula of each crystal, by id.
            costs: names that the campaign's costs have; None where they are not checked.
            source: name of the file, for messages.
            key: of the table.

        Raises:
            ConfigError: a name is none of the design space's, a range is empty, or the quiet hours are none.
        """
        known = {f.name: f for f in factors}
        auto = _auto(self.auto, known, crystals, f"{key}.auto", source) if self.auto else None
        thresholds = {
            name: _threshold(t, _factor(known, name, f"{key}.two_persons.factors", source), key, source)
            for name, t in self.two_persons.factors.items()
        }
        for part, table in (("auto", self.auto), ("two_persons", self.two_persons)):
            for name in table.cost if table else ():
                if costs is not None and name not in costs:
                    allowed = f"a cost of the recipe: {', '.join(costs) or 'there is none'}"
                    raise ConfigError(f"{key}.{part}.cost.{name}", name, allowed, source=source)
        quiet = QuietHours.parse(self.quiet.hours, self.quiet.zone, key=f"{key}.quiet", source=source)
        return ApprovalPolicy(
            auto, thresholds, dict(self.two_persons.cost), timedelta(hours=self.expires_h), quiet,
            self.four_eyes_on_edits, dict(crystals),
        )  # fmt: skip


def read_policy(
    raw: Mapping[str, object],
    factors: Sequence[Factor],
    crystals: Mapping[str, str],
    *,
    costs: Sequence[str] | None = None,
    source: str = "",
    key: str = "policy",
) -> ApprovalPolicy:
    """The policy of a table as the file has it; the arguments are those of ``PolicySection.build``.

    Raises:
        ConfigError: something in it is wrong; names the key, the value and what is allowed.
    """
    return read(PolicySection, raw, key, source=source).build(factors, crystals, costs=costs, source=source, key=key)


def _auto(
    section: AutoSection, known: Mapping[str, Factor], crystals: Mapping[str, str], key: str, source: str
) -> AutoRule:
    if not (section.factors or section.crystals or section.formulas):
        raise ConfigError(key, section.name, "factors, crystals or formulas that say what is trusted", source=source)
    for part, given, allowed in (
        ("crystals", section.crystals, set(crystals)),
        ("formulas", section.formulas, set(crystals.values())),
    ):
        for name in given:
            if name not in allowed:
                raise ConfigError(f"{key}.{part}", name, "names that the design space has", source=source)
    ranges = {
        name: _range(r, _factor(known, name, f"{key}.factors", source), f"{key}.factors.{name}", source)
        for name, r in section.factors.items()
    }
    return AutoRule(
        section.name, Region(ranges, tuple(section.crystals), tuple(section.formulas)), dict(section.cost)
    )  # fmt: skip


def _range(section: RangeSection, factor: Factor, key: str, source: str) -> Range:
    low = -math.inf if section.low is None else section.low
    high = math.inf if section.high is None else section.high
    found = Range(low, high, tuple(section.options), factor.unit)
    bounded = section.low is not None or section.high is not None
    _check_kind(factor, bounded, section.options, key, source)
    if not any(found.holds(level) for level in factor.levels):
        raise ConfigError(key, section.model_dump(exclude_defaults=True), "a range that holds a level", source=source)
    return found


def _threshold(section: ThresholdSection, factor: Factor, key: str, source: str) -> Threshold:
    key = f"{key}.two_persons.factors.{factor.name}"
    _check_kind(factor, section.above is not None or section.below is not None, section.options, key, source)
    return Threshold(
        math.inf if section.above is None else section.above,
        -math.inf if section.below is None else section.below,
        tuple(section.options),
    )


def _factor(known: Mapping[str, Factor], name: str, key: str, source: str) -> Factor:
    if name not in known:
        raise ConfigError(f"{key}.{name}", name, f"the factors {', '.join(known)}", source=source)
    return known[name]


def _check_kind(factor: Factor, bounded: bool, options: Sequence[str], key: str, source: str) -> None:
    if factor.is_numeric and (options or not bounded):
        raise ConfigError(key, list(options), f"bounds in {factor.unit or '1'}, since it is a number", source=source)
    if not factor.is_numeric and (bounded or not options or not set(options) <= set(factor.levels)):
        levels = ", ".join(str(level) for level in factor.levels)
        raise ConfigError(key, list(options), f"options out of {levels}", source=source)
