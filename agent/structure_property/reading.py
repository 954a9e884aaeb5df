"""A campaign's experiments as points: what was measured, what the network read in the image, what had been predicted.

Everything is from the journal: no label, no model and no truth is asked again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from agent import events as ev
from agent.journal import Stored
from agent.record import ExperimentRecord, gather
from envs import laws
from envs.objective import FLAGSHIP
from surrogates.structure_property.choosing import SPARE, TooLittleError
from surrogates.structure_property.points import Points

EXTRA = {"intercept": "um", "phase_fraction": "1"}
"""Descriptors beside grain size and porosity that a law knows, in the units of the laws."""
WITH_GRAINS = 3 + SPARE
"""Experiments that a law of porosity and grain size needs."""


@dataclass(frozen=True)
class Measured:
    """One property over a campaign.

    Args:
        name: as in the journal.
        unit: UCUM; empty where the journal does not say.
        points: experiments with it, an accepted image and a porosity.
        formulas: what each was made of.
        notes: what was left out, and why.
    """

    name: str
    unit: str
    points: Points
    formulas: tuple[str, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Row:
    id: str
    crystal: str
    formula: str
    value: ev.Reading
    descriptors: Mapping[str, ev.Reading]
    predicted: float


def measured(stored: Iterable[Stored]) -> dict[str, Measured]:
    """Every property that a campaign measured, by name, as people amended it and without what they retracted.

    Raises:
        TooLittleError: no experiment has a measured property and an accepted image; the message counts why.
    """
    events = list(stored)
    record = gather(events)
    experiments = list(record.experiments.values()) if record else []
    found = _found(experiments, events)
    names = list(dict.fromkeys(name for one in found.values() for name in one))
    forecasts = _predicted(experiments)
    made: dict[str, Measured] = {}
    for name in names:
        rows = [
            _row(e, e.reading, e.reading.porosity, found[e.id][name], forecasts if name == FLAGSHIP.name else {})
            for e in experiments
            if name in found[e.id] and e.reading is not None and e.reading.porosity is not None
        ]
        # The laws are of ln(property): what a person entered as 0 or less has none.
        if kept := [r for r in rows if r.value[0] > 0]:
            made[name] = _measured(name, _unit(name, experiments), kept)
    if not made:
        raise TooLittleError(_nothing(experiments, bool(names)))
    return made


def _nothing(experiments: list[ExperimentRecord], any_property: bool) -> str:
    ended = sum(e.end is not None for e in experiments)
    refused = sum(bool(e.readings) and e.reading is None for e in experiments)
    seen = sum(e.reading is not None for e in experiments)
    if any_property and not seen:
        why = "no image was accepted"
    elif not any_property:
        why = "no property was measured"
    else:
        why = "none has a measured property and a porosity from an accepted image"
    return (
        f"{why}: of {ended} finished experiments {seen} {'has' if seen == 1 else 'have'} an accepted image, and of "
        f"{refused} every image was refused; a relation needs both"
    )


def _found(experiments: list[ExperimentRecord], stored: list[Stored]) -> dict[str, dict[str, ev.Reading]]:
    """What counts as measured, by experiment: of completed ones, amended and retracted as people said."""
    found = {e.id: dict(e.end.found) if e.end and e.end.outcome == "completed" else {} for e in experiments}
    for one in stored:
        event = one.event
        if isinstance(event, ev.ResultAmended) and event.experiment in found:
            found[event.experiment] |= event.found
        elif isinstance(event, ev.ResultRetracted) and event.experiment in found:
            found[event.experiment] = {}
    return found


def _predicted(experiments: list[ExperimentRecord]) -> dict[str, float]:
    """Dense hardness of each crystal as it was forecast before the first of its experiments was made.

    The forecast is of the body, by the planner's law with its textbook constants: these are undone. Later forecasts
    have seen the crystal's own hardness, and count for nothing here.
    """
    first: dict[str, ev.ForecastRecord | None] = {}
    for experiment in experiments:
        first.setdefault(experiment.proposal.design.crystal, experiment.proposal.forecast)
    found = {}
    for crystal, forecast in first.items():
        if forecast is not None and forecast.median > 0 and forecast.grain_size > 0:
            body = forecast.median * np.exp(laws.POROSITY_EXPONENT * forecast.porosity)
            found[crystal] = max(float(body - laws.HALL_PETCH * forecast.grain_size**-0.5), laws.MIN_HARDNESS)
    return found


def _row(
    experiment: ExperimentRecord, reading: ev.ImageRead, porosity: ev.Reading, value: ev.Reading,
    predicted: Mapping[str, float],
) -> _Row:  # fmt: skip
    design, descriptors = experiment.proposal.design, {"porosity": porosity}
    if reading.grain_size is not None and reading.grain_size[0] > 0:
        descriptors["grain_size"] = reading.grain_size
    for name, unit in EXTRA.items():
        told = reading.descriptors.get(name)
        if told is not None and told.unit == unit and (unit == "1" or told.value > 0):
            descriptors[name] = (told.value, told.std)
    crystal = design.crystal
    return _Row(experiment.id, crystal, design.formula, value, descriptors, predicted.get(crystal, float("nan")))


def _measured(name: str, unit: str, rows: list[_Row]) -> Measured:
    with_grains = [r for r in rows if "grain_size" in r.descriptors]
    notes = []
    if WITH_GRAINS <= len(with_grains) < len(rows):
        left = ", ".join(r.id for r in rows if r not in with_grains)
        notes.append(f"left out, because no grain size was read: {left}")
        rows = with_grains
    columns = [n for n in ("porosity", "grain_size", *EXTRA) if all(n in r.descriptors for r in rows)]
    x = {n: np.array([r.descriptors[n][0] for r in rows]) for n in columns}
    std = {n: np.array([r.descriptors[n][1] for r in rows]) for n in columns}
    points = Points(
        tuple(r.id for r in rows), np.array([r.value[0] for r in rows]), np.array([r.value[1] for r in rows]), x, std,
        tuple(r.crystal for r in rows), np.array([r.predicted for r in rows]),
    )  # fmt: skip
    return Measured(name, unit, points, tuple(r.formula for r in rows), tuple(notes))


def _unit(name: str, experiments: list[ExperimentRecord]) -> str:
    """The unit in which the journal holds a property: that of the instrument's value that was taken over."""
    if name == FLAGSHIP.name:
        return FLAGSHIP.unit
    for ended in (s.ended for e in experiments for s in e.steps if s.ended and name in s.ended.found):
        for value in ended.values.values():
            if isinstance(value, dict) and value.get("value") == ended.found[name][0]:
                return str(value.get("unit", ""))
    return ""
