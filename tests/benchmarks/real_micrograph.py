"""Judges the micrograph reader on labelled images of real materials: untouched, fine-tuned, and the classical way.

Usage::

    python -m tests.benchmarks.real_micrograph FOLDER [--sets FILE] [--only NAME] [--model FILE] [--out FILE] [--json]

``FOLDER`` holds the images that ``real_micrographs.toml`` beside this script names, or that ``--sets`` names. They are
no part of the package. Some five minutes on one quiet core, most of it fine-tuning.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import torch
from rich.console import Console

from agent.evaluate_real import real_figures
from agent.evaluate_sem import write_json
from agent.evaluate_sets import real_sets
from agent.evaluate_tables import show_real
from agent.evaluate_watch import Watch
from surrogates.micrograph_reader import SHIPPED, MicrographReader

DATE = "2026-11-23"
MACHINE = "one core of a shared server processor (x86-64 with AVX-512), one torch thread, no accelerator"


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sets", type=Path, default=Path(__file__).parent / "real_micrographs.toml")
    parser.add_argument("--only", default="", help="part of the name of the sets to judge on")
    parser.add_argument("--model", type=Path, default=SHIPPED)
    parser.add_argument("--out", type=Path, default=Path("docs/results/micrograph_real.json"))
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    torch.set_num_threads(1)
    reader = MicrographReader.load(wanted.model)
    sets = [each for each in real_sets(wanted.folder, wanted.sets) if wanted.only in each.name]
    with Watch() as watch:
        found = real_figures(reader, sets, watch)
    figures: dict[str, object] = {
        "date": DATE,
        "machine": MACHINE,
        "command": "python -m tests.benchmarks.real_micrograph FOLDER",
        "model": {"training": reader.metadata.get("training"), "seeds": reader.metadata.get("seeds")},
        "real": found,
    }
    write_json(wanted.out, figures)
    show_real(found, Console())
    if wanted.json:
        sys.stdout.write(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()
