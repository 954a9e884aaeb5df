"""Fine-tunes on a few labelled images and judges with the rest, for several choices of the few; prints a table.

Usage::

    python -m tests.benchmarks.micrograph_finetuning DIR --labels 1=phase,2=phase [--train 1] [--choices all]
        [--model FILE] [--steps N] [--kept 12] [--json]

``DIR`` holds labelled images as ``labwright train sem --data`` takes them. A choice of one image is each in turn; of
more, images drawn with the choice's number as seed. ``--kept`` counts virtual fields on which it is measured what the
network could before and can afterwards. Seconds are those of the processor.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from agent.training_labelled import fine_tune, rehearsal
from simulators.reader_data import EVALUATION_SEED, fields
from surrogates.micrograph_cnn import CHANNELS, MicrographNet, load_network, segment
from surrogates.micrograph_evaluation import boundary_f1
from surrogates.micrograph_finetuning import FINE_TUNING
from surrogates.micrograph_label_scores import scores
from surrogates.micrograph_labels.folder import read_labelled
from surrogates.micrograph_labels.vocabulary import LabelledSet
from surrogates.micrograph_reader import SHIPPED
from surrogates.stereology import boundary_mask

KEPT_SIDE = 256


def main() -> None:
    """Run from the command line."""
    wanted = _wanted()
    torch.set_num_threads(1)
    found = read_labelled(wanted.data, wanted.labels)
    if not isinstance(found, LabelledSet):
        raise SystemExit("class folders are not fine-tuned on")
    base, _ = load_network(wanted.model)
    number = len(found.images) if wanted.choices == "all" else int(wanted.choices)
    before = scores(base, found.images, found.channels)
    kept = {"before": _kept(base, wanted.kept)} if wanted.kept else {}
    print("before", json.dumps(before), json.dumps(kept), flush=True)
    rows = []
    for choice in range(number):
        rows.append(_tried(base, found, wanted, choice))
        print(json.dumps(rows[-1]), flush=True)
    figures = {"before": before, "kept": kept, "choices": rows, "summary": _summary(rows, found.channels)}
    print(json.dumps(figures["summary"], indent=2))
    if wanted.json:
        print(json.dumps(figures))


def _wanted() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--labels", default="")
    parser.add_argument("--train", type=int, default=1)
    parser.add_argument("--choices", default="all", help="how many choices of the images, or 'all'")
    parser.add_argument("--first", type=int, default=0, help="number of the first choice")
    parser.add_argument("--model", type=Path, default=SHIPPED)
    parser.add_argument("--steps", type=int, default=FINE_TUNING.steps)
    parser.add_argument("--rate", type=float, default=FINE_TUNING.learning_rate)
    parser.add_argument("--frozen", action="store_true", help="statistics of batch normalisation stay as they were")
    parser.add_argument("--alone", action="store_true", help="without virtual images beside")
    parser.add_argument("--kept", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def _tried(base: MicrographNet, found: LabelledSet, wanted: argparse.Namespace, choice: int) -> dict[str, Any]:
    """One fine-tuning: which images, seconds, figures on the others."""
    chosen = _chosen(len(found.images), wanted.train, choice + wanted.first)
    start = time.process_time()
    settings = replace(
        FINE_TUNING, steps=wanted.steps, learning_rate=wanted.rate, frozen_statistics=wanted.frozen, seed=1
    )
    images = [found.images[k] for k in chosen]
    virtual = [] if wanted.alone else rehearsal(settings.seed)
    with tempfile.TemporaryDirectory() as folder:
        tuned = fine_tune(base, images, found.channels, settings, Path(folder), virtual=virtual).network
    seconds = time.process_time() - start
    judged = [each for k, each in enumerate(found.images) if k not in chosen]
    return {
        "trained": [found.images[k].name for k in chosen],
        "seconds": round(seconds, 1),
        "after": scores(tuned, judged, found.channels),
        "kept": _kept(tuned, wanted.kept) if wanted.kept else {},
        "settings": {key: value for key, value in asdict(settings).items() if key != "network"},
    }


def _chosen(number: int, train_on: int, choice: int) -> list[int]:
    if train_on == 1:
        return [choice % number]
    order = np.random.default_rng([choice, 31]).permutation(number)
    return sorted(int(k) for k in order[:train_on])


def _kept(net: MicrographNet, number: int) -> dict[str, float]:
    """What the network tells of virtual fields: F1 of boundaries within 2 px, overlap of the other channels."""
    f1, tallies = [], {name: np.zeros(2) for name in CHANNELS[1:]}
    for field in fields(EVALUATION_SEED, number, (KEPT_SIDE, KEPT_SIDE)):
        maps = segment(net, field.image) > 0.5
        f1.append(boundary_f1(maps[0], boundary_mask(field.labels)))
        for k, (name, truth) in enumerate(zip(CHANNELS[1:], (field.pores, field.phase, field.cracks), strict=True)):
            tallies[name] += (np.count_nonzero(maps[k + 1] & truth), np.count_nonzero(maps[k + 1] | truth))
    overlap = {f"{name}_iou": round(float(both / max(union, 1.0)), 4) for name, (both, union) in tallies.items()}
    return {"boundary_f1": round(float(np.mean(f1)), 4), **overlap}


def _summary(rows: list[dict[str, Any]], channels: tuple[str, ...]) -> dict[str, Any]:
    """Of each channel the median and the worst choice, and the seconds."""
    summary: dict[str, Any] = {"seconds_median": float(np.median([row["seconds"] for row in rows]))}
    for name in channels:
        for key in ("iou", "f1_within_2_px"):
            values = [row["after"][name][key] for row in rows if key in row["after"][name]]
            if values:
                summary[f"{name}_{key}"] = {"median": float(np.median(values)), "worst": float(min(values))}
    return summary


if __name__ == "__main__":
    main()
