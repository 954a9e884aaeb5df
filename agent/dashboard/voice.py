"""What leaves the dashboard: decisions and requests that people sign, and questions.

A person's key is opened by their password for one signature, in a thread, and nothing of it is held afterwards.
"""

from __future__ import annotations

import asyncio
import logging
import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from agent.approvals import sign_decision
from agent.dashboard.door.keys import BusyError
from agent.dashboard.door.throttle import SigningThrottle
from agent.dashboard.live.answers import Answers
from agent.deciding.letters import decision_of, request_of
from agent.deciding.sending import ANSWER_S, send, silence
from agent.requests import sign_request
from envs.errors import UserError
from instruments.clock import Clock, Sleeper
from instruments.errors import TransportError
from instruments.profile.requests import request_id
from instruments.topics import DecisionTopic, Lab, RequestTopic
from instruments.transport import Transport

if TYPE_CHECKING:
    from agent.dashboard.door.visitor import Visitor
    from agent.dashboard.ports import Live
    from agent.deciding.sending import Answer as Counted
    from agent.identity import SigningKey
    from instruments.profile.decisions import Choice, PublishedProposal
    from instruments.profile.questions import Answer
    from instruments.profile.requests import Action, Argument

QUESTION_S, PREVIEW_S = 20.0, 120.0
"""How long an answer may take; a preview waits for the planner, which may be planning."""
MAX_PICTURES = 48
"""Pictures that are remembered, the latest, of at most 175 KB each."""
_log = logging.getLogger(__name__)
_BUSY = " (the planner may be at work on the next round)"


class Keys(Protocol):
    """Opens people's keys."""

    def open(self, visitor: Visitor, password: str) -> SigningKey:
        """A person's key, for one signature; takes a third of a second and 128 MB.

        Raises:
            UserError: the password is wrong, or there is no key.
        """
        ...


class Voice:
    """``agent.dashboard.ports.Voice`` at a broker.

    Args:
        transport: connected by the watch that ``live`` is.
        topics: the laboratory.
        live: what is known of it.
        keys: people's.
        clock: the machine's: what is signed carries its time.
        sleeper: waits.
        wait_s: how long the agent's word on what was signed may take.
    """

    def __init__(
        self,
        transport: Transport,
        topics: Lab,
        live: Live,
        keys: Keys,
        *,
        clock: Clock,
        sleeper: Sleeper = asyncio.sleep,
        wait_s: float = ANSWER_S,
    ) -> None:
        self._transport = transport
        self._topics = topics
        self._live = live
        self._keys = keys
        self._clock = clock
        self._sleeper = sleeper
        self._wait_s = wait_s
        self._answers = Answers(transport, topics, sleeper=sleeper)
        self._pictures: dict[tuple[str, int], Answer] = {}
        self._tries = SigningThrottle(clock.elapsed)
        self._turns: dict[str, asyncio.Lock] = {}

    # What is signed ---------------------------------------------------------------------------------------------------

    async def decide(
        self,
        visitor: Visitor,
        password: str,
        read: PublishedProposal,
        choice: Choice,
        *,
        comment: str = "",
        changes: Mapping[str, float | str] | None = None,
    ) -> Counted:
        """Sign a decision on what was read, send it, and wait for the agent's word.

        Raises:
            UserError: the password is wrong, the proposal is not what was read any more, or it cannot be said so.
            TransportError: the broker is not there.
        """
        topic = DecisionTopic(self._topics, visitor.name, read.proposal)

        def sign(key: SigningKey) -> str:
            decision = decision_of(read, visitor.name, choice, at=self._clock.now(), comment=comment, changes=changes)
            return sign_decision(decision, key)

        self._check_open(read)
        token = await self._signed(visitor, password, sign)
        self._check_open(read)  # opening a key takes its time
        return await self._sent(topic, token)

    async def ask(
        self,
        visitor: Visitor,
        password: str,
        action: Action,
        subject: str = "",
        *,
        arguments: Mapping[str, Argument] | None = None,
        comment: str = "",
    ) -> Counted:
        """Sign a request, send it, and wait for the agent's word.

        Raises:
            UserError: the password is wrong, or it cannot be asked for so.
            TransportError: the broker is not there.
        """

        def sign(key: SigningKey) -> str:
            request = request_of(
                self._topics.lab, visitor.name, action, at=self._clock.now(), subject=subject, arguments=arguments,
                comment=comment,
            )  # fmt: skip
            return sign_request(request, key)

        token = await self._signed(visitor, password, sign)
        return await self._sent(RequestTopic(self._topics, visitor.name, request_id(token)), token)

    def _check_open(self, read: PublishedProposal) -> None:
        pid, picture = read.proposal, self._live.picture
        waiting = picture.proposals.get(pid)
        if waiting is None:
            if outcome := picture.outcomes.get(pid):
                by = f" by {', '.join(outcome.by)}" if outcome.by else ""
                raise UserError(f"{pid} does not wait any more: it was {outcome.verdict}{by}. Nothing was sent.")
            raise UserError(f"{pid} does not wait any more. Nothing was sent.")
        if waiting.published.digest != read.digest:
            raise UserError(f"{pid} was changed while you read it: look at it again. Nothing was sent.")
        if (now := self._live.now()) >= read.expires_at:
            raise UserError(
                f"{pid} expired at {read.expires_at:%Y-%m-%d %H:%M} UTC; in the laboratory it is {now:%Y-%m-%d %H:%M}: "
                "it counts as not approved. Nothing was sent."
            )

    async def _signed(self, visitor: Visitor, password: str, sign: Callable[[SigningKey], str]) -> str:
        """What was signed; the key lives in a thread's call alone."""
        self._check_connected()
        opened = threading.Event()

        def open_and_sign() -> str:
            key = self._keys.open(visitor, password)
            opened.set()
            return sign(key)

        # One key of a person at a time; how many people's are opened at once, the keys themselves bound.
        async with self._turns.setdefault(visitor.name, asyncio.Lock()):
            if (wait_s := self._tries.wait_s(visitor.name, visitor.session)) > 0:
                raise UserError(f"too many wrong passwords: {_please_wait(wait_s)}. Nothing was sent.")
            try:
                return await asyncio.to_thread(open_and_sign)
            except UserError as error:
                if not opened.is_set() and not isinstance(error, BusyError):
                    self._note_wrong(visitor, error)
                raise
            finally:
                if opened.is_set():
                    self._tries.right(visitor.name, visitor.session)

    def _note_wrong(self, visitor: Visitor, error: UserError) -> None:
        wait_s = self._tries.wrong(visitor.name, visitor.session)
        _log.warning("something was to be signed as %s, and the key was not opened: %s", visitor.name, error)
        if wait_s > 0:
            raise UserError(f"{error}: {_please_wait(wait_s)}. Nothing was sent.") from error

    async def _sent(self, topic: DecisionTopic | RequestTopic, token: str) -> Counted:
        self._check_connected()  # else it would wait, and count when nobody thinks of it any more
        answer = await send(self._transport, topic, token, within_s=self._wait_s, sleeper=self._sleeper)
        if answer.text or answer.verdict != "unknown":
            return answer
        online = any(status.state != "offline" for status in self._live.picture.agents.values())
        return replace(answer, text=silence(self._topics, topic.user, online=online, within_s=self._wait_s))

    def _check_connected(self) -> None:
        if not self._transport.connected:
            raise TransportError("the broker cannot be reached: nothing was sent")

    # What is asked ----------------------------------------------------------------------------------------------------

    async def preview(self, visitor: Visitor, pid: str, changes: Mapping[str, float | str] | None = None) -> Answer:
        """Ask the agent what a proposal would be with some changes.

        Raises:
            UserError: the agent refuses, or does not answer in time.
            TransportError: the broker is not there.
        """
        return await self._answers.ask(
            visitor.name, "preview", within_s=PREVIEW_S, busy=_BUSY, proposal=pid, changes=dict(changes or {})
        )

    async def audit(self, visitor: Visitor, *, subject: str = "", before: int | None = None, limit: int = 50) -> Answer:
        """Ask for entries of the record, the newest first; raises as ``preview`` does."""
        return await self._answers.ask(
            visitor.name, "audit", within_s=QUESTION_S, subject=subject or None, before=before, limit=limit
        )

    async def verify(self, visitor: Visitor) -> Answer:
        """Have the whole record read and judged; raises as ``preview`` does."""
        return await self._answers.ask(visitor.name, "verify", within_s=QUESTION_S)

    async def picture(self, visitor: Visitor, sha256: str, edge: int = 1024) -> Answer:
        """Ask for a picture, made at most ``edge`` pixels wide and high; raises as ``preview`` does."""
        # Named by its content, it is the same for everybody and for ever: the agent makes it small once.
        known = self._pictures.pop((sha256, edge), None)
        answer = known or await self._answers.ask(
            visitor.name, "picture", within_s=QUESTION_S, sha256=sha256, edge=edge
        )
        self._pictures[sha256, edge] = answer
        while len(self._pictures) > MAX_PICTURES:
            del self._pictures[next(iter(self._pictures))]
        return answer


def _please_wait(wait_s: float) -> str:
    return f"please wait {math.ceil(wait_s)} s before the next try"
