"""How long a micrograph of 1024 x 768 pixels takes on one core: the network alone, the measurement, the classical way.

Usage::

    python -m tests.benchmarks.micrograph_speed [--repeats N] [--model FILE] [--out FILE] [--json]

Medians and minima of N readings of four fields; wait for a quiet machine.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from agent.evaluate_sem import write_json
from simulators.reader_data import fields
from surrogates.micrograph_classical import classical
from surrogates.micrograph_cnn import fast_bfloat16, see
from surrogates.micrograph_io import Micrograph
from surrogates.micrograph_reader import SHIPPED, MicrographReader

DATE = "2026-11-23"
MACHINE = "one core of a shared server processor (x86-64 with AVX-512), one torch thread, no accelerator"

SHAPE, SEED, N_FIELDS = (768, 1024), 9501, 4


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--model", type=Path, default=SHIPPED)
    parser.add_argument("--out", type=Path, default=Path("docs/results/micrograph_speed.json"))
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    torch.set_num_threads(1)
    images = [field.image for field in fields(SEED, N_FIELDS, SHAPE)]
    reader = MicrographReader.load(wanted.model)
    ways: dict[str, Callable[[np.ndarray], object]] = {
        "network": lambda image: see(reader.network, image),
        "measurement": lambda image: reader.read(Micrograph(image, 1.0, "given")),
        "classical": classical,
    }
    before = _peak_mb()
    found: dict[str, object] = {}
    for name, way in ways.items():
        way(images[0])
        times = [_seconds(way, image) for _ in range(wanted.repeats) for image in images]
        found[name] = {"seconds_median": round(float(np.median(times)), 3), "seconds_least": round(min(times), 3)}
        sys.stdout.write(f"{name:12} median {np.median(times):.3f} s, least {min(times):.3f} s\n")
        if name == "measurement":
            found["peak_memory_mb"] = {"process": round(_peak_mb()), "of_it_by_reading": round(_peak_mb() - before)}
    figures = {
        "date": DATE,
        "machine": MACHINE,
        "command": "python -m tests.benchmarks.micrograph_speed",
        "pixels": [SHAPE[1], SHAPE[0]],
        "seed": SEED,
        "bfloat16": fast_bfloat16(),
        **found,
    }
    write_json(wanted.out, figures)
    if wanted.json:
        sys.stdout.write(json.dumps(figures) + "\n")


def _seconds(way: Callable[[np.ndarray], object], image: np.ndarray) -> float:
    # Of the processor: what others do on the machine at the time does not count.
    start = time.process_time()
    way(image)
    return time.process_time() - start


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0


if __name__ == "__main__":
    main()
