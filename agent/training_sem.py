"""Trains the network of the package from nothing: virtual images, then calibration on others, then the file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rich.console import Console

from agent.training_progress import stage
from agent.wiring import calibration_fields, micrograph_stream
from envs.errors import UserError
from surrogates.micrograph_cnn import save_network
from surrogates.micrograph_fit import calibrate
from surrogates.micrograph_training import TrainingConfig, train

MODEL = "micrograph.safetensors"
CROP = 128
N_CALIBRATION = 240
SHIPPED = TrainingConfig(steps=18000, seed=20261123)
"""Settings of the network in the package; about forty minutes on two quiet cores, one of which draws."""


def train_virtual(
    out: Path,
    *,
    steps: int | None,
    seed: int | None,
    workers: int,
    config: Path | None,  # noqa: ARG001
    inliers: Path | None,  # noqa: ARG001
) -> None:
    """Train on rendered images, calibrate on fields of other seeds, and write the weights."""
    settings = replace(SHIPPED, steps=steps or SHIPPED.steps, seed=SHIPPED.seed if seed is None else seed)
    console = Console()
    with stage(console, "Training", settings.steps) as tell:
        report = train(
            micrograph_stream(CROP),
            settings,
            out,
            lambda done, _total, loss: tell(done, f"loss {loss:.3f}"),
            workers=workers,
        )
    console.print(f"Calibrating on {N_CALIBRATION} fields that were not trained on.")
    fields, calibration_seed = calibration_fields(N_CALIBRATION)
    try:
        constants = calibrate(report.network, fields)
    except ValueError as error:
        raise UserError(
            f"the network cannot be calibrated after {report.steps} steps ({error}): train longer"
        ) from error
    training = {"steps": report.steps, "seed": settings.seed, "crop": CROP, "loss": report.loss}
    metadata = {
        "training": training,
        "calibration": constants.to_dict(),
        "calibration_fields": N_CALIBRATION,
        "seeds": {"calibration": calibration_seed},
    }
    save_network(report.network, out / MODEL, metadata)
    console.print(f"Wrote {out / MODEL}")
