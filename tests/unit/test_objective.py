from __future__ import annotations

import json

import pytest

from agent.config import CampaignConfig
from agent.record import UNIT
from envs.errors import ConfigError
from envs.objective import FLAGSHIP, Direction, Objective


def test_direction_decides_what_is_better() -> None:
    values = [3.0, 9.0, 5.0]
    assert max(values, key=Objective("hardness", "GPa").utility) == 9.0
    assert max(values, key=Objective("density", "kg/m3", Direction.MINIMISE).utility) == 3.0


def test_an_objective_survives_being_stored() -> None:
    for objective in (FLAGSHIP, Objective("density", "kg/m3", Direction.MINIMISE)):
        assert Objective.from_dict(json.loads(json.dumps(objective.to_dict()))) == objective


def test_a_campaign_stores_its_objective_and_its_record_has_that_unit() -> None:
    stored = CampaignConfig().model_dump(mode="json")["objective"]
    assert stored == {"name": "hardness", "unit": "GPa", "direction": "maximise"}
    assert stored["unit"] == UNIT


@pytest.mark.parametrize(
    ("data", "key"),
    [
        ({"name": "", "unit": "GPa"}, "objective.name"),
        ({"name": 3, "unit": "GPa"}, "objective.name"),
        ({"name": "h", "unit": "GPa", "direction": "up"}, "objective.direction"),
        ({"name": "h", "unit": "GPa", "direction": []}, "objective.direction"),
        ({"name": "h", "unit": "GPa", "target": 30}, "objective.target"),
    ],
)
def test_wrong_objectives_name_the_key(data: dict[str, object], key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Objective.from_dict(data)
    assert caught.value.key == key
