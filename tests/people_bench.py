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
        campaign=changes.pop("campaign", "hard"),
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


Said = tuple[str, bytes, bool]
"""A topic, what goes there, and whether it is retained."""


@dataclass
class Agent:
    """Judges by the real rules what people sign, and answers.

    Attributes:
        heard: what counted.
        refused: decisions that are somebody's and did not count.
        proposals: that wait, by id.
        mute: answers nothing, as an agent that is not there.
        answers_by_outcome: of an approval it tells the outcome alone.
    """

    people: People
    heard: list[Decision | Request] = field(default_factory=list)
    refused: list[Decision] = field(default_factory=list)
    proposals: dict[str, Proposal] = field(default_factory=dict)
    mute: bool = False
    answers_by_outcome: bool = False
    seq: int = 0

    def on(self, message: Message) -> list[Said]:
        """What it says to a message."""
        topic = LAB.read(message.topic)
        if isinstance(topic, DecisionTopic) and not self.mute:
            return self._decision(topic, message.payload)
        if isinstance(topic, RequestTopic) and not self.mute:
            return self._request(topic, message.payload)
        return []

    def _decision(self, topic: DecisionTopic, token: bytes) -> list[Said]:
        known = self.proposals.get(topic.pid)
        verdict = verify_decision(
            token,
            registry=self.people,
            lab=LAB.lab,
            user=topic.user,
            proposal=ProposalContext(known.published) if known else None,
            now=datetime.now(UTC),
            lab_now=lab_now(),
            seen_nonces={claims.nonce for claims in self.heard},
        )
        if verdict.accepted and verdict.decision:
            self.heard.append(verdict.decision)
        elif verdict.decision:
            self.refused.append(verdict.decision)
        if verdict.accepted and self.answers_by_outcome and known:
            return self._outcome(topic, known)
        kind = "decision.counted" if verdict.accepted else "decision.refused"
        return self._event(kind, verdict.message, Reference(kind="decision", id=request_id(token)))

    def _outcome(self, topic: DecisionTopic, known: Proposal) -> list[Said]:
        outcome = Outcome(
            lab=LAB.lab,
            proposal=topic.pid,
            revision=1,
            digest=known.published.digest,
            verdict="approved",
            by=(topic.user,),
            ts=lab_now(),
            audit="c4" * 32,
        )
        return [(LAB.proposal(topic.pid), b"", True), (LAB.outcome(topic.pid), outcome.to_bytes(), True)]

    def _request(self, topic: RequestTopic, token: bytes) -> list[Said]:
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
        return self._event(kind, verdict.message, Reference(kind="request", id=topic.rid))

    def _event(self, kind: str, text: str, about: Reference) -> list[Said]:
        self.seq += 1
        event = AgentEvent(boot_id="b", seq=self.seq, ts=lab_now(), kind=kind, text=text, reference=about)
        return [(LAB.agent_event("agent"), event.to_bytes(), False)]


def presence(state: Any) -> Said:
    """How the agent says that it is there."""
    status = Status(state=state, boot_id="b", seq=1, ts=lab_now())
    return LAB.agent_status("agent"), status.to_bytes(), True


class _Ear(LocalTransport):
    """The agent's connection: it answers at once, in whatever event loop the person's command runs."""

    def __init__(self, bus: LocalBus, agent: Agent) -> None:
        super().__init__(bus)
        self._on, self._route = agent.on, bus.route

    @override
    def offer(self, message: Message, qos: int = 1) -> None:
        for topic, payload, retain in self._on(message):
            self._route(topic, payload, retain=retain)


class Bench:
    """The laboratory, and a shell in which people type."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home = home
        self.store = IdentityStore(home / "identities", cost=2**4)
        for name, role in PEOPLE.items():
            self.store.create(name, role, PASSWORD)
        self.bus = LocalBus()
        self.agent = Agent(People.from_directory(self.store.directory))
        self.bus.attach(_Ear(self.bus, self.agent))
        self.status("online")
        monkeypatch.setattr("agent.deciding.board.QUIET_S", 0.01)
        monkeypatch.setattr("agent.deciding.sending.GRACE_S", 0.01)
        monkeypatch.setattr(session, "connection", lambda _place: self.bus.transport())
        for name in ("LABWRIGHT_BROKER", "LABWRIGHT_LAB", "LABWRIGHT_STATE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.chdir(home)

    def status(self, state: Any) -> None:
        topic, payload, retain = presence(state)
        self.bus.route(topic, payload, retain=retain)

    def publish(self, *proposals: Proposal) -> None:
        for each in proposals:
            self.agent.proposals[each.proposal] = each
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
