"""Sample experiments and instruments of the laboratory of ``dashboard_samples``."""

from __future__ import annotations

import hashlib
import math
from collections import deque
from datetime import timedelta
from typing import Any

import dashboard_messages as base

from agent.dashboard.live.picture import MAX_READINGS, InstrumentPicture
from instruments import messages as said
from instruments.messages import Quantity
from instruments.profile import experiment_messages as exp

FURNACE_JOB = "019e82b0-0000-7000-8000-00000000{:04d}"


def sample_experiment(
    i: int = 1,
    phase: exp.ExperimentPhase = "ended",
    *,
    outcome: exp.Outcome = "completed",
    retracted: bool = False,
    **changes: Any,
) -> exp.ExperimentState:
    """An experiment: at rest, on an instrument, or at its end.

    Args:
        i: its number.
        phase: of its life.
        outcome: where it has ended.
        retracted: whether a person took the result back.
        changes: fields to replace.
    """
    proposal = base.sample_proposal(i)
    expected = proposal.prediction["hardness"]
    queued = base.NOW - timedelta(hours=9 * max(14 - i, 1))
    ended = phase == "ended"
    good = ended and outcome == "completed"
    found = expected.value + 1.9 * math.sin(2.3 * i)
    hardness = {"hardness": Quantity(value=round(found, 2), unit="GPa", std=0.6)} if good else {}
    retraction = exp.Correction(
        kind="retracted", by="clara", at=base.NOW - timedelta(hours=2), reason="the wrong pellet was on the stage",
        before=hardness,
    )  # fmt: skip
    fields: dict[str, Any] = {
        "experiment": f"{base.CAMPAIGN}-E{i:03d}",
        "campaign": base.CAMPAIGN,
        "proposal": proposal.proposal,
        "boot_id": base.BOOT,
        "seq": 100 + i,
        "ts": base.NOW,
        "phase": phase,
        "step": {"queued": "sinter", "running": "image", "needs_reconcile": "sinter"}.get(phase, ""),
        "outcome": outcome if ended else None,
        "reason": "it melted: the sample is above its eutectic" if ended and not good else "",
        "design": proposal.design,
        "round": i // 4,
        "pool": proposal.proposed_by.pool,
        "prediction": proposal.prediction,
        "feasibility": proposal.feasibility,
        "model_version": proposal.model_version,
        "approved_by": ("anna",) if i % 2 else ("policy:well-known",),
        "place": {"queued": "", "running": "sem-1"}.get(phase, "shelf"),
        "queued_at": queued,
        "begun_at": None if phase == "queued" else queued + timedelta(minutes=4),
        "ended_at": queued + timedelta(hours=7) if ended else None,
        "steps": _steps(i, phase, outcome, proposal.design, found),
        "images": sample_images(i) if good else sample_images(i)[:1] if phase == "running" else (),
        "found": {**hardness, "grain_size": Quantity(value=2.1, unit="um", std=0.1)} if good else {},
        "corrections": (retraction,) if retracted else (),
        "audit": hashlib.sha256(f"entry {i}".encode()).hexdigest(),
    }
    if retracted:
        fields["found"] = {}
    return exp.ExperimentState(**{**fields, **changes})


def _steps(
    i: int, phase: exp.ExperimentPhase, outcome: exp.Outcome, design: dict[str, Quantity | str], found: float
) -> tuple[exp.StepState, ...]:
    begun = base.NOW - timedelta(hours=9 * max(14 - i, 1)) + timedelta(minutes=4)
    process = {path[8:]: value for path, value in design.items() if path.startswith("process.")}
    sinter = exp.StepState(
        step="sinter", state="succeeded", command="sinter", instrument="furnace-1", job=FURNACE_JOB.format(i),
        parameters={"sample": f"{base.CAMPAIGN}-E{i:03d}", "crystal": design["crystal"], **process}, begun_at=begun,
        ended_at=begun + timedelta(hours=5), elapsed_s=17_820.0,
        found={"peak_temperature": Quantity(value=1652.0, unit="Cel", std=5.0)},
    )  # fmt: skip
    names = ("sinter", "survey", "image", "indent")
    if phase in {"queued", "needs_reconcile"}:
        lost = sinter.model_copy(update={"state": "lost", "ended_at": None, "elapsed_s": None, "found": {}})
        first = exp.StepState(step="sinter", state="waiting") if phase == "queued" else lost
        return (first, *(exp.StepState(step=name, state="waiting") for name in names[1:]))
    if phase == "ended" and outcome != "completed":
        error = "melted: the sample is above its eutectic"
        return (sinter.model_copy(update={"state": "failed", "found": {}, "error": error}),)
    survey = exp.StepState(
        step="survey", state="succeeded", command="survey", instrument="sem-1", job=FURNACE_JOB.format(1000 + i),
        begun_at=begun + timedelta(hours=5), ended_at=begun + timedelta(hours=5, minutes=5), elapsed_s=300.0,
        found={"pixel_size": Quantity(value=0.08, unit="um")},
    )  # fmt: skip
    image = exp.StepState(
        step="image", state="reading" if phase == "running" else "succeeded", command="acquire", instrument="sem-1",
        job=FURNACE_JOB.format(2000 + i), begun_at=begun + timedelta(hours=5, minutes=6),
        parameters={"pixel_size": Quantity(value=0.08, unit="um"), "field": Quantity(value=0.0, unit="1")},
    )  # fmt: skip
    if phase == "running":
        return sinter, survey, image, exp.StepState(step="indent", state="waiting")
    indent = exp.StepState(
        step="indent", state="succeeded", command="indent", instrument="indenter-1", job=FURNACE_JOB.format(3000 + i),
        parameters={"load": Quantity(value=9.8, unit="N"), "count": Quantity(value=10.0, unit="1")},
        begun_at=begun + timedelta(hours=6), ended_at=begun + timedelta(hours=7), elapsed_s=1_500.0,
        found={"hardness": Quantity(value=round(found, 2), unit="GPa", std=0.6)},
    )  # fmt: skip
    return sinter, survey, image, indent


def sample_images(i: int = 1) -> tuple[exp.ImageState, ...]:
    """Two images of a sample: one that was refused, and one that counts."""
    counts = (3, 14, 41, 66, 58, 33, 17, 8, 3, 1)
    refused = exp.ImageState(
        attempt=0, image=hashlib.sha256(f"image {i}.0".encode()).hexdigest(), bytes=2_097_152, accepted=False,
        overlay=hashlib.sha256(f"overlay {i}.0".encode()).hexdigest(), reason="31 grains: too few, use 0.08 um a pixel",
        pixel_size=Quantity(value=0.02, unit="um"), scale_source="metadata", n_grains=31,
    )  # fmt: skip
    taken = exp.ImageState(
        attempt=1, image=hashlib.sha256(f"image {i}.1".encode()).hexdigest(), bytes=2_097_152, accepted=True,
        overlay=hashlib.sha256(f"overlay {i}.1".encode()).hexdigest(), pixel_size=Quantity(value=0.08, unit="um"),
        scale_source="metadata", n_grains=sum(counts), grain_size=Quantity(value=2.1, unit="um", std=0.1),
        porosity=Quantity(value=0.021, unit="1", std=0.004),
        diameters=exp.Histogram(edges=tuple(0.5 * n for n in range(len(counts) + 1)), counts=counts, unit="um"),
        microstructure="two-phase", class_probability=0.93,
        descriptors={
            "phase_fraction": Quantity(value=0.083, unit="1", std=0.006), "own_index": Quantity(value=2.0, unit="1"),
            "boundary_length": Quantity(value=1.2, unit="1/um", std=0.05),
            "astm_g": Quantity(value=14.1, unit="1", std=0.08),
        },
    )  # fmt: skip
    return refused, taken


def sample_instruments() -> dict[str, InstrumentPicture]:
    """A furnace at work, a microscope that waits, and an indenter out of service."""
    furnace = InstrumentPicture(
        description=_description("furnace-1", "furnace", "sinter", "Sinter one compact of a crystal's powder"),
        status=base.sample_status("busy", message=f"{base.CAMPAIGN}-E011"),
        jobs={
            FURNACE_JOB.format(10): said.JobState(
                job=FURNACE_JOB.format(10), boot_id=base.BOOT, seq=31, state="succeeded", progress=1.0,
                ts=base.NOW - timedelta(hours=3), elapsed_s=17_820.0,
                result=said.Result(values={"furnace_time": Quantity(value=4.95, unit="h")}),
            ),
            FURNACE_JOB.format(11): said.JobState(
                job=FURNACE_JOB.format(11), boot_id=base.BOOT, seq=44, state="running", progress=0.42, ts=base.NOW,
                eta=base.NOW + timedelta(hours=3), elapsed_s=7_900.0,
            ),
        },
        telemetry={
            "temperature": deque(
                ((base.NOW - timedelta(minutes=120 - n), 25.0 + 13.6 * min(n, 110)) for n in range(120)), MAX_READINGS
            ),
            "density": deque(
                ((base.NOW - timedelta(minutes=120 - n), 0.55 + 0.4 * (n / 120) ** 2) for n in range(120)), MAX_READINGS
            ),
        },
        heard_s=0.0,
    )  # fmt: skip
    sem = InstrumentPicture(
        _description("sem-1", "sem", "acquire", "Take one image"), base.sample_status(), heard_s=0.0
    )
    indenter = InstrumentPicture(
        _description("indenter-1", "indenter", "indent", "Measure the Vickers hardness"),
        base.sample_status("maintenance", message="the diamond is being changed"),
        heard_s=0.0,
    )
    return {"furnace-1": furnace, "sem-1": sem, "indenter-1": indenter}


def _description(iid: str, kind: str, command: str, summary: str) -> said.Description:
    channels = {
        "temperature": said.ChannelDescription(unit="Cel", summary="thermocouple at the sample", period_s=1.0),
        "density": said.ChannelDescription(unit="1", summary="relative density of the compact"),
    }
    return said.Description(
        iid=iid, kind=kind, serial=f"HT-{len(iid):04d}", driver=f"labwright virtual {kind}", boot_id=base.BOOT,
        commands={command: said.CommandDescription(summary=summary, parameters={"type": "object", "properties": {}},
                                                   duration_s=28_800.0)},
        channels=channels if kind == "furnace" else {}, safe_state="heater off" if kind == "furnace" else "",
        lease_s=60.0 if kind == "furnace" else None,
    )  # fmt: skip
