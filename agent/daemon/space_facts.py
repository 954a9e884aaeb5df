"""What the daemon knows of a design space without the library of crystals: enough to judge a person's edit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from envs.design import Design
from envs.factors import Factor

CRYSTAL = "crystal"
_SHOWN = 8


@dataclass(frozen=True)
class RuleTable:
    """What one rule allows.

    Args:
        name: of the rule.
        scope: the slots that it ties: ``crystal``, or factors.
        sizes: number of options of each.
        bits: one bit a combination, the last slot fastest, set where it is allowed.
    """

    name: str
    scope: tuple[str, ...]
    sizes: tuple[int, ...]
    bits: bytes

    def allows(self, places: Mapping[str, int]) -> bool:
        """Whether a combination is allowed, given the place of each slot's option."""
        i = 0
        for slot, size in zip(self.scope, self.sizes, strict=True):
            i = i * size + places[slot]
        return bool(self.bits[i >> 3] >> (7 - (i & 7)) & 1)


@dataclass(frozen=True)
class SpaceFacts:
    """A design space in plain values.

    Args:
        name: of the space.
        version: SHA-256 over everything that defines it.
        crystals: formulas by crystal id, in the library's order; empty in a parametric space.
        factors: the process factors with their units and levels.
        n_feasible: how many designs are inside.
        rules: what ties them.
    """

    name: str
    version: str
    crystals: Mapping[str, str]
    factors: tuple[Factor, ...]
    n_feasible: float
    rules: tuple[RuleTable, ...]

    def admits(self, design: Design) -> tuple[str, ...]:
        """Why a design is outside this space, one sentence for each reason; empty when it is inside."""
        if problems := self._off_grid(design):
            return problems
        options = list(self.crystals) or [""]
        places = {CRYSTAL: options.index(design.crystal)}
        places |= {f.name: f.levels.index(design.process[f.name]) for f in self.factors}
        return tuple(
            f"{rule.name}: forbids {', '.join(f'{slot} = {self._shown(design, slot)}' for slot in rule.scope)}"
            + (" together" if len(rule.scope) > 1 else "")
            for rule in self.rules
            if not rule.allows(places)
        )

    def _off_grid(self, design: Design) -> tuple[str, ...]:
        problems = []
        if design.crystal not in (self.crystals or {"": ""}):
            n = len(self.crystals)
            problems.append(f"crystal: {design.crystal!r} is not one of the {n} crystals of {self.name!r}")
        for f in self.factors:
            if design.process.get(f.name) not in f.levels:
                given = repr(design.process[f.name]) if f.name in design.process else "missing"
                problems.append(f"{f.name}: {given}; choose one of {_listed(f.levels)} {f.unit}".rstrip())
        extra = sorted(set(design.process) - {f.name for f in self.factors})
        return tuple(problems + [f"{e}: not a factor of {self.name!r}" for e in extra])

    def _shown(self, design: Design, slot: str) -> str:
        if slot == CRYSTAL:
            return f"{design.crystal} ({self.crystals[design.crystal]})" if design.crystal else "none"
        unit = next(f.unit for f in self.factors if f.name == slot)
        value = design.process[slot]
        return value if isinstance(value, str) else f"{value:g} {unit}"


def _listed(levels: tuple[float | str, ...]) -> str:
    names = [level if isinstance(level, str) else f"{level:g}" for level in levels]
    return ", ".join(names if len(names) <= _SHOWN else [*names[: _SHOWN - 2], "...", names[-1]])
