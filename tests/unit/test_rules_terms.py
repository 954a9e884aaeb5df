"""What people sign is what is published, byte for byte; an edit says nothing that was said of another design."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.events import ForecastRecord, Terms
from agent.rules.bounds import Bound
from agent.rules.checks import checks_of
from agent.rules.limits import Allowed, Limits
from agent.rules.outlook import Outlook
from agent.rules.policy import ApprovalPolicy, Threshold
from agent.rules.recipe import RecipeSettings
from agent.rules.recipe import flagship as flagship_recipe
from agent.rules.terms import apply_changes, check_names, design_of, nearest_sample, published, revised, terms_of
from envs.design import Design
from envs.errors import ConfigError, JournalError, UserError
from envs.factors import Factor
from envs.objective import FLAGSHIP, Objective
from envs.space import flagship
from instruments.messages import Quantity
from instruments.profile.agent_messages import Hazard, Proposal
from instruments.profile.decisions import PublishedProposal, proposal_digest
from instruments.profile.model_messages import Domain, EffectPoint, FactorEffect, Site, Structure

FACTORS = flagship().factors
CRYSTALS = {"mp-1143": "Al2O3", "mp-1145": "TiB2", "mp-7000": "SiO2", "mp-6930": "SiO2"}
NOW = datetime(2026, 6, 1, 12, 0, 0, 250000, tzinfo=UTC)
DESIGN = Design("mp-1143", {f.name: f.levels[0] for f in FACTORS})
FORECAST = ForecastRecord(median=28.1, low=24.0, high=32.6, porosity=0.031, grain_size=2.14, feasibility=0.86)
HASH = "ab" * 32
HOT = Hazard(code="hot", text="hot")


def message(**changes: Any) -> Proposal:
    fields: dict[str, Any] = {
        "lab": "demo", "campaign": "ceramics", "proposal": "ceramics-P007", "design": DESIGN, "formula": "Al2O3",
        "factors": FACTORS, "objective": FLAGSHIP, "strategy": "hybrid", "pool": "ppo", "now": NOW,
        "expires_at": NOW + timedelta(days=1), "quorum": 1, "recipe_hash": HASH, "limits_version": "limits-0123",
        "model_version": "crystal-3", "cost": {"furnace_hours": 8.25, "currency": 41.5}, "forecast": FORECAST,
        "acquisition": -1.74, "nearest": nearest_sample("ceramics-E003", {"hardness": (27.0, 0.8)}), "hazards": (HOT,),
    }  # fmt: skip
    return published(**{**fields, **changes})


def test_it_says_what_people_need_to_decide() -> None:
    told = message()
    assert told.design["temperature"] == Quantity(value=float(DESIGN.process["temperature"]), unit="Cel")
    assert (told.design["crystal"], told.design["formula"]) == ("mp-1143", "Al2O3")
    estimate = told.prediction["hardness"]
    assert (estimate.value, estimate.unit, estimate.low, estimate.high) == (28.1, "GPa", 24.0, 32.6)
    assert estimate.std == pytest.approx((32.6 - 24.0) / 2 / 1.645, rel=1e-3)
    assert told.cost["furnace_hours"] == Quantity(value=8.25, unit="h")
    assert told.cost["currency"].unit == "1"
    for words in (
        "a hardness of 28.1 GPa (between 24 and 32.6 with 90% probability)", "a porosity of 3.1%", "86% chance",
        "the pool 'ppo'", "ceramics-E003 with hardness 27 ± 0.8 GPa",
    ):  # fmt: skip
        assert words in told.rationale


def test_a_starting_design_claims_no_knowledge() -> None:
    told = message(forecast=None, acquisition=None, nearest=None, pool="start")
    assert told.prediction == {}
    assert told.feasibility is None
    assert told.rationale == (
        "The models expect nothing yet: too little has been measured that they could learn from. "
        "It is one of the starting designs, which are spread over the design space."
    )


def same_as_the_wire(terms: Terms, told: Proposal) -> None:
    payload = terms.body.encode()
    assert payload == told.to_bytes()
    wire = PublishedProposal.parse(payload)
    assert terms.digest == wire.digest == proposal_digest(json.loads(payload))
    assert (terms.revision, terms.quorum) == (wire.revision, wire.quorum)
    assert datetime.fromisoformat(terms.expires_at) == wire.expires_at == told.expires_at
    assert datetime.fromisoformat(terms.created_at) == told.created_at
    assert terms.cost == {name: q.value for name, q in told.cost.items()}
    assert Proposal.parse(payload) == told
    assert Terms.model_validate_json(terms.model_dump_json()) == terms


def test_terms_are_those_of_the_bytes_that_are_published() -> None:
    same_as_the_wire(terms_of(message()), message())


@given(
    st.dictionaries(st.from_regex(r"[a-z_]{1,12}", fullmatch=True), st.floats(0, 1e9), max_size=4),
    st.datetimes(NOW.replace(tzinfo=None), timezones=st.just(UTC), max_value=NOW.replace(2090, tzinfo=None)),
    st.floats(-1e6, 1e6),
    st.text(max_size=40),
)
def test_the_round_trip_holds_for_any_numbers_times_and_words(
    cost: dict[str, float], now: datetime, median: float, words: str
) -> None:
    told = message(
        cost=cost, now=now, expires_at=now + timedelta(microseconds=1), formula=words,
        forecast=FORECAST.model_copy(update={"median": median}),
    )  # fmt: skip
    same_as_the_wire(terms_of(told), told)


def test_what_cannot_be_published_is_said() -> None:
    with pytest.raises(UserError, match="ceramics-P007 cannot be published"):
        message(cost={"currency": float("nan")})
    with pytest.raises(UserError, match="ceramics-P007 cannot be published"):
        message(factors=(Factor("hot place", "Cel", (1.0, 2.0)),), design=Design("", {"hot place": 1.0}))


def costs(design: Design) -> Mapping[str, float]:
    return {"furnace_hours": float(design.process["temperature"]) / 100.0, "currency": 12.0}


def edited(changes: dict[str, Any], **more: Any) -> tuple[Terms, Proposal, Proposal]:
    old = message()
    policy = ApprovalPolicy(factors={"temperature": Threshold(above=2000.0)}, expires=timedelta(hours=5))
    terms = revised(
        terms_of(old).body, apply_changes(DESIGN, changes, FACTORS, CRYSTALS), changes, by="ada",
        comment="to see more", now=NOW + timedelta(hours=2), factors=FACTORS, crystals=CRYSTALS, policy=policy,
        costs=costs, recipe_hash="cd" * 32, limits_version="limits-4567", **more,
    )  # fmt: skip
    return terms, old, Proposal.parse(terms.body.encode())


def test_an_edit_is_a_new_revision_without_what_was_said_of_the_design_before() -> None:
    terms, old, new = edited({"temperature": 2050.0}, hazards=lambda d: ())
    same_as_the_wire(terms, new)
    assert (terms.revision, terms.quorum, terms.recipe_hash) == (2, 2, "cd" * 32)
    assert terms.limits_version == "limits-4567"
    assert terms.digest != terms_of(old).digest
    assert new.expires_at == NOW + timedelta(hours=7)
    assert new.created_at == NOW + timedelta(hours=2)
    assert new.design["temperature"] == Quantity(value=2050.0, unit="Cel")
    assert (new.prediction, new.feasibility, new.acquisition, new.nearest, new.hazards) == ({}, None, None, None, ())
    assert terms.cost == {"furnace_hours": 20.5, "currency": 12.0}
    assert new.rationale.startswith(f"ada changed temperature from {DESIGN.process['temperature']:g} °C to 2050 °C "
                                    "(to see more). What the models expected")  # fmt: skip
    assert (new.lab, new.proposal, new.campaign, new.proposed_by) == (
        old.lab, old.proposal, old.campaign, old.proposed_by,
    )  # fmt: skip


CELL = Structure(lattice=((4.0, 0, 0), (0, 4.0, 0), (0, 0, 4.0)), sites=(Site(element="Al", at=(0, 0, 0)),))
KNOWN = Outlook(
    FORECAST,
    (
        FactorEffect(
            factor="temperature", unit="Cel", points=(EffectPoint(at=1000.0, value=1, low=0, high=2),), share=1
        ),
    ),
    Domain(verdict="inside", score=0.4, text="near"),
    CELL,
    "ceramics-E003",
    0.7,
    "crystal-4",
)


def test_what_is_needed_to_judge_it_is_in_the_message() -> None:
    limits = Limits.of({"f1": Allowed("furnace", {"sinter": {"temperature": Bound(273.15, 2000.0, "K")}})}, {}, ())
    checks = checks_of(limits, flagship_recipe(RecipeSettings()), DESIGN, FACTORS)
    told = message(outlook=KNOWN, duration=12.3456789, checks=checks)
    assert (told.structure, told.effects, told.domain) == (CELL, KNOWN.effects, KNOWN.domain)
    assert told.duration == Quantity(value=12.3457, unit="h")
    (hot,) = (c for c in told.checks if c.parameter == "temperature")
    assert (hot.instrument, hot.low, hot.high) == ("f1", 0.0, 1726.85)
    same_as_the_wire(terms_of(told), told)


def test_an_edit_keeps_the_cell_of_the_same_crystal_alone() -> None:
    old = terms_of(message(outlook=KNOWN, duration=3.0)).body
    for changes, cell in (({"additive": "MgO"}, CELL), ({"crystal": "TiB2"}, None)):
        terms = revised(
            old, apply_changes(DESIGN, changes, FACTORS, CRYSTALS), changes, by="ada", comment="", now=NOW,
            factors=FACTORS, crystals=CRYSTALS, policy=ApprovalPolicy(), costs=costs, recipe_hash=HASH,
            limits_version="limits-1",
        )  # fmt: skip
        new = Proposal.parse(terms.body.encode())
        assert new.structure == cell
        assert (new.effects, new.domain, new.duration, new.checks) == ((), None, None, ())
        assert new.edited_by == "ada"
        assert set(new.changes) == ({"additive"} if cell else {"crystal", "formula"})


def test_checks_are_of_every_value_that_is_ordered() -> None:
    recipe = flagship_recipe(RecipeSettings())
    kinds = {
        "furnace": {"sinter": {"temperature": Bound(high=2200.0, unit="Cel"), "additive": Bound(options=("none",))}},
        "sem": {"acquire": {"pixel_size": Bound(0.001, 5.0, "um")}},
    }
    ovens = {
        "f1": Allowed("furnace", {"sinter": {"temperature": Bound(100.0, 1500.0, "Cel")}}),
        "f2": Allowed("furnace"),
    }
    found = {(c.command, c.parameter): c for c in checks_of(Limits.of(ovens | {"s": Allowed("sem")}, kinds, ()),
                                                            recipe, DESIGN, FACTORS)}  # fmt: skip
    assert {p for c, p in found if c == "sinter"} == set(DESIGN.process)
    hot = found["sinter", "temperature"]
    assert (hot.instrument, hot.low, hot.high) == ("furnace", None, 2200.0)  # either of them must allow it
    pixel = found["acquire", "pixel_size"]
    assert (pixel.instrument, pixel.low, pixel.high) == ("s", 0.001, 5.0)
    assert isinstance(pixel.value, str)
    assert pixel.value.endswith("um as found before")
    assert (found["sinter", "additive"].value, found["indent", "load"].low) == ("none", None)
    assert all((c.low, c.high) == (None, None) for c in checks_of(Limits.permissive(), recipe, DESIGN, FACTORS))


@pytest.mark.parametrize("four_eyes", [True, False])
def test_an_edit_says_whether_who_made_it_may_approve_it(four_eyes: bool) -> None:
    assert message().editor_may_approve is None
    terms = revised(
        terms_of(message()).body, DESIGN, {}, by="ada", comment="", now=NOW, factors=FACTORS, crystals=CRYSTALS,
        policy=ApprovalPolicy(four_eyes_on_edits=four_eyes), costs=costs, recipe_hash=HASH, limits_version="limits-1",
    )  # fmt: skip
    assert Proposal.parse(terms.body.encode()).editor_may_approve is not four_eyes


def test_an_edit_of_the_crystal_names_its_formula_and_keeps_hazards_that_nobody_looked_for_again() -> None:
    _, _, new = edited({"crystal": "TiB2"})
    assert (new.design["crystal"], new.design["formula"]) == ("mp-1145", "TiB2")
    assert new.hazards == (HOT,)
    assert "The hazards are those that were found for the design before" in new.rationale


def test_many_edits_still_fit_into_a_message() -> None:
    body, design = terms_of(message()).body, DESIGN
    levels = next(f for f in FACTORS if f.name == "temperature").levels
    for n in range(30):
        changes = {"temperature": float(levels[1 + n % 5])}
        design = apply_changes(design, changes, FACTORS, CRYSTALS)
        terms = revised(
            body, design, changes, by="ada", comment="x" * 2000, now=NOW + timedelta(minutes=n), factors=FACTORS,
            crystals=CRYSTALS, policy=ApprovalPolicy(), costs=costs, recipe_hash=HASH, limits_version="limits-1",
        )  # fmt: skip
        body = terms.body
    assert terms.revision == 31


def test_a_body_that_is_none_is_a_fault_of_the_record() -> None:
    with pytest.raises(JournalError):
        revised(
            "{}", DESIGN, {}, by="ada", comment="", now=NOW, factors=FACTORS, crystals=CRYSTALS,
            policy=ApprovalPolicy(), costs=costs, recipe_hash=HASH, limits_version="limits-1",
        )  # fmt: skip


def test_changes_by_factor_by_path_and_by_formula() -> None:
    changed = apply_changes(DESIGN, {"process.additive": "MgO", "crystal": "TiB2"}, FACTORS, CRYSTALS)
    assert (changed.crystal, changed.process["additive"]) == ("mp-1145", "MgO")
    assert changed.process["temperature"] == DESIGN.process["temperature"]
    assert apply_changes(DESIGN, {"temperature": 1500}, FACTORS, CRYSTALS).process["temperature"] == 1500.0


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"temperatur": 1500.0}, "'temperatur' is nothing that an edit can change; it can change crystal, powder_size"),
        ({"formula": "TiB2"}, "nothing that an edit can change"),
        ({"temperature": 1501.5}, "temperature = 1501.5 is none of its levels; allowed:"),
        ({"temperature": float("nan")}, "none of its levels"),
        ({"temperature": 10**400}, "none of its levels"),
        ({"temperature": "1500"}, "temperature = '1500' is not a number in Cel"),
        ({"temperature": True}, "not a number"),
        ({"additive": 1.0}, "additive = 1.0 is not a word; allowed: none,"),
        ({"additive": "salt"}, "none of its levels; allowed: none,"),
        (
            {"crystal": "mp-1"},
            "crystal = 'mp-1' is none of the 4 crystals of the design space, such as mp-1143 (Al2O3)",
        ),
        ({"crystal": 7}, "none of the 4 crystals"),
        ({"crystal": "SiO2"}, "2 crystals are SiO2: give the id of one of them: mp-7000, mp-6930"),
        ({"temperature": 1500.0, "process.temperature": 1600.0}, "are the same"),
        ({"crystal": "mp-1143"}, "changes nothing"),
    ],
)
def test_a_wrong_edit_is_refused_with_what_is_allowed(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError) as refused:
        apply_changes(DESIGN, changes, FACTORS, CRYSTALS)
    assert said in str(refused.value)


def test_a_parametric_space_has_no_crystal() -> None:
    factors = (Factor("crystal", "", ("a", "b")), Factor("x", "", (1.0, 2.0)))
    design = Design("", {"crystal": "a", "x": 1.0})
    assert design_of(design, "", factors) == {"process.crystal": "a", "x": Quantity(value=1.0, unit="1")}
    assert apply_changes(design, {"process.crystal": "b"}, factors, {}).process["crystal"] == "b"


@pytest.mark.parametrize(
    ("factor", "objective", "key"),
    [
        (Factor("hot place", "Cel", (1.0, 2.0)), FLAGSHIP, "space.factors.name"),
        (Factor("x", "deg C", (1.0, 2.0)), FLAGSHIP, "space.factors.x.unit"),
        (Factor("x", "", ("a", "b" * 201)), FLAGSHIP, "space.factors.x.levels"),
        (FACTORS[0], Objective("Vickers hardness", "GPa"), "objective"),
        (FACTORS[0], Objective("hardness", ""), "objective"),
    ],
)
def test_what_could_never_be_published_is_refused_when_the_file_is_read(
    factor: Factor, objective: Objective, key: str
) -> None:
    check_names(FACTORS, FLAGSHIP)
    with pytest.raises(ConfigError) as refused:
        check_names((factor,), objective)
    assert refused.value.key == key
