"""What the analysis of images says to people: one image in full, several as a table, and the words on an overlay."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from agent.analyse_results import QUANTITIES, Result
from agent.descriptors import DESCRIPTORS, NEEDED
from agent.words import NO_BREAK, NO_VALUE, plus_minus, unit_in_print
from surrogates.micrograph_reading import Estimate

if TYPE_CHECKING:
    from surrogates.micrograph_overlay import Strip

NAMES = {**NEEDED, **DESCRIPTORS}
SHARES = frozenset({"porosity", "phase_fraction"})
"""Quantities that people read in per cent."""


def measured(name: str, estimate: Estimate | None) -> str:
    """A quantity with its standard uncertainty and unit, as people read it."""
    if estimate is None:
        return NO_VALUE
    if name in SHARES:
        return plus_minus((estimate.value, estimate.std), factor=100.0, unit="%")
    return plus_minus((estimate.value, estimate.std), unit=_unit(estimate.unit))


def table(results: Sequence[Result]) -> Table:
    """Several images, a row each; what was refused has no numbers here."""
    found = Table(
        title="± one standard uncertainty; --json gives 90% intervals", title_justify="left", title_style="dim"
    )
    for name in ("file", "class", "accepted"):
        found.add_column(name, overflow="fold")
    for name in ("grain size", "ASTM G", "porosity", "phase", "grains"):
        found.add_column(name, justify="right", overflow="fold")
    names = short_names([result.file for result in results])
    for name, result in zip(names, results, strict=True):
        found.add_row(Text(name), Text(result.microstructure), _verdict(result), *_numbers(result))
    return found


def remarks(results: Sequence[Result]) -> list[str]:
    """Why images were refused and what to do, and why accepted ones lack a quantity of the table; a line each."""
    lines: list[str] = []
    lacking: dict[tuple[str, str], list[str]] = {}
    for name, result in zip(short_names([result.file for result in results]), results, strict=True):
        if not result.accepted:
            lines.append(f"{name}: {'refused' if result.readable else 'cannot be read'}: {why(result)}")
            continue
        words: dict[str, list[str]] = {}
        for quantity, short in (("grain_size", "grain size"), ("astm_g", "ASTM G"), ("phase_fraction", "phase")):
            if quantity in result.withheld:
                words.setdefault(result.withheld[quantity], []).append(short)
        for word, what in words.items():
            lacking.setdefault((" and no ".join(what), word), []).append(name)
    for (lack, word), names in lacking.items():
        lines.append(
            f"{', '.join(names[:3])}{f' and {len(names) - 3} more' if len(names) > 3 else ''}: no {lack}: {word}"
        )
    return lines


def why(result: Result) -> str:
    """Reason and advice in one."""
    return f"{result.reason}. {result.advice[:1].upper()}{result.advice[1:]}." if result.advice else result.reason


def facts(result: Result) -> list[tuple[str, str, str]]:
    """One image in full: what, its value with the standard uncertainty, and its 90% interval or a remark."""
    rows = [("class", result.microstructure, _likely(result))] if result.microstructure else []
    rows.append(("scale", _scale(result), result.scale_source))
    rows += [("taken with", "", result.taken)] if result.taken else []
    rows.append(("grains counted", str(result.n_grains), ""))
    for name in QUANTITIES:
        estimate = result.quantities[name]
        remark = result.withheld.get(name, "") if estimate is None else interval_in_words(name, estimate)
        rows.append((NAMES[name], measured(name, estimate), remark))
    rows += [
        (name, measured("porosity", each), interval_in_words("porosity", each)) for name, each in result.further.items()
    ]
    return rows


def fact_sheet(result: Result) -> Table:
    """One image in full, as a table."""
    found = Table(title=Text(printable(result.file)), title_justify="left")
    found.add_column("quantity")
    found.add_column("value ± standard uncertainty", justify="right")
    found.add_column("90% interval, or why not", overflow="fold")
    for row in facts(result):
        found.add_row(*map(Text, row))
    return found


def interval_in_words(name: str, estimate: Estimate) -> str:
    """The 90% interval, with as many digits as the value."""
    factor = 100.0 if name in SHARES else 1.0
    shown = plus_minus((estimate.value, estimate.std), factor=factor).split(" ")[0]
    digits = len(shown.partition(".")[2])
    low, high = (factor * end for end in estimate.interval())
    return f"{low:.{digits}f} to {high:.{digits}f}"


def strip(result: Result) -> Strip:
    """What stands below the overlay of an image."""
    from surrogates.micrograph_overlay import Strip

    found = result.quantities
    groups = (
        (("grain_size", "grain size"), ("intercept", "intercept"), ("astm_g", "G")),
        (("d10", "D10"), ("d50", "D50"), ("d90", "D90"), ("elongation", "aspect")),
        (("porosity", "porosity"), ("pore_size", "pores"), ("phase_fraction", "second phase")),
        (("boundary_length", "boundaries"), ("crack_length", "cracks")),
    )
    name = printable(Path(result.file).name)
    if not result.accepted:
        return Strip(" · ".join(filter(None, (result.microstructure, name))), [], printable(why(result)))
    lines = ["   ".join(_unbroken(word, each, found[each]) for each, word in group if found[each]) for group in groups]
    if "grain_size" in result.withheld:
        lines.append(f"no grain size: {result.withheld['grain_size']}")
    grains = f"{result.n_grains} grains" if found["grain_size"] else ""
    return Strip(" · ".join(filter(None, (result.microstructure, grains, name))), [line for line in lines if line])


def _unbroken(word: str, name: str, estimate: Estimate | None) -> str:
    return f"{word} {measured(name, estimate)}".replace(" ", NO_BREAK)


def common_folder(files: Sequence[str]) -> str:
    """The folder that the files have in common, as it was typed; empty where there is none to leave out."""
    folders = [os.path.dirname(file) for file in files]  # noqa: PTH120 - as they were typed
    try:
        return os.path.commonpath(folders)
    except ValueError:  # some from the root and others not
        return ""


def short_names(files: Sequence[str]) -> list[str]:
    """Names without the folder that they have in common."""
    common = common_folder(files)
    return [printable(os.path.relpath(file, common) if common else file) for file in files]


def printable(text: str) -> str:
    """A name that a terminal can show: undecodable bytes become question marks, control characters are escaped."""
    text = text.encode("utf-8", "replace").decode()
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


def _numbers(result: Result) -> list[str]:
    if not result.accepted:
        return [NO_VALUE] * 4 + [str(result.n_grains) if result.n_grains else NO_VALUE]
    values = [
        measured(name, result.quantities[name]) for name in ("grain_size", "astm_g", "porosity", "phase_fraction")
    ]
    return [*values, str(result.n_grains)]


def _verdict(result: Result) -> Text:
    if result.accepted:
        return Text("yes", style="green")
    return Text("refused" if result.readable else "unreadable", style="red")


def _likely(result: Result) -> str:
    best = sorted(result.class_probabilities.items(), key=lambda each: -each[1])[:3]
    return ", ".join(f"{name} {share:.0%}" for name, share in best if share >= 0.005)


def _scale(result: Result) -> str:
    return "not known" if result.pixel_size is None else f"{result.pixel_size:.4g} µm a pixel"


def _unit(unit: str) -> str:
    if unit == "1":
        return ""
    over, _, under = unit.partition("/")
    return f"{unit_in_print(under)}⁻¹" if under else unit_in_print(over)
