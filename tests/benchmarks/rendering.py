"""Prints how long a virtual micrograph takes, drawing and rendering apart, by size and kind, on one core.

Times are those of the processor, so that others on the same machine do not count.

Usage::

    python -m tests.benchmarks.rendering [--repeats N] [--seed N] [--json]
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

import numpy as np

from simulators.optics.presets import random_settings
from simulators.sections.microstructure import Kind, SectionSpec, Surface
from simulators.sem import render
from simulators.tessellation import draw

SIZES = ((256, 256), (768, 1024))
GRAIN_PX = 25.0


def specs(shape: tuple[int, int]) -> dict[Kind, SectionSpec]:
    """One field of each kind with grains of some 25 pixels."""

    def spec(**more: object) -> SectionSpec:
        return SectionSpec(grain_size_um=GRAIN_PX * 0.1, pixel_size_um=0.1, shape=shape, **more)  # type: ignore[arg-type]

    return {
        Kind.EQUIAXED_DENSE: spec(porosity=0.01),
        Kind.BIMODAL: spec(porosity=0.02, abnormal=0.3),
        Kind.POROUS_OPEN: spec(porosity=0.3, open_share=0.9),
        Kind.POROUS_CLOSED: spec(porosity=0.08),
        Kind.TWO_PHASE: spec(porosity=0.02, second_phase=0.12),
        Kind.ELONGATED: spec(porosity=0.02, elongation=2.5),
        Kind.CRACKED: spec(porosity=0.02, cracks=60.0),
        Kind.POWDER: spec(surface=Surface.POWDER),
        Kind.FRACTURE: spec(porosity=0.04, surface=Surface.FRACTURE),
    }


def measure(spec: SectionSpec, seed: int, repeats: int) -> dict[str, float]:
    """Medians in ms of drawing, rendering and both, after one that is not counted."""
    drawing, rendering = [], []
    for index in range(-1, repeats):
        rng = np.random.default_rng([seed, index + 1])
        start = time.process_time()
        ms = draw(spec, rng)
        middle = time.process_time()
        render(ms, random_settings(rng), rng)
        end = time.process_time()
        if index >= 0:
            drawing.append(1e3 * (middle - start))
            rendering.append(1e3 * (end - middle))
    both = [a + b for a, b in zip(drawing, rendering, strict=True)]
    return {
        "draw_ms": round(statistics.median(drawing), 1),
        "render_ms": round(statistics.median(rendering), 1),
        "both_ms": round(statistics.median(both), 1),
        "slowest_ms": round(max(both), 1),
    }


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    figures: dict[str, dict[str, dict[str, float]]] = {}
    print(f"{'size':10} {'kind':16} {'draw ms':>8} {'render ms':>10} {'both ms':>8} {'slowest':>8}")
    for shape in SIZES:
        size = f"{shape[1]}x{shape[0]}"
        for kind, spec in specs(shape).items():
            found = measure(spec, wanted.seed, wanted.repeats)
            figures.setdefault(size, {})[kind.value] = found
            print(
                f"{size:10} {kind.value:16} {found['draw_ms']:8.1f} {found['render_ms']:10.1f} {found['both_ms']:8.1f}"
                f" {found['slowest_ms']:8.1f}"
            )
    if wanted.json:
        print(json.dumps({"seed": wanted.seed, "repeats": wanted.repeats, "median": figures}))


if __name__ == "__main__":
    main()
