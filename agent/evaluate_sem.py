"""The tables behind ``labwright evaluate sem``: how well micrographs are read, beside the classical way."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from rich.console import Console

from agent.evaluate_exam import Examination
from agent.evaluate_real import real_figures, real_sets
from agent.evaluate_reasons import said
from agent.evaluate_tables import show
from agent.evaluate_watch import Watch
from agent.wiring_reader import micrograph_examination
from envs.errors import UserError
from surrogates.micrograph_classical import Tone, classical
from surrogates.micrograph_evaluation import (
    LEAST_PHASE,
    Row,
    classical_row,
    confusion,
    network_row,
    reliability,
    summary,
)
from surrogates.micrograph_fields import LabelledField
from surrogates.micrograph_io import Micrograph
from surrogates.micrograph_reader import SHIPPED, MicrographReader

FIELDS = 60
"""Virtual fields of each split unless told otherwise: all takes some ten minutes on one core."""
PER_FIELD = 8
"""For so many fields of a split there is one picture of each class, of each fault and of each odd kind."""
PIXEL = 1.0
"""um; virtual fields are judged in pixels, and a scale is needed for the ASTM number."""

Grey = npt.NDArray[np.float32]


def evaluate_sem(
    *,
    fields: int = FIELDS,
    data: Path | None = None,
    model: Path | None = None,
    as_json: bool = False,
    out: Path | None = None,
    description: Path | None = None,
) -> None:
    """Judge a reader of micrographs and print tables; progress goes to standard error.

    Args:
        fields: virtual fields of each split.
        data: folder of labelled real images, as for training, or with a description of several sets.
        model: a file of weights; None takes the shipped one.
        as_json: end with one line of JSON on standard output.
        out: a file that keeps the same JSON, indented.
        description: of the sets in ``data``; None takes ``evaluate.toml`` in it, where there is one.

    Raises:
        UserError: the model or the folder cannot be read, or the file cannot be written.
    """
    torch.set_num_threads(1)
    if fields < 1:
        raise UserError(f"{fields} fields are none: take at least 1")
    reader = MicrographReader.load(SHIPPED if model is None else model)
    sets = [] if data is None else real_sets(data, description)
    exam = micrograph_examination()
    with Watch() as watch:
        figures: dict[str, object] = {
            "model": {"file": "shipped" if model is None else model.name, "training": reader.metadata.get("training")},
            "seeds": dict(exam.seeds),
            "fields": fields,
            **virtual_figures(reader, exam, fields, watch),
        }
        if data is not None:
            figures["real"] = real_figures(reader, sets, watch)
    show(figures, Console())
    if out is not None:
        write_json(out, figures)
    if as_json:
        sys.stdout.write(json.dumps(figures) + "\n")


def virtual_figures(reader: MicrographReader, exam: Examination, number: int, watch: Watch) -> dict[str, object]:
    """All figures on virtual pictures, JSON-ready."""
    pictures = max(number // PER_FIELD, 1)
    virtual: dict[str, object] = {}
    alarms: dict[str, object] = {}
    for name, unusual in (("unseen seeds", False), ("unseen appearance", True)):
        drawn = watch.over(f"Fields, {name}", exam.fields(number, unusual=unusual), number)
        rows, reasons = _rows(reader, drawn)
        virtual[name] = split_figures(rows)
        alarms[name] = {"pictures": len(rows), "refused": sum(reasons.values()), "reasons": dict(reasons)}
    pairs = [
        (true, reader.read(Micrograph(image, PIXEL, "given")).microstructure)
        for true, image in watch.over("Classes", exam.classes(pictures), 10 * pictures)
    ]
    return {
        "virtual": virtual,
        "classes": confusion(pairs),
        "false_alarms": alarms,
        "faults": refusals(reader, watch.over("Faults", exam.faults(pictures), 9 * pictures)),
        "wrong_kinds": refusals(reader, watch.over("Odd pictures", exam.odd(pictures), 22 * pictures)),
    }


def refusals(reader: MicrographReader, pictures: Iterable[tuple[str, Grey]]) -> dict[str, dict[str, object]]:
    """By name: how many pictures, how many of them are refused, and why."""
    number: Counter[str] = Counter()
    reasons: dict[str, Counter[str]] = {}
    for name, image in pictures:
        number[name] += 1
        reading = reader.read(Micrograph(image, PIXEL, "given"))
        kept = reasons.setdefault(name, Counter())
        if not reading.accepted:
            kept[said(reading.reason)] += 1
    return {
        name: {"pictures": total, "refused": sum(reasons[name].values()), "reasons": dict(reasons[name])}
        for name, total in number.items()
    }


def split_figures(rows: Sequence[tuple[Row, Row]]) -> dict[str, object]:
    """Figures of the network and the classical way on all pictures of a split, and on those that are accepted."""
    accepted = [pair for pair in rows if pair[0].accepted]
    points = [[round(v, 4) for v in (row.true[n], row.found[n], row.std.get(n, np.nan))]
              for row, _ in accepted for n in ("grain_size",) if np.isfinite(row.found[n])]  # fmt: skip
    return {
        "fields": len(rows),
        "refused": len(rows) - len(accepted),
        "network": {"all": summary([n for n, _ in rows]), "accepted": summary([n for n, _ in accepted])},
        "classical": {"all": summary([c for _, c in rows]), "accepted": summary([c for _, c in accepted])},
        "reliability": {"all": reliability([n for n, _ in rows]), "accepted": reliability([n for n, _ in accepted])},
        "grain_size_points": points,
    }


def tone_of(field: LabelledField) -> Tone | None:
    """What a person sees of a second phase and tells the classical way: whether there is one, and if it is dark."""
    matrix = ~(field.phase | field.pores | field.cracks)
    if field.phase.sum() < LEAST_PHASE * (~(field.pores | field.cracks)).sum() or not matrix.any():
        return None
    return Tone.BRIGHT if field.image[field.phase].mean() > field.image[matrix].mean() else Tone.DARK


def write_json(path: Path, figures: dict[str, object]) -> None:
    """Keep figures in a file.

    Raises:
        UserError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}); choose another place with --out") from error


def _rows(reader: MicrographReader, fields: Iterator[LabelledField]) -> tuple[list[tuple[Row, Row]], Counter[str]]:
    """The network's and the classical row of each field, and why the reader refuses some."""
    rows, reasons = [], Counter[str]()
    for field in fields:
        reading = reader.read(Micrograph(field.image, PIXEL, "given"))
        if not reading.accepted:
            reasons[said(reading.reason)] += 1
        plain = classical(field.image, tone_of(field))
        rows.append((network_row(reading, field), classical_row(plain, field, accepted=reading.accepted)))
    return rows, reasons
