"""Reads a real image with a boundary map and prints how well: F1 of the boundaries within 2 px, and the grain size.

Usage::

    python -m tests.benchmarks.real_micrograph IMAGE BOUNDARIES [--pixel-size UM] [--json]

``BOUNDARIES`` is a picture of the same size whose rarer tone marks the boundaries. Nothing is trained on the image.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy import ndimage
from skimage.morphology import skeletonize
from skimage.segmentation import watershed

from envs.laws import astm_grain_size_number
from surrogates.micrograph_evaluation import boundary_f1
from surrogates.micrograph_io import read_micrograph
from surrogates.micrograph_reader import MicrographReader
from surrogates.stereology import mean_intercept


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("image", type=Path)
    parser.add_argument("boundaries", type=Path)
    parser.add_argument("--pixel-size", type=float, default=1.0, help="um")
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    torch.set_num_threads(1)
    reading = MicrographReader.load().read(read_micrograph(wanted.image, wanted.pixel_size))
    drawn = np.asarray(Image.open(wanted.boundaries).convert("L")) > 127
    lines = drawn if drawn.mean() < 0.5 else ~drawn
    grains = ndimage.label(~ndimage.binary_dilation(lines))[0].astype(np.int32)
    true = mean_intercept(watershed(np.zeros(grains.shape), grains).astype(np.int32)) * wanted.pixel_size
    figures = {
        "image": wanted.image.name,
        "accepted": reading.accepted,
        "reason": reading.reason,
        "boundary_f1": round(boundary_f1(reading.boundary_mask, skeletonize(lines)), 4),
        "intercept_um": round(reading.intercept.value, 3),
        "labelled_intercept_um": round(true, 3),
        "delta_g": round(float(astm_grain_size_number(reading.intercept.value) - astm_grain_size_number(true)), 3),
        "n_grains": reading.n_grains,
    }
    for name, value in figures.items():
        print(f"{name:22} {value}")
    if wanted.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
