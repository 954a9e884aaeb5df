"""Draws the README's picture from a finished campaign: ``python -m tests.benchmarks.campaign_picture DIR [OUT.png]``.

The shipped picture is of ``labwright simulate --seed 1``.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from agent.gallery import scale_bar
from agent.record import ARTEFACTS, COMPARISON, CampaignRecord, read_record
from agent.store import ArtefactStore

BLUE, GREY = "#0b62a4", "#66717f"


def hardness(record: CampaignRecord) -> npt.NDArray[np.float64]:
    """Measured hardness by experiment in GPa, NaN where there is none."""
    return np.array([e.hardness[0] if e.hardness else np.nan for e in record.experiments.values()])


def draw_curves(ax: Axes, mine: CampaignRecord, random: CampaignRecord, n_start: int) -> None:
    """Every measurement, and the best so far, of the campaign and of random with the same budget."""
    for record, colour, label in ((random, GREY, "random, same budget"), (mine, BLUE, "Labwright, best so far")):
        values = hardness(record)
        best = np.maximum.accumulate(np.nan_to_num(values))
        number = np.arange(1, len(values) + 1)
        ax.plot(number, values, "o", ms=4, color=colour, alpha=0.5)
        ax.step(number, best, where="post", color=colour, lw=2, ls="-" if record is mine else "--")
        ax.annotate(label, (number[-1], best[-1]), xytext=(-4, 6), textcoords="offset points", ha="right", color=colour)
    top = 1.16 * float(np.nanmax(hardness(mine)))
    ax.axvspan(0.5, n_start + 0.5, color="#eef1f4", zorder=0)
    ax.text(n_start / 2 + 0.5, 0.95 * top, "drawn at random", ha="center", color=GREY, fontsize=9)
    ax.set(xlabel="experiment", ylabel="measured hardness / GPa", ylim=(0, top))
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="y", color="#e3e7eb", lw=0.6)


def draw_best(ax: Axes, record: CampaignRecord, store: ArtefactStore) -> None:
    """The best sample's micrograph as the network read it."""
    best = record.best
    if best is None or best.hardness is None or best.reading is None or best.reading.overlay is None:
        raise SystemExit("the campaign measured nothing: there is no picture to draw")
    reading = best.reading
    with Image.open(store.path(best.reading.overlay.sha256)) as overlay:
        picture = overlay.convert("RGB")
    scale_bar(picture, reading.pixel_size)
    ax.imshow(np.asarray(picture), interpolation="lanczos")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.set_title(f"{best.id}: {best.proposal.design.formula}, as the network read it", fontsize=10, loc="left")
    grain, porosity = reading.grain_size or (np.nan, np.nan), reading.porosity or (np.nan, np.nan)
    ax.set_xlabel(
        f"grains {grain[0]:.2f} ± {grain[1]:.2f} µm, porosity {100 * porosity[0]:.1f} ± {100 * porosity[1]:.1f} %\n"
        f"hardness {best.hardness[0]:.1f} ± {best.hardness[1]:.1f} GPa"
    )


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("out", type=Path, nargs="?", default=Path("docs/campaign.png"))
    wanted = parser.parse_args()
    mine, random = read_record(wanted.directory), read_record(wanted.directory / COMPARISON)
    n_start = sum(e.proposal.round == 0 for e in mine.experiments.values())
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    curves, micrograph = figure.subplots(1, 2, width_ratios=[1.2, 1])
    draw_curves(curves, mine, random, n_start)
    draw_best(micrograph, mine, ArtefactStore(wanted.directory / ARTEFACTS))
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    picture = Image.open(buffer).convert("RGB")
    picture.quantize(128, dither=Image.Dither.NONE).save(wanted.out, optimize=True)


if __name__ == "__main__":
    main()
