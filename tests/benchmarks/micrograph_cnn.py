"""Calibrates and judges the micrograph reader; prints its table and writes the model and ``docs/results``.

Usage::

    python -m tests.benchmarks.micrograph_cnn [--checkpoint DIR] [--calibration N] [--fields N] [--out FILE]

With ``--checkpoint`` the averaged network of that training run is calibrated and becomes the shipped model.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import torch

from simulators.reader_data import CALIBRATION_SEED, EVALUATION_SEED, faulty_images, fields
from surrogates.micrograph_cnn import save_network
from surrogates.micrograph_evaluation import evaluate, refused_share
from surrogates.micrograph_fit import calibrate
from surrogates.micrograph_reader import SHIPPED, MicrographReader
from surrogates.micrograph_training import checkpointed

DATE = "2026-11-23"
MACHINE = "one core of a shared server processor (x86-64 with AVX-512), one torch thread, no accelerator"


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--calibration", type=int, default=240)
    parser.add_argument("--fields", type=int, default=200)
    parser.add_argument("--out", type=Path, default=Path("docs/results/micrograph_cnn.json"))
    wanted = parser.parse_args()
    torch.set_num_threads(1)
    if wanted.checkpoint is not None:
        network, training = checkpointed(wanted.checkpoint)
        constants = calibrate(network, fields(CALIBRATION_SEED, wanted.calibration))
        seeds = {"calibration": CALIBRATION_SEED, "evaluation": EVALUATION_SEED}
        metadata = {
            "training": training,
            "calibration": constants.to_dict(),
            "calibration_fields": wanted.calibration,
            "seeds": seeds,
        }
        save_network(network, SHIPPED, metadata)
    reader = MicrographReader.load()
    figures: dict[str, object] = {
        "date": DATE,
        "machine": MACHINE,
        "command": "python -m tests.benchmarks.micrograph_cnn",
        "model": {key: reader.metadata[key] for key in ("training", "seeds", "calibration_fields")},
        "parameters": sum(weights.numel() for weights in reader.network.parameters()),
        "held_out_virtual_512px": evaluate(reader, fields(EVALUATION_SEED, wanted.fields), time.perf_counter),
        "refused_share_of_faulty_images": {
            name: round(refused_share(reader, images), 4)
            for name, images in faulty_images(EVALUATION_SEED, max(wanted.fields // 5, 1)).items()
        },
    }
    text = json.dumps(figures, indent=2)
    wanted.out.parent.mkdir(parents=True, exist_ok=True)
    wanted.out.write_text(text + "\n")
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
