"""One example of every message of the profile, as the published documents show them: one morning in one laboratory."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from instruments import messages as said
from instruments.commands import CommandSpec, Parameter, Returns, Text
from instruments.messages import Payload, Quantity
from instruments.profile import agent_messages as told

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
    told.CampaignState(
        campaign="hard-ceramics",
        boot_id=_AGENT_BOOT,
        seq=41,
        ts=_NOON,
        phase="running",
        goal="The hardest ceramic that sinters below 1700 degrees Celsius",
        budget={
            "experiments": told.BudgetLine(used=11, limit=32),
            "furnace": told.BudgetLine(used=46.5, limit=200, unit="h"),
        },
        best=told.Best(
            experiment="E009", design=_DESIGN, found={"hardness": Quantity(value=31.2, unit="GPa", std=0.9)}
        ),
        counts=told.Counts(proposed=1, approved=11, running=1, completed=9, failed=1),
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
