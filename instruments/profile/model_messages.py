"""What an agent tells of what its models have learned, and of what they choose from.

They follow the rules of ``instruments.profile.agent_messages``.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from instruments.messages import PROTO, Name, Number, Payload, Proto, Unit, Utc
from instruments.profile.decisions import Path

MAX_POINTS = 64
"""Most points of one factor's effect."""
MAX_FACTORS = 62
MAX_CRYSTALS = 4096
"""Most crystals that are told by name."""
MAX_SITES = 128
"""Most atoms of a cell that is drawn."""

Line = Annotated[str, Field(max_length=200)]
Text = Annotated[str, Field(max_length=2000)]
Count = Annotated[int, Field(ge=0)]
Share = Annotated[Number, Field(ge=0.0, le=1.0)]


class Site(Payload):
    """One atom of a unit cell.

    Attributes:
        element: its symbol.
        at: fractional coordinates.
    """

    element: Annotated[str, Field(pattern=r"^[A-Z][a-z]?$")]
    at: tuple[Number, Number, Number]


class Structure(Payload):
    """A crystal's conventional cell, to be drawn.

    Attributes:
        lattice: the three cell vectors, in Å, one after the other.
        sites: atoms of the cell.
        space_group: Hermann-Mauguin symbol.
    """

    lattice: tuple[
        tuple[Number, Number, Number], tuple[Number, Number, Number], tuple[Number, Number, Number]
    ]  # fmt: skip
    sites: Annotated[tuple[Site, ...], Field(min_length=1, max_length=MAX_SITES)]
    space_group: Line = ""


class EffectPoint(Payload):
    """What the models expect where one factor has one value.

    Attributes:
        at: the factor's value, in its unit, or a word.
        value: expectation of the objective.
        low: 5% quantile.
        high: 95% quantile.
    """

    at: Number | Line
    value: Number
    low: Number
    high: Number


class FactorEffect(Payload):
    """What one factor does to the objective, the others held as they are.

    Attributes:
        factor: its path in the design.
        unit: UCUM code of its values; 1 for words.
        points: along its levels.
        share: how much of the objective's spread over all factors is this one's.
    """

    factor: Path
    unit: Unit = "1"
    points: Annotated[tuple[EffectPoint, ...], Field(min_length=1, max_length=MAX_POINTS)]
    share: Share = 0.0


class Domain(Payload):
    """Whether a design lies where the models have learned something.

    Attributes:
        verdict: where it lies: ``inside`` what was measured or trained on, at its ``edge``, or ``outside``.
        score: distance to what is known as a share of where the models stop knowing anything: 0 known, 1 and more not.
        text: the same for people, and what it is by.
    """

    verdict: Literal["inside", "edge", "outside"]
    score: Annotated[Number, Field(ge=0.0)]
    text: Line = ""


class Goal(Payload):
    """What a campaign looks for.

    Attributes:
        property: what is measured, by its name in results.
        unit: UCUM code.
        direction: which values are better.
    """

    property: Name
    unit: Unit
    direction: Literal["maximize", "minimize"] = "maximize"


class CampaignModel(Payload):
    """``campaign/{cid}/model``: what the models have learned so far. Retained.

    Attributes:
        campaign: its id.
        round: that was planned last, from 0.
        model_version: of the models.
        observed: experiments that they learn from.
        effects: of each factor, averaged over what was made.
        candidates: that each pool gave in the last round.
        notes: what went worse than it should.
    """

    proto: Proto = PROTO
    campaign: Name
    boot_id: Name
    seq: Count
    ts: Utc
    round: Count
    model_version: Line = ""
    observed: Count = 0
    effects: Annotated[tuple[FactorEffect, ...], Field(max_length=MAX_FACTORS)] = ()
    candidates: Annotated[dict[Name, Count], Field(max_length=32)] = Field(default_factory=dict)
    notes: Annotated[tuple[Text, ...], Field(max_length=32)] = ()


class FactorChoices(Payload):
    """What one factor may be.

    Attributes:
        factor: its path in the design.
        unit: UCUM code of its values; 1 for words.
        levels: all of them, in order.
    """

    factor: Path
    unit: Unit = "1"
    levels: Annotated[tuple[Number | Line, ...], Field(min_length=1, max_length=1000)]


class CampaignSpace(Payload):
    """``campaign/{cid}/space``: what a campaign looks for, and what it chooses from. Retained.

    Attributes:
        campaign: its id.
        name: of the design space.
        version: SHA-256 of everything that defines the space.
        goals: what it looks for.
        factors: of the process.
        crystals: formulas by id, as many as can be told.
        n_crystals: how many there are.
        n_feasible: how many designs are inside.
    """

    proto: Proto = PROTO
    campaign: Name
    boot_id: Name
    seq: Count
    ts: Utc
    name: Line = ""
    version: Line = ""
    goals: Annotated[tuple[Goal, ...], Field(min_length=1, max_length=16)]
    factors: Annotated[tuple[FactorChoices, ...], Field(max_length=MAX_FACTORS)] = ()
    crystals: Annotated[dict[Name, Line], Field(max_length=MAX_CRYSTALS)] = Field(default_factory=dict)
    n_crystals: Count = 0
    n_feasible: Annotated[Number, Field(ge=0.0)] = 0.0

    @model_validator(mode="after")
    def _has_all_that_are_told(self) -> Self:
        if self.n_crystals < len(self.crystals):
            raise ValueError("n_crystals counts those that are told, too")
        return self
