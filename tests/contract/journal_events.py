"""A laboratory's record with every kind of event in it: two campaigns, a revision, a refusal, a loss, a correction."""

from datetime import UTC, datetime

from sem_readings import microstructure

from agent import events as ev
from agent.events.proposals import Terms

AT = datetime(2026, 1, 1, tzinfo=UTC)
DESIGN = ev.DesignRecord(crystal="mp-1143", formula="Al2O3", process={"temperature": 1500.0, "additive": "Y2O3"})
IMAGE = ev.ArtefactRecord(sha256="a" * 64, media_type="image/tiff", bytes=10)


def terms(revision: int = 1) -> Terms:
    """What a proposal's approval is bound to."""
    return Terms(
        revision=revision, digest=f"{revision}" * 64, body=f'{{"revision": {revision}}}', quorum=2,
        created_at="2026-01-01T00:00:00Z", expires_at="2026-01-08T00:00:00Z", recipe_hash="b" * 64,
        limits_version="v1", cost={"furnace_hours": 3.0},
    )  # fmt: skip


def created(campaign: str) -> ev.CampaignCreated:
    """A campaign's first event."""
    return ev.CampaignCreated(campaign=campaign, name=campaign, config={"budget": 3}, space_version="1", software="t")


def proposed(campaign: str, n: int) -> ev.ProposalMade:
    """A proposal that people may decide on."""
    forecast = ev.ForecastRecord(median=20.0, low=15.0, high=25.0, porosity=0.02, grain_size=1.0, feasibility=0.9)
    return ev.ProposalMade(
        campaign=campaign, proposal=f"{campaign}-P{n:03d}", round=0, design=DESIGN, pool="ppo", acquisition=0.5,
        forecast=forecast, nearest="", terms=terms(),
    )  # fmt: skip


def decided(campaign: str, n: int, *, verdict: str = "approved", by: str = "alice") -> ev.ProposalDecided:
    """A proposal's end."""
    return ev.ProposalDecided.model_validate(
        {"proposal": f"{campaign}-P{n:03d}", "verdict": verdict, "by": by, "reason": "fine", "envelope": "signed"}
    )


def queued(campaign: str, n: int) -> ev.ExperimentQueued:
    """An approved proposal's experiment."""
    return ev.ExperimentQueued(experiment=f"{campaign}-E{n:03d}", proposal=f"{campaign}-P{n:03d}")


def sent(experiment: str, step: str, job: str) -> ev.StepDispatched:
    """The intent of an order."""
    return ev.StepDispatched(
        experiment=experiment, step=step, attempt=0, job=job, instrument=f"{step}-1", command=step, parameters={}
    )


def answered(experiment: str, step: str, job: str) -> ev.StepEnded:
    """An order that was carried out."""
    return ev.StepEnded(
        experiment=experiment, step=step, attempt=0, job=job, state="succeeded", values={},
        artefacts={"image": IMAGE} if step == "image" else {}, elapsed_s=60.0,
    )  # fmt: skip


def whole_life() -> list[ev.Event]:
    """Every kind of event at least once, as they may follow each other."""
    return [
        ev.AgentStarted(software="labwright 1", mode="live", boot="boot-1", limits_version="v1"),
        created("hard"),
        created("soft"),
        ev.RoundPlanned(campaign="hard", round=0, candidates={"ppo": 3}, checkpoint="c" * 64, notes=("slow",)),
        ev.PlanFailed(campaign="soft", round=0, reason="no model"),
        ev.CampaignChanged(campaign="soft", config={"budget": 5}, by="carol", reason="more"),
        ev.ProposalRefused(campaign="hard", round=0, design=DESIGN, pool="ppo", reasons=("too hot",)),
        proposed("hard", 1),
        proposed("soft", 1),
        proposed("hard", 2),
        *_decisions(),
        *_measured(),
        *_lost(),
        ev.MaintenanceSet(instrument="sinter-1", on=True, by="carol", reason="new thermocouple"),
        ev.LabChanged(limits_version="l2", words="limits; key of mallory revoked", by="carol"),
        ev.LabStopped(by="carol", reason="smell"),
        ev.LabCleared(by="carol", reason="toast"),
        ev.CampaignPhaseChanged(campaign="soft", phase="paused", by="carol", reason="holiday"),
        ev.CampaignEnded(campaign="hard", reason="budget"),
        ev.AgentStopped(boot="boot-1", reason="asked to"),
    ]


def _decisions() -> list[ev.Event]:
    refused = {"user": "mallory", "subject": "hard-P001", "envelope": "for\x00ged", "sha256": "d" * 64}
    return [
        ev.EnvelopeRefused.model_validate({"what": "decision", "code": "signature", "message": "no", **refused}),
        ev.RefusalsSkipped(user="mallory", count=99),
        ev.VoteCast(proposal="hard-P001", revision=1, by="alice", comment="yes", nonce="1", envelope="x"),
        ev.ProposalRevised(
            proposal="hard-P001", design=DESIGN, changes={"temperature": 1500.0}, by="bob", comment="cooler",
            nonce="2", envelope="y", terms=terms(2),
        ),
        ev.VoteCast(proposal="hard-P001", revision=2, by="alice", comment="yes", nonce="3", envelope="z"),
        decided("hard", 1, by="alice, carol"),
        decided("soft", 1),
        ev.RequestAccepted(
            request="e" * 32, action="withdraw", subject="hard-P002", by="bob", comment="", nonce="4", envelope="w"
        ),
        decided("hard", 2, verdict="withdrawn", by="bob"),
        queued("hard", 1),
        queued("soft", 1),
    ]  # fmt: skip


def _measured() -> list[ev.Event]:
    one = "hard-E001"
    return [
        ev.DispatchHeld(experiment=one, step="sinter", code="instrument_busy", reason="sinter-1 works"),
        sent(one, "sinter", "j1"),
        answered(one, "sinter", "j1"),
        sent(one, "image", "j2"),
        answered(one, "image", "j2"),
        ev.ImageRead(
            experiment=one, attempt=0, image=IMAGE, accepted=True, reason="", pixel_size=0.02, next_pixel_size=None,
            grain_size=(1.0, 0.1), porosity=(0.02, 0.01), n_grains=100, overlay=None,
            **microstructure(),
        ),
        ev.ExperimentEnded(experiment=one, outcome="completed", reason="", found={"hardness": (20.0, 0.5)}),
        ev.ResultAmended(experiment=one, found={"hardness": (19.0, 0.5)}, by="alice", reason="load cell"),
        ev.ResultRetracted(experiment=one, by="alice", reason="wrong powder"),
        ev.SampleMoved(sample=one, place="shelf 3", by="carol", reason="stored"),
    ]  # fmt: skip


def _lost() -> list[ev.Event]:
    one = "soft-E001"
    return [
        ev.StepShadowed(experiment=one, step="sinter", instrument="sinter-1", command="sinter", parameters={}),
        sent(one, "sinter", "j3"),
        ev.StepAccepted(experiment=one, job="j3"),
        ev.ReconcileNeeded(experiment=one, job="j3", instrument="sinter-1", reason="a power\x00cut"),
        ev.Reconciled(experiment=one, job="j3", verdict="again", by="carol", reason="furnace was cold"),
        ev.DispatchRefused(experiment=one, step="sinter", instrument="sinter-1", reasons=("too hot", "too long")),
        ev.ExperimentEnded(experiment=one, outcome="aborted", reason="limits"),
    ]
