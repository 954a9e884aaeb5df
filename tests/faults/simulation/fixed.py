"""What people fixed beforehand in the simulated laboratory, in the agent's own terms: recipes, limits, policies."""

from __future__ import annotations

from datetime import timedelta
from functools import cache

from agent.core.state import CampaignRules, LabRules
from agent.rules.bounds import Bound
from agent.rules.limits import Allowed, Limits
from agent.rules.policy import ApprovalPolicy, AutoRule, Threshold
from agent.rules.recipe import PIXEL_SIZE, From, Keep, Recipe, Step
from agent.rules.region import Range, Region
from envs.design import Design
from envs.factors import Factor
from instruments.messages import Quantity

from .machines import LAB
from .people import registry
from .plan import CampaignPlan, Plan

HOT = tuple(float(t) for t in range(1000, 1700, 50))
FACTORS = (Factor("temperature", "Cel", HOT), Factor("time", "h", (1.0, 2.0, 4.0)))
CRYSTALS = {"mp-1": "TiB2", "mp-2": "SiC"}
MAX_TRIES, MAX_IMAGES = 3, 3


def _steps() -> tuple[Step, ...]:
    sample = From("sample")
    return (
        Step(
            "sinter", "furnace", "sinter", {"sample": sample, "crystal": From("crystal")}, True, max_tries=MAX_TRIES
        ),
        Step(
            "survey", "sem", "survey", {"sample": sample}, keep={PIXEL_SIZE: Keep("pixel_size", 0.01, 2.0)},
            max_tries=MAX_TRIES,
        ),
        Step(
            "image", "sem", "acquire",
            {"sample": sample, "pixel_size": From(f"kept.{PIXEL_SIZE}"), "field": From("attempt")},
            reads="image", max_tries=MAX_TRIES, max_images=MAX_IMAGES,
        ),
        Step(
            "indent", "indenter", "indent",
            {"sample": sample, "load": Quantity(value=9.8, unit="N"), "count": Quantity(value=10.0, unit="1")},
            measures={"hardness": "hardness"}, max_tries=MAX_TRIES,
        ),
    )  # fmt: skip


@cache
def recipe(n_steps: int) -> Recipe:
    """A recipe of 2 to 4 steps; the image needs the survey before it."""
    sinter, survey, image, indent = _steps()
    return Recipe({2: (sinter, indent), 3: (sinter, survey, image), 4: (sinter, survey, image, indent)}[n_steps])


@cache
def limits(hottest: float) -> Limits:
    """The allow-list, with a hottest temperature."""
    furnace = {"sinter": {"temperature": Bound(20.0, hottest, "Cel"), "time": Bound(0.0, 24.0, "h")}}
    sem = {
        "survey": {},
        "acquire": {"pixel_size": Bound(0.001, 5.0, "um"), "field": Bound(0.0, 99.0, "1")},
    }
    indenter = {"indent": {"load": Bound(0.1, 100.0, "N"), "count": Bound(1.0, 100.0, "1")}}
    return Limits.of(
        {
            "furnace-1": Allowed("furnace", furnace),
            "sem-1": Allowed("sem", sem),
            "indenter-1": Allowed("indenter", indenter),
        },
        {},
        (),
    )


def campaign(plan: CampaignPlan) -> CampaignRules:
    """One campaign's rules."""
    trusted = AutoRule("mild", Region({"temperature": Range(0.0, 1400.0)}))
    policy = ApprovalPolicy(
        auto=trusted if plan.automatic else None,
        factors={"temperature": Threshold(above=1200.0)} if plan.quorum == 2 else {},
        expires=timedelta(seconds=plan.expires_s),
    )
    return CampaignRules(
        experiments=plan.experiments,
        batch=plan.batch,
        initial=plan.batch,
        recipe=recipe(plan.steps),
        factors=FACTORS,
        priority=plan.priority,
        at_once=plan.at_once,
        policy=policy,
        crystals=CRYSTALS,
        admits=_admits,
    )


def _admits(design: Design) -> tuple[str, ...]:
    return () if design.process.get("temperature") in HOT else ("the temperature is no level",)


def rules(plan: Plan, hottest: float) -> LabRules:
    """The laboratory's rules."""
    return LabRules(
        {c.id: campaign(c) for c in plan.campaigns},
        lab=LAB,
        mode="live",
        limits=limits(hottest),
        people=registry(),
    )
