"""Judges the micrograph reader on virtual fields, faults and odd pictures; prints the tables and keeps the figures.

Usage::

    python -m tests.benchmarks.micrograph_cnn [--fields N] [--model FILE] [--out FILE] [--json]

The same as ``labwright evaluate sem`` with more fields, and with date and machine in the file. About fifteen minutes on
one quiet core with 200 fields of each split. ``python -m tests.benchmarks.micrograph_plot`` draws the picture of it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import torch
from rich.console import Console

from agent.evaluate_sem import virtual_figures, write_json
from agent.evaluate_tables import show
from agent.evaluate_watch import Watch
from agent.wiring_reader import micrograph_examination
from surrogates.micrograph_reader import SHIPPED, MicrographReader

DATE = "2026-11-23"
MACHINE = "one core of a shared server processor (x86-64 with AVX-512), one torch thread, no accelerator"


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fields", type=int, default=200)
    parser.add_argument("--model", type=Path, default=SHIPPED)
    parser.add_argument("--out", type=Path, default=Path("docs/results/micrograph_cnn.json"))
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    torch.set_num_threads(1)
    reader = MicrographReader.load(wanted.model)
    exam = micrograph_examination()
    start = time.perf_counter()
    with Watch() as watch:
        found = virtual_figures(reader, exam, wanted.fields, watch)
    figures: dict[str, object] = {
        "date": DATE,
        "machine": MACHINE,
        "command": f"python -m tests.benchmarks.micrograph_cnn --fields {wanted.fields}",
        "model": {"training": reader.metadata.get("training"), "seeds": reader.metadata.get("seeds")},
        "parameters": sum(weights.numel() for weights in reader.network.parameters()),
        "seeds": dict(exam.seeds),
        "fields": wanted.fields,
        "minutes": round((time.perf_counter() - start) / 60.0, 1),
        **found,
    }
    write_json(wanted.out, figures)
    show(figures, Console())
    if wanted.json:
        sys.stdout.write(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()
