"""The port to what computes: the planner that proposes, and the network that reads images.

Offline campaigns compute in a thread of their own process, the daemon in a worker process: the loop never waits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from agent import events as ev
from agent.rules.outlook import Outlook
from envs.design import Design
from instruments.profile.model_messages import Domain, FactorEffect, Structure
from surrogates.observations import Observation


@dataclass(frozen=True)
class PlanRequest:
    """What the planner is asked.

    Args:
        round: from 0; seeds its draws.
        n: proposals wanted.
        history: observations by experiment, in the order in which they were made.
        made_before: designs not to propose again.
        checkpoint: the learning policy as the last round left it, safetensors; empty where there is none.
    """

    round: int
    n: int
    history: Mapping[str, Observation]
    made_before: Sequence[Design] = ()
    checkpoint: bytes = b""


@dataclass(frozen=True)
class Suggestion:
    """One design that the planner suggests, in plain records; the last ones as in ``Outlook``."""

    design: ev.DesignRecord
    pool: str
    acquisition: float | None = None
    forecast: ev.ForecastRecord | None = None
    nearest: str = ""
    effects: tuple[FactorEffect, ...] = ()
    domain: Domain | None = None
    structure: Structure | None = None
    distance: float | None = None

    def outlook(self, model_version: str) -> Outlook:
        """What the models say of it, and which models."""
        return Outlook(
            self.forecast, self.effects, self.domain, self.structure, self.nearest, self.distance, model_version
        )


@dataclass(frozen=True)
class PlanAnswer:
    """What it suggests, in the order in which it should be made; ``notes`` say what went worse than it should.

    ``model_version`` names the models that predicted, ``strategy`` the way of choosing; ``effects`` are those of each
    factor on the objective, averaged over what was made.
    """

    suggestions: Sequence[Suggestion]
    candidates: Mapping[str, int] = field(default_factory=dict)
    checkpoint: bytes = b""
    notes: tuple[str, ...] = ()
    model_version: str = "none"
    strategy: str = "random"
    effects: tuple[FactorEffect, ...] = ()


@dataclass(frozen=True)
class PreviewRequest:
    """What the models are asked about designs that nobody has proposed.

    Args:
        designs: to be predicted, inside the campaign's space.
        history: observations by experiment, in the order in which they were made.
    """

    designs: Sequence[Design]
    history: Mapping[str, Observation]


@dataclass(frozen=True)
class PreviewAnswer:
    """What the models say, one outlook a design, in the same order; ``notes`` say what could not be told, and why."""

    outlooks: tuple[Outlook, ...]
    notes: tuple[str, ...] = ()


class Minds(Protocol):
    """Plans and reads; both may take minutes, and give the same answer when they are asked again."""

    async def plan(self, campaign: str, request: PlanRequest) -> PlanAnswer:
        """Propose the next round of a campaign."""
        ...

    async def preview(self, campaign: str, request: PreviewRequest) -> PreviewAnswer:
        """Say what the models expect of some designs, proposing and learning nothing."""
        ...

    async def read_image(
        self, experiment: str, attempt: int, image: ev.ArtefactRecord, pixel_size: float, store: Path
    ) -> ev.ImageRead:
        """Read an image of the artefact store: what it says, or why it is refused."""
        ...
