"""The port to what computes: the planner that proposes, and the network that reads images.

Offline campaigns compute in a thread of their own process, the daemon in a worker process: the loop never waits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from agent import events as ev
from envs.design import Design
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
    """One design that the planner suggests, in plain records."""

    design: ev.DesignRecord
    pool: str
    acquisition: float | None = None
    forecast: ev.ForecastRecord | None = None
    nearest: str = ""


@dataclass(frozen=True)
class PlanAnswer:
    """What it suggests, in the order in which it should be made; ``notes`` say what went worse than it should.

    ``model_version`` names the models that predicted, ``strategy`` the way of choosing.
    """

    suggestions: Sequence[Suggestion]
    candidates: Mapping[str, int] = field(default_factory=dict)
    checkpoint: bytes = b""
    notes: tuple[str, ...] = ()
    model_version: str = "none"
    strategy: str = "random"


class Minds(Protocol):
    """Plans and reads; both may take minutes, and give the same answer when they are asked again."""

    async def plan(self, campaign: str, request: PlanRequest) -> PlanAnswer:
        """Propose the next round of a campaign."""
        ...

    async def read_image(
        self, experiment: str, attempt: int, image: ev.ArtefactRecord, pixel_size: float, store: Path
    ) -> ev.ImageRead:
        """Read an image of the artefact store: what it says, or why it is refused."""
        ...
