"""The design space: which designs are allowed, and how to draw, change and encode them."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from envs.crystals import CrystalLibrary, ceramics
from envs.descriptors import CompositionTable
from envs.design import Design
from envs.errors import ConfigError, InfeasibleDesignError
from envs.factors import Factor, factor_columns, grid
from envs.lookahead import MAX_CELLS, Lookahead, draw
from envs.rules import (
    CRYSTAL,
    DieLimit,
    Grid,
    Hazard,
    IncompatibleAdditive,
    MeltingShare,
    RampWithPressure,
    Rule,
    SinteringFloor,
    Stock,
    rule_from_dict,
)  # fmt: skip

__all__ = ["DesignSpace", "Factor", "flagship", "grid"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


class DesignSpace:
    """Crystals of a library, process factors on their grids, and the rules that tie them.

    A design is also a row of slot indices: the crystal's position in the library first, then each factor's level.

    Args:
        library: crystals to choose from; an empty one makes the space purely parametric.
        factors: process factors, in the order in which they are chosen.
        rules: validity rules.
        name: name of the space.

    Raises:
        ConfigError: nothing to choose, repeated factor names, a rule about an unknown factor, or no feasible design.
    """

    def __init__(self, library: CrystalLibrary, factors: Sequence[Factor], rules: Sequence[Rule], name: str) -> None:
        self.library = library
        self.factors = tuple(factors)
        self.rules = tuple(rules)
        self.name = name
        self._validate()
        self.crystals = CompositionTable(library)
        self._grid = Grid(self.crystals, {f.name: f for f in self.factors})
        self._slot = {CRYSTAL: 0, **{f.name: i + 1 for i, f in enumerate(self.factors)}}
        self._ids = library.ids or ("",)
        self._tables = [(tuple(self._slot[s] for s in rule.scope), rule.table(self._grid)) for rule in self.rules]
        self.lookahead = Lookahead((len(self._ids), *(f.n_levels for f in self.factors)), self._tables)
        if self.lookahead.n_feasible < 1:
            names = ", ".join(r.name for r in self.rules)
            raise ConfigError("space.rules", names, f"no design of {name!r} satisfies all of them: relax one")

    def _validate(self) -> None:
        names = [f.name for f in self.factors]
        if not names and not len(self.library):
            raise ConfigError("space.factors", [], "a space needs crystals or at least one factor")
        if len(set(names)) != len(names) or CRYSTAL in names:
            raise ConfigError("space.factors", names, f"factor names are distinct and none is {CRYSTAL!r}")
        sizes = {CRYSTAL: len(self.library), **{f.name: f.n_levels for f in self.factors}}
        for rule in self.rules:
            if len(set(rule.scope)) != len(rule.scope):
                raise ConfigError("space.rules", rule.name, f"different factors, not {', '.join(rule.scope)}")
            for slot in rule.scope:
                if slot == CRYSTAL and not len(self.library):
                    raise ConfigError(
                        "space.rules", rule.name, "a space with a crystal library (this one is parametric)"
                    )
                if slot not in {CRYSTAL, *names}:
                    raise ConfigError("space.rules", rule.name, f"needs a factor {slot!r}; this space has {names}")
            if math.prod(sizes[slot] for slot in rule.scope) > MAX_CELLS:
                raise ConfigError("space.rules", rule.name, f"at most {MAX_CELLS:,} combinations of what it couples")

    # ------------------------------------------------------------------------------------------------ identity

    @cached_property
    def version(self) -> str:
        """SHA-256 over everything that defines the space: name, structures, factors, rules."""
        digest = hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode())
        for c in self.library:
            for part in (c.lattice, c.numbers, c.frac_coords):
                digest.update(np.ascontiguousarray(part).tobytes())
        return digest.hexdigest()

    @property
    def n_feasible(self) -> float:
        """Exact number of feasible designs (as a float: it may exceed 2^53)."""
        return self.lookahead.n_feasible

    @cached_property
    def feasible_crystals(self) -> tuple[str, ...]:
        """Crystals with at least one feasible process, in library order; empty in a parametric space."""
        allowed = self.lookahead.mask(0, np.zeros((1, 1), dtype=np.int64))[0]
        return tuple(i for i, ok in zip(self.library.ids, allowed, strict=False) if ok)

    @property
    def rule_tables(self) -> tuple[tuple[str, tuple[str, ...], BoolArray], ...]:
        """Name and scope of each rule, and what it allows: one axis per slot of the scope."""
        return tuple((r.name, r.scope, table) for r, (_, table) in zip(self.rules, self._tables, strict=True))

    @property
    def n_total(self) -> float:
        """Number of combinations, feasible or not."""
        return float(np.prod([float(n) for n in self.lookahead.sizes]))

    @property
    def process_columns(self) -> tuple[str, ...]:
        """Names of the columns of ``encode_process``."""
        return factor_columns(self.factors)

    def to_dict(self) -> dict[str, object]:
        """Plain JSON-ready form; crystals by identifier."""
        return {
            "name": self.name,
            "crystals": list(self.library.ids),
            "factors": [f.to_dict() for f in self.factors],
            "rules": [r.to_dict() for r in self.rules],
        }

    @staticmethod
    def from_dict(data: Mapping[str, Any], library: CrystalLibrary | None = None) -> DesignSpace:
        """Read what ``to_dict`` wrote.

        Args:
            data: the plain form.
            library: where the crystals are looked up; the built-in library when not given.

        Raises:
            ConfigError: a crystal is not in the library, or a factor or rule is not valid.
        """
        ids = [str(i) for i in data["crystals"]]
        source = library if library is not None else (CrystalLibrary.builtin() if ids else CrystalLibrary(()))
        missing = [i for i in ids if i not in source]
        if missing:
            raise ConfigError("space.crystals", missing[:5], f"identifiers of the library ({len(source)} crystals)")
        factors = [Factor(f["name"], f["unit"], tuple(f["levels"]), f["ordinal"]) for f in data["factors"]]
        rules = [rule_from_dict(r) for r in data["rules"]]
        return DesignSpace(source.subset(ids), factors, rules, str(data["name"]))

    @staticmethod
    def from_config(data: Mapping[str, Any], *, source: str = "") -> DesignSpace:
        """A space from a parsed ``[space]`` table; see ``envs.space_config.space_from_config``.

        Raises:
            ConfigError: names the key, its value and what is allowed.
        """
        from envs.space_config import space_from_config

        return space_from_config(data, source=source)

    # --------------------------------------------------------------------------------------------- feasibility

    def indices(self, designs: Sequence[Design]) -> IntArray:
        """Slot indices, shape ``(n, 1 + n_factors)``.

        Raises:
            InfeasibleDesignError: a crystal or a level is not of this space.
        """
        rows = np.empty((len(designs), 1 + len(self.factors)), dtype=np.int64)
        for row, design in zip(rows, designs, strict=True):
            problems = self._off_grid(design)
            if problems:
                raise InfeasibleDesignError(*problems[0].split(": ", 1))
            row[0] = self.library.index(design.crystal) if design.crystal else 0
            row[1:] = [f.rank[design.process[f.name]] for f in self.factors]
        return rows

    def designs(self, indices: IntArray) -> list[Design]:
        """Designs of slot indices of shape ``(n, 1 + n_factors)``; the inverse of ``indices``."""
        return [
            Design(self._ids[row[0]], {f.name: f.levels[i] for f, i in zip(self.factors, row[1:], strict=True)})
            for row in indices.tolist()
        ]

    def _off_grid(self, design: Design) -> list[str]:
        problems = []
        if design.crystal not in self._ids:
            problems.append(
                f"crystal: {design.crystal!r} is not one of the {len(self.library)} crystals of {self.name!r}"
            )
        for f in self.factors:
            if f.name not in design.process:
                problems.append(f"{f.name}: missing; choose one of {_listed(f.levels)} {f.unit}".rstrip())
            elif design.process[f.name] not in f.rank:
                problems.append(
                    f"{f.name}: {design.process[f.name]!r} is not one of {_listed(f.levels)} {f.unit}".rstrip()
                )
        extra = sorted(set(design.process) - {f.name for f in self.factors})
        return problems + [f"{e}: not a factor of {self.name!r}" for e in extra]

    def violations(self, design: Design) -> tuple[str, ...]:
        """What is wrong with a design, one ``rule: message`` for each broken rule; empty when it is feasible."""
        problems = self._off_grid(design)
        if problems:
            return tuple(problems)
        row = self.indices([design])[0]
        return tuple(
            f"{rule.name}: {rule.explain(self._grid, int(row[0]), design.process)}"
            for rule, (slots, table) in zip(self.rules, self._tables, strict=True)
            if not table[tuple(row[s] for s in slots)]
        )

    def is_feasible(self, design: Design) -> bool:
        """Whether a design is of this space and breaks no rule."""
        return not self.violations(design)

    __contains__ = is_feasible

    def contains(self, design: Design) -> bool:
        """Same as ``is_feasible``."""
        return self.is_feasible(design)

    def check(self, design: Design) -> None:
        """Refuse a design that breaks a rule.

        Raises:
            InfeasibleDesignError: names the first broken rule, and lists the others in its message.
        """
        problems = self.violations(design)
        if problems:
            rule, message = problems[0].split(": ", 1)
            raise InfeasibleDesignError(rule, "; ".join([message, *problems[1:]]))

    def feasible_rows(self, indices: IntArray) -> BoolArray:
        """Feasibility of slot indices of shape ``(n, 1 + n_factors)``, shape ``(n,)``."""
        allowed = np.ones(len(indices), dtype=np.bool_)
        for slots, table in self._tables:
            allowed &= table[tuple(indices[:, s] for s in slots)]
        return allowed

    # ------------------------------------------------------------------------------------------ draw and change

    def sample(self, rng: np.random.Generator, n: int) -> list[Design]:
        """``n`` designs, uniform over all feasible ones (repeats are possible in a small space)."""
        return self.designs(self.lookahead.sample(rng, n))

    def mutate(self, design: Design, rng: np.random.Generator) -> Design:
        """A feasible neighbour: one slot changed, the others kept unless a rule now forbids them.

        An ordinal factor moves one or two levels, a category to any other, the crystal to one that shares the family
        half of the time. Returns the design itself only when no neighbour was found.
        """
        row = self.indices([design])[0]
        for _ in range(8):
            slot = int(rng.integers(len(row)))
            wanted = row.copy()
            wanted[slot] = self._neighbour(slot, int(row[slot]), rng)
            changed = self.repair(wanted, rng)
            if not np.array_equal(changed, row):
                return self.designs(changed[None, :])[0]
        return design

    def crossover(self, a: Design, b: Design, rng: np.random.Generator) -> Design:
        """A feasible child: each slot from ``a`` or ``b`` at random, changed only where a rule forbids it."""
        rows = self.indices([a, b])
        wanted = np.where(rng.random(rows.shape[1]) < 0.5, rows[0], rows[1])
        return self.designs(self.repair(wanted, rng)[None, :])[0]

    def _neighbour(self, slot: int, current: int, rng: np.random.Generator) -> int:
        n = self.lookahead.sizes[slot]
        if slot and self.factors[slot - 1].ordinal:
            return int(np.clip(current + rng.choice((-2, -1, 1, 2)), 0, n - 1))
        if not slot and len(self.library) and rng.random() < 0.5:
            alike = [i for i, f in enumerate(self.crystals.families) if f == self.crystals.families[current]]
            return int(rng.choice(alike))
        return int(rng.integers(n))

    def repair(self, wanted: IntArray, rng: np.random.Generator) -> IntArray:
        """The wanted row of slot indices, each choice that leads nowhere replaced.

        An ordinal factor takes the nearest level that leaves a feasible completion, any other slot a random one.

        Args:
            wanted: shape ``(1 + n_factors,)``.
            rng: breaks the ties of categories and crystals.
        """
        row = wanted.copy()[None, :]
        for slot in range(len(wanted)):
            weights = self.lookahead.weights(slot, row)
            if weights[0, wanted[slot]] > 0:
                continue
            if slot and self.factors[slot - 1].ordinal:
                options = np.flatnonzero(weights[0])
                row[0, slot] = options[np.argmin(np.abs(options - wanted[slot]))]
            else:
                row[0, slot] = draw(weights, rng)[0]
        return np.asarray(row[0])

    # ---------------------------------------------------------------------------------------------------- encode

    def encode_process(self, designs: Iterable[Design]) -> FloatArray:
        """Process as float64 in [0, 1], shape ``(n, len(process_columns))``; crystals are not encoded."""
        rows = [[f.rank[d.process[f.name]] for f in self.factors] for d in designs]
        return self.encode_levels(np.array(rows, dtype=np.int64).reshape(len(rows), len(self.factors)))

    def encode_levels(self, levels: IntArray) -> FloatArray:
        """The same from level indices of shape ``(n, n_factors)``."""
        if not self.factors:
            return np.zeros((len(levels), 0))
        return np.concatenate([f.codes[levels[:, i]] for i, f in enumerate(self.factors)], axis=1)


def _listed(levels: Sequence[object]) -> str:
    shown = [f"{v:g}" if isinstance(v, float) else str(v) for v in levels]
    return ", ".join(shown) if len(shown) <= 8 else f"{shown[0]}, {shown[1]}, ... {shown[-1]}"


def flagship(library: CrystalLibrary | None = None, *, unavailable: Sequence[str] = ()) -> DesignSpace:
    """Hard ceramics: which compound, and how it is sintered.

    Args:
        library: crystals; the built-in library's ceramics without hazardous elements when not given.
        unavailable: elements without a precursor in stock.
    """
    factors = (
        Factor("powder_size", "um", (0.1, 0.2, 0.4, 0.8, 1.6, 3.2)),
        Factor("additive", "", ("none", "MgO", "Y2O3", "B4C"), ordinal=False),
        Factor("temperature", "Cel", grid(1000, 2200, 50)),
        Factor("hold", "h", (0.5, 1.0, 2.0, 4.0, 8.0)),
        Factor("heating_rate", "K/min", (2.0, 5.0, 10.0, 20.0, 50.0)),
        Factor("pressure", "MPa", (0.0, 20.0, 40.0, 60.0, 80.0)),
    )
    rules: list[Rule] = [
        Hazard(), MeltingShare(), SinteringFloor(), IncompatibleAdditive(), DieLimit(), RampWithPressure(),
    ]  # fmt: skip
    if unavailable:
        rules.append(Stock(tuple(unavailable)))
    chosen = ceramics(CrystalLibrary.builtin()) if library is None else library
    return DesignSpace(chosen, factors, rules, "hard-ceramics")
