"""A laboratory for people's commands: a bus in this process, an agent that judges for real, and identities on disk."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result
from typing_extensions import override

from agent.approvals import ProposalContext, verify_decision
from agent.cli_people import people_app
from agent.deciding import session
from agent.identity import IdentityStore, People
from agent.requests import verify_request
from agent.roles import Role
from instruments.local import LocalBus, LocalTransport
from instruments.messages import Quantity, Status
from instruments.profile.agent_messages import AgentEvent, Estimate, Outcome, Proposal, Proposer, Reference
from instruments.profile.decisions import Decision
from instruments.profile.requests import Request, request_id
from instruments.topics import DecisionTopic, Lab, RequestTopic
from instruments.transport import Message

LAB = Lab("labwright", "ceramics")
PASSWORD = "correct horse"  # noqa: S105  # of nobody
AHEAD = timedelta(days=400)
"""The laboratory is virtual: its time runs far ahead of the machine's."""
PEOPLE = {"anna": Role.APPROVER, "ben": Role.SAFETY, "ole": Role.OPERATOR, "vera": Role.VIEWER, "ada": Role.ADMIN}


def lab_now() -> datetime:
    return datetime.now(UTC) + AHEAD


def proposal(pid: str = "P007", **changes: Any) -> Proposal:
    now = lab_now()
    return Proposal(
        lab=changes.pop("lab", LAB.lab),
        proposal=pid,
        campaign="hard",
        created_at=now - timedelta(days=9),
        expires_at=now + changes.pop("left", timedelta(hours=7)),
        design={
            "crystal": "TiB2",
            "process.temperature": Quantity(value=1650, unit="Cel"),
            "process.hold": Quantity(value=2.5, unit="h"),
            "process.gas": "argon",
        },
        prediction={"hardness": Estimate(value=32.4, unit="GPa", std=2.1, low=28.6, high=35.5)},
        proposed_by=Proposer(policy="hybrid", pool="ppo"),
        cost={"furnace": Quantity(value=4, unit="h")},
        model_version="3",
        recipe_hash="5b" * 32,
        limits_version="1",
        **changes,
    )


@dataclass
class Agent:
    """Hears what people sign, judges it by the real rules, and answers.

    Attributes:
        heard: what counted.
        mute: answers nothing, as an agent that is not there.
    """

    bus: LocalBus
    people: People
    heard: list[Decision | Request] = field(default_factory=list)
    mute: bool = False
    answers_by_outcome: bool = False
    seq: int = 0

    def on(self, message: Message) -> None:
        topic = LAB.read(message.topic)
        if self.mute or not isinstance(topic, (DecisionTopic, RequestTopic)):
            return
        if isinstance(topic, DecisionTopic):
            self._decision(topic, message.payload)
        else:
            self._request(topic, message.payload)

    def _decision(self, topic: DecisionTopic, token: bytes) -> None:
        kept = self.bus.retained(LAB.proposal(topic.pid))
        context = ProposalContext(Proposal.parse(kept[0].payload).published) if kept else None
        verdict = verify_decision(
            token,
            registry=self.people,
            lab=LAB.lab,
            user=topic.user,
            proposal=context,
            now=datetime.now(UTC),
            lab_now=lab_now(),
            seen_nonces={claims.nonce for claims in self.heard},
        )
        if verdict.accepted and verdict.decision:
            self.heard.append(verdict.decision)
        if verdict.accepted and self.answers_by_outcome:
            self._outcome(topic, context)
        else:
            kind = "decision.counted" if verdict.accepted else "decision.refused"
            self._tell(kind, verdict.message, Reference(kind="decision", id=request_id(token)))

    def _outcome(self, topic: DecisionTopic, context: ProposalContext | None) -> None:
        assert context is not None
        self.bus.route(LAB.proposal(topic.pid), b"", retain=True)
        outcome = Outcome(
            lab=LAB.lab,
            proposal=topic.pid,
            revision=1,
            digest=context.published.digest,
            verdict="approved",
            by=(topic.user,),
            ts=lab_now(),
            audit="c4" * 32,
        )
        self.bus.route(LAB.outcome(topic.pid), outcome.to_bytes(), retain=True)

    def _request(self, topic: RequestTopic, token: bytes) -> None:
        verdict = verify_request(
            token,
            registry=self.people,
            lab=LAB.lab,
            user=topic.user,
            rid=topic.rid,
            now=datetime.now(UTC),
            seen_nonces={claims.nonce for claims in self.heard},
            seen_requests=set(),
        )
        if verdict.accepted and verdict.request:
            self.heard.append(verdict.request)
        kind = "request.accepted" if verdict.accepted else "request.refused"
        self._tell(kind, verdict.message, Reference(kind="request", id=topic.rid))

    def _tell(self, kind: str, text: str, about: Reference) -> None:
        self.seq += 1
        event = AgentEvent(boot_id="b", seq=self.seq, ts=lab_now(), kind=kind, text=text, reference=about)
        self.bus.route(LAB.agent_event("agent"), event.to_bytes(), retain=False)


class _Ear(LocalTransport):
    """The agent's connection: it answers at once, in whatever event loop the person's command runs."""

    def __init__(self, bus: LocalBus, agent: Agent) -> None:
        super().__init__(bus)
        self._agent = agent

    @override
    def offer(self, message: Message, qos: int = 1) -> None:
        self._agent.on(message)


class Bench:
    """The laboratory, and a shell in which people type."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home = home
        self.store = IdentityStore(home / "identities", cost=2**4)
        for name, role in PEOPLE.items():
            self.store.create(name, role, PASSWORD)
        self.bus = LocalBus()
        self.agent = Agent(self.bus, People.from_directory(self.store.directory))
        self.bus.attach(_Ear(self.bus, self.agent))
        self.status("online")
        monkeypatch.setattr("agent.deciding.board.QUIET_S", 0.01)
        monkeypatch.setattr("agent.deciding.sending.GRACE_S", 0.01)
        monkeypatch.setattr(session, "connection", lambda _place: self.bus.transport())
        for name in ("LABWRIGHT_BROKER", "LABWRIGHT_LAB", "LABWRIGHT_STATE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.chdir(home)

    def status(self, state: Any) -> None:
        status = Status(state=state, boot_id="b", seq=1, ts=lab_now())
        self.bus.route(LAB.agent_status("agent"), status.to_bytes(), retain=True)

    def publish(self, *proposals: Proposal) -> None:
        for each in proposals:
            self.bus.route(LAB.proposal(each.proposal), each.to_bytes(), retain=True)

    def type(self, *words: str, password: str | None = PASSWORD, place: bool = True, who: str = "anna") -> Result:
        """Run a command of a person with the identities of everybody here."""
        line = [*words]
        if place:
            line += ["--broker", f"mqtt://{who}:x@127.0.0.1", "--lab", LAB.lab, "--wait", "0.3"]
        if "identity" not in words:
            line += ["--dir", str(self.store.directory)]
        environment = {"LABWRIGHT_PASSWORD": password, "COLUMNS": "200"}
        return CliRunner().invoke(people_app, line, env=environment)


def words_of(result: Result) -> str:
    """All that a command said, errors that the entry point prints included."""
    error = str(result.exception) if result.exception and not isinstance(result.exception, SystemExit) else ""
    return f"{result.stdout}{result.stderr}{error}"
