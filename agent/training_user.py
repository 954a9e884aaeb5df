"""Goes on from given weights with labelled images of the user's: fine-tuning, or a head for classes of pictures."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from torch import Tensor

from agent.training_config import configured, write_config
from agent.training_labelled import N_REHEARSED, fine_tune, rehearsal
from agent.training_progress import stage
from envs.errors import UserError
from surrogates.micrograph_adapting import MEASURED_WITH, adapted, admitting, looks_at, recalibrated
from surrogates.micrograph_calibration import Calibration
from surrogates.micrograph_card import card
from surrogates.micrograph_classes import PREFIX, ClassHead
from surrogates.micrograph_cnn import MicrographNet, load_heads, load_network, save_network
from surrogates.micrograph_finetuning import CROP, FINE_TUNING, extended
from surrogates.micrograph_label_scores import scores
from surrogates.micrograph_labels.folder import read_labelled
from surrogates.micrograph_labels.vocabulary import ClassifiedSet, LabelledImage, LabelledSet, split
from surrogates.micrograph_own_classes import PREFIX as OWN_PREFIX
from surrogates.micrograph_reader import SHIPPED
from surrogates.micrograph_scales import Look
from surrogates.micrograph_taught import TAUGHT
from surrogates.micrograph_training import CHECKPOINT, TrainingConfig, TrainingReport

MODEL, CARD, CONFIG, SPLIT, EVALUATION = (
    "micrograph.safetensors", "micrograph.md", "training.toml", "split.json", "evaluation.json",
)  # fmt: skip
MOST_ADMITTED = 12
"""Of the images trained on, how many limits are widened for."""


@dataclass(frozen=True)
class Base:
    """The weights to go on from, all that their file holds, and what they are called."""

    network: MicrographNet
    metadata: dict[str, object]
    heads: dict[str, Tensor]
    name: str
    digest: str


def train_on_data(
    out: Path,
    data: Path,
    *,
    base: str,
    steps: int | None,
    seed: int | None,
    config: Path | None,
    labels: str,
    inliers: Path | None,
    hold_out: float,
) -> None:
    """Learn from a folder of labelled images; see ``agent.training.train_sem``."""
    if not 0.0 <= hold_out < 1.0:
        raise UserError(f"a share of {hold_out} cannot be held out; take 0 to below 1")
    found = read_labelled(data, labels)
    start = read_base(base)
    out.mkdir(parents=True, exist_ok=True)
    if inliers is not None and not inliers.is_dir():
        raise UserError(f"--inliers {inliers}: no such folder of images")
    if isinstance(found, ClassifiedSet):
        from agent.training_classes import train_classes

        if steps is not None or config is not None:
            raise UserError("class folders teach a head in one go: --steps and --config do not apply")
        train_classes(out, found, start, seed=seed or 0, hold_out=hold_out)
        return
    settings = configured(FINE_TUNING, config, steps=steps, seed=seed, widths=False)
    settings = replace(settings, network=extended(start.network, found.channels).shape)
    _fine_tune(out, found, start, settings, hold_out, inliers)


def read_base(name: str) -> Base:
    """Weights by the name that the command line has for them.

    Raises:
        UserError: when there is no such file.
    """
    path = SHIPPED if name == "builtin" else Path(name)
    if not path.is_file():
        raise UserError(
            f"--from {name}: no such weights file; take builtin, or a file that 'labwright train sem' wrote"
        )
    network, metadata = load_network(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    return Base(network, metadata, load_heads(path), "builtin" if name == "builtin" else path.name, digest)


def _fine_tune(
    out: Path,
    found: LabelledSet,
    start: Base,
    settings: TrainingConfig,
    hold_out: float,
    inliers: Path | None,
) -> None:
    console = Console()
    parts = split(len(found.images), hold_out, np.random.default_rng([settings.seed, 5]))
    trained, held = ([found.images[k] for k in part] for part in parts)
    names = {"trained": [each.name for each in trained], "held_out": [each.name for each in held]}
    _claim(out, {"form": found.form, "channels": list(found.channels), **names, "base": start.digest,
                 "data": _digest(found)})  # fmt: skip
    _say_what(console, found, len(held))
    report = _tuned(console, out, found, trained, start, settings)
    # Only now: the settings of another training in this folder are not written over.
    write_config(out / CONFIG, settings)
    network = report.network
    figures = {
        "before": scores(start.network, held, found.channels),
        "after": scores(network, held, found.channels),
    }
    (out / EVALUATION).write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    known = trained[:MOST_ADMITTED]
    looks = looks_at(network, known, found.channels)
    base = Calibration.from_dict(_mapping(start.metadata.get("calibration")))
    calibration, new = recalibrated(adapted(base, looks, known, found.channels), network, held, found.channels)
    metadata = {
        **_metadata(found, start, settings, report.loss, network, names),
        "calibration": calibration.to_dict(),
        "calibration_note": _note(found.channels, new, len(held)),
    }
    heads = _heads(console, start, network, looks, inliers)
    save_network(network, out / MODEL, metadata, heads)
    (out / CARD).write_text(card(metadata, by_channel(figures)), encoding="utf-8")
    _show(console, figures, len(held))
    console.print(f"Wrote {out / MODEL}; its card is {out / CARD}")


def _tuned(
    console: Console,
    out: Path,
    found: LabelledSet,
    trained: Sequence[LabelledImage],
    start: Base,
    settings: TrainingConfig,
) -> TrainingReport:
    """The fine-tuning itself, told while it runs."""
    with stage(console, "Drawing virtual images", N_REHEARSED) as tell:
        virtual = rehearsal(settings.seed, lambda done: tell(done, ""))
    with stage(console, "Fine-tuning", settings.steps) as tell:
        return fine_tune(
            start.network,
            trained,
            found.channels,
            settings,
            out,
            virtual=virtual,
            progress=lambda done, _total, loss: tell(done, f"loss {loss:.3f}"),
        )


def _heads(
    console: Console,
    start: Base,
    network: MicrographNet,
    looks: Sequence[Look],
    inliers: Path | None,
) -> dict[str, Tensor]:
    """The heads of the base, fitted to the network that came of it.

    Its features are not quite the base's. With a folder of good images the class head is fitted anew, which takes
    minutes; without, its limits are widened until the images that were trained on are accepted.
    """
    others = {key: value for key, value in start.heads.items() if not key.startswith((PREFIX, OWN_PREFIX))}
    if inliers is not None:
        from agent.training_sem import N_PICTURES, classified

        return {**others, **classified(console, network, N_PICTURES, inliers)[0].head.to_tensors()}
    head = ClassHead.from_tensors(start.heads)
    if head is None:
        return others
    return {**others, **admitting(head, looks).to_tensors()}


def _note(told: tuple[str, ...], new: tuple[str, ...], n_held: int) -> str:
    """Where the intervals of the numbers come from."""
    lost = [name for channel in told for name in MEASURED_WITH.get(channel, ()) if name not in new]
    parts = [
        f"{_words(new)} on {n_held} held-out images" if new else "",
        f"{_words(lost)} not at all: taken as seen, with a wide interval" if lost else "",
        "the rest on virtual fields, with the weights that were started from",
    ]
    return "fitted: " + "; ".join(part for part in parts if part)


def _words(names: Sequence[str]) -> str:
    return ", ".join(name.replace("_", " ") for name in names)


def _metadata(
    found: LabelledSet,
    start: Base,
    settings: TrainingConfig,
    loss: float,
    network: MicrographNet,
    names: dict[str, list[str]],
) -> dict[str, object]:
    """What the file says of itself: all of the base's, and what was done to it."""
    kept = {key: value for key, value in start.metadata.items() if key not in {"own_classes", "class_head", "classes"}}
    return {
        **kept,
        "file": MODEL,
        "base": f"{start.name} (sha256 {start.digest})",
        "network": {"channels": list(network.shape.channels), "weights": sum(p.numel() for p in network.parameters())},
        TAUGHT: list(found.channels),
        "data": {"images": len(found.images), "form": found.form, "channels": list(found.channels)},
        "training": {**_plain(settings), "loss": round(loss, 4), "crop": CROP, "virtual": N_REHEARSED},
        "seeds": {**_mapping(start.metadata.get("seeds")), "fine_tuning": settings.seed},
        "split": names,
        "command": "labwright train sem --data DIR",
    }


def _claim(out: Path, run: dict[str, object]) -> None:
    """Write what this training is of; one of other images in the same folder must not be continued.

    Raises:
        UserError: when the folder holds the checkpoint of another.
    """
    path = out / SPLIT
    if (out / CHECKPOINT).exists():
        try:
            earlier = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            earlier = None
        if earlier != run:
            raise UserError(
                f"{out}: holds the checkpoint of a training with other images, labels, or weights to go on from; take "
                f"another folder with --out, or delete {out / CHECKPOINT}"
            )
    path.write_text(json.dumps(run, indent=2) + "\n", encoding="utf-8")


def _digest(found: LabelledSet) -> str:
    digest = hashlib.sha256()
    for each in found.images:
        digest.update(each.name.encode())
        digest.update(np.ascontiguousarray(each.image).tobytes())
        digest.update(np.ascontiguousarray(each.truth).tobytes())
    return digest.hexdigest()[:16]


def by_channel(figures: dict[str, dict[str, dict[str, float]]]) -> dict[str, object]:
    """Figures as the card has them: a table for each channel, rows before and after."""
    names = list(figures["after"])
    return {
        f"{name}, on images held out": {when: figures[when][name] for when in ("before", "after")} for name in names
    }


def _say_what(console: Console, found: LabelledSet, n_held: int) -> None:
    console.print(
        f"{len(found.images)} labelled images ({found.form}) tell of {', '.join(found.channels)}; "
        f"{n_held or 'none'} of them held out to judge with."
    )


def _show(console: Console, figures: dict[str, dict[str, dict[str, float]]], n_held: int) -> None:
    if not n_held:
        console.print("No image was held out: nothing here says how well it does on others (5 images are needed).")
        return
    table = Table(title=f"On {n_held} images held out")
    for column in ("channel", "", "IoU", "worst", "precision", "recall", "F1 (2 px)"):
        table.add_column(column)
    for name in figures["after"]:
        for when in ("before", "after"):
            row = figures[when][name]
            keys = ("iou", "iou_worst", "precision", "recall", "f1_within_2_px")
            table.add_row(name, when, *(f"{row[key]:.3f}" if key in row else "" for key in keys))
    console.print(table)


def _plain(settings: TrainingConfig) -> dict[str, Any]:
    values = asdict(settings)
    del values["network"]
    return values


def _mapping(value: object) -> dict[str, object]:
    return dict(value) if isinstance(value, dict) else {}
