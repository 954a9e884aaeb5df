"""The report's figures: matplotlib's object interface, drawn once for light and once for dark pages, as SVG text."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure

SIZE = (4.5, 3.8)
"""Inches; the text stays readable when a telephone shows the figure 358 pixels wide."""

FAMILY_MARKERS = {"nitride": "s", "boride": "D", "carbide": "^", "oxide": "o", "silicide": "v", "other": "P"}


@dataclass(frozen=True)
class Theme:
    """Colours of a page.

    Args:
        ink: text and axes.
        soft: secondary lines and marks.
        surface: what lies behind.
        accent: this campaign.
        bad: failed experiments.
        pools: a colour for each pool (Okabe and Ito's palette, lightened for dark pages).
        hardness: name of the colour map for hardness.
        span: the part of that map with enough contrast on the surface.
    """

    ink: str
    soft: str
    surface: str
    accent: str
    bad: str
    pools: Mapping[str, str]
    hardness: str
    span: tuple[float, float]


LIGHT = Theme(
    "#1d2733", "#66717f", "#ffffff", "#0b62a4", "#b3261e",
    {"start": "#66717f", "random": "#b26a00", "local": "#0b62a4", "library": "#00795a", "ppo": "#a8437f"},
    "viridis_r", (0.08, 1.0),
)  # fmt: skip
DARK = Theme(
    "#e6ebf1", "#9aa7b5", "#171d25", "#6db9f2", "#ff8a80",
    {"start": "#9aa7b5", "random": "#f0a63c", "local": "#6db9f2", "library": "#3ecf9f", "ppo": "#e58fc0"},
    "viridis", (0.22, 1.0),
)  # fmt: skip


@dataclass(frozen=True)
class Point:
    """One experiment as the figures need it; GPa, degrees Celsius, um, area fraction.

    Args:
        number: position in the campaign, from 1.
        melting_share: peak temperature over the estimated melting temperature, both in K.
        melting: melting point estimated from the composition.
    """

    id: str
    number: int
    formula: str
    pool: str
    family: str
    temperature: float
    melting_share: float
    melting: float
    hardness: tuple[float, float] | None
    porosity: tuple[float, float] | None
    forecast: tuple[float, float, float] | None
    """Median, 5% and 95% quantiles of the forecast."""


Draw = Callable[[Axes, Theme], None]


def _pools(points: Sequence[Point], theme: Theme) -> dict[str, str]:
    """Pools that proposed something, each with its colour, in the theme's order."""
    used = {p.pool for p in points}
    known = {name: colour for name, colour in theme.pools.items() if name in used}
    return known | dict.fromkeys(sorted(used - set(known)), theme.ink)


def styled(theme: Theme) -> AbstractContextManager[None]:
    """Within it, figures are drawn in a page's colours."""
    style: dict[Any, Any] = {
        "font.size": 11, "text.color": theme.ink, "axes.labelcolor": theme.ink, "axes.edgecolor": theme.soft,
        "xtick.color": theme.ink, "ytick.color": theme.ink, "axes.facecolor": theme.surface,
        "figure.facecolor": theme.surface, "axes.spines.top": False, "axes.spines.right": False,
        "legend.frameon": False, "legend.fontsize": 9.5, "svg.hashsalt": "labwright", "font.family": "DejaVu Sans",
    }  # fmt: skip
    return mpl.rc_context(style)


def render(draw: Draw, theme: Theme, size: tuple[float, float] = SIZE) -> str:
    """Draw a figure and return it as SVG; equal data give equal bytes."""
    with styled(theme):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasSVG(figure)
        draw(figure.add_subplot(), theme)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def best_so_far(points: Sequence[Point], random: Sequence[Point] | None, n_start: int) -> Draw:
    """Highest hardness measured up to each experiment, with every measurement behind it."""

    def draw(ax: Axes, theme: Theme) -> None:
        n = max(len(points), len(random or ()))
        ax.axvspan(0.5, n_start + 0.5, color=theme.soft, alpha=0.16, lw=0)
        ax.text(0.5 + n_start / 2, 0.985, "start", transform=ax.get_xaxis_transform(), ha="center", va="top",
                color=theme.soft, fontsize=9.5)  # fmt: skip
        _curve(ax, points, theme.accent, "this campaign", "-", -0.8)
        if random:
            _curve(ax, random, theme.soft, "random", "--", -2.0)
        _name_best(ax, points, theme)
        failed = [p for p in (*points, *(random or ())) if p.hardness is None]
        if failed:
            ax.plot([], [], "x", color=theme.soft, label="failed", ls="")
        ax.set(xlim=(0.5, n + 0.5), xlabel="experiment", ylabel="hardness (GPa)")
        top = max((p.hardness[0] for p in (*points, *(random or ())) if p.hardness), default=1.0)
        ax.set_ylim(-2.6 if failed else 0.0, 1.22 * top)
        ax.set_yticks([t for t in ax.get_yticks() if 0 <= t <= 1.22 * top])
        _legend(ax)

    return draw


def _name_best(ax: Axes, points: Sequence[Point], theme: Theme) -> None:
    best = max((p for p in points if p.hardness), key=lambda p: p.hardness[0] if p.hardness else 0.0, default=None)
    if best and best.hardness:
        late = best.number > 0.7 * len(points)
        ax.annotate(f"{best.formula}, {best.hardness[0]:.1f} GPa", (best.number, best.hardness[0]), xytext=(0, 8),
                    textcoords="offset points", ha="right" if late else "left", color=theme.accent)  # fmt: skip


def _curve(ax: Axes, points: Sequence[Point], colour: str, label: str, line: str, failed_at: float) -> None:
    best, values = 0.0, []
    for p in points:
        best = max(best, p.hardness[0] if p.hardness else 0.0)
        values.append(best if best > 0 else np.nan)
    ax.step([p.number for p in points], values, where="post", color=colour, ls=line, lw=2.2, label=label)
    done = [(p.number, p.hardness) for p in points if p.hardness]
    ax.errorbar([n for n, _ in done], [h[0] for _, h in done], yerr=[1.645 * h[1] for _, h in done], fmt="o", ms=3.8,
                color=colour, alpha=0.6, lw=1)  # fmt: skip
    failed = [p.number for p in points if p.hardness is None]
    ax.plot(failed, [failed_at] * len(failed), "x", color=colour, ms=5.5, mew=1.5)


def predicted_measured(points: Sequence[Point]) -> Draw:
    """What the models expected against what was measured, with 90% intervals of both."""

    def draw(ax: Axes, theme: Theme) -> None:
        top = 1.0
        for pool, colour in _pools(points, theme).items():
            pairs = [(p.forecast, p.hardness) for p in points if p.pool == pool and p.forecast and p.hardness]
            if not pairs:
                continue
            median, low, high = np.array([f for f, _ in pairs]).T
            value, std = np.array([h for _, h in pairs]).T
            ax.errorbar(median, value, xerr=[median - low, high - median], yerr=1.645 * std, fmt="o", ms=6,
                        color=colour, lw=1.3, label=pool, alpha=0.9)  # fmt: skip
            # Skewed forecasts reach far up: their bars may leave the figure so that the measurements stay apart.
            top = max(top, float(median.max()), float((value + 1.645 * std).max()))
        ax.plot([0, 1.08 * top], [0, 1.08 * top], color=theme.soft, ls="--", lw=1.2, zorder=0)
        ax.set(xlim=(0, 1.08 * top), ylim=(0, 1.08 * top), xlabel="predicted hardness (GPa)",
               ylabel="measured hardness (GPa)")  # fmt: skip
        _legend(ax)

    return draw


def temperature_porosity(points: Sequence[Point], scale: tuple[float, float]) -> Draw:
    """Sintering temperature against the porosity that the CNN read, coloured by hardness."""

    def draw(ax: Axes, theme: Theme) -> None:
        seen = [p for p in points if p.porosity and p.hardness]
        ax.errorbar([p.temperature for p in seen], [100 * p.porosity[0] for p in seen if p.porosity],
                    yerr=[164.5 * p.porosity[1] for p in seen if p.porosity], fmt="none", ecolor=theme.soft,
                    lw=1, alpha=0.6, zorder=1)  # fmt: skip
        top = max((100 * p.porosity[0] for p in seen if p.porosity), default=10.0)
        marks = [(p, p.temperature, 100 * p.porosity[0]) for p in seen if p.porosity]
        _scatter(ax, marks, theme, scale)
        failed = [p.temperature for p in points if p.hardness is None]
        at = -0.11 * top
        _failed(ax, failed, [at] * len(failed), theme)
        ax.axhline(0, color=theme.soft, lw=0.6)
        ax.set(xlabel="sintering temperature (°C)", ylabel="porosity read by the CNN (%)",
               ylim=(1.9 * at, 1.12 * top))  # fmt: skip
        ax.set_yticks([t for t in ax.get_yticks() if 0 <= t <= 1.12 * top])

    return draw


def design_space(points: Sequence[Point], scale: tuple[float, float]) -> Draw:
    """Every design made: how hot for its compound, and how refractory that is."""

    def draw(ax: Axes, theme: Theme) -> None:
        _scatter(ax, [(p, p.melting_share, p.melting) for p in points if p.hardness], theme, scale)
        failed = [p for p in points if p.hardness is None]
        _failed(ax, [p.melting_share for p in failed], [p.melting for p in failed], theme)
        ax.set(xlabel="sintering / melting temperature (K/K)", ylabel="estimated melting point (°C)")

    return draw


def _scatter(ax: Axes, marks: Sequence[tuple[Point, float, float]], theme: Theme, scale: tuple[float, float]) -> None:
    """Marks coloured by hardness and shaped by family, with one colour bar and one legend."""
    colours = ListedColormap(mpl.colormaps[theme.hardness](np.linspace(*theme.span, 256)))
    norm = Normalize(*scale)
    used = {p.family for p, _, _ in marks}
    for family in (f for f in FAMILY_MARKERS if f in used):
        mine = [(x, y, p.hardness[0]) for p, x, y in marks if p.family == family and p.hardness]
        ax.scatter([m[0] for m in mine], [m[1] for m in mine], c=[m[2] for m in mine], cmap=colours, norm=norm,
                   marker=FAMILY_MARKERS[family], s=52, edgecolors=theme.ink, linewidths=0.6, zorder=3)  # fmt: skip
        ax.plot([], [], FAMILY_MARKERS[family], color=theme.soft, ls="", label=family)
    figure = ax.figure
    bar = figure.colorbar(mpl.cm.ScalarMappable(norm, colours), ax=ax, label="measured hardness (GPa)", pad=0.02)
    bar.outline.set_visible(False)


def _failed(ax: Axes, x: Sequence[float], y: Sequence[float], theme: Theme) -> None:
    """Crosses for experiments that gave no hardness, and the legend of the finished figure."""
    if x:
        ax.plot(x, y, "x", color=theme.bad, ms=7, mew=1.8, ls="", label="failed")
    _legend(ax)


def _legend(ax: Axes) -> None:
    """A legend above the axes, in columns that fit the figure."""
    if not (handles := ax.get_legend_handles_labels()[0]):
        return
    ax.figure.legend(loc="outside upper center", ncols=min(len(handles), 3), columnspacing=1.2, handletextpad=0.5,
                     handlelength=1.5)  # fmt: skip


def by_pool(points: Sequence[Point]) -> Draw:
    """Hardness of what each pool proposed; crosses below zero failed."""

    def draw(ax: Axes, theme: Theme) -> None:
        pools = _pools(points, theme)
        failed_any = any(p.hardness is None for p in points)
        for row, (name, colour) in enumerate(pools.items()):
            mine = [p for p in points if p.pool == name]
            values = [p.hardness[0] for p in mine if p.hardness]
            # A fixed pattern of offsets keeps equal values apart without random numbers.
            spread = [row + 0.12 * ((i % 5) - 2) for i in range(len(values))]
            ax.plot(values, spread, "o", color=colour, ms=6, alpha=0.85)
            if values:
                ax.plot([np.median(values)] * 2, [row - 0.36, row + 0.36], color=theme.ink, lw=2)
            n_failed = len(mine) - len(values)
            if n_failed:
                ax.text(-1.2, row, f"{n_failed} ×", color=theme.bad, ha="right", va="center", fontsize=10)
        ax.set_yticks(range(len(pools)), list(pools))
        ax.set(xlabel="measured hardness (GPa); bar: median", ylim=(len(pools) - 0.4, -0.6))
        ax.set_xlim(left=-5.5 if failed_any else 0.0)
        ax.set_xticks([t for t in ax.get_xticks() if t >= 0])

    return draw
