"""A relation as a section of the report."""

from __future__ import annotations

from collections.abc import Callable

from markupsafe import Markup

from agent import plots
from agent.structure_property import drawing, words
from agent.structure_property.finding import Found, Missing
from agent.words import unit_in_print
from surrogates.structure_property.fitting import Fitted

ALTS = {
    "fitted": "Measured against fitted values, with 90% intervals of both.",
    "residuals": "Standardised residual of each experiment from what all others say of it.",
    "porosity": "The property against porosity, all else equal, with the fitted law and its 90% band.",
    "grains": "The property against the inverse square root of the grain size, all else equal.",
}


def section(found: Found | Missing, uri: Callable[[plots.Draw, plots.Theme], Markup]) -> dict[str, object]:
    """What the report's template shows of a property.

    Args:
        found: the fitted laws, or what is missing for any.
        uri: turns a figure into an address that the page holds itself.
    """
    name = found.name.replace("_", " ")
    if isinstance(found, Missing):
        return {"name": name, "missing": found.words}
    best = found.best
    return {
        "name": name,
        "missing": "",
        "n": len(best.points),
        "compounds": len(best.crystals.names),
        "formula": words.formula_words(best.form),
        "citation": best.form.citation,
        "constants": [(c.name, words.constant_words(c), words.interval_words(c), c.words) for c in found.constants],
        "quality": words.quality(best),
        "outliers": words.outlier_words(found.relation),
        "notes": found.notes,
        "laws": [_law(found, law) for law in (best, *found.relation.alternatives)],
        "unit": unit_in_print(found.unit),
        "rows": [(row, i in found.relation.outliers) for i, row in enumerate(words.rows(found))],
        "figures": {
            figure: {"light": uri(draw, plots.LIGHT), "dark": uri(draw, plots.DARK), "alt": ALTS[figure]}
            for figure, draw in drawing.draws(found).items()
        },
    }


def _law(found: Found, law: Fitted) -> tuple[str, str, str, str, str, str]:
    more = "0" if law is found.best else words.difference(found.best, law)
    told = words.constants_words(law, found.unit)
    return words.formula_words(law.form), law.form.citation, told, more, f"{law.r2:.3f}", f"{law.r2_left_out:.2f}"
