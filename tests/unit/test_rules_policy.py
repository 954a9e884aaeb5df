"""Who must approve: people, but for what they trust; two of them where it is hot or dear."""

import tomllib
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.rules.policy import ApprovalPolicy, AutoApprove, Policy
from agent.rules.policy_config import read_policy
from envs.design import Design
from envs.errors import ConfigError
from envs.space import flagship

FACTORS = flagship().factors
CRYSTALS = {"mp-1143": "Al2O3", "mp-1145": "TiB2"}
NOON = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
LAB = """
expires_h = 12
[auto]
name = "known-oxides"
factors.temperature = { low = 1200, high = 1600 }
factors.additive = { options = ["none"] }
formulas = ["Al2O3"]
cost.currency = 50
[two_persons]
factors.temperature = { above = 1800 }
factors.additive = { options = ["B4C"] }
cost.currency = 200
[quiet]
hours = ["22:00-06:00", "Sat", "Sun 00:00-24:00"]
zone = "Europe/Berlin"
"""


def policy_of(text: str) -> ApprovalPolicy:
    raw = tomllib.loads(text)
    return read_policy(raw, FACTORS, CRYSTALS, costs=("currency", "furnace_hours"), source="LAB.toml")


def design(crystal: str = "mp-1143", **changes: float | str) -> Design:
    process = {f.name: f.levels[0] for f in FACTORS} | {"temperature": 1400.0, "additive": "none"}
    return Design(crystal, {**process, **changes})


def test_where_nothing_is_said_everyone_waits_for_a_day() -> None:
    policy: Policy = policy_of("")
    assert policy.automatic(design(), {}, NOON) is None
    assert policy.quorum(design(temperature=2200.0), {"currency": 1e9}) == 1
    assert policy.expires_at(NOON) == NOON + timedelta(days=1)
    assert policy.four_eyes_on_edits


def test_a_rule_approves_within_its_region_and_says_so() -> None:
    automatic = policy_of(LAB).automatic(design(), {"currency": 40.0, "furnace_hours": 9.0}, NOON)
    assert automatic is not None
    assert automatic.by == "policy:known-oxides"
    assert automatic.reason == (
        "within the trusted region 'known-oxides': temperature 1200 to 1600 Cel, additive none, of Al2O3; "
        "cost: currency 40 of at most 50"
    )


@pytest.mark.parametrize(
    ("made", "cost"),
    [
        (design(temperature=1650.0), {"currency": 40.0}),
        (design("mp-1145"), {"currency": 40.0}),
        (design(additive="MgO"), {"currency": 40.0}),
        (design(), {"currency": 51.0}),
        (design(), {"currency": float("nan")}),
        (design(), {}),
    ],
)
def test_it_approves_nothing_outside(made: Design, cost: dict[str, float]) -> None:
    assert policy_of(LAB).automatic(made, cost, NOON) is None


def test_it_approves_nothing_in_quiet_hours_and_nothing_that_needs_two() -> None:
    policy, cost = policy_of(LAB), {"currency": 40.0}
    assert policy.automatic(design(), cost, NOON.replace(hour=21)) is None
    assert policy.automatic(design(), cost, NOON.replace(day=6)) is None  # a Saturday
    both = policy_of(LAB.replace("above = 1800", "above = 1300"))
    assert both.quorum(design(), cost) == 2
    assert both.automatic(design(), cost, NOON) is None


@pytest.mark.parametrize(
    ("made", "cost", "quorum"),
    [
        (design(), {"currency": 200.0}, 1),
        (design(), {"currency": 201.0}, 2),
        (design(), {}, 2),
        (design(temperature=1800.0), {"currency": 1.0}, 1),
        (design(temperature=1850.0), {"currency": 1.0}, 2),
        (design(additive="B4C"), {"currency": 1.0}, 2),
    ],
)
def test_two_persons_above_thresholds(made: Design, cost: dict[str, float], quorum: int) -> None:
    assert policy_of(LAB).quorum(made, cost) == quorum


def test_an_expiry_in_quiet_hours_waits_for_their_end() -> None:
    friday = datetime(2026, 6, 5, 14, 0, tzinfo=UTC)  # 12 h later it is Saturday in Berlin
    assert policy_of(LAB).expires_at(friday) == datetime(2026, 6, 8, 4, 0, tzinfo=UTC)


@given(
    st.datetimes(NOON.replace(2025, tzinfo=None), NOON.replace(2027, tzinfo=None), timezones=st.just(UTC)),
    st.floats(0.1, 500),
)
def test_nothing_expires_in_quiet_hours_or_early(now: datetime, hours: float) -> None:
    policy = policy_of(LAB.replace("expires_h = 12", f"expires_h = {hours:f}"))
    expiry = policy.expires_at(now)
    assert not policy.quiet.at(expiry)
    assert expiry >= now + policy.expires


def test_a_virtual_laboratory_approves_everything() -> None:
    assert AutoApprove().automatic(design(), {}, NOON) is not None


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (("expires_h = 12", "expires_h = 0"), "expires_h"),
        (("expires_h", "expire_h"), "expire_h"),
        (("factors.temperature = { low", "factors.temperatur = { low"), "auto.factors.temperatur"),
        (("{ low = 1200, high = 1600 }", "{ low = 1601, high = 1602 }"), "auto.factors.temperature"),
        (("{ low = 1200, high = 1600 }", '{ options = ["hot"] }'), "auto.factors.temperature"),
        (('{ options = ["none"] }', "{ low = 3 }"), "auto.factors.additive"),
        (('{ options = ["none"] }', '{ options = ["nothing"] }'), "auto.factors.additive"),
        (('formulas = ["Al2O3"]', 'formulas = ["Al2O4"]'), "auto.formulas"),
        (("cost.currency = 50", "cost.curency = 50"), "auto.cost.curency"),
        (("cost.currency = 50", "cost.currency = -50"), "auto.cost.currency"),
        (("{ above = 1800 }", '{ options = ["1800"] }'), "two_persons.factors.temperature"),
        (("Europe/Berlin", "Europe/Berlinn"), "quiet.zone"),
        (('"Sat"', '"Saturday"'), "quiet.hours"),
    ],
)
def test_a_wrong_policy_is_named(change: tuple[str, str], key: str) -> None:
    with pytest.raises(ConfigError) as refused:
        policy_of(LAB.replace(*change))
    assert refused.value.key == f"policy.{key}"
    assert refused.value.source == "LAB.toml"


def test_a_rule_without_a_region_is_refused() -> None:
    with pytest.raises(ConfigError, match="what is trusted"):
        policy_of("[auto]\ncost.currency = 50")
