"""Questions on the bus: answered one by one, refused in words where there are too many, and never in the way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from patience import until

from agent.daemon.questions import A_MINUTE, A_PERSON, MAX_QUESTION, WAITING, Answering, Questions
from envs.errors import UserError
from instruments.clock import SimClock
from instruments.errors import TransportError
from instruments.local import LocalBus, LocalTransport
from instruments.profile.agent_messages import Check, Hazard
from instruments.profile.questions import Answer, Entry, Preview, Question
from instruments.topics import Lab
from instruments.transport import Message

TOPICS = Lab("labwright", "hall")
SHA = "ab" * 32


class Room:
    """Somebody who asks, and the one who answers, on a bus in memory."""

    def __init__(self, answering: Mapping[Any, Answering]) -> None:
        self.answers: list[Answer] = []
        self.bus = LocalBus()
        self.clock_s = 0.0
        self.agent, self.asker = LocalTransport(self.bus), LocalTransport(self.bus)
        self.questions = Questions(
            TOPICS, answering, self.agent, SimClock(datetime(2026, 5, 4, tzinfo=UTC)), monotonic=lambda: self.clock_s
        )

    def ask(self, qid: str = "q1", user: str = "anna", *, lab: str = "hall", retain: bool = False, **more: Any) -> None:
        fields = {"about": "audit", **more}
        question = Question.model_validate({"lab": lab, "question": fields.pop("id", qid), **fields})
        self.bus.route(TOPICS.question(user, qid), question.to_bytes(), retain=retain)

    async def _note(self, message: Message) -> None:
        self.answers.append(Answer.model_validate_json(message.payload))

    def play(self, scene: Callable[[Room], Awaitable[None]]) -> None:
        async def story() -> None:
            await self.questions.listen(self.agent)
            await self.asker.subscribe(TOPICS.pattern("answer"), self._note)
            await self.agent.connect()
            await self.asker.connect()
            work = asyncio.create_task(self.questions.run())
            try:
                await scene(self)
                assert not work.done()
            finally:
                work.cancel()
                await asyncio.gather(work, return_exceptions=True)
                await self.agent.close()
                await self.asker.close()

        asyncio.run(story())

    async def answered(self, n: int = 1) -> list[Answer]:
        await until(lambda: len(self.answers) >= n)
        return self.answers


async def nothing(_question: Question) -> Mapping[str, Any]:
    return {}


def test_what_is_asked_is_answered_to_who_asked() -> None:
    async def page(question: Question) -> Mapping[str, Any]:
        assert (question.limit, question.before) == (7, 12)
        return {"more": True}

    async def scene(room: Room) -> None:
        topics: list[str] = []

        async def note(message: Message) -> None:
            topics.append(message.topic)

        await room.asker.subscribe(TOPICS.pattern("answer", user="anna"), note)
        room.ask(limit=7, before=12)
        (answer,) = await room.answered()
        assert (answer.question, answer.about, answer.refused, answer.more) == ("q1", "audit", "", True)
        assert topics == ["labwright/v1/hall/answer/anna/q1"]

    Room({"audit": page}).play(scene)


def test_an_error_is_an_answer_in_words_and_a_mistake_too() -> None:
    async def refusing(_question: Question) -> Mapping[str, Any]:
        raise UserError("there is no proposal P009")

    async def mistaken(_question: Question) -> Mapping[str, Any]:
        raise ZeroDivisionError("secret details")

    async def scene(room: Room) -> None:
        room.ask(about="audit")
        room.ask("q2", about="verify")
        room.ask("q3", about="picture", sha256=SHA)
        said = {a.question: a.refused for a in await room.answered(3)}
        assert said["q1"] == "there is no proposal P009"
        assert "the agent's log" in said["q2"]
        assert "secret" not in said["q2"]
        assert "nobody here answers" in said["q3"]
        room.ask("q4", about="audit")
        assert len(await room.answered(4)) == 4

    Room({"audit": refusing, "verify": mistaken}).play(scene)


def test_one_of_each_kind_is_worked_at_and_kinds_do_not_wait_for_each_other() -> None:
    at_once = {"now": 0, "most": 0}
    gate = asyncio.Event()

    async def slow(_question: Question) -> Mapping[str, Any]:
        at_once["now"] += 1
        at_once["most"] = max(at_once["most"], at_once["now"])
        await gate.wait()
        at_once["now"] -= 1
        return {}

    async def scene(room: Room) -> None:
        for n in range(5):
            room.ask(f"slow-{n}", user=f"user-{n}", about="verify")
        room.ask("quick")
        assert [a.question for a in await room.answered()] == ["quick"]
        gate.set()
        assert [a.question for a in await room.answered(6)][1:] == [f"slow-{n}" for n in range(5)]
        assert at_once["most"] == 1

    Room({"verify": slow, "audit": nothing}).play(scene)


def test_more_than_a_few_waiting_are_refused_in_words() -> None:
    gate, begun = asyncio.Event(), asyncio.Event()

    async def slow(_question: Question) -> Mapping[str, Any]:
        begun.set()
        await gate.wait()
        return {}

    async def scene(room: Room) -> None:
        room.ask("first")
        await begun.wait()
        for n in range(WAITING + 3):
            room.ask(f"q{n}", user=f"user-{n}")
        said = await room.answered(3)
        assert all("wait already" in answer.refused for answer in said)
        gate.set()
        assert sum(not answer.refused for answer in await room.answered(WAITING + 4)) == WAITING + 1

    Room({"audit": slow}).play(scene)


def test_one_persons_many_keep_nobody_elses_away() -> None:
    gate, begun = asyncio.Event(), asyncio.Event()

    async def slow(_question: Question) -> Mapping[str, Any]:
        begun.set()
        await gate.wait()
        return {}

    async def scene(room: Room) -> None:
        room.ask("first", user="mallory", about="preview", proposal="P1")
        await begun.wait()
        for n in range(20):
            room.ask(f"m{n}", user="mallory", about="preview", proposal="P1")
        refused = [answer.refused for answer in await room.answered(20 - A_PERSON["preview"])]
        assert all("of yours wait already" in words for words in refused)
        room.ask("annas", about="audit")
        n = 1 + len(refused)
        assert (await room.answered(n))[-1].question == "annas"
        room.ask("annas-too", about="preview", proposal="P2")
        gate.set()
        last = [answer.question for answer in (await room.answered(n + A_PERSON["preview"] + 2))[n:]]
        assert last == ["first", "m0", "annas-too", "m1", "m2"], "people are served in turns"

    Room({"preview": slow, "audit": nothing}).play(scene)


def entry(seq: int, text: str) -> Entry:
    return Entry(seq=seq, at=datetime(2026, 5, 4, tzinfo=UTC), kind="request.accepted", text=text, hash=SHA)


def test_an_answer_that_is_too_long_is_cut_to_what_a_message_holds() -> None:
    async def page(question: Question) -> Mapping[str, Any]:
        return {"entries": tuple(entry(100 - n, "\x01" * 2000) for n in range(question.limit)), "more": False}

    async def scene(room: Room) -> None:
        room.ask(limit=100)
        (answer,) = await room.answered()
        assert (answer.refused, answer.more) == ("", True)
        assert [one.seq for one in answer.entries] == list(range(100, 50, -1)), "the newest, so that one can go on"
        room.ask("q2", limit=5)
        assert [len(one.entries) for one in await room.answered(2)] == [50, 5]

    Room({"audit": page}).play(scene)


def test_an_answer_that_cannot_be_cut_is_refused_in_words() -> None:
    async def much(_question: Question) -> Mapping[str, Any]:
        text, line = "\x01" * 2000, "\x01" * 200
        checks = 64 * (Check(instrument=line, command=line, parameter=line, value=line),)
        preview = Preview(
            proposal="P1", revision=1, design={"a": "b"}, refusals=32 * (text,), notes=16 * (text,), checks=checks,
            hazards=32 * (Hazard(code="h", text=text),),
        )  # fmt: skip
        return {"preview": preview}

    async def scene(room: Room) -> None:
        room.ask(about="preview", proposal="P1")
        assert (await room.answered())[0].refused == "the answer is too long for a message of the bus"

    Room({"preview": much}).play(scene)


def test_sixty_a_minute_for_each_person() -> None:
    async def scene(room: Room) -> None:
        for n in range(A_MINUTE):
            room.ask(f"q{n}")
            await room.answered(n + 1)
        room.ask("too-many")
        room.ask("bobs", user="bob")
        said = {a.question: a.refused for a in await room.answered(A_MINUTE + 2)}
        assert "60 questions a minute" in said["too-many"]
        assert said["bobs"] == ""
        room.clock_s = 61.0
        room.ask("later")
        assert (await room.answered(A_MINUTE + 3))[-1].refused == ""

    Room({"audit": nothing}).play(scene)


def test_what_is_kept_or_empty_or_for_another_laboratory_is_not_answered() -> None:
    async def scene(room: Room) -> None:
        room.ask("other", lab="elsewhere")
        assert "laboratory hall, not elsewhere" in (await room.answered())[0].refused
        room.ask("named", id="otherwise")
        assert "otherwise" in (await room.answered(2))[1].refused
        room.bus.route(TOPICS.question("anna", "empty"), b"", retain=False)
        room.ask("last")
        assert [a.question for a in await room.answered(3)] == ["other", "named", "last"]

    room = Room({"audit": nothing})
    room.ask("kept", retain=True)
    room.play(scene)


@pytest.mark.parametrize(
    "payload",
    [
        b"\xff\xfe", b"[]", b"null", b"{", b"1" * 5000, b'{"about": {}}', b'{"about": "sudo"}', b"[" * 100_000,
        b'{"about": "audit", "lab": "hall"}' + b" " * MAX_QUESTION,
    ],
)  # fmt: skip
def test_rubbish_is_passed_over_and_what_follows_is_answered(payload: bytes) -> None:
    async def scene(room: Room) -> None:
        room.bus.route(TOPICS.question("mallory", "q0"), payload, retain=False)
        room.ask()
        assert [a.question for a in await room.answered()] == ["q1"]

    Room({"audit": nothing}).play(scene)


def test_a_question_that_is_nearly_one_is_told_what_is_wrong() -> None:
    async def scene(room: Room) -> None:
        nearly: dict[str, dict[str, Any]] = {
            "q1": {"about": "audit", "limit": 1000},
            "q2": {"about": "picture"},
            "q3": {"about": "preview", "proposal": 7},
        }
        for qid, fields in nearly.items():
            body = json.dumps({"proto": "1.0", "lab": "hall", "question": qid, **fields})
            room.bus.route(TOPICS.question("anna", qid), body.encode(), retain=False)
        said = {a.question: a.refused for a in await room.answered(3)}
        assert "limit" in said["q1"]
        assert "sha256" in said["q2"]
        assert "proposal" in said["q3"]

    Room({"audit": nothing}).play(scene)


def test_a_broker_that_takes_no_answer_ends_nothing() -> None:
    async def scene(room: Room) -> None:
        real = room.agent.publish

        async def away(*_what: Any, **_how: Any) -> None:
            raise TransportError("too much waits for a lost connection")

        room.agent.publish = away  # type: ignore[method-assign]
        room.ask("lost")
        await asyncio.sleep(0.01)
        room.agent.publish = real  # type: ignore[method-assign]
        room.ask("heard")
        assert [a.question for a in await room.answered()] == ["heard"]

    Room({"audit": nothing}).play(scene)
