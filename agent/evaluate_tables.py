"""Prints the figures of an evaluation as tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

FIGURES = {
    "boundary_f1": "boundary F1 (2 px)",
    "intercept_median_error": "mean intercept, median error",
    "intercept_p90_error": "  90th percentile",
    "grain_size_median_error": "grain size, median error",
    "grain_size_p90_error": "  90th percentile",
    "d50_median_error": "D50, median error",
    "elongation_median_error": "elongation, median error",
    "porosity_mae": "porosity, mean error (absolute)",
    "porosity_median_error": "porosity, median error",
    "phase_fraction_mae": "phase fraction, mean error",
    "crack_f1_pooled": "crack F1 (2 px), pooled",
    "crack_f1": "crack F1, mean of fields",
    "phase_iou_pooled": "second-phase IoU, pooled",
    "phase_iou": "second-phase IoU, mean of fields",
    "grain_size_90_coverage": "90% intervals hold: grain size",
    "intercept_90_coverage": "  intercept",
    "astm_g_90_coverage": "  ASTM G",
    "porosity_90_coverage": "  porosity",
    "phase_fraction_90_coverage": "  phase fraction",
}
"""Rows of the first table; shares and relative errors are printed in per cent."""
AS_THEY_ARE = frozenset({
    "boundary_f1", "crack_f1", "crack_f1_pooled", "phase_iou", "phase_iou_pooled", "elongation_median_error",
})  # fmt: skip
"""Figures that are no percentages."""
SHORT = {"delta_g_mean_absolute": "|dG|", "delta_g_mean": "dG", "f1": "F1", "iou": "IoU"}
NAN = "-"


def show(figures: Mapping[str, Any], console: Console) -> None:
    """Print all tables that the figures fill."""
    for table in (_virtual(figures["virtual"]), _classes(figures["classes"]), _refusals(figures)):
        console.print(table)
    if "real" in figures:
        show_real(figures["real"], console)


def show_real(real: Mapping[str, Any], console: Console) -> None:
    """Print the tables of real images."""
    for table in (_real(real), *_tuned(real)):
        console.print(table)
    row = real["false_alarms"]
    console.print(f"Refused of these {row['pictures']} good images: {row['refused']}.")


def _virtual(virtual: Mapping[str, Any]) -> Table:
    table = Table(title="Virtual fields that were not trained on")
    table.add_column("")
    cells: list[Mapping[str, Any]] = []
    for split, each in virtual.items():
        for way in ("network", "classical"):
            for which in ("all", "accepted"):
                number = each["fields"] - (each["refused"] if which == "accepted" else 0)
                table.add_column(f"{split}\n{way}\n{number} {which}", justify="right")
                cells.append(each[way][which])
    for name, words in FIGURES.items():
        table.add_row(words, *(_number(cell.get(name), plain=name in AS_THEY_ARE) for cell in cells))
    return table


def _classes(classes: Mapping[str, Any]) -> Table:
    table = Table(title=f"Class: {classes['accuracy']:.0%} right, every class counting alike")
    for column in ("true class", "right", "taken for"):
        table.add_column(column)
    for name, row in classes["matrix"].items():
        others = sorted(((n, found) for found, n in row.items() if found != name), reverse=True)
        table.add_row(name, f"{classes['each'][name]:.0%}", ", ".join(f"{found} {n}" for n, found in others))
    return table


def _refusals(figures: Mapping[str, Any]) -> Table:
    table = Table(title="Refused")
    for column in ("pictures", "refused", "of", "why"):
        table.add_column(column, justify="right" if column in {"refused", "of"} else "left")
    for title, key in (("bad pictures", "faults"), ("another kind of picture", "wrong_kinds")):
        rows = figures[key]
        _refusal_row(table, title, _together(rows))
        for name, row in rows.items():
            _refusal_row(table, f"  {name}", row)
    _refusal_row(table, "good pictures (false alarms)", _together(figures["false_alarms"]))
    for name, row in figures["false_alarms"].items():
        _refusal_row(table, f"  {name}", row)
    if "real" in figures:
        _refusal_row(table, "  real", figures["real"]["false_alarms"])
    return table


def _together(rows: Mapping[str, Any]) -> dict[str, Any]:
    return {key: sum(row[key] for row in rows.values()) for key in ("pictures", "refused")} | {"reasons": {}}


def _refusal_row(table: Table, name: str, row: Mapping[str, Any]) -> None:
    why = ", ".join(f"{reason} {n}" for reason, n in sorted(row["reasons"].items(), key=lambda item: -item[1]))
    share = f"{row['refused'] / row['pictures']:.1%}" if row["pictures"] else NAN
    table.add_row(name, share, str(row["pictures"]), why)


def _real(real: Mapping[str, Any]) -> Table:
    table = Table(title="Real images, nothing trained on them")
    for column in ("set", "accepted", "channel", "figure", "network", "classical"):
        table.add_column(column)
    for name, each in real.items():
        if name == "false_alarms":
            continue
        head = (name, f"{each['accepted']} of {each['images']}")
        for channel in each["channels"]:
            for figure, short in SHORT.items():
                before, plain = (each[way].get(channel, {}).get(figure) for way in ("zero_shot", "classical"))
                if before is None and plain is None:
                    continue
                table.add_row(*head, channel, short, _plain(before), _plain(plain))
                head = ("", "")
    return table


def _tuned(real: Mapping[str, Any]) -> list[Table]:
    table = Table(title="Real images, before and after fine-tuning on a few others of their set")
    for column in ("set", "learnt", "held out", "seconds", "channel", "figure", "before", "after", "classical"):
        table.add_column(column)
    for name, each in real.items():
        for row in each.get("tuned", ()):
            head = (name, str(len(row["learnt"])), str(row["held_out"]), f"{row['seconds']:.0f}")
            for channel in each["channels"]:
                for figure, short in SHORT.items():
                    values = [row[way].get(channel, {}).get(figure) for way in ("before", "after", "classical")]
                    if all(value is None for value in values):
                        continue
                    table.add_row(*head, channel, short, *(_plain(value) for value in values))
                    head = ("", "", "", "")
    return [table] if table.row_count else []


def _number(value: float | None, *, plain: bool) -> str:
    if value is None:
        return NAN
    return f"{value:.3f}" if plain else f"{value:.1%}"


def _plain(value: float | None) -> str:
    return NAN if value is None else f"{value:.3f}"
