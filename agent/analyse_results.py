"""What the analysis of one image says to programs: JSON objects and CSV rows."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from envs.errors import UserError
from surrogates.micrograph_io import Micrograph
from surrogates.micrograph_reading import Estimate, MicrographReading

SIZES = ("grain_size", "intercept", "d10", "d50", "d90", "pore_size", "boundary_length", "elongation")
"""Quantities that are nothing where they are zero."""
QUANTITIES = (
    "grain_size", "intercept", "astm_g", "d10", "d50", "d90", "porosity", "pore_size", "phase_fraction",
    "boundary_length", "elongation", "crack_length",
)  # fmt: skip
NO_SCALE = "the pixel size is not known; give it with --pixel-size"


@dataclass(frozen=True)
class Result:
    """One image, read or not.

    Args:
        file: as the person typed it.
        accepted: whether the numbers may be used.
        reason: why not.
        advice: what to do.
        readable: False when the file could not be read at all.
        microstructure: the class, empty when unknown.
        class_probabilities: of every class.
        scale_source: where the pixel size came from.
        pixel_size: micrometres, or None.
        taken: how the image was taken, in words, as far as the file says.
        n_grains: grains counted.
        quantities: by the names of ``QUANTITIES``; None where the picture does not show it.
        withheld: why a quantity is None.
        further: what else a network of one's own tells, by its name.
    """

    file: str
    accepted: bool
    reason: str
    advice: str
    readable: bool = True
    microstructure: str = ""
    class_probabilities: Mapping[str, float] = field(default_factory=dict)
    scale_source: str = "none"
    pixel_size: float | None = None
    taken: str = ""
    n_grains: int = 0
    quantities: Mapping[str, Estimate | None] = field(default_factory=lambda: dict.fromkeys(QUANTITIES))
    withheld: Mapping[str, str] = field(default_factory=dict)
    further: Mapping[str, Estimate] = field(default_factory=dict)


def unreadable(file: str, reason: str) -> Result:
    """The result of a file that is no image."""
    reason = reason.removeprefix(f"{file}: ").removeprefix(f"{Path(file)}: ")
    return Result(file, accepted=False, reason=reason, advice="", readable=False)


def result_of(file: str, micrograph: Micrograph, reading: MicrographReading) -> Result:
    """The result of an image that was read; whatever is no finite number is withheld."""
    quantities = {name: _sound(name, getattr(reading, name)) for name in QUANTITIES}
    return Result(
        file,
        accepted=reading.accepted,
        reason=reading.reason,
        advice=reading.advice,
        microstructure=reading.microstructure,
        class_probabilities={k: float(v) for k, v in reading.class_probabilities.items() if math.isfinite(v)},
        scale_source=micrograph.scale_source,
        pixel_size=micrograph.pixel_size_um,
        taken=_taken(micrograph),
        n_grains=int(reading.n_grains),
        quantities=quantities,
        withheld=_withheld(quantities, micrograph, reading),
        further={name: each for name, each in reading.further.items() if _finite(each)},
    )


def as_object(result: Result) -> dict[str, object]:
    """A result as an object for JSON: plain, finite, every key always there."""
    found: dict[str, object] = {
        "file": result.file,
        "accepted": result.accepted,
        "reason": result.reason,
        "advice": result.advice,
        "class": result.microstructure or None,
        "class_probabilities": dict(result.class_probabilities),
        "scale_source": result.scale_source,
        "pixel_size": result.pixel_size,
        "n_grains": result.n_grains,
        "withheld": dict(result.withheld),
    }
    found |= {name: _interval(result.quantities[name]) for name in QUANTITIES}
    if result.further:
        found["further"] = {name: _interval(each) for name, each in result.further.items()}
    return found


def write_csv(results: Iterable[Result], path: Path) -> None:
    """One row an image; of each quantity the value, the ends of its 90% interval and the unit.

    Raises:
        UserError: the file cannot be written.
    """
    rows = [_row(result) for result in results]
    names = list(dict.fromkeys(name for row in rows for name in row))
    buffer = io.StringIO()
    table = csv.DictWriter(buffer, names, restval="", lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(buffer.getvalue(), encoding="utf-8", errors="replace")
        part.replace(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror or error}); check folder and disk") from error


def _taken(micrograph: Micrograph) -> str:
    said = (
        micrograph.maker,
        micrograph.detector,
        "" if micrograph.voltage_kv is None else f"{micrograph.voltage_kv:g} kV",
        "" if micrograph.working_distance_mm is None else f"{micrograph.working_distance_mm:.3g} mm working distance",
        f"info bar of {micrograph.info_bar_rows} rows cut off" if micrograph.info_bar_rows else "",
    )
    return ", ".join(filter(None, said))


def _row(result: Result) -> dict[str, object]:
    row: dict[str, object] = {
        "file": result.file,
        "accepted": "yes" if result.accepted else "no",
        "reason": result.reason,
        "advice": result.advice,
        "class": result.microstructure,
        "scale_source": result.scale_source,
        "pixel_size_um": "" if result.pixel_size is None else result.pixel_size,
        "n_grains": result.n_grains,
    }
    for name, estimate in {**{name: result.quantities[name] for name in QUANTITIES}, **result.further}.items():
        interval = _interval(estimate) or {}
        row |= {name: interval.get("value", "")}
        row |= {f"{name}_{part}": interval.get(part, "") for part in ("low", "high", "unit")}
    return row


def _interval(estimate: Estimate | None) -> dict[str, object] | None:
    if estimate is None:
        return None
    low, high = estimate.interval()
    return {"value": float(estimate.value), "low": float(low), "high": float(high), "unit": estimate.unit}


def _finite(estimate: Estimate) -> bool:
    return all(math.isfinite(number) for number in (estimate.value, *estimate.interval()))


def _sound(name: str, estimate: Estimate | None) -> Estimate | None:
    if estimate is None or not _finite(estimate) or (name in SIZES and estimate.value <= 0.0):
        return None
    return estimate


def _withheld(
    quantities: Mapping[str, Estimate | None], micrograph: Micrograph, reading: MicrographReading
) -> dict[str, str]:
    """A word for every quantity that is None: the reader's own, else the refusal, else what is evident."""
    words: dict[str, str] = {}
    for name in (name for name in QUANTITIES if quantities[name] is None):
        if name == "astm_g" and micrograph.pixel_size_um is None and quantities["intercept"] is not None:
            words[name] = f"{NO_SCALE} ({micrograph.note})" if micrograph.note else NO_SCALE
        else:
            words[name] = reading.withheld.get(name) or reading.reason or "the picture does not show it"
    return words
