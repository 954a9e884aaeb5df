"""What the boards tell of a campaign: what it chooses from, and what its models learned."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from boards_town import EFFECT, FACTS, TOPICS, Town
from lab_bench import HARD, made

from agent import core
from agent import events as ev
from agent.journal import Journal
from envs.objective import Direction, Objective
from instruments.profile.model_messages import CampaignModel, CampaignSpace


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    with Journal(tmp_path, write=True) as journal:
        yield Town(journal)


def test_what_a_campaign_chooses_from_is_told(town: Town) -> None:
    town.objective = Objective("cost", "1", Direction.MINIMISE)
    town.boards.everything()
    town.say()
    told = CampaignSpace.model_validate_json(town.bus.retained(TOPICS.campaign_space(HARD))[0].payload)
    assert [(goal.property, goal.direction) for goal in told.goals] == [("cost", "minimize")]
    assert [(f.factor, f.unit, len(f.levels)) for f in told.factors] == [("temperature", "Cel", 11), ("hold", "h", 3)]
    assert (told.crystals, told.n_crystals, told.n_feasible) == (dict(FACTS.crystals), 2, 60.0)


def test_what_the_models_learned_is_told_after_each_round_and_after_a_start(town: Town) -> None:
    def model() -> CampaignModel:
        town.say()
        return CampaignModel.model_validate_json(town.bus.retained(TOPICS.campaign_model(HARD))[0].payload)

    first = town.lab.approved({}, {"temperature": 1400.0})
    assert model().observed == 0
    for eid in first:
        town.lab.finish(eid)
    town.lab.pass_time(minutes=1)
    planned = ev.RoundPlanned(
        campaign=HARD, round=1, candidates={"bo": 7, "random": 3}, notes=("slow",), effects=(EFFECT,)
    )  # fmt: skip
    own = town.lab.rules.campaigns[HARD]
    proposal = made("hard-P003", HARD, own, town.lab.rules.limits, town.lab.now, temperature=1500.0)
    town.lab.tell(core.Planned(planned, [proposal.model_copy(update={"round": 1})]))
    told = model()
    assert (told.round, told.observed, told.candidates, told.notes) == (1, 2, {"bo": 7, "random": 3}, ("slow",))
    assert [(e.factor, e.share, e.points[0].value) for e in told.effects] == [("temperature", 0.7, 20.0)]
    assert told.model_version == "none"
    town.lab.pass_time(minutes=1)
    town.lab.decide("anna", "hard-P003")
    town.lab.finish("hard-E003")
    town.again("b2").everything()
    assert model().model_copy(update={"boot_id": "b1", "seq": told.seq, "ts": told.ts}) == told
