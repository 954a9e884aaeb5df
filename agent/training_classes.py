"""Learns the user's own classes of pictures from class folders: the network stays as it is, a head is fitted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from agent.training_progress import stage
from surrogates.micrograph_card import card
from surrogates.micrograph_cnn import MicrographNet, save_network, see
from surrogates.micrograph_io import read_micrograph
from surrogates.micrograph_labels.vocabulary import ClassifiedSet, stratified_split
from surrogates.micrograph_own_classes import OwnClasses, confusion, fit_own_classes, picture_features

if TYPE_CHECKING:
    from agent.training_user import Base

LARGEST = 1024
"""Pixels: of a larger picture the middle is looked at."""


def train_classes(out: Path, found: ClassifiedSet, start: Base, *, seed: int, hold_out: float) -> None:
    """Fit a head on the network's features of the pictures, judge it on those held out, and write all."""
    from agent.training_user import CARD, EVALUATION, MODEL, SPLIT

    console = Console()
    trained, held = stratified_split(found.members, hold_out, np.random.default_rng([seed, 5]))
    console.print(f"{len(found.files)} images of {len(found.classes)} classes, {len(held)} of them held out.")
    features = _features(console, start.network, found.files)
    head = fit_own_classes(features[list(trained)], [found.members[k] for k in trained], found.classes)
    figures = _judged(head, features[list(held)], [found.members[k] for k in held])
    names = {
        "trained": [_name(found, k) for k in trained],
        "held_out": [_name(found, k) for k in held],
    }
    metadata: dict[str, object] = {
        **start.metadata,
        "file": MODEL,
        "base": f"{start.name} (sha256 {start.digest})",
        "network": {"channels": list(start.network.shape.channels)},
        "own_classes": list(found.classes),
        "data": {"images": len(found.files), "form": "class folders"},
        "class_head": "logistic regression on the network's pooled features; the network is the base's",
        "seeds": {"split": seed},
        "split": names,
        "calibration_note": "the base's: its network is unchanged",
        "command": "labwright train sem --data DIR",
    }
    save_network(start.network, out / MODEL, metadata, {**start.heads, **head.to_tensors()})
    for name, content in ((SPLIT, names), (EVALUATION, figures)):
        (out / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    (out / CARD).write_text(card(metadata, figures), encoding="utf-8")
    _show(console, figures, found.classes)
    console.print(f"Wrote {out / MODEL}; its card is {out / CARD}")


def _features(console: Console, net: MicrographNet, files: Sequence[Path]) -> npt.NDArray[np.float64]:
    rows = []
    with stage(console, "Looking at the images", len(files)) as tell:
        for number, file in enumerate(files):
            rows.append(picture_features(see(net, _middle(read_micrograph(file).image))))
            tell(number + 1, file.parent.name)
    return np.stack(rows)


def _middle(image: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    top, left = (max((n - LARGEST) // 2, 0) for n in image.shape)
    return image[top : top + LARGEST, left : left + LARGEST]


def _judged(head: OwnClasses, features: npt.NDArray[np.float64], true: Sequence[int]) -> dict[str, object]:
    """Accuracy, also as the mean over the classes, and the confusion table; empty with nothing held out."""
    if not true:
        return {}
    found = head.likeliest(features)
    right = np.array(found) == np.array(true)
    per_class = [float(right[np.array(true) == k].mean()) for k in sorted(set(true))]
    return {
        "On images held out": {
            "images": len(true),
            "accuracy": round(float(right.mean()), 4),
            "mean accuracy of the classes": round(float(np.mean(per_class)), 4),
        },
        "Confusion (rows: true, columns: found)": confusion(true, found, head.names),
    }


def _show(console: Console, figures: dict[str, object], names: Sequence[str]) -> None:
    if not figures:
        console.print("No image was held out: nothing here says how well it does (5 images of a class are needed).")
        return
    table = Table(title="Held-out images: rows are true, columns found")
    for name in ("", *names):
        table.add_column(name)
    summary, counts = figures.values()
    if isinstance(counts, dict) and isinstance(summary, dict):
        for name, row in counts.items():
            table.add_row(name, *(str(row[each]) for each in names))
        console.print(table)
        console.print(f"Accuracy {summary['accuracy']:.3f} on {summary['images']} images.")


def _name(found: ClassifiedSet, number: int) -> str:
    return f"{found.classes[found.members[number]]}/{found.files[number].name}"
