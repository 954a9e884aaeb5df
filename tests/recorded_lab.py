"""A laboratory's record written by hand: two campaigns, two persons, a stop, a lost job, an order that was refused."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from agent import events as ev
from agent.approvals import sign_decision
from agent.identity import IdentityStore, SigningKey
from agent.journal import Journal
from agent.requests import request_id, sign_request
from agent.roles import Role
from instruments.messages import Quantity
from instruments.profile.agent_messages import Proposal, Proposer
from instruments.profile.decisions import Decision
from instruments.profile.requests import Request

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
LAB = "hall-3"
PASSWORD = "correct horse"  # noqa: S105 - of people who are not there
PROCESS: dict[str, ev.Factor] = {"temperature": 1700.0, "hold": 2.0, "additive": "MgO"}
PLAIN: dict[str, Quantity | str] = {
    "crystal": "mp-988", "temperature": Quantity(value=1700.0, unit="Cel"), "hold": Quantity(value=2.0, unit="h"),
    "additive": "MgO",
}  # fmt: skip
OBJECTIVE = {"name": "hardness", "unit": "GPa", "direction": "maximise"}


def people(directory: Path) -> dict[str, SigningKey]:
    """Anna and Bert, whose public keys are in ``people`` below the directory."""
    store = IdentityStore(directory / "people", cost=16)
    keys = {}
    for name in ("anna", "bert"):
        store.create(name, Role.APPROVER, PASSWORD)
        keys[name] = store.open(name, PASSWORD)
    return keys


def keys_of(directory: Path) -> dict[str, SigningKey]:
    """The same people's keys, opened again."""
    store = IdentityStore(directory / "people", cost=16)
    return {name: store.open(name, PASSWORD) for name in ("anna", "bert")}


def terms(proposal: str, campaign: str, *, quorum: int = 1) -> ev.Terms:
    """What an approval is bound to, with the body as it is published."""
    body = Proposal(
        lab=LAB, proposal=proposal, campaign=campaign, created_at=START, expires_at=START + timedelta(days=2),
        quorum=quorum, design=PLAIN, proposed_by=Proposer(policy="hybrid", pool="start"),
        model_version="none", recipe_hash="0" * 64, limits_version="limits-1",
    )  # fmt: skip
    text = body.to_bytes().decode()
    return ev.Terms(
        digest=body.published.digest, body=text, created_at=START.isoformat(),
        expires_at=body.expires_at.isoformat(), quorum=quorum, recipe_hash="0" * 64, limits_version="limits-1",
        cost={"runs": 1.0},
    )  # fmt: skip


def proposed(proposal: str, campaign: str, formula: str, *, quorum: int = 1) -> ev.ProposalMade:
    design = ev.DesignRecord(crystal="mp-988", formula=formula, process=PROCESS)
    return ev.ProposalMade(
        campaign=campaign, proposal=proposal, round=0, design=design, pool="start", acquisition=None, forecast=None,
        nearest="", terms=terms(proposal, campaign, quorum=quorum),
    )  # fmt: skip


def decided(proposal: str, campaign: str, key: SigningKey, *, quorum: int = 1, tag: str = "") -> ev.ProposalDecided:
    """Approved by a person whose signature is kept."""
    nonce = hashlib.sha256((proposal + tag).encode()).hexdigest()[:32]
    decision = Decision(
        lab=LAB, proposal=proposal, revision=1, digest=terms(proposal, campaign, quorum=quorum).digest,
        verdict="approve", nonce=nonce, time=START, user=key.name, comment="looks right",
    )  # fmt: skip
    return ev.ProposalDecided(
        proposal=proposal, verdict="approved", by=key.name, reason="looks right", nonce=nonce,
        envelope=sign_decision(decision, key),
    )  # fmt: skip


def asked(action: str, subject: str, key: SigningKey) -> ev.RequestAccepted:
    """A signed request that counted."""
    nonce = hashlib.sha256(f"{action} {subject}".encode()).hexdigest()[:32]
    request = Request.model_validate(
        {"lab": LAB, "action": action, "subject": subject, "nonce": nonce, "time": START, "user": key.name}
    )
    token = sign_request(request, key)
    return ev.RequestAccepted(
        request=request_id(token), action=action, subject=subject, by=key.name, comment="", nonce=nonce, envelope=token
    )


def sent(experiment: str, step: str, instrument: str) -> ev.StepDispatched:
    return ev.StepDispatched(
        experiment=experiment, step=step, attempt=0, job=f"job-{experiment}-{step}", instrument=instrument,
        command=step, parameters={"sample": experiment},
    )  # fmt: skip


def answered(order: ev.StepDispatched, then: str, **found: ev.Reading) -> ev.StepEnded:
    return ev.StepEnded(
        experiment=order.experiment, step=order.step, attempt=0, job=order.job, state="succeeded", values={},
        artefacts={}, elapsed_s=1800.0, then=then, found=found,
    )  # fmt: skip


def _created(campaign: str, experiments: int) -> ev.CampaignCreated:
    config: dict[str, object] = {"id": campaign, "experiments": experiments, "objective": OBJECTIVE}
    return ev.CampaignCreated(
        campaign=campaign, name=f"{campaign} ceramics", config=config, space_version="7d" * 32, software="labwright 0.2"
    )


def happened(keys: dict[str, SigningKey]) -> Iterator[list[ev.Event]]:
    """Transactions, an hour apart."""
    yield [
        ev.AgentStarted(software="labwright 0.2", mode="live", boot="boot-1", limits_version="limits-1"),
        _created("hard", 20),
        _created("tough", 5),
        ev.RoundPlanned(campaign="hard", round=0, candidates={"start": 4}),
    ]
    made = [proposed(f"hard-P00{n}", "hard", formula) for n, formula in enumerate(("Si3N4", "TiB2", "B6O", "TaC"), 1)]
    yield [*made, proposed("tough-P001", "tough", "ZrO2", quorum=2)]
    for n, who in enumerate(("anna", "bert", "anna"), 1):
        queued = ev.ExperimentQueued(experiment=f"hard-E00{n}", proposal=f"hard-P00{n}")
        yield [decided(f"hard-P00{n}", "hard", keys[who]), queued]
    for n in (1, 2):
        sinter, indent = (sent(f"hard-E00{n}", s, i) for s, i in (("sinter", "furnace-1"), ("indent", "indenter-1")))
        hardness = (15.0 + n, 0.3)
        image = ev.ArtefactRecord(sha256="a" * 64, media_type="image/tiff", bytes=10)
        yield [sinter]
        yield [answered(sinter, "indent"), indent]
        yield [
            ev.ImageRead(
                experiment=f"hard-E00{n}", attempt=0, image=image, accepted=True, reason="", pixel_size=0.05,
                next_pixel_size=None, grain_size=(1.5, 0.1), porosity=(0.02, 0.004), n_grains=200, overlay=None,
            ),
            answered(indent, "done", hardness=hardness),
            ev.ExperimentEnded(
                experiment=f"hard-E00{n}", outcome="completed", reason="", found={"hardness": hardness}
            ),
        ]  # fmt: skip
    lost = sent("hard-E003", "sinter", "furnace-1")
    yield [lost]
    yield [
        ev.ReconcileNeeded(experiment="hard-E003", job=lost.job, instrument="furnace-1", reason="it lost its journal")
    ]
    vote = decided("tough-P001", "tough", keys["anna"], quorum=2)
    yield [
        ev.VoteCast(
            proposal="tough-P001", revision=1, by="anna", comment=vote.reason, nonce=vote.nonce, envelope=vote.envelope
        ),
        ev.EnvelopeRefused(
            what="decision", user="mallory", subject="hard-P004", code="unknown_key", message="nobody here has the key",
            envelope="a.b.c", sha256="b" * 64,
        ),
    ]  # fmt: skip
    yield [
        asked("pause", "tough", keys["bert"]),
        ev.CampaignPhaseChanged(campaign="tough", phase="paused", by="bert", reason="powder is late"),
        ev.MaintenanceSet(instrument="sem-1", on=True, by="bert", reason="new filament"),
        ev.SampleMoved(sample="hard-E001", place="shelf-4", by="anna", reason="done"),
    ]


def stop() -> list[ev.Event]:
    return [ev.LabStopped(by="anna", reason="smoke in the hood")]


def write(directory: Path, *, stopped: bool = False) -> dict[str, SigningKey]:
    """Write the record and the people's keys."""
    keys = people(directory)
    with Journal(directory, write=True) as journal:
        hour = 0
        for hour, events in enumerate(happened(keys)):
            journal.append(events, START + timedelta(hours=hour))
        if stopped:
            journal.append(stop(), START + timedelta(hours=hour + 1))
    return keys
