"""What a campaign has learnt, from the state: observations for the models, and the best so far."""

from __future__ import annotations

from collections.abc import Mapping

from agent import core
from agent import events as ev
from envs.design import Design
from envs.objective import FLAGSHIP
from surrogates.observations import Made, NotMade, Observation, Reading


def observations(state: core.LabState, campaign: str) -> Mapping[str, Observation]:
    """What the models may learn from, by experiment, in the order made; what was taken back is left out."""
    found: dict[str, Observation] = {}
    for eid in state.campaigns[campaign].experiments:
        experiment = state.experiments[eid]
        reading = experiment.reading
        if experiment.retracted:
            continue
        if experiment.outcome == "infeasible":
            found[eid] = NotMade(experiment.design, experiment.reason)
        elif experiment.hardness and reading and reading.porosity and reading.grain_size:
            found[eid] = Made(
                experiment.design,
                Reading(*experiment.hardness),
                Reading(*reading.porosity),
                Reading(*reading.grain_size),
            )
    return found


def best(state: core.LabState, campaign: str) -> tuple[str, Design, ev.Reading] | None:
    """The best sample measured so far, by what campaigns are for: experiment, design and reading."""
    top: tuple[str, Design, ev.Reading] | None = None
    for eid in state.campaigns[campaign].experiments:
        experiment = state.experiments[eid]
        found = experiment.hardness
        if found and (top is None or FLAGSHIP.utility(found[0]) > FLAGSHIP.utility(top[2][0])):
            top = (eid, experiment.design, found)
    return top
