"""One example of every message of the profile, as the published documents show them: one morning in one laboratory."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from instruments import messages as said
from instruments.commands import CommandSpec, Parameter, Returns, Text
from instruments.messages import Payload, Quantity
from instruments.profile import agent_messages as told
from instruments.profile.campaign_messages import Best, BudgetLine, CampaignState, Counts
from instruments.profile.experiment_messages import ExperimentState, Histogram, ImageState, StepState
from instruments.profile.laboratory import (
    InstrumentLimits,
    Laboratory,
    LimitLine,
    Maintenance,
    PersonEntry,
    RecordState,
)
from instruments.profile.model_messages import (
    CampaignModel,
    CampaignSpace,
    Domain,
    EffectPoint,
    FactorChoices,
    FactorEffect,
    Goal,
    Site,
    Structure,
)
from instruments.profile.questions import Answer, Preview, Question

_NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
_AGENT_BOOT, _FURNACE_BOOT = "019ca918-a000-7000-8000-0000000000a1", "019ca8e1-b240-7000-8000-0000000000f1"
_JOB = "019ca942-2b80-7000-8000-000000000001"
_PARAMETERS: dict[str, said.Value] = {
    "sample": "E012",
    "temperature": Quantity(value=1550.0, unit="Cel"),
    "hold": Quantity(value=2.0, unit="h"),
}
_ORDER = said.Command(
    job=_JOB,
    command="sinter",
    parameters=_PARAMETERS,
    issued_at=_NOON,
    not_after=_NOON + timedelta(minutes=10),
    approval="P012",
)
_DESIGN: dict[str, Quantity | str] = {"crystal": "TiB2", **{k: v for k, v in _PARAMETERS.items() if k != "sample"}}
_SINTER = CommandSpec(
    name="sinter",
    summary="Sinter one pellet in argon",
    parameters={
        "sample": Text(),
        "temperature": Parameter(unit="Cel", low=20.0, high=1700.0),
        "hold": Parameter(unit="h", low=0.1, high=24.0),
    },
    results={"peak": Returns(unit="Cel", summary="highest temperature reached")},
    duration_s=14400.0,
)

_TIB2 = Structure(
    lattice=((3.03, 0.0, 0.0), (-1.515, 2.624, 0.0), (0.0, 0.0, 3.23)),
    sites=(
        Site(element="Ti", at=(0.0, 0.0, 0.0)),
        Site(element="B", at=(0.3333, 0.6667, 0.5)),
        Site(element="B", at=(0.6667, 0.3333, 0.5)),
    ),
    space_group="P6/mmm",
)
_EFFECT = FactorEffect(
    factor="temperature",
    unit="Cel",
    points=(
        EffectPoint(at=1450.0, value=28.8, low=25.9, high=31.6),
        EffectPoint(at=1550.0, value=32.4, low=28.6, high=35.5),
    ),
    share=0.62,
)
_KNOWN = Domain(verdict="inside", score=0.18, text="between designs that were measured")

_PROPOSAL = told.Proposal(
    lab="demo",
    proposal="P012",
    campaign="hard-ceramics",
    revision=1,
    created_at=_NOON - timedelta(hours=1),
    expires_at=_NOON + timedelta(hours=7),
    design=_DESIGN,
    prediction={"hardness": told.Estimate(value=32.4, unit="GPa", std=2.1, low=28.6, high=35.5)},
    feasibility=0.93,
    acquisition=told.Acquisition(function="log_expected_improvement", value=-1.74),
    proposed_by=told.Proposer(policy="hybrid", pool="ppo"),
    rationale="Finer grains than E009 at a lower porosity",
    cost={"furnace": Quantity(value=4.0, unit="h")},
    nearest=told.NearestSample(
        experiment="E009", distance=0.18, found={"hardness": Quantity(value=31.2, unit="GPa", std=0.9)}
    ),
    hazards=(told.Hazard(code="H228", severity="warning", text="The powder is a flammable solid."),),
    model_version="crystal-3+process-gp-2",
    recipe_hash="5b" * 32,
    limits_version="2026-02-11",
    structure=_TIB2,
    duration=Quantity(value=5.5, unit="h"),
    effects=(_EFFECT,),
    domain=_KNOWN,
    checks=(
        told.Check(
            instrument="furnace",
            command="sinter",
            parameter="temperature",
            value=_PARAMETERS["temperature"],
            low=20.0,
            high=1650.0,
        ),
    ),
)

_EXPERIMENT = ExperimentState(
    experiment="E012",
    campaign="hard-ceramics",
    proposal="P012",
    boot_id=_AGENT_BOOT,
    seq=47,
    ts=_NOON + timedelta(hours=5),
    phase="running",
    step="indent",
    design=_DESIGN,
    round=3,
    pool="ppo",
    prediction=_PROPOSAL.prediction,
    feasibility=0.93,
    model_version=_PROPOSAL.model_version,
    approved_by=("anna",),
    place="indenter-1",
    queued_at=_NOON,
    begun_at=_NOON + timedelta(minutes=1),
    steps=(
        StepState(
            step="sinter",
            state="succeeded",
            command="sinter",
            instrument="furnace-1",
            job=_JOB,
            parameters=_PARAMETERS,
            begun_at=_NOON + timedelta(minutes=1),
            ended_at=_NOON + timedelta(hours=4),
            elapsed_s=14400.0,
            found={"peak": Quantity(value=1551.5, unit="Cel", std=2.0)},
        ),
        StepState(step="indent", state="waiting"),
    ),
    images=(
        ImageState(
            attempt=0,
            image="9d" * 32,
            bytes=524_288,
            overlay="e1" * 32,
            accepted=True,
            pixel_size=Quantity(value=0.05, unit="um"),
            scale_source="metadata",
            n_grains=214,
            grain_size=Quantity(value=1.92, unit="um", std=0.05),
            porosity=Quantity(value=0.031, unit="1", std=0.004),
            diameters=Histogram(edges=(0.5, 1.5, 2.5, 3.5), counts=(61, 118, 35), unit="um"),
            microstructure="two-phase",
            class_probability=0.93,
            descriptors={
                "intercept": Quantity(value=1.54, unit="um", std=0.04),
                "astm_g": Quantity(value=15.4, unit="1", std=0.08),
                "phase_fraction": Quantity(value=0.083, unit="1", std=0.006),
            },
        ),
    ),
    found={"grain_size": Quantity(value=1.92, unit="um", std=0.05)},
    audit="4f" * 32,
)

_LABORATORY = Laboratory(
    lab="demo",
    agent="agent-1",
    boot_id=_AGENT_BOOT,
    seq=40,
    ts=_NOON,
    wall=_NOON,
    mode="live",
    software="labwright 1.0.0",
    people=(
        PersonEntry(
            name="anna",
            role="approver",
            kid="kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
            x="11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        ),
    ),
    maintenance={"indenter-1": Maintenance(by="sam", reason="new diamond", since=_NOON - timedelta(hours=2))},
    limits_version="2026-02-11",
    limits={
        "furnace-1": InstrumentLimits(
            commands=("sinter",),
            limits=(
                LimitLine(
                    command="sinter",
                    parameter="temperature",
                    low=20.0,
                    high=1650.0,
                    unit="Cel",
                    text="temperature from 20 to 1650 Cel",
                ),
            ),
        )
    },
    record=RecordState(entries=1042, tip="c4" * 32, verified_to=1001, verified_at=_NOON, whole=True),
    decided_by=("policy:small-steps",),
)

_ALL: tuple[Payload, ...] = (
    said.Description(
        iid="furnace-1",
        kind="furnace",
        serial="HT-0417",
        driver="labwright-furnace 1.2",
        boot_id=_FURNACE_BOOT,
        commands={"sinter": _SINTER.describe()},
        channels={"temperature": said.ChannelDescription(unit="Cel", summary="control thermocouple", period_s=1.0)},
        safe_state="heating off, argon on",
        lease_s=60.0,
    ),
    said.Status(state="online", boot_id=_FURNACE_BOOT, seq=1, ts=_NOON),
    said.Telemetry(ts=_NOON, value=1549.2, unit="Cel", seq=901),
    _ORDER,
    said.JobState(
        job=_JOB,
        boot_id=_FURNACE_BOOT,
        seq=7,
        state="succeeded",
        digest=_ORDER.digest,
        ts=_NOON + timedelta(hours=4),
        progress=1.0,
        result=said.Result(values={"peak": Quantity(value=1551.5, unit="Cel", std=2.0)}),
        elapsed_s=14400.0,
    ),
    said.Control(op="query", job=_JOB),
    CampaignState(
        campaign="hard-ceramics",
        boot_id=_AGENT_BOOT,
        seq=41,
        ts=_NOON,
        phase="running",
        goal="The hardest ceramic that sinters below 1700 degrees Celsius",
        budget={
            "experiments": BudgetLine(used=11, limit=32),
            "furnace": BudgetLine(used=46.5, limit=200, unit="h"),
        },
        best=Best(experiment="E009", design=_DESIGN, found={"hardness": Quantity(value=31.2, unit="GPa", std=0.9)}),
        counts=Counts(proposed=1, approved=11, running=1, completed=9, failed=1),
    ),
    CampaignSpace(
        campaign="hard-ceramics",
        boot_id=_AGENT_BOOT,
        seq=2,
        ts=_NOON - timedelta(hours=3),
        name="ceramics",
        version="7a" * 32,
        goals=(Goal(property="hardness", unit="GPa"),),
        factors=(
            FactorChoices(factor="temperature", unit="Cel", levels=(1450.0, 1500.0, 1550.0)),
            FactorChoices(factor="atmosphere", levels=("argon", "vacuum")),
        ),
        crystals={"mp-1145": "TiB2"},
        n_crystals=1,
        n_feasible=6.0,
    ),
    CampaignModel(
        campaign="hard-ceramics",
        boot_id=_AGENT_BOOT,
        seq=38,
        ts=_NOON - timedelta(hours=1),
        round=3,
        model_version="crystal-3+process-gp-2",
        observed=9,
        effects=(_EFFECT,),
        candidates={"bo": 240, "ppo": 96},
    ),
    _EXPERIMENT,
    _LABORATORY,
    Question(lab="demo", question="q1", about="preview", proposal="P012", changes={"temperature": 1500.0}),
    Answer(
        question="q1",
        about="preview",
        ts=_NOON,
        preview=Preview(
            proposal="P012",
            revision=1,
            design=_DESIGN | {"temperature": Quantity(value=1500.0, unit="Cel")},
            prediction={"hardness": told.Estimate(value=31.0, unit="GPa", std=2.3, low=26.9, high=34.6)},
            feasibility=0.95,
            domain=_KNOWN,
            cost={"furnace": Quantity(value=4.0, unit="h")},
            duration=Quantity(value=5.5, unit="h"),
        ),
    ),
    _PROPOSAL,
    told.Outcome(
        lab="demo",
        proposal="P012",
        revision=1,
        digest=_PROPOSAL.published.digest,
        verdict="approved",
        by=("anna",),
        ts=_NOON,
        audit="c4" * 32,
        reason="Good margin to the melting point",
        experiment="E012",
    ),
    told.AgentEvent(
        boot_id=_AGENT_BOOT,
        seq=42,
        ts=_NOON,
        kind="experiment.queued",
        text="E012 waits for the furnace",
        reference=told.Reference(kind="experiment", id="E012"),
    ),
)

EXAMPLES: Mapping[str, Payload] = MappingProxyType({type(example).__name__: example for example in _ALL})
"""By the message's name."""
