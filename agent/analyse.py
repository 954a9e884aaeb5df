"""The command ``labwright analyse``: measures micrographs that people bring, one file or a hundred."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from agent.analyse_fields import FieldsMean, grain_size_number, together
from agent.analyse_images import Wanted, wanted
from agent.analyse_overlays import Overlays
from agent.analyse_results import Result, as_object, result_of, unreadable, write_csv
from agent.analyse_words import NAMES, SHARES, fact_sheet, printable, remarks, table, why
from agent.words import NO_BREAK, plus_minus, unit_in_print
from envs.errors import UserError
from surrogates.micrograph_io import read_micrograph
from surrogates.micrograph_reader import SHIPPED, MicrographReader

NARROWEST = 110
"""Columns of the table where standard output is no terminal."""
SOME_UNREADABLE = 1
UNEXPECTED = (ArithmeticError, LookupError, MemoryError, RuntimeError, ValueError)
"""What an image that nobody thought of may raise: hours of measuring the others are not lost to it."""


@dataclass(frozen=True)
class Request:
    """What was asked on the command line.

    Args:
        images: files, folders and patterns as they were typed.
        pixel_size: micrometres a pixel; None takes the file's own.
        as_json: print an array of objects instead of tables.
        overlay: folder for overlays, or None.
        csv: file for a table, or None.
        model: weights; None takes the shipped ones.
    """

    images: tuple[str, ...]
    pixel_size: float | None = None
    as_json: bool = False
    overlay: Path | None = None
    csv: Path | None = None
    model: Path | None = None


def analyse(request: Request) -> None:
    """Measure every image and print what was found; a refusal is a result, a file that is no image is not.

    Raises:
        UserError: no file could be read, the model cannot be, or an output cannot be written.
        Exit: with code 1 when some files could be read and others not.
    """
    files = wanted(request.images)
    if not request.as_json and all(file.path is None for file in files):
        raise UserError(_complaint([unreadable(file.name, file.trouble) for file in files]))
    if request.csv is not None and (request.csv.is_dir() or not request.csv.absolute().parent.is_dir()):
        raise UserError(f"{request.csv}: cannot be written there; name a file in a folder that exists")
    reader = MicrographReader.load(request.model or SHIPPED)
    overlays = Overlays(request.overlay) if request.overlay is not None else None
    results = list(_read(files, reader, request.pixel_size, overlays))
    if request.csv is not None:
        write_csv(results, request.csv)
    broken = [result for result in results if not result.readable]
    if request.as_json:
        print(json.dumps([as_object(result) for result in results], allow_nan=False, indent=2))  # noqa: T201 - the answer
    elif len(broken) < len(results):
        _tell(results)
    if len(broken) == len(results):
        raise UserError(_complaint(broken))
    if broken:
        sys.stdout.flush()
        typer.echo(f"Error: {_complaint(broken)}", err=True)
        raise typer.Exit(SOME_UNREADABLE)


def read_one(file: Wanted, reader: MicrographReader, pixel_size: float | None, overlays: Overlays | None) -> Result:
    """Read, measure and draw one image; one that cannot be read gives a result that says why.

    Raises:
        UserError: the overlay cannot be written.
    """
    if file.path is None:
        return unreadable(file.name, file.trouble)
    try:
        micrograph = read_micrograph(file.path, pixel_size)
    except UserError as error:
        return unreadable(file.name, str(error))
    try:
        reading = reader.read(micrograph)
    except UNEXPECTED as error:
        return unreadable(file.name, f"cannot be measured ({type(error).__name__}: {error}); please report this image")
    result = result_of(file.name, micrograph, reading)
    if overlays is not None:
        overlays.write(result, micrograph, reading)
    return result


def _read(
    files: Sequence[Wanted], reader: MicrographReader, pixel_size: float | None, overlays: Overlays | None
) -> Iterator[Result]:
    with _progress(len(files)) as bar:
        task = bar.add_task("", total=len(files))
        for file in files:
            bar.update(task, description=printable(Path(file.name).name).replace("[", "\\["))
            yield read_one(file, reader, pixel_size, overlays)
            bar.advance(task)


@contextmanager
def _progress(n_files: int) -> Iterator[Progress]:
    """A bar on standard error, where somebody looks and there is something to wait for."""
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("Reading"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
        console=console,
        transient=True,
        disable=n_files < 2 or not console.is_terminal,
    )
    with bar:
        yield bar


def _tell(results: Sequence[Result]) -> None:
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, NARROWEST)
    if len(results) == 1:
        (result,) = results
        if not result.accepted:
            console.print(Text(f"REFUSED: {why(result)}", style="bold red"))
            console.print("What was seen nevertheless is no measurement:")
        console.print(fact_sheet(result))
        return
    console.print(table(results))
    for line in remarks(results):
        console.print(Text(line), soft_wrap=True)
    means = together(results)
    if means:
        console.print(_means(means))


def _means(means: Sequence[FieldsMean]) -> Table:
    """The summary: of use where the images are fields of one sample."""
    found = Table(title="Accepted images taken together, if they are fields of one sample", title_justify="left")
    found.add_column("quantity")
    for name in ("fields", "mean ± 95%", "90% interval", "from field to field", "relative accuracy"):
        found.add_column(name, justify="right")
    for each in means:
        found.add_row(*_mean_row(each))
        if each.quantity == "intercept" and each.unit == "um":
            found.add_row("ASTM grain size number", "", plus_minus(grain_size_number(each)), "", "", "")
    return found


def _mean_row(each: FieldsMean) -> tuple[str, ...]:
    factor, unit = (100.0, "%") if each.quantity in SHARES else (1.0, unit_in_print(each.unit))
    low, high = factor * max(each.mean - each.half_90, 0.0), factor * (each.mean + each.half_90)
    accuracy = each.relative_accuracy
    return (
        NAMES[each.quantity],
        str(each.n_fields),
        f"{factor * each.mean:.3g} ± {factor * each.half_95:.2g}{NO_BREAK}{unit}",
        f"{low:.3g} to {high:.3g}",
        f"{factor * each.scatter:.2g}{NO_BREAK}{unit}",
        f"{accuracy:.0%}" if accuracy <= 1.0 else "over 100%",
    )


def _complaint(broken: Sequence[Result]) -> str:
    """One message for files that cannot be read."""
    named = [f"{printable(result.file)}: {result.reason}" for result in broken[:5]]
    more = [f"and {len(broken) - 5} more"] if len(broken) > 5 else []
    head = "" if len(broken) == 1 else f"{len(broken)} files cannot be read: "
    return head + "; ".join([*named, *more])
