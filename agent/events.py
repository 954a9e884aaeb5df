"""What happened: the append-only record of a campaign, one small model an event.

A stored event carries the version of its form (``v``); ``LIFTS`` bring older forms to this release's when it is read.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from instruments.session import INTERRUPTED

Reading = tuple[float, float]
"""Value and standard uncertainty."""

Outcome = Literal["completed", "infeasible", "invalid_measurement", "retryable", "aborted"]
Factor = float | str


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    v: Literal[1] = 1


class DesignRecord(_Event):
    """A design as stored."""

    crystal: str
    formula: str
    process: dict[str, Factor]


class ForecastRecord(_Event):
    """What the models expected when the design was proposed; the objective in its unit, grain size in um."""

    median: float
    low: float
    high: float
    porosity: float
    grain_size: float
    feasibility: float


class CampaignCreated(_Event):
    """A campaign began, with everything that defines it."""

    kind: Literal["campaign.created"] = "campaign.created"
    name: str
    config: dict[str, object]
    space_version: str
    software: str


class RoundPlanned(_Event):
    """The planner answered: how many candidates each pool gave, and where the learning policy's state is kept.

    ``notes`` say what went worse than it should, such as a model that could not be fitted.
    """

    kind: Literal["round.planned"] = "round.planned"
    round: int
    candidates: dict[str, int]
    checkpoint: str = ""
    notes: tuple[str, ...] = ()


class ProposalMade(_Event):
    """A design was proposed."""

    kind: Literal["proposal.made"] = "proposal.made"
    proposal: str
    round: int
    design: DesignRecord
    pool: str
    acquisition: float | None
    forecast: ForecastRecord | None
    nearest: str


class ProposalDecided(_Event):
    """A proposal was approved or rejected, by whom and on what ground."""

    kind: Literal["proposal.decided"] = "proposal.decided"
    proposal: str
    verdict: Literal["approved", "rejected"]
    by: str
    reason: str


class ExperimentQueued(_Event):
    """An approved proposal became an experiment."""

    kind: Literal["experiment.queued"] = "experiment.queued"
    experiment: str
    proposal: str


class StepDispatched(_Event):
    """The intent to send a command, written before it is sent.

    ``attempt`` counts a sample's images from 0; ``tries`` counts how often this same order was sent before, in vain.
    """

    kind: Literal["step.dispatched"] = "step.dispatched"
    experiment: str
    step: str
    attempt: int
    tries: int = 0
    job: str
    instrument: str
    command: str
    parameters: dict[str, dict[str, object] | str]


class ArtefactRecord(_Event):
    """A file in the content-addressed store."""

    sha256: str
    media_type: str
    bytes: int


class StepEnded(_Event):
    """An instrument's final answer to a command."""

    kind: Literal["step.ended"] = "step.ended"
    experiment: str
    step: str
    attempt: int
    tries: int = 0
    job: str
    state: Literal["succeeded", "failed", "rejected", "cancelled"]
    values: dict[str, dict[str, object] | str]
    artefacts: dict[str, ArtefactRecord]
    error_kind: str = ""
    error_code: str = ""
    error: str = ""
    elapsed_s: float = 0.0

    @property
    def interrupted(self) -> bool:
        """Whether the instrument restarted amid the job: no fault of the order."""
        return self.error_code == INTERRUPTED.code


class ImageRead(_Event):
    """The CNN's reading of a micrograph, or its refusal.

    ``scale_source`` says where the pixel size came from: the file's metadata, or what had been ordered.
    """

    kind: Literal["image.read"] = "image.read"
    experiment: str
    attempt: int
    image: ArtefactRecord
    accepted: bool
    reason: str
    pixel_size: float
    scale_source: str = ""
    next_pixel_size: float | None
    grain_size: Reading | None
    porosity: Reading | None
    n_grains: int
    overlay: ArtefactRecord | None


class ExperimentEnded(_Event):
    """An experiment reached its one final state; the objective's reading is there when it completed."""

    kind: Literal["experiment.ended"] = "experiment.ended"
    experiment: str
    outcome: Outcome
    reason: str
    hardness: Reading | None = None


class CampaignEnded(_Event):
    """The campaign is over, and why."""

    kind: Literal["campaign.ended"] = "campaign.ended"
    reason: str


Event = Annotated[
    CampaignCreated
    | RoundPlanned
    | ProposalMade
    | ProposalDecided
    | ExperimentQueued
    | StepDispatched
    | StepEnded
    | ImageRead
    | ExperimentEnded
    | CampaignEnded,
    Field(discriminator="kind"),
]

_ADAPTER: TypeAdapter[Event] = TypeAdapter(Event)


Lift = Callable[[dict[str, Any]], dict[str, Any]]
LIFTS: dict[tuple[str, int], Lift] = {}
"""By kind and version: makes the next version's form of an older one. Empty as long as there is one form only."""


def parse_event(payload: str) -> Event:
    """Read a stored event, of whatever version.

    Raises:
        pydantic.ValidationError: the payload is no event of this release.
    """
    return _ADAPTER.validate_json(_lifted(payload) if LIFTS else payload)


def _lifted(payload: str) -> str:
    try:
        fields = json.loads(payload)
        while (lift := LIFTS.get((fields["kind"], fields["v"]))) is not None:
            fields = lift(fields)
        return json.dumps(fields)
    except (ValueError, KeyError, TypeError):
        return payload  # no event at all, which the validation says better
