"""Draws whether the reader's intervals hold what they say, and grain sizes read beside true ones, from kept figures.

Usage::

    python -m tests.benchmarks.micrograph_plot [--figures FILE] [--out FILE]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from surrogates.micrograph_evaluation import INTERVALS, LEVELS

COLOURS = dict(zip(INTERVALS, ("#0b6e99", "#d1603d", "#3a7d44", "#7b4b94", "#a67c00"), strict=True))
WORDS = {
    "grain_size": "grain size", "intercept": "mean intercept", "astm_g": "ASTM G", "porosity": "porosity",
    "phase_fraction": "phase fraction",
}  # fmt: skip


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--figures", type=Path, default=Path("docs/results/micrograph_cnn.json"))
    parser.add_argument("--out", type=Path, default=Path("docs/sem-calibration.png"))
    wanted = parser.parse_args()
    virtual = json.loads(wanted.figures.read_text(encoding="utf-8"))["virtual"]
    figure, axes = plt.subplots(1, 3, figsize=(13.5, 4.6), layout="constrained")
    for axis, (name, split) in zip(axes, virtual.items(), strict=False):
        _reliability(axis, name, split)
    _parity(axes[2], virtual)
    figure.savefig(wanted.out, dpi=120)
    print(wanted.out)


def _reliability(axis: Axes, name: str, split: dict[str, Any]) -> None:
    number = split["fields"] - split["refused"]
    levels = np.array(LEVELS)
    room = 1.645 * np.sqrt(levels * (1.0 - levels) / max(number, 1))
    axis.fill_between(levels, levels - room, levels + room, color="0.88", label="90% of chance with so many fields")
    axis.plot(levels, levels, color="0.5", linewidth=1.0)
    for quantity, found in split["reliability"]["accepted"].items():
        if quantity != "astm_g":  # it is the intercept on another scale
            kept = [(x, y) for x, y in zip(levels, found, strict=True) if y is not None]
            axis.plot(
                *zip(*kept, strict=True), marker="o", markersize=4, color=COLOURS[quantity], label=WORDS[quantity]
            )
    axis.set(xlim=(0.48, 1.0), ylim=(0.3, 1.02), xlabel="stated coverage of the interval", ylabel="fields it holds")
    axis.set_title(f"{name[0].upper()}{name[1:]}: {number} accepted fields", fontsize=11)
    axis.legend(loc="lower right", fontsize=8, frameon=False)


def _parity(axis: Axes, virtual: dict[str, Any]) -> None:
    ends = [np.inf, 0.0]
    for (name, split), colour, marker in zip(virtual.items(), ("#0b6e99", "#d1603d"), ("o", "s"), strict=False):
        true, found, std = np.array(split["grain_size_points"], dtype=np.float64).reshape(-1, 3).T
        axis.errorbar(
            true, found, 1.645 * std, fmt=marker, markersize=3.5, color=colour, elinewidth=0.6, alpha=0.75, label=name
        )
        ends = [min(ends[0], *true, *found), max(ends[1], *true, *found)]
    axis.plot(ends, ends, color="0.5", linewidth=1.0)
    axis.set(xscale="log", yscale="log", xlabel="grain size of the material, px", ylabel="grain size read, px (90%)")
    ticks = [tick for tick in (6, 8, 10, 15, 20, 30, 40, 60) if ends[0] <= tick <= ends[1]]
    for side in (axis.xaxis, axis.yaxis):
        side.set_ticks(ticks, [str(tick) for tick in ticks])
        side.set_minor_locator(NullLocator())
    axis.set_title("Grain size read beside the true one", fontsize=11)
    axis.legend(loc="upper left", fontsize=8, frameon=False)


if __name__ == "__main__":
    main()
