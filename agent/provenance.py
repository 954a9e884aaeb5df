"""Everything the record holds of one experiment, in plain form: what a person or a program can follow up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

from agent import events as ev
from agent.record import ExperimentRecord, StepRecord
from agent.store import ArtefactStore
from agent.words import plus_minus
from envs.errors import JournalError

Values = dict[str, dict[str, object] | str]


class ArtefactJson(TypedDict):
    """A file; ``path`` is empty when it is gone from the store."""

    sha256: str
    media_type: str
    bytes: int
    path: str


class StepJson(TypedDict):
    """One order and its answer; times are the laboratory's."""

    step: str
    attempt: int
    tries: int
    job: str
    instrument: str
    command: str
    parameters: Values
    state: str
    at: str
    ended_at: str | None
    elapsed_s: float
    values: Values
    artefacts: dict[str, ArtefactJson]
    error_kind: str
    error: str


class DescriptorJson(TypedDict):
    """A number that was read, with its standard uncertainty; ``unit`` is UCUM."""

    value: float
    std: float
    unit: str


ImageJson = TypedDict(
    "ImageJson",
    {
        "attempt": int,
        "accepted": bool,
        "reason": str,
        "pixel_size": float,
        "scale_source": str,
        "class": str,
        "class_probabilities": dict[str, float],
        "grain_size": ev.Reading | None,
        "porosity": ev.Reading | None,
        "n_grains": int,
        "descriptors": dict[str, DescriptorJson],
        "further": dict[str, DescriptorJson],
        "withheld": dict[str, str],
        "image": "ArtefactJson",
        "overlay": "ArtefactJson | None",
    },
)
"""One reading of the CNN: lengths in um, porosity as area fraction, descriptors by their names in the record."""


class ProvenanceJson(TypedDict):
    """An experiment, hardness in GPa."""

    experiment: str
    outcome: str
    reason: str
    hardness: ev.Reading | None
    design: dict[str, object]
    proposal: dict[str, object]
    decision: dict[str, object] | None
    steps: list[StepJson]
    images: list[ImageJson]
    queued_at: str
    ended_at: str | None


def provenance(experiment: ExperimentRecord, store: ArtefactStore) -> ProvenanceJson:
    """What led to an experiment and what came of it, ready for JSON."""
    made, end = experiment.proposal, experiment.end
    return {
        "experiment": experiment.id,
        "outcome": experiment.outcome,
        "reason": end.reason if end else "",
        "hardness": experiment.hardness,
        "design": made.design.model_dump(mode="json", exclude={"v"}),
        "proposal": made.model_dump(mode="json", exclude={"v": True, "kind": True, "design": True}),
        "decision": experiment.decision.model_dump(mode="json", exclude={"v", "kind"}) if experiment.decision else None,
        "steps": [_step(s, store) for s in experiment.steps],
        "images": [_image(r, store) for r in experiment.readings],
        "queued_at": experiment.queued_at.isoformat(),
        "ended_at": experiment.ended_at.isoformat() if experiment.ended_at else None,
    }


def _step(step: StepRecord, store: ArtefactStore) -> StepJson:
    sent, ended = step.dispatched, step.ended
    return {
        "step": sent.step,
        "attempt": sent.attempt,
        "tries": sent.tries,
        "job": sent.job,
        "instrument": sent.instrument,
        "command": sent.command,
        "parameters": sent.parameters,
        "state": ended.state if ended else "open",
        "at": step.at.isoformat(),
        "ended_at": step.ended_at.isoformat() if step.ended_at else None,
        "elapsed_s": ended.elapsed_s if ended else 0.0,
        "values": ended.values if ended else {},
        "artefacts": {name: _artefact(a, store) for name, a in ended.artefacts.items()} if ended else {},
        "error_kind": ended.error_kind if ended else "",
        "error": ended.error if ended else "",
    }


def _image(reading: ev.ImageRead, store: ArtefactStore) -> ImageJson:
    return {
        "attempt": reading.attempt,
        "accepted": reading.accepted,
        "reason": reading.reason,
        "pixel_size": reading.pixel_size,
        "scale_source": reading.scale_source,
        "class": reading.microstructure,
        "class_probabilities": dict(reading.class_probabilities),
        "grain_size": reading.grain_size,
        "porosity": reading.porosity,
        "n_grains": reading.n_grains,
        "descriptors": _descriptors(reading.descriptors),
        "further": _descriptors(reading.further),
        "withheld": dict(reading.withheld),
        "image": _artefact(reading.image, store),
        "overlay": _artefact(reading.overlay, store) if reading.overlay else None,
    }


def _descriptors(found: Mapping[str, ev.DescriptorRecord]) -> dict[str, DescriptorJson]:
    return {name: {"value": one.value, "std": one.std, "unit": one.unit} for name, one in found.items()}


def _artefact(record: ev.ArtefactRecord, store: ArtefactStore) -> ArtefactJson:
    try:
        path = str(store.path(record.sha256))
    except JournalError:
        path = ""
    return {"sha256": record.sha256, "media_type": record.media_type, "bytes": record.bytes, "path": path}


def shown_quantity(value: dict[str, object] | str) -> str:
    """A value with its uncertainty and unit, as instruments report it."""
    if isinstance(value, str):
        return value
    number, std = float(str(value["value"])), value.get("std")
    unit = {"1": "", "Cel": "°C", "um": "µm"}.get(str(value.get("unit", "")), str(value.get("unit", "")))
    if std is not None and float(str(std)) > 0:
        return plus_minus((number, float(str(std))), unit=unit)
    return f"{number:.4g} {unit}".strip()
