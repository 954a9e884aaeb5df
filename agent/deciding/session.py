"""One command of a person, from its beginning to its end: look, sign, send, hear."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from agent.approvals import sign_decision
from agent.deciding.asked import Asked
from agent.deciding.board import Board, read_board
from agent.deciding.entrance import explained, with_credentials
from agent.deciding.letters import TooLateError, decision_of, open_proposal, request_of
from agent.deciding.place import Place, find_place
from agent.deciding.sending import Answer, send, silence
from agent.identity import IdentityStore, SigningKey
from agent.requests import request_id, sign_request
from envs.errors import UserError
from instruments.clock import Clock, SystemClock
from instruments.errors import TransportError
from instruments.ids import SystemIds
from instruments.mqtt import MqttTransport
from instruments.profile.decisions import Choice, PublishedProposal
from instruments.profile.requests import Action, Argument
from instruments.topics import DecisionTopic, RequestTopic
from instruments.transport import Transport

T = TypeVar("T")


def connection(place: Place) -> Transport:
    """A connection of its own, which nobody else at the broker has."""
    return MqttTransport(place.address, client_id=f"person-{SystemIds().new()}")


def _alone(store: IdentityStore) -> str:
    """The one identity on this machine; empty where there are more or none."""
    names = [person.name for person in store.persons() if person.revoked is None]
    return names[0] if len(names) == 1 else ""


async def enter(transport: Transport, place: Place) -> None:
    """Connect.

    Raises:
        TransportError: no broker is there, or it refuses; says what it wants to know then.
    """
    try:
        await transport.connect()
    except TransportError as error:
        raise explained(error, place) from error


@dataclass(frozen=True)
class Session:
    """A person at a laboratory.

    Args:
        place: the laboratory.
        user: who signs; empty where nothing is signed.
        store: the identities on this machine.
        wait_s: how long an answer may take.
        clock: the machine's: what is signed carries its time.
    """

    place: Place
    user: str
    store: IdentityStore
    wait_s: float = 10.0
    clock: Clock = SystemClock()  # noqa: RUF009  # it has no state

    @classmethod
    def begin(
        cls, asked: Asked, store: IdentityStore, *, user: str | None = None, signs: bool, wait_s: float = 10.0
    ) -> Session:
        """Find out which laboratory and who is meant.

        Args:
            asked: on the command line.
            store: the identities on this machine.
            user: who signs; None for the one identity that is there.
            signs: whether anything is going to be signed.
            wait_s: how long an answer may take.

        Raises:
            UserError: it cannot be told which laboratory or who is meant.
            ConfigError: the broker's address is wrong.
        """
        if not signs:
            place = find_place(asked, (user,) if user else ())
            if place.asks and not place.address.username and (alone := _alone(store)):
                place = find_place(asked, (alone,))
            return cls(with_credentials(place, name=user or ""), user or "", store, wait_s)
        if user is not None:
            store.person(user)
            return cls(with_credentials(find_place(asked, (user,)), name=user), user, store, wait_s)
        names = tuple(person.name for person in store.persons() if person.revoked is None)
        if not names:
            raise UserError(
                f"nobody has an identity in {store.directory}: make one with labwright identity new NAME --role ROLE"
            )
        place = find_place(asked, names)
        if place.address.username in names:
            return cls(with_credentials(place), place.address.username, store, wait_s)
        if len(names) > 1:
            raise UserError(f"the identities of {', '.join(names)} are on this machine: say --as NAME")
        return cls(with_credentials(place, name=names[0]), names[0], store, wait_s)

    def look(self, pid: str = "") -> Board:
        """What is kept at the broker; of proposals only the one that is named, if one is.

        Raises:
            TransportError: no broker is there, or it refuses.
            TopicError: the id cannot be one.
        """
        self.place.topics.proposal(pid or "any")
        return self._connected(lambda transport: read_board(transport, self.place.topics, proposal=pid))

    def open_key(self, password: str) -> SigningKey:
        """The person's key.

        Raises:
            UserError: the password is wrong, or the identity cannot be read.
        """
        return self.store.open(self.user, password)

    def decide(
        self,
        read: PublishedProposal,
        key: SigningKey,
        verdict: Choice,
        *,
        comment: str = "",
        changes: Mapping[str, float | str] | None = None,
    ) -> Answer:
        """Sign a decision on what was read, and send it.

        Raises:
            TransportError: no broker is there, or it refuses.
            TooLateError: the proposal is not what was read any more.
            UserError: it cannot be said so.
        """
        topics = self.place.topics
        topic = DecisionTopic(topics, self.user, read.proposal)

        async def work(transport: Transport) -> Answer:
            board = await read_board(transport, topics, proposal=read.proposal)
            _, published = open_proposal(board, read.proposal, topics)
            if published.digest != read.digest:
                raise TooLateError(f"{read.proposal} was changed while you read it: look at it again")
            decision = decision_of(published, self.user, verdict, at=self.clock.now(), comment=comment, changes=changes)
            token = sign_decision(decision, key)
            return self._worded(await send(transport, topic, token, within_s=self.wait_s), online=board.online)

        return self._connected(work)

    def ask(
        self,
        key: SigningKey,
        action: Action,
        subject: str = "",
        *,
        arguments: Mapping[str, Argument] | None = None,
        comment: str = "",
    ) -> Answer:
        """Sign a request, and send it; nothing is read first, for a stop has no time.

        Raises:
            TransportError: no broker is there, or it refuses.
            UserError: it cannot be asked for so.
        """
        topics = self.place.topics

        async def work(transport: Transport) -> Answer:
            request = request_of(
                topics.lab, self.user, action, at=self.clock.now(), subject=subject, arguments=arguments,
                comment=comment,
            )  # fmt: skip
            token = sign_request(request, key)
            topic = RequestTopic(topics, self.user, request_id(token))
            answer = await send(transport, topic, token, within_s=self.wait_s)
            if answer.verdict != "unknown":
                return answer
            return self._worded(answer, online=(await read_board(transport, topics)).online)

        return self._connected(work)

    def _worded(self, answer: Answer, *, online: bool) -> Answer:
        if answer.text or answer.verdict != "unknown":
            return answer
        return replace(answer, text=silence(self.place.topics, self.user, online=online, within_s=self.wait_s))

    def _connected(self, work: Callable[[Transport], Awaitable[T]]) -> T:
        async def run() -> T:
            transport = connection(self.place)
            try:
                await enter(transport, self.place)
                return await work(transport)
            finally:
                await transport.close()

        return asyncio.run(run())
