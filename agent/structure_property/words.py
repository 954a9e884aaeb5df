"""Relations as people read them in a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
from rich.console import RenderableType
from rich.markup import escape
from rich.table import Table

from agent.structure_property.finding import Constant, Found, Missing, constants
from agent.words import NO_VALUE, chemical, plus_minus
from surrogates.structure_property.choosing import OUTLIER, Relation
from surrogates.structure_property.fitting import Fitted
from surrogates.structure_property.forms import Form

LABELS = {"porosity": ("porosity, %", 100.0), "grain_size": ("grains, µm", 1.0)}


def parts(found: Found | Missing) -> Iterator[RenderableType]:
    """All that is told of one property."""
    if isinstance(found, Missing):
        yield f"[bold]{escape(found.name or 'Structure and property')}[/]: no law is fitted: {escape(found.words)}"
        return
    best = found.best
    compounds = len(best.crystals.names)
    of = f" of {compounds} compounds" if compounds > 1 else ""
    yield f"[bold]{escape(found.name)}[/] by porosity and grains: {len(best.points)} experiments{of}"
    yield f"  {escape(formula_words(best.form))}   [dim]{escape(best.form.citation)}[/]"
    yield _constants(best, found.unit)
    yield escape(quality(best))
    for note in found.notes:
        yield f"[dim]Note: {escape(note)}.[/]"
    yield _experiments(found)
    yield escape(outlier_words(found.relation))
    if found.relation.alternatives:
        yield _alternatives(found.relation, found.unit)


def number(value: float, digits: int = 3) -> str:
    """A number to so many digits, without exponent where it is read easily."""
    return f"{value:.{digits}g}"


def formula_words(form: Form) -> str:
    """A formula as it is printed."""
    shown = form.formula.replace("^(-1/2)", "⁻½").replace("^2", "²").replace("^n", "ⁿ").replace("^(-a)", "⁻ᵃ")
    return re.sub(r"(?<=[HMS])0", "₀", shown).replace("(-", "(−").replace(" - ", " − ")


def constant_words(one: Constant) -> str:
    """A constant with its standard error and unit."""
    unit = one.unit.replace(" um^0.5", "·µm½") if one.unit != "1" else ""
    return plus_minus((one.value, one.std), unit=unit)


def constants_words(fitted: Fitted, unit: str) -> str:
    """All constants of a law in a line."""
    return ", ".join(f"{c.name} = {constant_words(c)}" for c in constants(fitted, unit))


def interval_words(one: Constant) -> str:
    """The 90% interval of a constant."""
    return f"{number(one.low)} to {number(one.high)}"


def quality(fitted: Fitted) -> str:
    """How well a law describes the experiments."""
    s, own, spread = fitted.scatter, "", ""
    if fitted.crystals.shares:
        own = " with each crystal's own dense value"
        spread = f"; crystals differ by a factor of {np.exp(fitted.spread.max()):.2f}"
    scatter = f"{s:.0%}" if s < 0.3 else f"a factor of {np.exp(s):.2f}"
    others = f"R² of each as all others predict it {fitted.r2_left_out:.2f}"
    return f"R² {fitted.r2:.3f}{own}; {others}; scatter beyond all uncertainties {scatter}{spread}"


def outlier_words(relation: Relation) -> str:
    """Which experiments lie too far off."""
    points = relation.best.points
    several = len(relation.best.crystals.names) > 1
    once = {i for i in relation.outliers if several and points.group.count(points.group[i]) == 1}
    named = [
        f"{points.ids[i]} (z = {relation.best.z[i]:+.1f}{', a crystal made once' if i in once else ''})"
        for i in relation.outliers
    ]
    unlike = "; a crystal made once may just be unlike the others" if once else ""
    if not named:
        return f"No experiment lies further than |z| = {OUTLIER:g} from what all others say."
    far = f"Further than |z| = {OUTLIER:g} from what all others say: {', '.join(named)}"
    return f"{far}; look at their images first{unlike}."


def rows(found: Found) -> list[list[str]]:
    """The table of experiments: id, compound, descriptors, measured, fitted, from all others, z."""
    best = found.best
    p = best.points
    made = []
    for i, name in enumerate(p.ids):
        shown = [plus_minus((float(p.x[k][i]), float(p.x_std[k][i])), factor=f) if k in p.x else NO_VALUE
                 for k, (_, f) in LABELS.items()]  # fmt: skip
        made.append([
            name, chemical(found.data.formulas[i]), *shown, plus_minus((float(p.value[i]), float(p.std[i]))),
            plus_minus((float(best.fitted[i]), float(best.fitted[i] * best.fitted_std[i]))),
            number(float(p.value[i] * np.exp(-best.left[i]))), f"{best.z[i]:+.1f}",
        ])  # fmt: skip
    return made


def _constants(fitted: Fitted, unit: str) -> Table:
    table = Table(show_header=True, box=None, padding=(0, 2))
    for name in ("", "value", "90% interval", ""):
        table.add_column(name)
    for one in constants(fitted, unit):
        table.add_row(one.name, constant_words(one), interval_words(one), f"[dim]{escape(one.words)}[/]")
    return table


def _experiments(found: Found) -> Table:
    table = Table(show_header=True)
    unit = f", {found.unit}" if found.unit else ""
    for name in ("", "compound"):
        table.add_column(name)
    for name in (*(label for label, _ in LABELS.values()), f"measured{unit}", "fitted", "from all others", "z"):
        table.add_column(name, justify="right")
    outliers = set(found.relation.outliers)
    for i, row in enumerate(rows(found)):
        table.add_row(*row, style="red" if i in outliers else "")
    return table


def _alternatives(relation: Relation, unit: str) -> Table:
    table = Table(title="Other laws", title_justify="left", show_header=True, box=None, padding=(0, 2))
    for name in ("law", "constants", "AICc more by", "R²", "R² from others"):
        table.add_column(name)
    for one in relation.alternatives:
        told = constants_words(one, unit)
        more = difference(relation.best, one)
        table.add_row(escape(formula_words(one.form)), told, more, f"{one.r2:.3f}", f"{one.r2_left_out:.2f}")
    return table


def difference(best: Fitted, other: Fitted) -> str:
    """By how much another law's AICc is larger; from about 4 on the experiments speak against it."""
    return f"{other.aicc - best.aicc:.1f}" if np.isfinite(other.aicc) and np.isfinite(best.aicc) else NO_VALUE
