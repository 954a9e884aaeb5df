"""The doctor at the limits: whether they name what is ordered, and leave a campaign anything to propose."""

from __future__ import annotations

import difflib
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from agent.reading.findings import Finding, problem
from agent.rules.limits import Limits
from agent.rules.recipe import Recipe, Step
from envs.design import Design

if TYPE_CHECKING:
    from agent.daemon.space_facts import SpaceFacts

DRAWN = 200
"""Designs that are judged."""
TRIES = 20_000
"""Draws after which a space is left alone of which hardly any is inside."""
_SHOWN = 3


def not_given(campaign: str, limits: Limits, steps: Sequence[Step], factors: Sequence[str]) -> Iterator[Finding]:
    """Parameters that the limits want and no order of a recipe has: each such order is refused.

    Args:
        campaign: whose recipe it is.
        limits: of the laboratory.
        steps: of the recipe.
        factors: names of the design's factors.
    """
    for step in steps:
        given = {*step.parameters, *(factors if step.process else ())}
        tables = {f"limits.{step.capability}": limits.kinds.get(step.capability, {})}
        tables |= {f"limits.{i}": a.commands for i, a in limits.instruments.items() if a.kind == step.capability}
        for where, commands in tables.items():
            for name, bound in commands.get(step.command, {}).items():
                if name in given or bound.optional:
                    continue
                meant = difflib.get_close_matches(name, given, n=1)
                todo = f"did you mean {meant[0]}?" if meant else f"it gives {', '.join(sorted(given))}"
                words = f"{where}.commands.{step.command}.{name}: the recipe's {step.command} gives no {name}"
                yield problem(f"limits of {campaign}", words, f"{todo} Until then each such order is refused")


def all_refused(campaign: str, limits: Limits, recipe: Recipe, facts: SpaceFacts) -> Iterator[Finding]:
    """Whether the limits refuse whatever a campaign may propose, as far as designs drawn at random show it."""
    rng = random.Random(0)
    crystals = list(facts.crystals) or [""]
    reasons: Counter[str] = Counter()
    drawn = 0
    for _ in range(TRIES):
        design = Design(rng.choice(crystals), {f.name: rng.choice(f.levels) for f in facts.factors})
        if facts.admits(design):
            continue
        refused = limits.refusals_of(recipe, design, facts.factors, "sample")
        if not refused:
            return
        reasons.update(refused)
        drawn += 1
        if drawn == DRAWN:
            break
    if not drawn:
        return
    common = "; ".join(reason for reason, _ in reasons.most_common(_SHOWN))
    words = f"each of {drawn} designs of the space, drawn at random, is refused: {common}"
    yield problem(f"limits of {campaign}", words, "compare [limits] with the campaign's space and recipe")
