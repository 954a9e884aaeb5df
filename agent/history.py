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
    experiments = ((eid, state.experiments[eid]) for eid in state.campaigns[campaign].experiments)
    return {eid: seen for eid, experiment in experiments if (seen := observation(experiment)) is not None}


def observation(experiment: core.ExperimentState) -> Observation | None:
    """What the models may learn from one experiment; None while, or where, that is nothing."""
    reading = experiment.reading
    if experiment.retracted:
        return None
    if experiment.outcome == "infeasible":
        return NotMade(experiment.design, experiment.reason)
    if not (experiment.hardness and reading and reading.porosity and reading.grain_size):
        return None
    return Made(
        experiment.design, Reading(*experiment.hardness), Reading(*reading.porosity), Reading(*reading.grain_size)
    )


def best(state: core.LabState, campaign: str) -> tuple[str, Design, ev.Reading] | None:
    """The best sample measured so far, by what campaigns are for: experiment, design and reading."""
    top: tuple[str, Design, ev.Reading] | None = None
    for eid in state.campaigns[campaign].experiments:
        experiment = state.experiments[eid]
        found = experiment.hardness
        if found and (top is None or FLAGSHIP.utility(found[0]) > FLAGSHIP.utility(top[2][0])):
            top = (eid, experiment.design, found)
    return top
