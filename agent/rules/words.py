"""Why a design was chosen, in plain words."""

from __future__ import annotations

from collections.abc import Mapping

from agent.events.proposals import ForecastRecord
from agent.words import unit_in_print
from envs.objective import Objective
from instruments.messages import Quantity
from instruments.profile.agent_messages import NearestSample

Plain = Mapping[str, Quantity | str]
"""A design by its paths."""


def rationale(
    objective: Objective,
    forecast: ForecastRecord | None,
    pool: str,
    acquisition: float | None,
    nearest: NearestSample | None,
) -> str:
    """What the models expect, why this design was chosen, and what the most alike sample gave."""
    sentences = [_expected(objective, forecast), _chosen(objective, pool, acquisition), _alike(nearest)]
    return " ".join(s for s in sentences if s)


def edit_words(
    by: str, before: Plain, after: Plain, changes: Mapping[str, object], comment: str, foreseen: str = ""
) -> str:
    """What a person changed, and what that makes void.

    Args:
        by: who.
        before: the design before.
        after: the design after.
        changes: as the person wrote them.
        comment: why.
        foreseen: what the models say of the design after, of ``foreseen``; empty where nobody asked them.
    """
    paths = [p for p in after if before.get(p) != after[p] and p != "formula"]
    parts = [f"{p} from {_shown(before[p])} to {_shown(after[p])}" if p in before else f"{p} to {_shown(after[p])}"
             for p in paths] or [f"{p} to {v}" for p, v in changes.items()]  # fmt: skip
    why = f" ({comment.strip()})" if comment.strip() else ""
    if foreseen:
        return f"{by} changed {', '.join(parts)}{why}. {foreseen}"
    return (
        f"{by} changed {', '.join(parts)}{why}. What the models expected and the nearest sample were for the design "
        "before, and are left out."
    )


def foreseen(objective: Objective, forecast: ForecastRecord, nearest: NearestSample | None) -> str:
    """What the models say of an edited design, as they said it before the edit was signed."""
    return f"Asked before the change was signed: {_expected(objective, forecast)} {_alike(nearest)}".strip()


def _expected(objective: Objective, forecast: ForecastRecord | None) -> str:
    if forecast is None:
        return "The models expect nothing yet: too little has been measured that they could learn from."
    median, low, high = (f"{v:.3g}" for v in (forecast.median, forecast.low, forecast.high))
    name = objective.name.replace("_", " ")
    return (
        f"The models expect a {name} of {median} {unit_in_print(objective.unit)} (between {low} and {high} "
        f"with 90% probability), a porosity of {100 * forecast.porosity:.2g}% and a grain size of "
        f"{forecast.grain_size:.2g} µm, and give the synthesis a {100 * forecast.feasibility:.0f}% chance to work out."
    )


def _chosen(objective: Objective, pool: str, acquisition: float | None) -> str:
    if pool == "start":
        return "It is one of the starting designs, which are spread over the design space."
    if acquisition is None:
        return f"It was drawn by {pool!r}, without weighing it against other designs."
    aim = "larger" if objective.direction == "maximise" else "smaller"
    return (
        f"It came from the pool {pool!r} and was chosen because, among the candidates of all pools, it promises most "
        f"for finding a {aim} {objective.name.replace('_', ' ')} than the best so far, with the chance of failure and "
        f"what is not known yet weighed in (log acquisition value {acquisition:.3g})."
    )


def _alike(nearest: NearestSample | None) -> str:
    if nearest is None:
        return ""
    found = ", ".join(f"{name.replace('_', ' ')} {_measured(q)}" for name, q in nearest.found.items())
    return f"The most alike finished sample is {nearest.experiment}" + (f" with {found}." if found else ".")


def _measured(quantity: Quantity) -> str:
    if quantity.unit == "1":
        return f"{quantity.value:.3g}"
    spread = f" ± {quantity.std:.2g}" if quantity.std else ""
    return f"{quantity.value:.3g}{spread} {unit_in_print(quantity.unit)}"


def _shown(value: Quantity | str) -> str:
    return value if isinstance(value, str) else f"{value.value:.10g} {unit_in_print(value.unit)}".removesuffix(" 1")
