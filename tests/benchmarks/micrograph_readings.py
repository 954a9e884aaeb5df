"""Draws six virtual micrographs as ``labwright analyse --overlay`` shows them: the picture of the guide.

Usage::

    python -m tests.benchmarks.micrograph_readings --out docs/sem-analysis.png [--model FILE] [--seed N]
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from agent.analyse_results import result_of
from agent.analyse_words import strip
from simulators.optics.presets import operator_settings
from simulators.optics.settings import SemSettings
from simulators.sections.microstructure import SectionSpec
from simulators.sem import render
from simulators.tessellation import draw
from surrogates.micrograph_io import Micrograph
from surrogates.micrograph_overlay import BLACK, sheet
from surrogates.micrograph_reader import SHIPPED, MicrographReader

EDGE, GAP, ACROSS = 480, 10, 3
PIXEL_UM = 0.1
COLOURS = 160


def sections() -> list[tuple[str, SectionSpec, dict[str, object]]]:
    """What is drawn: a name as of a file, the section, and settings that differ from an operator's."""

    def spec(size: float, **more: object) -> SectionSpec:
        return SectionSpec(grain_size_um=size, pixel_size_um=PIXEL_UM, shape=(EDGE, EDGE), **more)  # type: ignore[arg-type]

    return [
        ("dense.tif", spec(2.6, porosity=0.01), {}),
        ("sintered-1500C.tif", spec(2.4, porosity=0.09), {}),
        ("composite.tif", spec(2.4, porosity=0.01, second_phase=0.18, phase_at_boundaries=False), {"detector": "BSE"}),
        ("rolled.tif", spec(2.6, porosity=0.01, elongation=2.4, direction=0.4), {}),
        ("quenched.tif", spec(2.8, porosity=0.02, cracks=80.0), {}),
        ("too-hasty.tif", spec(2.6, porosity=0.02), {"defocus": 6.0, "astigmatism": 0.0}),
    ]


def settings_of(changes: dict[str, object], rng: np.random.Generator) -> SemSettings:
    """An operator's settings for the detector that is wanted, with what differs."""
    wanted = changes.get("detector", "SE")
    found = operator_settings(rng)
    while found.detector != wanted:
        found = operator_settings(rng)
    return replace(found, **changes)  # type: ignore[arg-type]


def picture(reader: MicrographReader, seed: int) -> Image.Image:
    """All of them, each with its numbers below."""
    sheets = []
    for k, (name, spec, changes) in enumerate(sections()):
        rng = np.random.default_rng([seed, k])
        ms = draw(spec, rng)
        image = render(ms, settings_of(changes, rng), rng).astype(np.float32) / np.float32(255.0)
        micrograph = Micrograph(image, PIXEL_UM, "given")
        reading = reader.read(micrograph)
        result = result_of(name, micrograph, reading)
        print(f"{name:20} {reading.accepted!s:6} {reading.microstructure:16} {reading.n_grains:4} {reading.reason}")
        sheets.append(sheet(micrograph, reading, strip(result)))
    rows = [sheets[k : k + ACROSS] for k in range(0, len(sheets), ACROSS)]
    heights = [max(each.height for each in row) for row in rows]
    whole = Image.new("RGB", (ACROSS * (EDGE + GAP) - GAP, sum(heights) + GAP * (len(rows) - 1)), BLACK)
    for r, row in enumerate(rows):
        for c, each in enumerate(row):
            whole.paste(each, (c * (EDGE + GAP), sum(heights[:r]) + r * GAP))
    return whole


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", type=Path, default=SHIPPED)
    parser.add_argument("--seed", type=int, default=2026)
    wanted = parser.parse_args()
    whole = picture(MicrographReader.load(wanted.model), wanted.seed)
    whole.quantize(COLOURS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(wanted.out, optimize=True)


if __name__ == "__main__":
    main()
