from __future__ import annotations

import json

import numpy as np
import pytest

from envs.errors import ConfigError
from envs.objective import Direction, Objective


def test_direction_decides_what_is_best_and_when_the_target_is_reached() -> None:
    values = np.array([3.0, 9.0, 5.0])
    hard = Objective("hardness", "GPa", target=8.0)
    light = Objective("density", "kg/m3", Direction.MINIMISE, target=4.0)
    assert (hard.best(values), light.best(values)) == (1, 0)
    assert [hard.reached(v) for v in values] == [False, True, False]
    assert [light.reached(v) for v in values] == [True, False, False]
    np.testing.assert_array_equal(light.utility(values), -values)
    assert not Objective("hardness", "GPa").reached(1e9)


def test_round_trip_and_version() -> None:
    objective = Objective("hardness", "GPa", Direction.MAXIMISE, 30)
    again = Objective.from_dict(json.loads(json.dumps(objective.to_dict())))
    assert again == objective
    assert again.version == objective.version
    others = [
        Objective("hardness", "MPa", Direction.MAXIMISE, 30),
        Objective("hardness", "GPa", Direction.MINIMISE, 30),
        Objective("hardness", "GPa"),
    ]
    assert len({o.version for o in [objective, *others]}) == 4


@pytest.mark.parametrize(
    ("data", "key"),
    [
        ({"name": "", "unit": "GPa"}, "objective.name"),
        ({"name": "h", "unit": "GPa", "direction": "up"}, "objective.direction"),
        ({"name": "h", "unit": "GPa", "target": "high"}, "objective.target"),
        ({"name": "h", "unit": "GPa", "target": float("nan")}, "objective.target"),
    ],
)
def test_wrong_objectives_name_the_key(data: dict[str, object], key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Objective.from_dict(data)
    assert caught.value.key == key
