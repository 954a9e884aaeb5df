"""Figures of a relation: measured against fitted, what is left over, and what each descriptor does alone."""

from __future__ import annotations

import io

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from agent import plots
from agent.structure_property.finding import Found
from agent.structure_property.words import formula_words
from agent.words import unit_in_print
from surrogates.structure_property.choosing import OUTLIER
from surrogates.structure_property.fitting import Fitted
from surrogates.structure_property.points import Array

WIDE = 1.645
"""Standard deviations of a 90% interval."""
RATIO_OF_LOG_AXIS = 8.0


def draws(found: Found) -> dict[str, plots.Draw]:
    """The figures of a relation: ``fitted``, ``residuals``, ``porosity`` and, where they were read, ``grains``."""
    best, words = found.best, _words(found)
    made: dict[str, plots.Draw] = {
        "fitted": _measured_fitted(best, words),
        "residuals": _residuals(best),
        "porosity": _alone(best, words, "porosity"),
    }
    size = next((n for n in (*best.form.descriptors, "grain_size") if n in ("grain_size", "intercept")), "")
    return made | ({"grains": _alone(best, words, size)} if size in best.points.x else {})


def picture(found: Found) -> bytes:
    """All figures of a relation on one white page, PNG."""
    made = draws(found)
    with plots.styled(plots.LIGHT):
        figure = Figure(figsize=(9.6, 8.4), layout="constrained", dpi=120)
        FigureCanvasAgg(figure)
        figure.suptitle(formula_words(found.best.form), color=plots.LIGHT.ink)
        for place, draw in enumerate(made.values(), start=1):
            draw(figure.add_subplot(2, 2, place), plots.LIGHT)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _words(found: Found) -> str:
    unit = unit_in_print(found.unit)
    return f"{found.name.replace('_', ' ')}{f' ({unit})' if unit else ''}"


def _measured_fitted(fitted: Fitted, words: str) -> plots.Draw:
    def draw(ax: Axes, theme: plots.Theme) -> None:
        value, law = fitted.points.value, fitted.fitted
        x_bar = _log_bars(law, fitted.fitted_std)
        y_bar = WIDE * fitted.points.std
        _marks(ax, fitted, theme, law, value, x_bar, np.vstack([y_bar, y_bar]))
        low, high = 0.8 * min(law.min(), value.min()), 1.15 * max(law.max(), value.max())
        ax.plot([low, high], [low, high], color=theme.soft, ls="--", lw=1.2, zorder=0)
        _scale(ax, ax.xaxis, low, high)
        _scale(ax, ax.yaxis, low, high)
        ax.set(xlabel=f"fitted {words}", ylabel=f"measured {words}", xlim=(low, high), ylim=(low, high))
        _name_outliers(ax, fitted, theme, law, value)
        _legend(ax)

    return draw


def _residuals(fitted: Fitted) -> plots.Draw:
    def draw(ax: Axes, theme: plots.Theme) -> None:
        n = np.arange(1, len(fitted.points) + 1, dtype=np.float64)
        ax.axhspan(-1.0, 1.0, color=theme.soft, alpha=0.16, lw=0)
        ax.axhline(0.0, color=theme.soft, lw=1)
        for at in (-OUTLIER, OUTLIER):
            ax.axhline(at, color=theme.bad, lw=1, ls="--")
        none = np.zeros((2, len(n)))
        _marks(ax, fitted, theme, n, fitted.z, none, none)
        top = max(3.6, 1.15 * float(np.abs(fitted.z).max()))
        step = max(1, -(-len(n) // 14))
        ax.set_xticks(n[::step], [fitted.points.ids[i] for i in range(0, len(n), step)], rotation=90, fontsize=8.5)
        ax.set(ylabel="residual from all others (z)", ylim=(-top, top))
        _name_outliers(ax, fitted, theme, n, fitted.z)

    return draw


def _alone(fitted: Fitted, words: str, name: str) -> plots.Draw:
    """What one descriptor does while all others stay at their medians, and each experiment moved there by the law."""

    def draw(ax: Axes, theme: plots.Theme) -> None:
        points = fitted.points
        middle = {k: float(np.median(v)) for k, v in points.x.items()}
        dense = float(np.median(fitted.log_dense[fitted.crystals.group]))
        own = points.x[name]
        at, _ = fitted.curve({**_filled(middle, len(own)), name: own}, dense)
        moved = at * points.value / fitted.fitted
        x, x_bar = _axis(name, own, points.x_std[name])
        line = _range(name, own)
        curve, std = fitted.curve({**_filled(middle, len(line)), name: line}, dense)
        shown, _ = _axis(name, line, np.zeros_like(line))
        ax.fill_between(shown, *_band(curve, std), color=theme.accent, alpha=0.18, lw=0)
        ax.plot(shown, curve, color=theme.accent, lw=2)
        y_bar = WIDE * moved * points.std / points.value
        _marks(ax, fitted, theme, x, moved, np.vstack([x_bar, x_bar]), np.vstack([y_bar, y_bar]))
        _scale(ax, ax.yaxis, min(moved.min(), curve.min()), max(moved.max(), curve.max()))
        ax.set(xlabel=_label(name), ylabel=f"{words}, all else equal")
        _name_outliers(ax, fitted, theme, x, moved)
        _legend(ax)

    return draw


def _band(curve: Array, std: Array) -> tuple[Array, Array]:
    return curve * np.exp(-WIDE * std), curve * np.exp(WIDE * std)


def _filled(middle: dict[str, float], n: int) -> dict[str, Array]:
    return {k: np.full(n, v) for k, v in middle.items()}


def _range(name: str, own: Array) -> Array:
    if name == "porosity":
        return np.linspace(0.0, 1.05 * float(own.max()), 80)
    return np.asarray(np.linspace(1.05 * float(own.min()) ** -0.5, 0.95 * float(own.max()) ** -0.5, 80) ** -2.0)


def _axis(name: str, value: Array, std: Array) -> tuple[Array, Array]:
    """Where values stand on the axis of a descriptor, and half of their 90% intervals there."""
    if name == "porosity":
        return 100.0 * value, 100.0 * WIDE * std
    return value**-0.5, 0.5 * WIDE * std * value**-1.5


def _label(name: str) -> str:
    return {"porosity": "porosity read by the CNN (%)", "intercept": "(mean intercept / µm)$^{-1/2}$"}.get(
        name, "(grain size / µm)$^{-1/2}$"
    )


def _log_bars(value: Array, std: Array) -> Array:
    return np.vstack([value * (1.0 - np.exp(-WIDE * std)), value * (np.exp(WIDE * std) - 1.0)])


def _marks(ax: Axes, fitted: Fitted, theme: plots.Theme, x: Array, y: Array, x_bar: Array, y_bar: Array) -> None:
    """Filled where the crystal was made again: others then tell its dense value too."""
    group = fitted.points.group
    again = np.array([group.count(g) > 1 or not fitted.crystals.shares for g in group])
    for rows, face, label in ((again, theme.accent, "made again"), (~again, theme.surface, "made once")):
        if rows.any():
            ax.errorbar(x[rows], y[rows], xerr=x_bar[:, rows], yerr=y_bar[:, rows], fmt="o", ms=5.5, lw=1,
                        color=theme.accent, mfc=face, alpha=0.9, label=label if (~again).any() else None)  # fmt: skip


def _name_outliers(ax: Axes, fitted: Fitted, theme: plots.Theme, x: Array, y: Array) -> None:
    for i in np.flatnonzero(np.abs(fitted.z) > OUTLIER):
        ax.annotate(fitted.points.ids[i], (x[i], y[i]), xytext=(5, 5), textcoords="offset points", color=theme.bad)


def _legend(ax: Axes) -> None:
    if ax.get_legend_handles_labels()[0]:
        ax.legend(loc="best")


def _scale(ax: Axes, axis: Axis, low: float, high: float) -> None:
    """A logarithmic axis with plain numbers where values differ much."""
    if high <= RATIO_OF_LOG_AXIS * low:
        return
    (ax.set_xscale if axis is ax.xaxis else ax.set_yscale)("log")
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_formatter(NullFormatter())
