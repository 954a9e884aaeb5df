"""The laboratory's file of the guide on safety is right, and does what the guide says of it."""

import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agent.daemon.config import parse_lab
from agent.daemon.rules_of import lab_rules
from agent.daemon.space_facts import SpaceFacts
from agent.identity import People
from agent.rules.budgets import Spent, read_budgets
from agent.rules.hazards import read_hazards
from agent.rules.limits_config import read_limits
from agent.rules.policy_config import read_policy
from agent.rules.recipe_config import read_recipe
from envs.design import Design
from envs.objective import FLAGSHIP
from envs.space import flagship

GUIDE = (Path(__file__).parents[2] / "docs" / "safety.md").read_text()
LAB: dict[str, Any] = tomllib.loads("\n".join(re.findall(r"^```TOML\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)))
(CAMPAIGN,) = LAB["campaign"]
FACTORS = flagship().factors
CRYSTALS = {"mp-1143": "Al2O3", "mp-2652": "Y2O3"}
CALM: dict[str, float | str] = {
    "powder_size": 0.5, "additive": "none", "temperature": 1400.0, "hold": 2.0, "heating_rate": 5.0, "pressure": 0.0,
}  # fmt: skip
MONDAY = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
RECIPE, COSTS = read_recipe(CAMPAIGN["recipe"], FACTORS, FLAGSHIP, source="LAB.toml")
LIMITS = read_limits(LAB["limits"], source="LAB.toml")
POLICY = read_policy(LAB["policy"], FACTORS, CRYSTALS, costs=COSTS.names, source="LAB.toml")


def alumina(**changes: float | str) -> Design:
    return Design("mp-1143", {**CALM, **changes})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, ()),
        ({"temperature": 1700.0}, ()),
        ({"temperature": 1700.0, "heating_rate": 20.0},
         (("sinter: heating_rate = 20 K/min is above the limit of 10 K/min, "
           "which holds for temperature above 1600 Cel"),)),
        ({"temperature": 2000.0}, ("sinter: temperature = 2000 Cel is above the limit of 1900 Cel",)),
        ({"additive": "B4C"}, ("sinter: additive = 'B4C' is not allowed; allowed: none, MgO, Y2O3",)),
    ],
)  # fmt: skip
def test_the_limits_of_the_guide(changes: dict[str, float | str], said: tuple[str, ...]) -> None:
    assert LIMITS.refusals_of(RECIPE, alumina(**changes), FACTORS, "E001") == said


def test_the_policy_of_the_guide() -> None:
    calm = COSTS(alumina())
    assert calm["furnace_hours"] == pytest.approx(2 + 1375 / 300 * 2)
    assert POLICY.automatic(alumina(), calm, MONDAY) is None  # 11.2 h are more than the rule may spend
    quick = alumina(heating_rate=10.0)
    automatic = POLICY.automatic(quick, COSTS(quick), MONDAY)
    assert automatic is not None
    assert automatic.by == "policy:known-oxides"
    assert POLICY.automatic(quick, COSTS(quick), MONDAY.replace(hour=23)) is None
    assert POLICY.quorum(alumina(temperature=1850.0), calm) == 2


def test_the_budgets_of_the_guide() -> None:
    lab, own = read_budgets(LAB["budgets"]), read_budgets(CAMPAIGN["budgets"])
    spent = Spent(failures=5).worked("furnace", 395.0, MONDAY)
    assert (held := lab.holds(spent, MONDAY)) is not None
    assert held.code == "budget_consecutive_failures"
    assert (held := own.holds(spent, MONDAY, {"furnace_hours": 6.0})) is not None
    assert held.code == "budget_furnace_hours"


def test_the_hazards_of_the_guide() -> None:
    hazards = read_hazards(LAB["hazards"], FACTORS, CRYSTALS)
    assert [h.code for h in hazards(Design("mp-2652", {**CALM, "temperature": 1850.0}))] == ["hot", "H319"]


def test_the_file_of_the_guide_is_one_that_the_daemon_reads() -> None:
    config = parse_lab({"lab": {"name": "demo"}, "broker": {"url": "mqtt://127.0.0.1"}, **LAB}, source="LAB.toml")
    space = SpaceFacts("flagship", "0" * 64, CRYSTALS, FACTORS, 1.0, ())
    rules = lab_rules(config, People([]), {"ceramics": space}, mode="live")
    own = rules.campaigns["ceramics"]
    assert rules.limits == LIMITS
    assert own.policy == POLICY
    assert own.costs(alumina()) == COSTS(alumina())
    assert own.recipe == RECIPE
    assert [h.code for h in own.hazards(alumina(temperature=1850.0))] == ["hot"]
    # What the planner is given knows no costs.
    assert "cost" not in config.entry("ceramics").offline.model_dump(mode="json")["recipe"]
