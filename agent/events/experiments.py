"""Events of experiments: orders to instruments, what they answered, what became of the sample."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from agent.events.base import ArtefactRecord, EventModel, Reading, Stored
from agent.rules.recipe import PIXEL_LIMITS, PIXEL_SIZE, Keep
from instruments.session import INTERRUPTED

TURNED_AWAY = frozenset({"busy", "expired", "journal"})
"""Codes with which an instrument rejects an order that it has no room for now."""
Outcome = Literal["completed", "infeasible", "invalid_measurement", "retryable", "aborted", "superseded"]


class ExperimentQueued(EventModel):
    """An approved proposal became an experiment; its sample bears its id, ``first`` is its first step."""

    kind: Literal["experiment.queued"] = "experiment.queued"
    experiment: str
    proposal: str
    first: str = "sinter"


class StepDispatched(EventModel):
    """The intent to send a command, written before it is sent.

    ``attempt`` counts a sample's images from 0; ``tries`` counts how often this same order was sent before, in vain;
    ``capability`` is the instrument's kind.
    """

    kind: Literal["step.dispatched"] = "step.dispatched"
    experiment: str
    step: str
    attempt: int
    tries: int = 0
    job: str
    instrument: str
    capability: str = ""
    command: str
    parameters: Stored


class StepAccepted(EventModel):
    """An instrument confirmed an order: from now on one that does not know it has forgotten it."""

    kind: Literal["step.accepted"] = "step.accepted"
    experiment: str
    job: str


class StepShadowed(EventModel):
    """What would have been ordered, where nothing is: shadow mode."""

    kind: Literal["step.shadowed"] = "step.shadowed"
    experiment: str
    step: str
    instrument: str
    command: str
    parameters: Stored


class DispatchHeld(EventModel):
    """An order that is due is not sent for now, and why; written when the reason changes.

    ``code`` is such as instrument_stale, instrument_busy, maintenance, budget_runs_per_day; empty when nothing holds it
    any more.
    """

    kind: Literal["dispatch.held"] = "dispatch.held"
    experiment: str
    step: str
    code: str
    reason: str


class DispatchRefused(EventModel):
    """An order was refused at the last moment, for good: the experiment's end follows."""

    kind: Literal["dispatch.refused"] = "dispatch.refused"
    experiment: str
    step: str
    instrument: str
    reasons: tuple[str, ...]


class StepEnded(EventModel):
    """An instrument's final answer to a command.

    ``then`` is the experiment's next step (``read`` while the artefact named by ``reads`` waits for the network), empty
    where the same one is tried again or the experiment ends; ``kept`` and ``found`` are what the recipe takes from the
    values.
    """

    kind: Literal["step.ended"] = "step.ended"
    v: Literal[2] = 2  # type: ignore[assignment]  # each form has a number of its own
    experiment: str
    step: str
    attempt: int
    tries: int = 0
    job: str
    state: Literal["succeeded", "failed", "rejected", "cancelled"]
    values: Stored
    artefacts: dict[str, ArtefactRecord]
    error_kind: str = ""
    error_code: str = ""
    error: str = ""
    elapsed_s: float = 0.0
    then: str = ""
    reads: str = ""
    kept: Stored = Field(default_factory=dict)
    found: dict[str, Reading] = Field(default_factory=dict)

    @property
    def turned_away(self) -> bool:
        """Whether the instrument took nothing up, and may another time: no fault of the order."""
        return self.state == "rejected" and self.error_code in TURNED_AWAY

    @property
    def interrupted(self) -> bool:
        """Whether the instrument restarted amid the job: no fault of the order."""
        return self.error_code == INTERRUPTED.code


class ReconcileNeeded(EventModel):
    """Nobody knows how far an order came: a person must look."""

    kind: Literal["reconcile.needed"] = "reconcile.needed"
    experiment: str
    job: str
    instrument: str
    reason: str


class Reconciled(EventModel):
    """A person looked: the order may be given ``again`` under a new id, or the experiment is ``aborted``."""

    kind: Literal["reconciled"] = "reconciled"
    experiment: str
    job: str
    verdict: Literal["again", "aborted"]
    by: str
    reason: str


class HistogramRecord(EventModel):
    """How often sizes were found, in bins that follow each other: one edge more than counts; ``unit`` is UCUM."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    unit: str = "um"


class DescriptorRecord(EventModel):
    """A number that was read in an image: value, standard uncertainty, and UCUM unit, ``1`` for a plain number."""

    value: float
    std: float
    unit: str = "1"


class ImageRead(EventModel):
    """The CNN's reading of a micrograph, or its refusal.

    ``scale_source`` says where the pixel size came from: the file's metadata, or what had been ordered. ``then`` is the
    next step: the one that took the image where it is refused; ``kept`` what the recipe takes from the reading.
    ``diameters`` counts the grains that the frame does not cut by their equivalent circular diameter; None where there
    is none, and in events from before it was told.

    ``microstructure`` is the likeliest class, empty where the network knows none. ``descriptors`` holds what else was
    measured, by the names of ``agent.descriptors``; ``withheld`` says why a quantity is not given; ``further`` holds
    area fractions of what else a network of one's own tells. They are empty in events from before they were told.
    """

    kind: Literal["image.read"] = "image.read"
    v: Literal[2] = 2  # type: ignore[assignment]  # each form has a number of its own
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
    diameters: HistogramRecord | None = None
    microstructure: str = ""
    class_probabilities: dict[str, float] = Field(default_factory=dict)
    descriptors: dict[str, DescriptorRecord] = Field(default_factory=dict)
    withheld: dict[str, str] = Field(default_factory=dict)
    further: dict[str, DescriptorRecord] = Field(default_factory=dict)
    then: str = ""
    kept: Stored = Field(default_factory=dict)


class ExperimentEnded(EventModel):
    """An experiment reached its one final state; ``found`` holds what it measured, by property."""

    kind: Literal["experiment.ended"] = "experiment.ended"
    v: Literal[2] = 2  # type: ignore[assignment]  # each form has a number of its own
    experiment: str
    outcome: Outcome
    reason: str
    found: dict[str, Reading] = Field(default_factory=dict)

    @property
    def hardness(self) -> Reading | None:
        """Measured hardness and its standard uncertainty, GPa."""
        return self.found.get("hardness")


class ResultAmended(EventModel):
    """A person corrected what was measured: the models learn from the new values."""

    kind: Literal["result.amended"] = "result.amended"
    experiment: str
    found: dict[str, Reading]
    by: str
    reason: str


class ResultRetracted(EventModel):
    """A person took a result back: the models no longer learn from it."""

    kind: Literal["result.retracted"] = "result.retracted"
    experiment: str
    by: str
    reason: str


class SampleMoved(EventModel):
    """A person put a sample somewhere."""

    kind: Literal["sample.moved"] = "sample.moved"
    sample: str
    place: str
    by: str
    reason: str


_NEXT = {"sinter": "survey", "survey": "image", "image": "read", "indent": "done"}
"""The one recipe of the first release."""


def lift_step(stored: dict[str, Any]) -> dict[str, Any]:
    """Version 2 of an instrument's answer from version 1, where the recipe was fixed."""
    step, values = stored["step"], stored["values"]
    if stored["state"] != "succeeded":
        return {**stored, "v": 2}
    kept = {PIXEL_SIZE: values[PIXEL_SIZE]} if step == "survey" and PIXEL_SIZE in values else {}
    return {**stored, "v": 2, "then": _NEXT[step], "reads": "image" if step == "image" else "", "kept": kept}


def lift_reading(stored: dict[str, Any]) -> dict[str, Any]:
    """Version 2 of the network's reading from version 1, likewise."""
    advised = stored["next_pixel_size"]
    kept = {PIXEL_SIZE: {"value": Keep(PIXEL_SIZE, *PIXEL_LIMITS).bounded(advised), "unit": "um"}} if advised else {}
    return {**stored, "v": 2, "then": "indent" if stored["accepted"] else "image", "kept": kept}


def lift_ended(stored: dict[str, Any]) -> dict[str, Any]:
    """Version 2 of an experiment's end from version 1, which knew hardness alone."""
    fields = {k: v for k, v in stored.items() if k != "hardness"}
    hardness = stored.get("hardness")
    return {**fields, "v": 2, "found": {"hardness": hardness} if hardness else {}}
