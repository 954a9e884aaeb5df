"""Rules out of the laboratory's file, and what a reload may change."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.daemon.config import LabConfig, parse_lab
from agent.daemon.rules_of import campaign_rules, changes, facts_of, lab_rules
from agent.identity import People
from agent.rules.recipe import Order
from envs.design import Design
from envs.errors import ConfigError

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
LIMITS = {"furnace-1": {"kind": "furnace", "commands": {"sinter": {"temperature": {"high": 1900.0, "unit": "Cel"}}}}}


def config(*, lab: dict[str, Any] | None = None, campaign: dict[str, Any] | None = None, **tables: Any) -> LabConfig:
    whole = {
        "lab": {"name": "hall-3", **(lab or {})},
        "broker": {"url": "mqtt://agent@localhost"},
        "campaign": [{"id": "hard", "experiments": 20, **(campaign or {})}],
        **tables,
    }
    return parse_lab(whole, home=Path("/lab"), source="LAB.toml")


@pytest.fixture(scope="module")
def facts() -> Any:
    return facts_of(config().entry("hard"))


def test_a_campaign_becomes_rules(facts: Any) -> None:
    whole = config(campaign={"priority": 3, "at_once": 2, "recipe": {"max_images": 2}, "instruments": ["sem-1"]})
    rules = campaign_rules(whole.entry("hard"), facts, whole)
    assert (rules.experiments, rules.priority, rules.at_once) == (20, 3, 2)
    assert rules.recipe.step("image").max_images == 2
    assert rules.instruments == frozenset({"sem-1"})
    assert rules.crystals["mp-988"] == "Si3N4"
    assert rules.admits(Design("mp-988", {})) != ()
    assert campaign_rules(config().entry("hard"), facts, config()).instruments is None


def test_who_approves_is_said_once_and_where_it_differs(facts: Any) -> None:
    whole = config(policy={"expires_h": 8.0, "four_eyes_on_edits": False}, campaign={"policy": {"expires_h": 2.0}})
    policy = campaign_rules(whole.entry("hard"), facts, whole).policy
    assert policy.expires_at(NOW) == NOW + timedelta(hours=2)
    assert not policy.four_eyes_on_edits
    design = Design("mp-988", {})
    assert policy.automatic(design, {}, NOW) is None


def test_a_threshold_of_a_campaign_takes_none_of_the_laboratorys_away(facts: Any) -> None:
    lab = {
        "two_persons": {"factors": {"temperature": {"above": 1500.0}}},
        "auto": {"name": "mild", "factors": {"temperature": {"high": 1400.0}}},
    }
    own = {"two_persons": {"cost": {"runs": 100.0}, "factors": {"hold": {"above": 3.0}}}, "auto": {"name": "milder"}}
    whole = config(policy=lab, campaign={"policy": own, "recipe": {"cost": {"sinter": {"runs": 1.0}}}})
    policy = campaign_rules(whole.entry("hard"), facts, whole).policy
    cost = {"runs": 1.0}
    assert policy.quorum(Design("mp-988", {"temperature": 1600.0, "hold": 1.0}), cost) == 2
    assert policy.quorum(Design("mp-988", {"temperature": 1300.0, "hold": 4.0}), cost) == 2
    assert policy.quorum(Design("mp-988", {"temperature": 1300.0, "hold": 1.0}), cost) == 1
    assert policy.automatic(Design("mp-988", {"temperature": 1450.0, "hold": 1.0}), cost, NOW) is None
    approved = policy.automatic(Design("mp-988", {"temperature": 1300.0, "hold": 1.0}), cost, NOW)
    assert approved is not None
    assert approved.by == "policy:milder"


def test_budgets_are_the_campaigns_and_the_laboratorys(facts: Any) -> None:
    whole = config(budgets={"runs_per_day": 8}, campaign={"budgets": {"furnace_hours": 40.0}})
    rules = lab_rules(whole, People([]), {"hard": facts}, mode="shadow")
    assert rules.budgets.runs_per_day == 8
    assert rules.campaigns["hard"].budgets.hours == {"furnace": 40.0}


def test_a_policy_about_a_factor_that_is_not_there_names_its_campaign(facts: Any) -> None:
    whole = config(campaign={"policy": {"two_persons": {"factors": {"colour": {"above": 1.0}}}}})
    with pytest.raises(ConfigError, match=r"campaign hard: policy\.two_persons\.factors\.colour"):
        campaign_rules(whole.entry("hard"), facts, whole)


def test_nothing_is_allowed_that_no_limit_names(facts: Any) -> None:
    hot = Order("furnace", "sinter", {})
    for mode, refused in (("live", True), ("shadow", True), ("virtual", False)):
        rules = lab_rules(config(), People([]), {"hard": facts}, mode=mode)  # type: ignore[arg-type]
        assert bool(rules.limits.refusals(hot, "furnace-1")) is refused
    virtual = lab_rules(config(limits=LIMITS), People([]), {"hard": facts}, mode="virtual")
    assert virtual.limits.refusals(hot, "furnace-1") != ()


def test_a_space_that_is_wrong_names_its_campaign() -> None:
    wrong = config(campaign={"space": {"preset": "magic"}}).entry("hard")
    with pytest.raises(ConfigError, match=r"campaign hard: space\.preset = 'magic'"):
        facts_of(wrong)


def test_budgets_priorities_and_limits_may_change_while_it_runs() -> None:
    new = config(lab={"log_level": "debug"}, campaign={"experiments": 40, "priority": 5}, limits=LIMITS)
    found = changes(config(), new)
    assert (found.lab, found.campaigns) == (("lab.log_level", "limits"), {"hard": ("experiments", "priority")})
    assert found.words == "lab.log_level; limits; campaign hard: experiments, priority"
    assert changes(config(), config()).words == "nothing changed"


def test_what_an_experiment_is_thought_to_cost_may_change(facts: Any) -> None:
    new = config(campaign={"recipe": {"cost": {"sinter": {"furnace_hours": "hold + 3"}}}})
    assert changes(config(), new).campaigns == {"hard": ("recipe",)}
    campaign_rules(new.entry("hard"), facts, new)
    asked = [c.entry("hard").offline.model_dump(mode="json") for c in (config(), new)]
    assert asked[0] == asked[1], "the planner is asked the same"


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({"lab": {"database": "postgresql://a@b/c"}}, ["lab.database", "restart"]),
        ({"campaign": {"seed": 3}}, ["campaign hard: seed = 3", "another campaign"]),
        ({"campaign": {"space": {"preset": "flagship", "unavailable": ["Ta"]}}}, ["campaign hard: space", "new id"]),
        ({"campaign": {"recipe": {"max_tries": 1}}}, ["campaign hard: recipe", "new id"]),
        ({"campaign": {"id": "soft"}}, ["campaign hard", "labwright stop hard"]),
        ({"broker": {"url": "mqtt://agent:s3cret@localhost:1884"}}, ["broker.url", "1884", "restart"]),
    ],
)
def test_what_was_done_so_far_stays_comparable(tables: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        changes(config(), config(**tables))
    for word in ["LAB.toml", *words]:
        assert word in str(caught.value)
    assert "s3cret" not in str(caught.value)
