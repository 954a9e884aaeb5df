"""The report's micrographs: which ones to show, reduced, with a scale bar, as data URIs."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from agent import events as ev
from agent.descriptor_words import class_words, descriptor_words
from agent.descriptors import DESCRIPTORS
from agent.progress import describe_process
from agent.record import ExperimentRecord
from agent.store import ArtefactStore
from agent.words import chemical, length, plus_minus, typeset
from surrogates.micrograph_io import read_micrograph

WIDTH = 512
"""Pixels of a picture in the report; a card shows two."""

JPEG_QUALITY = 78
N_SHOWN, N_REFUSED = 6, 4


@dataclass(frozen=True)
class Card:
    """One micrograph with what the CNN made of it.

    Args:
        title: why it is shown.
        picture: data URI of the micrograph.
        overlay: data URI of the CNN's drawing on it, ``""`` when there is none.
        caption: numbers and process, in words.
        reason: why it was refused, ``""`` when accepted.
    """

    title: str
    experiment: str
    formula: str
    picture: str
    overlay: str
    caption: tuple[str, ...]
    reason: str = ""


def cards(experiments: Sequence[ExperimentRecord], store: ArtefactStore) -> list[Card]:
    """The best sample and the extremes of what was seen, each once."""
    chosen: dict[str, str] = {}
    for title, experiment in _candidates([e for e in experiments if e.reading and e.hardness]):
        if experiment.id in chosen:
            chosen[experiment.id] += f", {title}"
        elif len(chosen) < N_SHOWN:
            chosen[experiment.id] = title
    found = {e.id: e for e in experiments}
    made = []
    for experiment_id, title in chosen.items():
        experiment = found[experiment_id]
        if experiment.reading:
            made.append(_card(_capital(title), experiment, experiment.reading, store))
    return made


def refused(experiments: Iterable[ExperimentRecord], store: ArtefactStore) -> list[Card]:
    """Images that the CNN refused; different reasons first. A file that is no image has no picture to show."""
    seen = [(e, r) for e in experiments for r in e.readings if not r.accepted and r.overlay]
    kinds: dict[str, int] = {}
    ranked = []
    for experiment, reading in seen:
        kind = "".join(c for c in reading.reason.split(":")[0] if not c.isdigit())
        kinds[kind] = kinds.get(kind, 0) + 1
        ranked.append((kinds[kind], experiment, reading))
    ranked.sort(key=lambda item: item[0])
    return [_card(f"Refused, image {r.attempt + 1}", e, r, store) for _, e, r in ranked[:N_REFUSED]]


def _candidates(read: Sequence[ExperimentRecord]) -> list[tuple[str, ExperimentRecord]]:
    if not read:
        return []
    by_hardness = sorted(read, key=lambda e: -_value(e.hardness))
    by_grain = sorted(read, key=lambda e: _value(e.reading.grain_size if e.reading else None))
    by_porosity = sorted(read, key=lambda e: -_value(e.reading.porosity if e.reading else None))
    return [
        ("hardest", by_hardness[0]),
        ("coarsest grains", by_grain[-1]),
        ("most porous", by_porosity[0]),
        ("finest grains", by_grain[0]),
        ("softest", by_hardness[-1]),
        ("median hardness", by_hardness[len(by_hardness) // 2]),
        ("second hardest", by_hardness[min(1, len(by_hardness) - 1)]),
    ]


def _value(reading: ev.Reading | None) -> float:
    return reading[0] if reading else 0.0


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _card(title: str, experiment: ExperimentRecord, reading: ev.ImageRead, store: ArtefactStore) -> Card:
    micrograph = read_micrograph(store.get(reading.image.sha256))
    grey = Image.fromarray(np.round(micrograph.image * 255.0).astype(np.uint8))
    overlay = ""
    if reading.overlay:
        with Image.open(io.BytesIO(store.get(reading.overlay.sha256))) as drawn:
            overlay = _data_uri(drawn.convert("RGB"))
    design = experiment.proposal.design
    return Card(
        title=title,
        experiment=experiment.id,
        formula=chemical(design.formula),
        picture=_data_uri(grey, reading.pixel_size),
        overlay=overlay,
        caption=_caption(experiment, reading, grey.width),
        reason=reading.reason,
    )


def _caption(experiment: ExperimentRecord, reading: ev.ImageRead, width: int) -> tuple[str, ...]:
    lines = []
    if experiment.hardness and reading.accepted:
        lines.append(f"hardness {plus_minus(experiment.hardness, unit='GPa')}")
    seen = f", {reading.n_grains} grains counted"
    if reading.accepted and reading.grain_size and reading.porosity:
        lines.append(f"grain size {plus_minus(reading.grain_size, unit='µm')}{seen}")
        lines.append(f"porosity {plus_minus(reading.porosity, factor=100.0, unit='%')}")
    if reading.accepted:
        lines += _microstructure(reading)
    lines.append(f"pixel {length(reading.pixel_size)}, field {length(reading.pixel_size * width)} wide")
    lines.append(typeset(describe_process(experiment.proposal.design.process)))
    return tuple(lines)


def _microstructure(reading: ev.ImageRead) -> list[str]:
    """The class, then what belongs together on a line."""
    lines = [classed] if (classed := class_words(reading)) else []
    for names in (("intercept", "astm_g"), ("d10", "d50", "d90"), ("phase_fraction", "pore_size", "elongation")):
        known = [(DESCRIPTORS[name], reading.descriptors[name], name) for name in names if name in reading.descriptors]
        lines += (
            [", ".join(f"{label} {descriptor_words(name, value)}" for label, value, name in known)] if known else []
        )
    return lines


def _data_uri(picture: Image.Image, pixel_size: float | None = None) -> str:
    """Reduce a picture, draw a scale bar where the pixel size (um) is given, and encode it."""
    scale = min(WIDTH / picture.width, 1.0)
    small = picture.resize((round(picture.width * scale), round(picture.height * scale)), Image.Resampling.LANCZOS)
    if pixel_size:
        small = small.convert("RGB")
        scale_bar(small, pixel_size / scale)
    buffer = io.BytesIO()
    small.save(buffer, format="JPEG", quality=JPEG_QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def scale_bar(picture: Image.Image, pixel_size: float) -> None:
    """A bar of a round length, about a quarter of the width, on a dark plate so that it shows on any image."""
    bar = round_length(picture.width * pixel_size / 4.0)
    pixels = round(bar / pixel_size)
    text = length(bar)
    draw = ImageDraw.Draw(picture)
    font = ImageFont.truetype(str(Path(mpl.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")), 22)
    wide = max(pixels, round(draw.textlength(text, font=font))) + 16
    left, top = picture.width - wide - 8, picture.height - 54
    draw.rectangle((left, top, left + wide, top + 46), fill=(10, 14, 20))
    start = left + (wide - pixels) // 2
    draw.rectangle((start, top + 34, start + pixels, top + 39), fill=(255, 255, 255))
    draw.text((left + wide / 2, top + 16), text, fill=(255, 255, 255), font=font, anchor="mm")


def round_length(length: float) -> float:
    """The largest of 1, 2 or 5 times a power of ten that is not above ``length``."""
    power = 10.0 ** math.floor(math.log10(length))
    return float(next(m for m in (5.0, 2.0, 1.0) if m * power <= length * (1 + 1e-9)) * power)
