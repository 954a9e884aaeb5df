"""What people's programs ask, answered beside everything else: it changes nothing, and holds nobody up.

A question is noted when it comes and answered later: its handler waits for nothing, so that decisions behind it are
heard at once. One of each kind is worked at, a few of each person wait, and whoever asks too much is told so in words.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import ValidationError

from agent.daemon import logs
from agent.daemon.answer_size import fitting_answer
from agent.daemon.question_line import Asked, Line
from envs.errors import LabwrightError
from instruments.clock import Clock
from instruments.profile.questions import Answer, Question
from instruments.profile.questions import Topic as About
from instruments.topics import Lab
from instruments.transport import Message, Transport

_log = logs.get("questions")
WAITING = 32
"""Most questions of a kind that wait."""
A_PERSON: Mapping[About, int] = {"preview": 3, "audit": 4, "verify": 2, "picture": 8}
"""Most of them that are of one person: a page shows several pictures at once."""
A_MINUTE = 60
"""Most questions of one person in a minute."""
MINUTE_S = 60.0
USERS = 1000
"""Most people whose questions are counted."""
REFUSALS = 64
"""Most refusals that wait to be said; the oldest are dropped."""
MAX_QUESTION = 64 * 1024
"""Longest question, bytes."""
KINDS: tuple[About, ...] = get_args(About)
Answering = Callable[[Question], Awaitable[Mapping[str, Any]]]
"""Gives the fields of an answer; a ``LabwrightError`` is told to whoever asked."""


@dataclass(frozen=True)
class _Refused:
    user: str
    qid: str
    about: About
    words: str


class Questions:
    """Hears questions and answers them.

    Args:
        topics: of this laboratory.
        answering: by kind; what is not there is refused.
        transport: answers go out over it.
        clock: the laboratory's time.
        monotonic: seconds that only go forward, by which questions are counted.
    """

    def __init__(
        self,
        topics: Lab,
        answering: Mapping[About, Answering],
        transport: Transport,
        clock: Clock,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._topics = topics
        self._answering = answering
        self._transport = transport
        self._clock = clock
        self._monotonic = monotonic
        self._lines = {kind: Line(WAITING, A_PERSON[kind]) for kind in KINDS}
        self._refusals: deque[_Refused] = deque(maxlen=REFUSALS)
        self._refused = asyncio.Event()
        self._counted: OrderedDict[str, deque[float]] = OrderedDict()

    @property
    def waiting(self) -> int:
        """Questions that nobody works at yet."""
        return sum(len(line) for line in self._lines.values())

    async def listen(self, transport: Transport) -> None:
        """Subscribe."""
        await transport.subscribe(self._topics.pattern("question"), self._on_question)

    async def run(self) -> None:
        """Answer until cancelled."""
        work = [self._answer_all(line) for line in self._lines.values()]
        tasks = [asyncio.create_task(one) for one in (*work, self._refuse_all())]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    # ---- Hearing

    async def _on_question(self, message: Message) -> None:
        if message.retained or not message.payload:
            return
        try:
            self._note(message)
        except Exception:  # noqa: BLE001 - whatever somebody sent: what comes behind it must be heard
            _log.exception("a question could not be taken", topic=message.topic)

    def _note(self, message: Message) -> None:
        levels = self._topics.read(message.topic).levels
        user, qid = levels["user"], levels["qid"]
        if len(message.payload) > MAX_QUESTION:
            _log.warning("a question is too long", user=user, bytes=len(message.payload))
            return
        try:
            question = Question.model_validate_json(message.payload, extra="ignore")
        except ValidationError as error:
            self._unreadable(user, qid, message.payload, error)
            return
        if words := self._against(user, qid, question):
            self._refuse(_Refused(user, qid, question.about, words))
            return
        self._lines[question.about].join(Asked(user, question))

    def _against(self, user: str, qid: str, question: Question) -> str:
        """Why a question is not taken; empty where it is."""
        if question.lab != self._topics.lab:
            return f"this is the laboratory {self._topics.lab}, not {question.lab}"
        if question.question != qid:
            return f"the topic says that this is the question {qid}, and the question says {question.question}"
        if question.about not in self._answering:
            return f"nobody here answers what is about {question.about}"
        if not self._counts(user):
            return f"{A_MINUTE} questions a minute are answered to each person: ask again in a minute"
        return self._lines[question.about].against(user)

    def _counts(self, user: str) -> bool:
        """Whether a person may ask one more now; counts it if so."""
        now = self._monotonic()
        asked = self._counted.setdefault(user, deque(maxlen=A_MINUTE))
        self._counted.move_to_end(user)
        while len(self._counted) > USERS:
            self._counted.popitem(last=False)
        if len(asked) == A_MINUTE and now - asked[0] < MINUTE_S:
            return False
        asked.append(now)
        return True

    def _unreadable(self, user: str, qid: str, payload: bytes, error: ValidationError) -> None:
        """Say so, where it can at least be told what it was to be about."""
        first = error.errors(include_input=False, include_context=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "it"
        _log.warning("a question cannot be read", user=user, where=where, reason=first["msg"])
        try:
            about = json.loads(payload).get("about")
        except (ValueError, AttributeError, RecursionError):
            return
        if about in KINDS:
            self._refuse(_Refused(user, qid, about, f"the question cannot be read: {where}: {first['msg']}"))

    def _refuse(self, refused: _Refused) -> None:
        self._refusals.append(refused)
        self._refused.set()

    # ---- Answering

    async def _answer_all(self, line: Line) -> None:
        while True:
            await line.bell.wait()
            line.bell.clear()
            while (asked := line.next()) is not None:
                await self._say(asked.user, await self._answer(asked.question))

    async def _refuse_all(self) -> None:
        while True:
            await self._refused.wait()
            self._refused.clear()
            while self._refusals:
                one = self._refusals.popleft()
                await self._say(one.user, self._plain(one.qid, one.about, one.words))

    async def _answer(self, question: Question) -> Answer:
        try:
            fields = await self._answering[question.about](question)
            return Answer(question=question.question, about=question.about, ts=self._clock.now(), **fields)
        except LabwrightError as error:
            return self._plain(question.question, question.about, str(error))
        except Exception:  # noqa: BLE001 - of whatever kind: the daemon goes on
            _log.exception("a question could not be answered", about=question.about)
            words = "it could not be answered; the agent's log says why"
            return self._plain(question.question, question.about, words)

    def _plain(self, qid: str, about: About, words: str) -> Answer:
        refused = words[:2000] or "it cannot be answered"
        return Answer(question=qid, about=about, ts=self._clock.now(), refused=refused)

    async def _say(self, user: str, answer: Answer) -> None:
        try:
            await self._transport.publish(self._topics.answer(user, answer.question), fitting_answer(answer))
        except LabwrightError as error:
            _log.warning("an answer could not be sent", user=user, about=answer.about, reason=str(error))
        except Exception:  # noqa: BLE001 - likewise
            _log.exception("an answer could not be sent", user=user, about=answer.about)
