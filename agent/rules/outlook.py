"""What the models say of one design: with a proposal when it is made, and of an edit that somebody had predicted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from agent.events.base import Reading
from agent.events.proposals import ForecastRecord
from envs.objective import FLAGSHIP, Objective
from instruments.profile.model_messages import Domain, FactorEffect, Structure


@dataclass(frozen=True)
class Outlook:
    """What is expected of one design, by the models of one moment.

    The worker makes it: ``agent.minds.Suggestion.outlook`` of what is proposed, ``agent.minds.PreviewAnswer.outlooks``
    of what somebody asks about. Who answers questions keeps those of a campaign by their designs for as long as nothing
    is measured, and hands them over with a decision (``agent.core.messages.DecisionArrived.previews``): the core takes
    that of the design which the edit makes, so the revision shows what the person saw. Without one it shows none.

    Args:
        forecast: what the models expect; None while too little was measured.
        effects: of each factor on the objective, the others held.
        domain: whether the models know designs like it.
        structure: of its crystal; None where there is none, or it has too many atoms to be drawn.
        nearest: the finished experiment whose design is most alike; empty where there is none.
        distance: to that one, as ``NearestSample.distance`` is.
        model_version: of the models.
        found: what the nearest one gave, by property; what the models learned of it.
        objective: what the forecast is of.
    """

    forecast: ForecastRecord | None = None
    effects: tuple[FactorEffect, ...] = ()
    domain: Domain | None = None
    structure: Structure | None = None
    nearest: str = ""
    distance: float | None = None
    model_version: str = "none"
    found: Mapping[str, Reading] = field(default_factory=dict)
    objective: Objective = FLAGSHIP
