"""The core of MaterialDesign: n design episodes advanced together in numpy; a single environment is a batch of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from envs.crystals import ANION_FAMILIES
from envs.descriptors import DESCRIPTORS, element_table
from envs.design import Design
from envs.errors import ConfigError
from envs.ports import RewardModel
from envs.space import DesignSpace

FloatArray = npt.NDArray[np.float64]
Float32Array = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

INVALID_PENALTY = -2.0
"""Reward of an action outside the mask; it ends the episode. At the lower end of a shaped reward."""


@dataclass(frozen=True)
class CampaignContext:
    """What the campaign tells the policy.

    Args:
        budget_left: share of the experiments still to be made, 0 to 1.
        best_so_far: best outcome so far, scaled by the caller to -1 to 1.
        trust: how far the surrogate's predictions have held, 0 to 1.
    """

    budget_left: float = 1.0
    best_so_far: float = 0.0
    trust: float = 0.0

    LIMITS: ClassVar[dict[str, tuple[float, float]]] = {
        "budget_left": (0.0, 1.0), "best_so_far": (-1.0, 1.0), "trust": (0.0, 1.0),
    }  # fmt: skip

    def __post_init__(self) -> None:
        for key, (low, high) in self.LIMITS.items():
            if not low <= getattr(self, key) <= high:
                raise ConfigError(f"context.{key}", getattr(self, key), f"a number from {low:g} to {high:g}")

    def row(self) -> Float32Array:
        """The observation's columns."""
        return np.array([getattr(self, k) for k in self.LIMITS], dtype=np.float32)


class CrystalTree:
    """Family, then partner element, then compound: the library as a tree, with the feasible branches counted.

    Args:
        space: a design space with at least one crystal.
    """

    def __init__(self, space: DesignSpace) -> None:
        table, feasible = space.crystals, space.lookahead.mask(0, np.zeros((1, 1), dtype=np.int64))[0]
        known = [name for _, name in ANION_FAMILIES]
        self.families = sorted(set(table.families), key=lambda f: known.index(f) if f in known else len(known))
        symbols = {s: z for z, s in _symbols().items()}
        self.partners = sorted(set(table.partners), key=lambda s: symbols[s])
        members: dict[tuple[int, int], list[int]] = {}
        for row in sorted(range(len(feasible)), key=lambda i: (table.melting[i], space.library.ids[i])):
            if feasible[row]:
                key = self.families.index(table.families[row]), self.partners.index(table.partners[row])
                members.setdefault(key, []).append(row)
        self.width = max(len(m) for m in members.values())
        shape = len(self.families), len(self.partners)
        self.rows = np.full((*shape, self.width), -1, dtype=np.int64)
        for key, rows in members.items():
            self.rows[key][: len(rows)] = rows
        self.partner_mask: BoolArray = np.any(self.rows >= 0, axis=2)
        self.family_mask: BoolArray = np.any(self.partner_mask, axis=1)
        self.row_descriptors = table.scaled.astype(np.float32)
        self.root_descriptors = self.row_descriptors[feasible].mean(axis=0)
        self.family_descriptors = np.stack([self._mean(self.rows[f]) for f in range(shape[0])])
        self.partner_descriptors = np.stack(
            [[self._mean(self.rows[f, p]) for p in range(shape[1])] for f in range(shape[0])]
        )

    def _mean(self, rows: IntArray) -> Float32Array:
        chosen = rows[rows >= 0]
        return np.asarray(self.row_descriptors[chosen].mean(axis=0)) if chosen.size else self.root_descriptors


def _symbols() -> dict[int, str]:
    from pymatgen.core import Element

    return {z: str(Element.from_Z(z).symbol) for z in element_table()}


@dataclass(frozen=True)
class BatchStep:
    """Outcome of one step of n episodes.

    Args:
        observations: shape ``(n, observation_size)``, after the action and before any reset.
        rewards: shape ``(n,)``; zero until an episode ends.
        terminated: the design is complete, or the action was invalid, shape ``(n,)``.
        truncated: always false: an episode has a fixed, short length of its own, shape ``(n,)``.
        invalid: the action was outside the mask, shape ``(n,)``.
        designs: the complete design of each episode that finished, ``None`` elsewhere.
    """

    observations: Float32Array
    rewards: FloatArray
    terminated: BoolArray
    truncated: BoolArray
    invalid: BoolArray
    designs: list[Design | None]


class BatchedDesign:
    """n episodes of step-by-step design.

    Each episode chooses family, partner element, compound (not in a parametric space), then a level for each process
    factor. The observation is, in [-1, 1]: step one-hot | family one-hot | partner one-hot | composition descriptors
    (the mean over what can still be chosen) | encoded process so far | campaign context.

    Args:
        space: the design space.
        reward_model: scores complete designs.
        n: number of episodes side by side.
        context: what the campaign tells the policy.
    """

    def __init__(
        self, space: DesignSpace, reward_model: RewardModel, n: int = 1, context: CampaignContext | None = None
    ) -> None:
        self.space = space
        self.reward_model = reward_model
        self.n = n
        self.tree = CrystalTree(space) if len(space.library) else None
        self.head = 3 if self.tree else 0
        self.n_steps = self.head + len(space.factors)
        options = [f.n_levels for f in space.factors]
        if self.tree:
            options += [len(self.tree.families), len(self.tree.partners), self.tree.width]
        self.n_actions = max(options)
        self._layout()
        self.set_context(context or CampaignContext())
        self.steps = np.zeros(n, dtype=np.int64)
        self._branch = np.zeros((n, 2), dtype=np.int64)
        self.indices = np.zeros((n, 1 + len(space.factors)), dtype=np.int64)
        self._observations = np.repeat(self._start[None, :], n, axis=0)

    def _layout(self) -> None:
        widths = [self.n_steps]
        if self.tree:
            widths += [len(self.tree.families), len(self.tree.partners), len(DESCRIPTORS)]
        else:
            widths += [0, 0, 0]
        widths += [len(f.columns) for f in self.space.factors] + [len(CampaignContext.LIMITS)]
        self._starts = np.concatenate([[0], np.cumsum(widths)]).tolist()
        self.observation_size = int(self._starts[-1])
        self._start = np.zeros(self.observation_size, dtype=np.float32)
        self._start[0] = 1.0
        if self.tree:
            self._start[self._starts[3] : self._starts[4]] = self.tree.root_descriptors

    def set_context(self, context: CampaignContext) -> None:
        """Use another campaign context from the next reset on."""
        self._start[self._starts[-2] :] = context.row()

    def reset(self, rows: BoolArray | None = None) -> Float32Array:
        """Start the episodes marked in ``rows`` (all when not given) and return all observations."""
        chosen: BoolArray | slice = slice(None) if rows is None else rows
        self.steps[chosen] = 0
        self.indices[chosen] = 0
        self._observations[chosen] = self._start
        return self._observations.copy()

    def masks(self) -> BoolArray:
        """Actions that leave a feasible completion, shape ``(n, n_actions)``; never an empty row before the end."""
        allowed = np.zeros((self.n, self.n_actions), dtype=np.bool_)
        for step, rows in self._groups():
            options = self._options(step, rows)
            allowed[rows, : options.shape[1]] = options
        return allowed

    def _groups(self) -> list[tuple[int, IntArray]]:
        return [(int(s), np.flatnonzero(self.steps == s)) for s in np.unique(self.steps) if s < self.n_steps]

    def _options(self, step: int, rows: IntArray) -> BoolArray:
        tree = self.tree
        if tree is None or step >= self.head:
            return self.space.lookahead.mask(step - self.head + 1, self.indices[rows])
        if step == 0:
            return np.broadcast_to(tree.family_mask, (len(rows), len(tree.family_mask)))
        if step == 1:
            return np.asarray(tree.partner_mask[self._branch[rows, 0]])
        return np.asarray(tree.rows[self._branch[rows, 0], self._branch[rows, 1]] >= 0)

    def step(self, actions: IntArray) -> BatchStep:
        """Apply one action to every episode; finished episodes must be reset before the next step.

        Args:
            actions: shape ``(n,)``, each in ``range(n_actions)``.
        """
        invalid = np.zeros(self.n, dtype=np.bool_)
        for step, rows in self._groups():
            options = self._options(step, rows)
            chosen = actions[rows]
            wrong = chosen >= options.shape[1]
            wrong |= ~options[np.arange(len(rows)), np.minimum(chosen, options.shape[1] - 1)]
            invalid[rows] = wrong
            self._apply(step, rows[~wrong], chosen[~wrong])
        complete = (self.steps == self.n_steps) & ~invalid
        rewards = np.where(invalid, INVALID_PENALTY, 0.0)
        designs: list[Design | None] = [None] * self.n
        finished = np.flatnonzero(complete)
        if finished.size:
            made = self.space.designs(self.indices[finished])
            rewards[finished] = self.reward_model.score(made)
            for row, design in zip(finished.tolist(), made, strict=True):
                designs[row] = design
        truncated = np.zeros(self.n, dtype=np.bool_)
        return BatchStep(self._observations.copy(), rewards, complete | invalid, truncated, invalid, designs)

    def _apply(self, step: int, rows: IntArray, chosen: IntArray) -> None:
        self._write(step, rows, chosen)
        self.steps[rows] = step + 1
        self._observations[rows, step] = 0.0
        if step + 1 < self.n_steps:
            self._observations[rows, step + 1] = 1.0

    def _write(self, step: int, rows: IntArray, chosen: IntArray) -> None:
        tree, starts, seen = self.tree, self._starts, self._observations
        if tree is None or step >= self.head:
            factor = step - self.head
            self.indices[rows, factor + 1] = chosen
            seen[rows, starts[4 + factor] : starts[5 + factor]] = self.space.factors[factor].codes[chosen]
            return
        if step == 2:
            crystal = tree.rows[self._branch[rows, 0], self._branch[rows, 1], chosen]
            self.indices[rows, 0] = crystal
            described = tree.row_descriptors[crystal]
        else:
            self._branch[rows, step] = chosen
            seen[rows, starts[1 + step] + chosen] = 1.0
            branch = self._branch[rows]
            described = (
                tree.family_descriptors[branch[:, 0]]
                if step == 0
                else tree.partner_descriptors[branch[:, 0], branch[:, 1]]
            )
        seen[rows, starts[3] : starts[4]] = described
