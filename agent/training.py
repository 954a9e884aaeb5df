"""The commands that train the shipped models again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from agent.wiring import calibration_fields, micrograph_stream
from envs.crystals import CrystalLibrary
from envs.errors import UserError
from surrogates.micrograph_cnn import save_network
from surrogates.micrograph_fit import calibrate
from surrogates.micrograph_training import TrainingConfig, train
from surrogates.pretrained import fit_embedding

MODEL = "micrograph.safetensors"
EMBEDDING = "crystal_embedding.safetensors"
CROP = 128
N_CALIBRATION = 240
SHIPPED = TrainingConfig(steps=6000, seed=20261122)
"""Settings of the network in the package; about twenty minutes on one quiet core."""


def train_sem(out: Path, *, steps: int | None, seed: int | None) -> None:
    """Train the micrograph network on rendered images, calibrate it on fields of other seeds, and write it.

    Continues from the checkpoint in ``out``; an interruption leaves one.
    """
    torch.set_num_threads(1)
    config = replace(SHIPPED, steps=steps or SHIPPED.steps, seed=SHIPPED.seed if seed is None else seed)
    console = Console()
    with _bar(console) as bar:
        task = bar.add_task("Training", total=config.steps, note="")

        def progress(done: int, total: int, loss: float) -> None:
            bar.update(task, completed=done, total=total, note=f"loss {loss:.3f}")

        report = train(micrograph_stream(CROP), config, out, progress)
    console.print(f"Calibrating on {N_CALIBRATION} fields that were not trained on.")
    fields, calibration_seed = calibration_fields(N_CALIBRATION)
    try:
        constants = calibrate(report.network, fields)
    except ValueError as error:
        raise UserError(
            f"the network cannot be calibrated after {report.steps} steps ({error}): train longer"
        ) from error
    training = {"steps": report.steps, "seed": config.seed, "crop": CROP, "loss": report.loss}
    metadata = {
        "training": training,
        "calibration": constants.to_dict(),
        "calibration_fields": N_CALIBRATION,
        "seeds": {"calibration": calibration_seed},
    }
    save_network(report.network, out / MODEL, metadata)
    console.print(f"Wrote {out / MODEL}")


def train_embedding(out: Path) -> None:
    """Embed the built-in library with the pretrained backbone and fit the compression on it."""
    torch.set_num_threads(1)
    out.mkdir(parents=True, exist_ok=True)
    fit_embedding(list(CrystalLibrary.builtin()), out / EMBEDDING)
    Console().print(f"Wrote {out / EMBEDDING}")


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total} {task.fields[note]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
    )
