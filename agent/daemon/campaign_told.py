"""What a campaign chooses from, and what its models have learned, as the bus retains them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from agent.daemon.space_facts import SpaceFacts
from agent.daemon.steps_told import LINE, TEXT
from envs.objective import Direction, Objective
from instruments.profile.model_messages import (
    MAX_CRYSTALS,
    MAX_FACTORS,
    CampaignModel,
    CampaignSpace,
    FactorChoices,
    FactorEffect,
    Goal,
)

MAX_POOLS, MAX_NOTES = 32, 32


@dataclass(frozen=True)
class RoundTold:
    """The round that was planned last.

    Args:
        round: its number, from 0.
        candidates: that each pool gave.
        notes: what went worse than it should.
        effects: of each factor on the objective, in the plain form of ``FactorEffect``.
        model_version: of the models that planned it; empty where nobody knows.
        observed: experiments that they learned from.
    """

    round: int
    candidates: Mapping[str, int]
    notes: Sequence[str] = ()
    effects: Sequence[Mapping[str, Any]] = ()
    model_version: str = ""
    observed: int = 0


def campaign_space(
    cid: str, objective: Objective, facts: SpaceFacts, *, boot: str, seq: int, now: datetime
) -> CampaignSpace:
    """The message of what a campaign looks for, and what it chooses from.

    Args:
        cid: the campaign.
        objective: of it.
        facts: of its design space.
        boot: of this run of the agent.
        seq: orders its messages.
        now: the laboratory's time.

    Raises:
        ValueError: something of it cannot be said in a message.
    """
    crystals = dict(list(facts.crystals.items())[:MAX_CRYSTALS])
    better: Literal["maximize", "minimize"] = (
        "maximize" if objective.direction is Direction.MAXIMISE else "minimize"
    )  # fmt: skip
    factors = facts.factors[:MAX_FACTORS]
    return CampaignSpace(
        campaign=cid, boot_id=boot, seq=seq, ts=now, name=facts.name[:LINE], version=facts.version[:LINE],
        goals=(Goal(property=objective.name, unit=objective.unit, direction=better),),
        factors=tuple(FactorChoices(factor=f.name, unit=f.unit or "1", levels=f.levels) for f in factors),
        crystals={one: formula[:LINE] for one, formula in crystals.items()}, n_crystals=len(facts.crystals),
        n_feasible=max(facts.n_feasible, 0.0),
    )  # fmt: skip


def campaign_model(cid: str, planned: RoundTold, *, boot: str, seq: int, now: datetime) -> CampaignModel:
    """The message of what a campaign's models have learned.

    Args:
        cid: the campaign.
        planned: the round that was planned last.
        boot: of this run of the agent.
        seq: orders its messages.
        now: the laboratory's time.

    Raises:
        ValueError: something of it cannot be said in a message.
    """
    return CampaignModel(
        campaign=cid, boot_id=boot, seq=seq, ts=now, round=planned.round, model_version=planned.model_version[:LINE],
        observed=planned.observed,
        effects=tuple(FactorEffect.model_validate(effect) for effect in planned.effects[:MAX_FACTORS]),
        candidates=dict(list(planned.candidates.items())[:MAX_POOLS]),
        notes=tuple(note[:TEXT] for note in planned.notes[:MAX_NOTES]),
    )  # fmt: skip
