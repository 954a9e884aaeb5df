"""Edits are judged in the daemon without the library of crystals, exactly as the design space itself would."""

import numpy as np
import pytest

from agent.config import CampaignConfig
from agent.daemon import worker_side
from agent.daemon.space_facts import SpaceFacts
from envs.design import Design
from envs.space import DesignSpace

FLAGSHIP = CampaignConfig()


@pytest.fixture(scope="module")
def facts() -> SpaceFacts:
    return worker_side.facts(FLAGSHIP.model_dump(mode="json"))


@pytest.fixture(scope="module")
def space() -> DesignSpace:
    return DesignSpace.from_config(FLAGSHIP.space)


def test_they_are_those_of_the_space(facts: SpaceFacts, space: DesignSpace) -> None:
    assert facts.version == space.version
    assert facts.factors == space.factors
    assert list(facts.crystals) == list(space.library.ids)
    assert facts.n_feasible == space.n_feasible


def test_they_name_the_rules_that_the_space_names(facts: SpaceFacts, space: DesignSpace) -> None:
    rng = np.random.default_rng(4)
    n_refused = 0
    for _ in range(2_000):
        crystal = str(rng.choice(space.library.ids))
        design = Design(crystal, {f.name: f.levels[int(rng.integers(f.n_levels))] for f in space.factors})
        said = {reason.partition(":")[0] for reason in facts.admits(design)}
        assert said == {reason.partition(":")[0] for reason in space.violations(design)}
        n_refused += bool(said)
    assert 200 < n_refused < 1_990, "both kinds were looked at"


def test_what_is_off_the_grid_is_said_with_what_there_is(facts: SpaceFacts, space: DesignSpace) -> None:
    design = space.sample(np.random.default_rng(0), 1)[0]
    assert facts.admits(design) == ()
    process = dict(design.process)
    missing = {name: value for name, value in process.items() if name != "hold"}
    (said,) = facts.admits(Design("mp-0", process))
    assert said == f"crystal: 'mp-0' is not one of the {len(space.library)} crystals of {space.name!r}"
    assert facts.admits(Design(design.crystal, {**process, "pressure": 41.5}))[0].startswith("pressure: 41.5; choose")
    assert facts.admits(Design(design.crystal, missing))[0].startswith("hold: missing; choose one of")
    assert facts.admits(Design(design.crystal, {**process, "colour": "red"})) == (
        f"colour: not a factor of {space.name!r}",
    )
