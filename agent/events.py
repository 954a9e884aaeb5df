"""What happened: the append-only record of a campaign, one small model an event.

A stored event carries the version of its form (``v``); a reader of a later release lifts older forms when it reads.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

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
    """The planner answered: how many candidates each pool gave, and where the learning policy's state is kept."""

    kind: Literal["round.planned"] = "round.planned"
    round: int
    candidates: dict[str, int]
    checkpoint: str = ""


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
    """The intent to send a command, written before it is sent."""

    kind: Literal["step.dispatched"] = "step.dispatched"
    experiment: str
    step: str
    attempt: int
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
    job: str
    state: Literal["succeeded", "failed", "rejected", "cancelled"]
    values: dict[str, dict[str, object] | str]
    artefacts: dict[str, ArtefactRecord]
    error_kind: str = ""
    error: str = ""
    elapsed_s: float = 0.0


class ImageRead(_Event):
    """The CNN's reading of a micrograph, or its refusal."""

    kind: Literal["image.read"] = "image.read"
    experiment: str
    attempt: int
    image: ArtefactRecord
    accepted: bool
    reason: str
    pixel_size: float
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


def parse_event(payload: str) -> Event:
    """Read a stored event.

    Raises:
        pydantic.ValidationError: the payload is no event of this release.
    """
    return _ADAPTER.validate_json(payload)
