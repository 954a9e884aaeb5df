"""Questions of people's pages, and the agent's answers: each asked once, over the connection that all pages share."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from envs.errors import LabwrightError, UserError
from instruments.bus.waiting import Bell
from instruments.clock import Sleeper
from instruments.errors import TransportError
from instruments.profile.legibility import faults_of
from instruments.profile.questions import Answer, Question, Topic
from instruments.topics import AnswerTopic, Lab
from instruments.transport import Message, Transport

MAX_OPEN = 8
"""Questions of one person that may wait for their answers at a time."""


@dataclass
class _Ear:
    """Where one person's answers come in: open while somebody waits for one."""

    waiting: set[str] = field(default_factory=set)
    answers: dict[str, Answer] = field(default_factory=dict)


class Answers:
    """Asks, and hears the answers.

    Args:
        transport: connected by somebody else.
        topics: the laboratory.
        sleeper: waits.
    """

    def __init__(self, transport: Transport, topics: Lab, *, sleeper: Sleeper = asyncio.sleep) -> None:
        self._transport = transport
        self._topics = topics
        self._bell = Bell(sleeper)
        self._ears: dict[str, _Ear] = {}
        self._turn = asyncio.Lock()

    async def ask(self, user: str, about: Topic, *, within_s: float, busy: str = "", **fields: Any) -> Answer:
        """Ask one question.

        Args:
            user: who asks.
            about: what.
            within_s: how long the answer may take.
            busy: what may be the reason where none comes, in words.
            fields: of the question.

        Raises:
            UserError: it cannot be asked so, the agent refuses, or does not answer in time.
            TransportError: the broker is not there.
        """
        qid = secrets.token_hex(16)
        try:
            question = Question(lab=self._topics.lab, question=qid, about=about, **fields)
        except ValidationError as error:
            raise UserError(f"this cannot be asked: {faults_of(error)}") from error
        if not self._transport.connected:
            raise TransportError("the broker cannot be reached: nothing was asked")
        async with self._open(user, qid) as ear:
            await self._transport.publish(self._topics.question(user, qid), question.to_bytes())
            if not await self._bell.until(lambda: qid in ear.answers, within_s):
                raise UserError(f"the agent did not answer within {within_s:g} s{busy}: try again in a moment")
            answer = ear.answers.pop(qid)
        if answer.refused:
            raise UserError(answer.refused)
        return answer

    @asynccontextmanager
    async def _open(self, user: str, qid: str) -> AsyncIterator[_Ear]:
        ear = self._ears.setdefault(user, _Ear())
        if len(ear.waiting) >= MAX_OPEN:
            raise UserError(f"{MAX_OPEN} questions wait for their answers already: wait for one of them")
        ear.waiting.add(qid)
        pattern = self._topics.pattern("answer", user=user)
        try:
            async with self._turn:
                if len(ear.waiting) == 1:
                    await self._transport.subscribe(pattern, self._note)
            yield ear
        finally:
            ear.waiting.discard(qid)
            ear.answers.pop(qid, None)
            async with self._turn:
                if not ear.waiting and self._ears.get(user) is ear:
                    del self._ears[user]
                    await self._transport.unsubscribe(pattern, self._note)

    async def _note(self, message: Message) -> None:
        try:
            topic = self._topics.read(message.topic)
            if not isinstance(topic, AnswerTopic) or topic.qid not in self._ears.get(topic.user, _Ear()).waiting:
                return
            answer = self._read(topic, message.payload)
        except LabwrightError:
            return
        self._ears[topic.user].answers[topic.qid] = answer
        self._bell.ring()

    def _read(self, topic: AnswerTopic, payload: bytes) -> Answer:
        answer = Answer.parse(payload)
        if answer.question != topic.qid:
            raise UserError(f"on {topic} there is an answer to {answer.question}")
        return answer
