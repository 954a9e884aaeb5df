"""A small laboratory for tests of the core: real rules, real signatures with quick keys, and instruments in sight."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, TypeVar

from joserfc.jwk import OKPKey

from agent import core
from agent import events as ev
from agent.approvals import sign_decision
from agent.core.messages import Effect
from agent.identity import People, Person, PublicKey, SigningKey
from agent.requests import sign_request
from agent.roles import Role
from agent.rules.bounds import Bound
from agent.rules.limits import Allowed, Limits
from agent.rules.policy import ApprovalPolicy, AutoApprove, AutoRule, Policy, Threshold
from agent.rules.recipe import From, Recipe, RecipeSettings, Step, flagship
from agent.rules.region import Range, Region
from agent.rules.terms import published, terms_of
from envs.design import Design
from envs.factors import Factor
from envs.objective import FLAGSHIP
from instruments.messages import Quantity
from instruments.profile.decisions import Decision, PublishedProposal
from instruments.profile.requests import Request, request_id

LAB = "bench"
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)  # a Monday
HARD, SOFT = "hard", "soft"
ROLES = {
    "anna": Role.APPROVER, "ben": Role.APPROVER, "clara": Role.SAFETY, "ole": Role.OPERATOR, "vera": Role.VIEWER,
    "ada": Role.ADMIN,
}  # fmt: skip
"""Whom the laboratory knows; mallory is not among them."""
FACTORS = (
    Factor("temperature", "Cel", tuple(float(t) for t in range(1000, 2001, 100))),
    Factor("hold", "h", (1.0, 2.0, 4.0)),
)
CRYSTALS = {"mp-1": "TiB2", "mp-2": "SiC"}
HOTTEST = 1700.0
QUICK_RECIPE = Recipe(
    (
        Step("sinter", "furnace", "sinter", {"sample": From("sample"), "crystal": From("crystal")}, True),
        Step(
            "indent", "indenter", "indent",
            {"sample": From("sample"), "load": Quantity(value=9.8, unit="N"), "count": Quantity(value=10.0, unit="1")},
            measures={"hardness": "hardness"},
        ),
    )
)  # fmt: skip
"""Two orders; ``flagship`` has images too."""
FULL_RECIPE = flagship(RecipeSettings())
PEOPLE_DECIDE = ApprovalPolicy()
TRUSTED = AutoRule("mild", Region({"temperature": Range(0.0, 1400.0, unit="Cel")}), {"furnace_hours": 4.0})
TWO_ABOVE = {"temperature": Threshold(above=1500.0)}
WORLD = {
    "furnace-1": core.InstrumentView("furnace"),
    "sem-1": core.InstrumentView("sem"),
    "indenter-1": core.InstrumentView("indenter"),
}
VALUES: dict[str, dict[str, Any]] = {
    "survey": {"pixel_size": {"value": 0.02, "unit": "um"}},
    "indent": {"hardness": {"value": 20.0, "unit": "GPa", "std": 0.5}},
}
IMAGE = ev.ArtefactRecord(sha256="a" * 64, media_type="image/tiff", bytes=10)
COMMENTS = dict.fromkeys(("reconcile", "amend", "retract"), "as seen")
"""What changes the record says why."""
_Event = TypeVar("_Event")


def limits(hottest: float = HOTTEST, *, furnaces: tuple[str, ...] = ("furnace-1", "furnace-2")) -> Limits:
    """The allow-list, with a hottest temperature."""
    kinds = {
        "furnace": {"sinter": {"temperature": Bound(20.0, hottest, "Cel"), "hold": Bound(0.0, 24.0, "h")}},
        "sem": {"survey": {}, "acquire": {"pixel_size": Bound(0.001, 5.0, "um"), "field": Bound(0.0, 99.0, "1")}},
        "indenter": {"indent": {"load": Bound(0.1, 100.0, "N"), "count": Bound(1.0, 100.0, "1")}},
    }
    listed = {iid: Allowed("furnace") for iid in furnaces}
    return Limits.of({**listed, "sem-1": Allowed("sem"), "indenter-1": Allowed("indenter")}, kinds, ())


def _admits(design: Design) -> tuple[str, ...]:
    hot = design.crystal == "mp-2" and float(design.process["temperature"]) > 1500.0
    return ("SiC above 1500 Cel is outside the design space",) if hot else ()


def _costs(design: Design) -> Mapping[str, float]:
    return {"furnace_hours": float(design.process["hold"]) + 1.0}


CAMPAIGN = core.CampaignRules(
    experiments=6, batch=2, initial=2, recipe=QUICK_RECIPE, factors=FACTORS, policy=PEOPLE_DECIDE, crystals=CRYSTALS,
    admits=_admits, costs=_costs,
)  # fmt: skip
AUTOMATIC = replace(CAMPAIGN, policy=AutoApprove())


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


@cache
def key_of(name: str, which: int = 0) -> SigningKey:
    """A person's key; ``which`` for further ones."""
    del which
    return SigningKey(name, ROLES.get(name, Role.APPROVER), OKPKey.generate_key("Ed25519"))


def person(name: str, **changes: Any) -> Person:
    """A person as the laboratory knows them."""
    public = PublicKey(x=str(key_of(name).key.as_dict(private=False)["x"]))
    return Person(name=name, role=ROLES[name], key=public, **changes)


@cache
def registry() -> People:
    """Everybody."""
    return People(person(name) for name in ROLES)


def lab_rules(campaigns: Mapping[str, core.CampaignRules], **more: Any) -> core.LabRules:
    """The laboratory's rules."""
    given: dict[str, Any] = {"lab": LAB, "mode": "live", "limits": limits(), "people": registry(), **more}
    return core.LabRules(campaigns, **given)


def made(
    pid: str, cid: str, own: core.CampaignRules, allowed: Limits, now: datetime, *, crystal: str = "mp-1",
    **process: float,
) -> ev.ProposalMade:  # fmt: skip
    """A proposal with the terms that the daemon would publish of it."""
    design = Design(crystal, {"temperature": 1300.0, "hold": 2.0, **process})
    cost = own.costs(design)
    body = published(
        lab=LAB, campaign=cid, proposal=pid, design=design, formula=CRYSTALS[crystal], factors=own.factors,
        objective=FLAGSHIP, strategy="random", pool="random", now=now, expires_at=own.policy.expires_at(now),
        quorum=own.policy.quorum(design, cost), recipe_hash=own.recipe.digest(design, own.factors),
        limits_version=allowed.version, model_version="none", cost=cost,
    )  # fmt: skip
    record = ev.DesignRecord(crystal=crystal, formula=CRYSTALS[crystal], process=dict(design.process))
    return ev.ProposalMade(
        campaign=cid, proposal=pid, round=0, design=record, pool="random", acquisition=None, forecast=None, nearest="",
        terms=terms_of(body),
    )  # fmt: skip


def created(cid: str) -> ev.CampaignCreated:
    """The first event of a campaign."""
    return ev.CampaignCreated(campaign=cid, name=cid, config={}, space_version="1", software="test")


class Pen:
    """Signs, as anybody; no two of its nonces are alike."""

    def __init__(self) -> None:
        self._n = 0

    def nonce(self) -> str:
        """128 bits."""
        self._n += 1
        return _b64(hashlib.sha256(str(self._n).encode()).digest()[:16])

    def decision(
        self, user: str, body: str, verdict: str, at: datetime, *, key: SigningKey | None = None, **lies: Any
    ) -> str:
        """A signed decision on a published body; ``lies`` replace what is true."""
        read = PublishedProposal.parse(body.encode())
        fields = {
            "lab": LAB, "proposal": read.proposal, "revision": read.revision, "digest": read.digest,
            "verdict": verdict, "nonce": self.nonce(), "time": at, "user": user, **lies,
        }  # fmt: skip
        decision = Decision.model_validate(fields)
        signer = key or key_of(user)
        return sign_decision(decision, replace(signer, name=decision.user))

    def request(self, user: str, action: str, subject: str, at: datetime, **more: Any) -> str:
        """A signed request."""
        lies = more.pop("lies", {})
        fields = {
            "lab": LAB, "action": action, "subject": subject, "comment": more.pop("comment", COMMENTS.get(action, "")),
            "arguments": more,
            "nonce": self.nonce(), "time": at, "user": user, **lies,
        }  # fmt: skip
        return sign_request(Request.model_validate(fields), key_of(user))


class Bench:
    """The core, driven as the daemon drives it; what people sign is on the machine's clock, which here is the lab's.

    Args:
        campaigns: by id.
        more: of the laboratory's rules.
    """

    def __init__(
        self, campaigns: Mapping[str, core.CampaignRules] | core.CampaignRules = CAMPAIGN, **more: Any
    ) -> None:
        own = {HARD: campaigns} if isinstance(campaigns, core.CampaignRules) else dict(campaigns)
        self.rules = lab_rules(own, **more)
        self.state = core.LabState()
        self.now = NOW
        self.world: dict[str, core.InstrumentView] = dict(WORLD)
        self.pen = Pen()
        self.bodies: dict[str, str] = {}
        self.events: list[ev.Event] = []
        self.effects: list[Effect] = []
        self._jobs = 0
        for cid in own:
            self.tell(created(cid))

    # ---- In and out

    def tell(self, message: core.Message) -> list[ev.Event]:
        """What follows from a message."""
        decided = core.decide(self.state, message, self.rules, self.now)
        for event in decided.events:
            core.evolve(self.state, event, self.now)
            if isinstance(event, ev.ProposalMade | ev.ProposalRevised) and event.terms:
                self.bodies[event.proposal] = event.terms.body
        self.events += decided.events
        self.effects = list(decided.effects)
        return list(decided.events)

    def of(self, kind: type[_Event]) -> list[_Event]:
        """All events of a kind so far."""
        return [e for e in self.events if isinstance(e, kind)]

    @property
    def due(self) -> list[core.Command]:
        """What is due now."""
        return core.due(self.state, self.rules, self.world, self.now)

    @property
    def orders(self) -> list[core.SendOrder]:
        """Orders that are due now."""
        return [c for c in self.due if isinstance(c, core.SendOrder)]

    @property
    def holdings(self) -> list[core.Holding]:
        """What waits, and why."""
        return [c for c in self.due if isinstance(c, core.Holding)]

    def pass_time(self, **span: float) -> list[ev.Event]:
        """Let time go by, and its consequences happen."""
        self.now += timedelta(**span)
        return self.tell(core.Tick(policies=True))

    # ---- Rules

    def change(self, cid: str = HARD, **changes: Any) -> None:
        """Change a campaign's rules."""
        campaigns = {**self.rules.campaigns, cid: replace(self.rules.campaigns[cid], **changes)}
        self.rules = replace(self.rules, campaigns=campaigns)

    # ---- Proposals

    def plan(self, *designs: dict[str, Any], cid: str = HARD) -> list[str]:
        """Let the planner answer with these designs; ids of the proposals."""
        campaign, own = self.state.campaigns[cid], self.rules.campaigns[cid]
        first = campaign.n_proposals + 1
        proposals = [
            made(f"{cid}-P{first + n:03d}", cid, own, self.rules.limits, self.now, **each)
            for n, each in enumerate(designs)
        ]
        planned = ev.RoundPlanned(campaign=cid, round=campaign.round + 1, candidates={"random": 9})
        self.tell(core.Planned(planned, proposals))
        return [p.proposal for p in proposals]

    def arrives(self, user: str, pid: str, token: str) -> list[ev.Event]:
        """A decision comes in on a topic."""
        return self.tell(core.DecisionArrived(user, pid, token, self.now, self.bodies.get(pid, "")))

    def decide(self, user: str, pid: str, verdict: str = "approve", **lies: Any) -> list[ev.Event]:
        """A person decides."""
        return self.arrives(user, pid, self.pen.decision(user, self.bodies[pid], verdict, self.now, **lies))

    def edit(self, user: str, pid: str, **changes: Any) -> list[ev.Event]:
        """A person edits."""
        return self.decide(user, pid, "edit", changes=changes)

    def approved(self, *designs: dict[str, Any], cid: str = HARD) -> list[str]:
        """Experiments of designs that were planned and approved by people."""
        before = set(self.state.experiments)
        for pid in self.plan(*(designs or ({},)), cid=cid):
            for user in ("anna", "clara"):
                if self.state.proposals[pid].phase == "proposed":
                    self.decide(user, pid)
        return [eid for eid in self.state.experiments if eid not in before]

    # ---- Requests

    def ask(self, user: str, action: str, subject: str = "", **more: Any) -> list[ev.Event]:
        """A person asks for something."""
        token = self.pen.request(user, action, subject, self.now, **more)
        return self.tell(core.RequestArrived(user, request_id(token), token, self.now))

    def refused(self) -> str:
        """Code of the last refusal."""
        return self.of(ev.EnvelopeRefused)[-1].code

    # ---- Experiments

    def intend(self, command: core.SendOrder) -> core.SendOrder | None:
        """Journal the intent of an order; None where it is not allowed any more."""
        self._jobs += 1
        job = f"job-{self._jobs}"
        self.tell(
            core.Dispatching(
                command.experiment, command.step, command.attempt, command.tries, command.order, command.instrument, job
            )
        )
        return replace(command, job=job) if job in self.state.jobs else None

    def dispatch(self, eid: str = "") -> core.SendOrder:
        """The first order that is due, or that of an experiment, with its intent journaled."""
        command = next(c for c in self.orders if c.experiment == (eid or c.experiment))
        sent = command if command.job else self.intend(command)
        assert sent is not None
        return sent

    def answer(self, order: core.SendOrder, **changes: Any) -> list[ev.Event]:
        """The instrument's answer: that it succeeded, where nothing else is said."""
        fields: dict[str, Any] = {
            "experiment": order.experiment, "step": order.step, "attempt": order.attempt, "tries": order.tries,
            "job": order.job, "state": "succeeded", "values": VALUES.get(order.step, {}),
            "artefacts": {"image": IMAGE} if order.step == "image" else {}, "elapsed_s": 60.0,
        }  # fmt: skip
        if changes.get("state", "succeeded") != "succeeded":
            fields |= {"values": {}, "artefacts": {}, "error_kind": "retryable", "error": "timeout: no heat"}
        return self.tell(ev.StepEnded.model_validate({**fields, **changes}))

    def read(self, command: core.ReadImage, *, accepted: bool = True) -> list[ev.Event]:
        """What the network says of an image."""
        return self.tell(
            ev.ImageRead(
                experiment=command.experiment, attempt=command.attempt, image=command.image, accepted=accepted,
                reason="" if accepted else "blurred", pixel_size=command.pixel_size, next_pixel_size=None,
                grain_size=(1.0, 0.1), porosity=(0.02, 0.01), n_grains=100, overlay=None,
            )
        )  # fmt: skip

    def finish(self, eid: str) -> None:
        """Let everything that an experiment needs succeed."""
        while self.state.experiments[eid].step != "done":
            reads = [c for c in self.due if isinstance(c, core.ReadImage) and c.experiment == eid]
            if reads:
                self.read(reads[0])
            else:
                self.answer(self.dispatch(eid))


__all__ = [
    "AUTOMATIC", "CAMPAIGN", "CRYSTALS", "FACTORS", "FULL_RECIPE", "HARD", "HOTTEST", "IMAGE", "LAB", "NOW",
    "PEOPLE_DECIDE", "QUICK_RECIPE", "SOFT", "TRUSTED", "TWO_ABOVE", "VALUES", "WORLD", "Bench", "Pen", "Policy",
    "created", "key_of", "lab_rules", "limits", "made", "person", "registry",
]  # fmt: skip
