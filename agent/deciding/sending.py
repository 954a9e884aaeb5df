"""Sending what was signed, and hearing what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Literal

from envs.errors import UserError
from instruments.bus.waiting import Bell
from instruments.clock import Sleeper
from instruments.messages import MalformedMessageError
from instruments.profile.agent_messages import AgentEvent, Outcome
from instruments.profile.requests import request_id
from instruments.topics import DecisionTopic, Lab, RequestTopic
from instruments.transport import Handler, Message, Transport

ANSWER_S = 10.0
"""How long an agent may take to say what came of it."""
GRACE_S = 1.0
"""How long after a proposal's outcome the event that says more may come."""
_COUNTED = frozenset({"decision.counted", "request.accepted"})
_REFUSED = frozenset({"decision.refused", "request.refused"})


@dataclass(frozen=True)
class Answer:
    """What came of it.

    Args:
        verdict: ``unknown`` where nobody said anything: it may count all the same.
        text: the agent's words.
        kind: ``decision`` or ``request``.
        id: of what was sent, as the record and the agent's events name it.
    """

    verdict: Literal["counted", "refused", "unknown"]
    text: str = ""
    kind: str = ""
    id: str = ""


async def send(
    transport: Transport,
    topic: DecisionTopic | RequestTopic,
    token: str,
    *,
    within_s: float = ANSWER_S,
    sleeper: Sleeper = asyncio.sleep,
) -> Answer:
    """Publish something signed, and wait for the agent's answer.

    Args:
        transport: connected.
        topic: where it goes.
        token: what was signed.
        within_s: how long to wait.
        sleeper: waits.
    """
    hearing = _Hearing(topic, token, sleeper)
    async with hearing.on(transport):
        await transport.publish(str(topic), token.encode())
        if await hearing.bell.until(lambda: bool(hearing.answer or hearing.aside), within_s):
            await hearing.bell.until(lambda: hearing.answer is not None, GRACE_S)
    return replace(hearing.answer or hearing.aside or Answer("unknown"), kind=topic.row.key, id=request_id(token))


class _Hearing:
    def __init__(self, topic: DecisionTopic | RequestTopic, token: str, sleeper: Sleeper) -> None:
        self.answer: Answer | None = None
        self.aside: Answer | None = None
        self.bell = Bell(sleeper)
        self._topic = topic
        self._kind, self._id = topic.row.key, request_id(token)

    @asynccontextmanager
    async def on(self, transport: Transport) -> AsyncIterator[None]:
        """Listen while the context lasts: the connection may be one that many others use, too."""
        lab = self._topic.lab
        wanted: list[tuple[str, Handler]] = [(lab.pattern("agentEvent"), self.note_event)]
        if isinstance(self._topic, DecisionTopic):
            wanted.append((lab.outcome(self._topic.pid), self.note_outcome))
        try:
            for pattern, handler in wanted:
                await transport.subscribe(pattern, handler)
            yield
        finally:
            for pattern, handler in wanted:
                await transport.unsubscribe(pattern, handler)

    async def note_event(self, message: Message) -> None:
        try:
            event = AgentEvent.parse(message.payload)
        except MalformedMessageError:
            return
        about = event.reference
        if about is None or (about.kind, about.id) != (self._kind, self._id):
            return
        if event.kind in _COUNTED:
            self.answer = Answer("counted", event.text)
        elif event.kind in _REFUSED:
            self.answer = Answer("refused", event.text)
        self.bell.ring()

    async def note_outcome(self, message: Message) -> None:
        if message.retained or not message.payload:
            return
        try:
            outcome = Outcome.parse(message.payload)
        except (MalformedMessageError, UserError):
            return
        # The event says more and comes with it: the outcome alone counts where the event was lost.
        by = ", ".join(outcome.by) or "nobody"
        text = f"{outcome.proposal} was {outcome.verdict} by {by}"
        self.aside = Answer("counted" if self._topic.user in outcome.by else "unknown", text)
        self.bell.ring()


def silence(lab: Lab, user: str, *, online: bool, within_s: float) -> str:
    """What to say when nobody answered."""
    there = "an agent is online there" if online else f"no agent is online in the laboratory {lab.lab}"
    return (
        f"nobody answered within {within_s:g} s, and {there}. It is not known whether this counted: it may still, for "
        f"ten minutes after it was signed. A broker also passes over in silence what its user may not send: "
        f"only {user} may write on {user}'s topics."
    )
