"""How fast microstructures are drawn, by kind: processor time of one core, the median of several fields.

``python tests/benchmarks/sections.py [--fields 5] [--json]``
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

import numpy as np

from simulators.sections.microstructure import SectionSpec, Surface
from simulators.tessellation import draw

GRAIN_PX = 25.0
SHAPES = ((256, 256), (768, 1024))
KINDS: dict[str, dict[str, float | bool | Surface]] = {
    "equiaxed dense": {},
    "porous closed": {"porosity": 0.08},
    "porous open": {"porosity": 0.25, "open_share": 1.0},
    "two-phase, residue": {"second_phase": 0.12},
    "two-phase, grains": {"second_phase": 0.2, "phase_at_boundaries": False},
    "bimodal": {"abnormal": 0.3},
    "elongated": {"elongation": 3.0, "direction": 0.4},
    "cracked": {"cracks": 30.0},
    "powder": {"surface": Surface.POWDER},
    "fracture": {"surface": Surface.FRACTURE},
}


def milliseconds(kind: str, shape: tuple[int, int], fields: int) -> float:
    """Median processor time of one field, ms."""
    spec = SectionSpec(1.0, 1.0 / GRAIN_PX, shape, **KINDS[kind])  # type: ignore[arg-type]
    times = []
    for seed in range(fields):
        rng = np.random.default_rng(seed)
        start = time.process_time()
        draw(spec, rng)
        times.append(1e3 * (time.process_time() - start))
    return statistics.median(times)


def main() -> None:
    """Print the table, and one line of JSON when asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fields", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    draw(SectionSpec(1.0, 1.0 / GRAIN_PX, (64, 64)), np.random.default_rng(0))
    print(f"{'ms a field, grains of 25 pixels':34}" + "".join(f"{f'{w} x {h}':>12}" for h, w in SHAPES))
    table = {}
    for kind in KINDS:
        times = {f"{w}x{h}": milliseconds(kind, (h, w), options.fields) for h, w in SHAPES}
        print(f"{kind:34}" + "".join(f"{value:12.1f}" for value in times.values()))
        table[kind] = {name: round(value, 1) for name, value in times.items()}
    if options.json:
        print(json.dumps({"benchmark": "sections", "unit": "ms", "fields": options.fields, "times": table}))


if __name__ == "__main__":
    main()
