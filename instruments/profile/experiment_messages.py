"""What an agent tells of one experiment: its recipe step by step, the images and what was read in them, the result.

They follow the rules of ``instruments.profile.agent_messages``. Pictures are named by their SHA-256: whoever wants to
see one asks for it (``instruments.profile.questions``).
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from instruments.messages import PROTO, Name, Number, Payload, Proto, Quantity, Unit, Utc
from instruments.profile.agent_messages import (
    MAX_PROPERTIES,
    Actor,
    Count,
    Design,
    Estimate,
    Line,
    Quantities,
    Share,
    Text,
    Version,
)
from instruments.profile.decisions import PersonName, Sha256

MAX_BINS = 64
"""Most bins of a histogram."""
MAX_STEPS = 64
"""Most steps, and most images, that are told of one experiment: the latest."""

ExperimentPhase = Literal["queued", "running", "needs_reconcile", "ended"]
Outcome = Literal["completed", "infeasible", "invalid_measurement", "retryable", "aborted", "superseded"]
StepPhase = Literal["waiting", "ordered", "accepted", "reading", "succeeded", "failed", "rejected", "cancelled", "lost"]


class Histogram(Payload):
    """How often sizes were found, in bins that follow each other.

    Attributes:
        edges: of the bins, ascending; one more than there are counts.
        counts: in each bin.
        unit: UCUM code of the edges.
    """

    edges: Annotated[tuple[Number, ...], Field(min_length=2, max_length=MAX_BINS + 1)]
    counts: Annotated[tuple[Count, ...], Field(min_length=1, max_length=MAX_BINS)]
    unit: Unit

    @model_validator(mode="after")
    def _edges_hold_the_counts(self) -> Self:
        if len(self.edges) != len(self.counts) + 1:
            raise ValueError("a histogram has one edge more than counts")
        if any(high <= low for low, high in zip(self.edges, self.edges[1:], strict=False)):
            raise ValueError("the edges of a histogram ascend")
        return self


class StepState(Payload):
    """One order of a recipe's step, or a step that is still to come.

    Attributes:
        step: its name in the recipe.
        state: of the order: ``waiting`` where nothing was ordered yet, ``reading`` while the network reads its image,
            ``lost`` where nobody knows what became of it.
        attempt: which image of the sample it is about, from 0.
        tries: how often the same order was sent before, in vain.
        command: what was ordered.
        instrument: from which.
        job: under which id.
        parameters: of the order.
        begun_at: when it was ordered.
        ended_at: when the instrument's last answer came.
        elapsed_s: how long it took on the instrument's own clock, in seconds.
        found: what it gave, by name.
        error: what went wrong, for people.
    """

    step: Name
    state: StepPhase
    attempt: Count = 0
    tries: Count = 0
    command: Name | None = None
    instrument: Name | None = None
    job: Name | None = None
    parameters: Annotated[dict[Name, Quantity | Line], Field(max_length=MAX_PROPERTIES)] = Field(default_factory=dict)
    begun_at: Utc | None = None
    ended_at: Utc | None = None
    elapsed_s: Annotated[Number, Field(ge=0.0)] | None = None
    found: Annotated[dict[Name, Quantity | Line], Field(max_length=MAX_PROPERTIES)] = Field(default_factory=dict)
    error: Text = ""


class ImageState(Payload):
    """One image, and what the network reads in it.

    Attributes:
        attempt: of the sample's images, from 0.
        image: SHA-256 of the file.
        media_type: of the file.
        bytes: of the file.
        overlay: SHA-256 of the picture with what the network saw; None where it saw nothing.
        accepted: whether its reading counts; None while it is read.
        reason: why not, and what to do.
        pixel_size: edge of a pixel.
        scale_source: where that is from.
        n_grains: grains that were counted.
        grain_size: mean diameter.
        porosity: area fraction.
        diameters: how often each diameter was found.
        microstructure: the likeliest class of what it shows; empty where the network tells none.
        class_probability: of this class.
        descriptors: what else was measured, by name, such as ``astm_g`` and ``phase_fraction``.
    """

    attempt: Count
    image: Sha256
    media_type: Line = "image/tiff"
    bytes: Count = 0
    overlay: Sha256 | None = None
    accepted: bool | None = None
    reason: Text = ""
    pixel_size: Quantity | None = None
    scale_source: Line = ""
    n_grains: Count = 0
    grain_size: Quantity | None = None
    porosity: Quantity | None = None
    diameters: Histogram | None = None
    microstructure: Line = ""
    class_probability: Share | None = None
    descriptors: Quantities = Field(default_factory=dict)


class Correction(Payload):
    """A person changed what is on record of a result, or took it back.

    Attributes:
        kind: which of both.
        by: who.
        at: when.
        reason: why.
        before: what stood there before.
    """

    kind: Literal["amended", "retracted"]
    by: PersonName
    at: Utc
    reason: Text
    before: Quantities = Field(default_factory=dict)


class ExperimentState(Payload):
    """``experiment/{eid}``: where an experiment stands and what it found. Retained; the agent clears the oldest.

    Attributes:
        experiment: its id, as in the topic; its sample bears the same.
        campaign: that it belongs to.
        proposal: that it was approved as.
        revision: of the proposal.
        phase: of its life.
        step: its present step; empty once it has ended.
        outcome: how it ended.
        reason: why it ended so, or why it waits.
        design: what is made.
        round: of the campaign, from 0.
        pool: source of candidates that the design came from.
        prediction: what the models expected before, by property.
        feasibility: probability that it can be made at all, likewise.
        model_version: of the models that expected it.
        approved_by: who.
        place: where the sample is.
        queued_at: when it was approved.
        begun_at: when the first order was written.
        ended_at: when it ended.
        steps: orders in their sequence, then the steps to come; the latest where there are many.
        images: in the order in which they were taken.
        found: what counts of what was measured, with standard uncertainties.
        corrections: what people changed, the oldest first.
        audit: hash of the record's latest entry about it.
    """

    proto: Proto = PROTO
    experiment: Name
    campaign: Name
    proposal: Name
    revision: Annotated[int, Field(ge=1)] = 1
    boot_id: Name
    seq: Count
    ts: Utc
    phase: ExperimentPhase
    step: Line = ""
    outcome: Outcome | None = None
    reason: Text = ""
    design: Design
    round: Count = 0
    pool: Line = ""
    prediction: Annotated[dict[Name, Estimate], Field(max_length=MAX_PROPERTIES)] = Field(default_factory=dict)
    feasibility: Share | None = None
    model_version: Version | None = None
    approved_by: Annotated[tuple[Actor, ...], Field(max_length=9)] = ()
    place: Line = ""
    queued_at: Utc
    begun_at: Utc | None = None
    ended_at: Utc | None = None
    steps: Annotated[tuple[StepState, ...], Field(max_length=MAX_STEPS)] = ()
    images: Annotated[tuple[ImageState, ...], Field(max_length=MAX_STEPS)] = ()
    found: Quantities = Field(default_factory=dict)
    corrections: Annotated[tuple[Correction, ...], Field(max_length=32)] = ()
    audit: Sha256 | None = None

    @property
    def retracted(self) -> bool:
        """Whether its result was taken back."""
        return any(correction.kind == "retracted" for correction in self.corrections)
