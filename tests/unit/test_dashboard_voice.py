"""What leaves the dashboard, against an agent that judges by the real rules; and the questions that pages ask."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from people_bench import LAB, PASSWORD, PEOPLE, Agent, lab_now, presence, proposal
from typing_extensions import override

from agent.dashboard.door.visitor import Visitor
from agent.dashboard.live import answers
from agent.dashboard.live.watch import Watch
from agent.dashboard.voice import Voice
from agent.identity import IdentityStore, People, SigningKey
from agent.roles import Role
from envs.errors import UserError
from instruments.clock import SystemClock
from instruments.errors import TransportError
from instruments.local import LocalBus, LocalTransport
from instruments.profile.agent_messages import Proposal
from instruments.profile.decisions import Decision
from instruments.profile.questions import Answer, Preview, Question
from instruments.profile.requests import Request
from instruments.topics import QuestionTopic
from instruments.transport import Message


class StoreKeys:
    """Keys of the identities in a directory; notes how many are open at a time."""

    def __init__(self, store: IdentityStore) -> None:
        self._store = store
        self._busy = threading.Lock()
        self.crowded = False
        self.threads: set[int] = set()

    def open(self, visitor: Visitor, password: str) -> SigningKey:
        self.crowded |= not self._busy.acquire(blocking=False)
        try:
            self.threads.add(threading.get_ident())
            return self._store.open(visitor.name, password)
        finally:
            if self._busy.locked():
                self._busy.release()


class Ear(LocalTransport):
    """The agent's connection: it answers at once what it is told and asked."""

    def __init__(self, bus: LocalBus, agent: Agent, bench: Bench) -> None:
        super().__init__(bus)
        self._on, self._route, self._bench = agent.on, bus.route, bench
        self.questions: list[Question] = []

    @override
    def offer(self, message: Message, qos: int = 1) -> None:
        topic = LAB.read(message.topic)
        if isinstance(topic, QuestionTopic):
            question = Question.parse(message.payload)
            self.questions.append(question)
            if (answer := self._bench.reply(question)) is not None:
                self._route(LAB.answer(topic.user, topic.qid), answer.to_bytes(), retain=False)
        for where, payload, retain in self._on(message):
            self._route(where, payload, retain=retain)


class Bench:
    """A laboratory with one proposal, a watch, and a voice."""

    def __init__(self, store: IdentityStore) -> None:
        self.bus = LocalBus()
        self.agent = Agent(People.from_directory(store.directory))
        self.reply: Callable[[Question], Answer | None] = answered
        self.ear = Ear(self.bus, self.agent, self)
        self.bus.attach(self.ear)
        self.transport = self.bus.transport()
        self.watch = Watch(self.transport, LAB, clock=SystemClock())
        self.keys = StoreKeys(store)
        self.voice = Voice(self.transport, LAB, self.watch, self.keys, clock=SystemClock(), wait_s=0.05)
        where, payload, retain = presence("online")
        self.bus.route(where, payload, retain=retain)

    def publish(self, *proposals: Proposal) -> None:
        for each in proposals:
            self.agent.proposals[each.proposal] = each
            self.bus.route(LAB.proposal(each.proposal), each.to_bytes(), retain=True)


def answered(question: Question) -> Answer:
    return Answer(question=question.question, about=question.about, ts=lab_now())


def visitor(name: str) -> Visitor:
    return Visitor(name, PEOPLE.get(name, Role.VIEWER), f"session of {name}")


ANNA = visitor("anna")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> IdentityStore:
    made = IdentityStore(tmp_path_factory.mktemp("identities"), cost=2**4)
    for name, role in PEOPLE.items():
        made.create(name, role, PASSWORD)
    return made


@pytest.fixture
def during(store: IdentityStore, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Bench], Awaitable[Any]]], Any]:
    monkeypatch.setattr("agent.deciding.sending.GRACE_S", 0.01)

    async def run(act: Callable[[Bench], Awaitable[Any]]) -> Any:
        bench = Bench(store)
        bench.publish(proposal())
        async with bench.watch.running():
            await asyncio.sleep(0.01)
            return await act(bench)

    return lambda act: asyncio.run(run(act))


During = Callable[[Callable[[Bench], Awaitable[Any]]], Any]


def test_an_approval_is_signed_with_the_persons_own_key_and_counts(during: During) -> None:
    async def act(bench: Bench) -> None:
        read = bench.watch.picture.proposals["P007"].published
        counted = await bench.voice.decide(ANNA, PASSWORD, read, "approve", comment="a good margin")
        assert (counted.verdict, counted.kind) == ("counted", "decision")
        (heard,) = bench.agent.heard
        assert isinstance(heard, Decision)
        assert (heard.user, heard.verdict, heard.digest, heard.comment) == (
            "anna", "approve", read.digest, "a good margin",
        )  # fmt: skip
        assert threading.get_ident() not in bench.keys.threads

    during(act)


def test_an_edit_says_what_it_changes(during: During) -> None:
    async def act(bench: Bench) -> None:
        read = bench.watch.picture.proposals["P007"].published
        changes: dict[str, float | str] = {"process.temperature": 1600.0, "process.gas": "vacuum"}
        assert (await bench.voice.decide(ANNA, PASSWORD, read, "edit", changes=changes)).verdict == "counted"
        (heard,) = bench.agent.heard
        assert isinstance(heard, Decision)
        assert heard.changes == changes

    during(act)


def test_a_request_names_what_it_is_about(during: During) -> None:
    async def act(bench: Bench) -> None:
        counted = await bench.voice.ask(ANNA, PASSWORD, "maintenance", "furnace-1", arguments={"on": True})
        assert (counted.verdict, counted.kind) == ("counted", "request")
        (heard,) = bench.agent.heard
        assert isinstance(heard, Request)
        assert (heard.user, heard.action, heard.subject, heard.arguments) == (
            "anna", "maintenance", "furnace-1", {"on": True},
        )  # fmt: skip

    during(act)


def test_what_the_agent_refuses_is_told_in_its_words(during: During) -> None:
    async def act(bench: Bench) -> None:
        read = bench.watch.picture.proposals["P007"].published
        answer = await bench.voice.decide(visitor("vera"), PASSWORD, read, "approve")
        assert answer.verdict == "refused"
        assert "viewer" in answer.text

    during(act)


@pytest.mark.parametrize(
    ("choice", "more", "words"),
    [
        ("edit", {}, "cannot be signed"),
        ("approve", {"comment": "x" * 2001}, "cannot be signed"),
    ],
)
def test_what_cannot_be_said_is_not_sent(during: During, choice: Any, more: dict[str, Any], words: str) -> None:
    async def act(bench: Bench) -> None:
        read = bench.watch.picture.proposals["P007"].published
        with pytest.raises(UserError, match=words):
            await bench.voice.decide(ANNA, PASSWORD, read, choice, **more)
        with pytest.raises(UserError, match="cannot be asked for"):
            await bench.voice.ask(ANNA, PASSWORD, "retract", "E1")
        assert bench.agent.heard == bench.agent.refused == []

    during(act)


def test_a_wrong_password_sends_nothing(during: During) -> None:
    async def act(bench: Bench) -> None:
        read = bench.watch.picture.proposals["P007"].published
        with pytest.raises(UserError, match="wrong password for anna"):
            await bench.voice.decide(ANNA, "correct donkey", read, "approve")
        assert bench.agent.heard == bench.agent.refused == []

    during(act)


def test_a_proposal_that_was_changed_closed_or_expired_is_not_signed(during: During) -> None:
    async def act(bench: Bench) -> None:
        read = bench.watch.picture.proposals["P007"].published
        bench.publish(proposal(revision=2))
        await asyncio.sleep(0.01)
        with pytest.raises(
            UserError, match=r"P007 was changed while you read it: look at it again\. Nothing was sent\."
        ):
            await bench.voice.decide(ANNA, PASSWORD, read, "approve")
        bench.bus.route(LAB.proposal("P007"), b"", retain=True)
        await asyncio.sleep(0.01)
        with pytest.raises(UserError, match="P007 does not wait any more"):
            await bench.voice.decide(ANNA, PASSWORD, read, "approve")
        bench.publish(proposal("P008", left=timedelta(seconds=-60)))
        await asyncio.sleep(0.01)
        where, payload, _ = presence("online")
        bench.bus.route(where, payload, retain=False)
        await asyncio.sleep(0.01)
        with pytest.raises(UserError, match=r"P008 expired at .* it counts as not approved"):
            await bench.voice.decide(ANNA, PASSWORD, bench.watch.picture.proposals["P008"].published, "approve")
        assert bench.agent.heard == bench.agent.refused == []

    during(act)


def test_one_that_is_changed_while_the_key_is_opened_is_not_sent(during: During) -> None:
    async def act(bench: Bench) -> None:
        read = bench.watch.picture.proposals["P007"].published
        deciding = asyncio.create_task(bench.voice.decide(ANNA, PASSWORD, read, "approve"))
        await asyncio.sleep(0)
        bench.publish(proposal(revision=2))
        with pytest.raises(UserError, match="changed while you read it"):
            await deciding
        assert bench.agent.heard == bench.agent.refused == []

    during(act)


def test_without_a_broker_nothing_waits_to_be_sent_later(during: During) -> None:
    async def act(bench: Bench) -> None:
        read = bench.watch.picture.proposals["P007"].published
        await bench.transport.drop()
        with pytest.raises(TransportError, match="the broker cannot be reached: nothing was sent"):
            await bench.voice.decide(ANNA, PASSWORD, read, "approve")
        with pytest.raises(TransportError, match="nothing was asked"):
            await bench.voice.verify(ANNA)
        await bench.transport.reconnect()
        await asyncio.sleep(0.02)
        assert bench.agent.heard == []

    during(act)


def test_where_nobody_answers_it_is_said_that_it_is_not_known(during: During) -> None:
    async def act(bench: Bench) -> None:
        bench.agent.mute = True
        answer = await bench.voice.ask(ANNA, PASSWORD, "stop-lab")
        assert answer.verdict == "unknown"
        assert "nobody answered within 0.05 s, and an agent is online there" in answer.text

    during(act)


def test_several_at_once_open_one_key_after_the_other(during: During) -> None:
    async def act(bench: Bench) -> None:
        bench.publish(*(proposal(f"P{i:03d}") for i in range(20, 32)))
        await asyncio.sleep(0.02)
        waiting = [one.published for one in bench.watch.picture.proposals.values()]
        answers = await asyncio.gather(*(bench.voice.decide(ANNA, PASSWORD, read, "approve") for read in waiting))
        assert [answer.verdict for answer in answers] == ["counted"] * 13
        assert not bench.keys.crowded
        assert bench.watch.picture.proposals.keys() == {one.proposal for one in waiting}

    during(act)


# ---- Questions


def test_every_question_gets_its_own_answer_and_nobody_listens_afterwards(during: During) -> None:
    async def act(bench: Bench) -> None:
        def reply(question: Question) -> Answer:
            said = f"no {question.about} of {question.proposal or question.subject or question.sha256}"
            return Answer(question=question.question, about=question.about, ts=lab_now(), refused=said)

        bench.reply = reply
        asked = await asyncio.gather(
            bench.voice.preview(ANNA, "P007", {"process.temperature": 1500.0}),
            bench.voice.audit(ANNA, subject="E1", before=40, limit=10),
            bench.voice.audit(visitor("ben"), subject="E2"),
            bench.voice.picture(ANNA, "ab" * 32, 400),
            return_exceptions=True,
        )
        assert [str(one) for one in asked] == [
            "no preview of P007", "no audit of E1", "no audit of E2", f"no picture of {'ab' * 32}",
        ]  # fmt: skip
        preview, audit, other, picture = bench.ear.questions
        assert (preview.changes, audit.before, audit.limit) == ({"process.temperature": 1500.0}, 40, 10)
        assert (other.subject, picture.edge, picture.sha256) == ("E2", 400, "ab" * 32)
        assert not bench.voice._answers._ears
        assert not [pattern for pattern, _ in bench.transport._subscribed if "answer" in pattern]

    during(act)


def test_an_answer_brings_what_was_asked_for(during: During) -> None:
    async def act(bench: Bench) -> None:
        preview = Preview(proposal="P007", revision=1, design=proposal().design)
        bench.reply = lambda question: answered(question).model_copy(update={"preview": preview})
        assert (await bench.voice.preview(ANNA, "P007")).preview == preview

    during(act)


def test_a_picture_is_asked_for_once_whoever_looks_at_it(during: During, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.dashboard.voice.MAX_PICTURES", 3)

    async def act(bench: Bench) -> None:
        for sha256, name in (
            ("aa", "anna"),
            ("bb", "anna"),
            ("aa", "ben"),
            ("cc", "ben"),
            ("dd", "ben"),
            ("aa", "ben"),
        ):
            await bench.voice.picture(visitor(name), sha256 * 32)
        await bench.voice.picture(ANNA, "aa" * 32, 400)
        assert [question.sha256 for question in bench.ear.questions] == [
            two * 32 for two in ("aa", "bb", "cc", "dd", "aa")
        ]

    during(act)


def test_an_agent_that_does_not_answer_in_time(during: During, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.dashboard.voice.PREVIEW_S", 0.02)

    async def act(bench: Bench) -> None:
        bench.reply = lambda _question: None
        with pytest.raises(UserError, match=r"did not answer within 0.02 s \(the planner may be at work"):
            await bench.voice.preview(ANNA, "P007")
        assert not bench.voice._answers._ears

    during(act)


def test_a_page_cannot_fill_the_bus_with_questions(during: During, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.dashboard.voice.QUESTION_S", 0.02)

    async def act(bench: Bench) -> None:
        bench.reply = lambda _question: None
        asked = await asyncio.gather(*(bench.voice.verify(ANNA) for _ in range(20)), return_exceptions=True)
        assert len(bench.ear.questions) == answers.MAX_OPEN
        assert sum("wait for their answers already" in str(one) for one in asked) == 20 - answers.MAX_OPEN

    during(act)


@pytest.mark.parametrize(
    "payload", [b"{", b"\xff", answered(Question(lab="l", question="q", about="verify")).to_bytes()]
)
def test_an_answer_that_is_none_is_passed_over(during: During, monkeypatch: pytest.MonkeyPatch, payload: bytes) -> None:
    monkeypatch.setattr("agent.dashboard.voice.QUESTION_S", 0.02)

    async def act(bench: Bench) -> None:
        def reply(question: Question) -> None:
            bench.bus.route(LAB.answer("anna", question.question), payload, retain=False)

        bench.reply = reply
        with pytest.raises(UserError, match="did not answer"):
            await bench.voice.verify(ANNA)

    during(act)


def test_time_of_a_signature_is_the_machines(during: During) -> None:
    async def act(bench: Bench) -> None:
        await bench.voice.ask(ANNA, PASSWORD, "stop-lab")
        assert abs(bench.agent.heard[0].time - datetime.now(UTC)) < timedelta(seconds=5)

    during(act)
