"""The commands that train the shipped models again, or go on from them with images of one's own."""

from __future__ import annotations

from pathlib import Path

import torch
from rich.console import Console

from envs.crystals import CrystalLibrary
from envs.errors import UserError
from surrogates.pretrained import fit_embedding

EMBEDDING = "crystal_embedding.safetensors"


def train_sem(
    out: Path,
    *,
    steps: int | None = None,
    seed: int | None = None,
    workers: int = 0,
    config: Path | None = None,
    data: Path | None = None,
    base: str | None = None,
    labels: str = "",
    inliers: Path | None = None,
    hold_out: float = 0.2,
) -> None:
    """Train the network that reads micrographs: on virtual images, or on labelled images of one's own.

    Continues from the checkpoint in ``out``; an interruption leaves one. Written there: the weights, the settings
    (``training.toml``), the model card, and with data the split and the evaluation.

    Args:
        out: directory of the checkpoint and of what is made.
        steps: optimiser steps; None takes the settings' own.
        seed: of weights, images and split; None takes the settings' own.
        workers: processes that draw virtual images ahead; the result is the same with any number.
        config: TOML file of settings, such as the ``training.toml`` of an earlier training; options win over it.
        data: folder of labelled images (mask pairs, COCO, class folders), or a COCO file; None trains from nothing on
            virtual images.
        base: with data, what to go on from: ``builtin`` (also None) or a weights file of one's own.
        labels: what the values of masks mean, as ``1=phase,2=crack``; wins over ``classes.toml`` in the folder.
        inliers: folder of good images without labels, told to the reader as what it must not refuse.
        hold_out: share of the labelled images that is not trained on but judged with, 0 to below 1.

    Raises:
        UserError: when an input is wrong; the message says which, and what to do.
        ConfigError: when a setting is.
    """
    torch.set_num_threads(1)
    if data is None:
        if base not in {None, "none"} or labels:
            raise UserError("--from and --labels say what to do with images of your own: name them with --data")
        from agent.training_sem import train_virtual

        train_virtual(out, steps=steps, seed=seed, workers=workers, config=config, inliers=inliers)
        return
    from agent.training_user import train_on_data

    train_on_data(
        out,
        data,
        base=base or "builtin",
        steps=steps,
        seed=seed,
        config=config,
        labels=labels,
        inliers=inliers,
        hold_out=hold_out,
    )


def train_embedding(out: Path) -> None:
    """Embed the built-in library with the pretrained backbone and fit the compression on it."""
    torch.set_num_threads(1)
    out.mkdir(parents=True, exist_ok=True)
    fit_embedding(list(CrystalLibrary.builtin()), out / EMBEDDING)
    Console().print(f"Wrote {out / EMBEDDING}")
