"""A broker that somebody else runs: what a simulated laboratory must know of it before it goes there."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from envs.errors import UserError
from instruments.address import BrokerAddress
from instruments.bus.waiting import Bell
from instruments.ids import SystemIds
from instruments.messages import Control, MalformedMessageError, Status
from instruments.mqtt import MqttTransport
from instruments.topics import Lab
from instruments.transport import Message

ROOT = "labwright"
CONNECT_S = 5.0
"""How long a broker may take to answer a connection."""
ANSWER_S = 3.0
"""How long a message may take to the broker and back, and an instrument to an order to present itself."""
RETAINED_S = 0.3
"""How long after it an instrument's retained status may come."""


@dataclass(frozen=True)
class RemoteBroker:
    """Where the simulated instruments and the agent meet.

    Args:
        address: the broker, with the credentials that all of them take.
        lab: the laboratory's name in the topics.

    Raises:
        TopicError: when the name cannot be a level of a topic.
    """

    address: BrokerAddress
    lab: str

    def __post_init__(self) -> None:
        Lab(ROOT, self.lab)

    @property
    def topics(self) -> Lab:
        """The laboratory's part of the tree."""
        return Lab(ROOT, self.lab)

    def transport(self, name: str) -> MqttTransport:
        """A connection of its own for an instrument or the agent; no two laboratories take each other's."""
        return MqttTransport(self.address, client_id=f"{ROOT}-{self.lab}-{name}", connect_timeout_s=CONNECT_S)


async def check_broker(broker: RemoteBroker, iids: Iterable[str]) -> None:
    """Prove that a laboratory can be there: the broker answers, passes messages on, and its instruments are not taken.

    Args:
        broker: where the laboratory shall be.
        iids: its instruments.

    Raises:
        TransportError: when the broker is not there, or refuses.
        UserError: when it passes nothing on in this laboratory, or instruments of these ids are there already.
    """
    name = f"check-{SystemIds().new()}"
    transport = broker.transport(name)
    await transport.connect()
    try:
        taken = await _Look(transport, broker).around(list(iids), name)
    finally:
        await transport.close()
    if taken:
        raise UserError(
            f"{', '.join(taken)}: already in the laboratory {broker.lab!r} at {broker.address.url}, "
            "and an id belongs to one instrument: stop the other laboratory, or choose another with --lab"
        )


class _Look:
    def __init__(self, transport: MqttTransport, broker: RemoteBroker) -> None:
        self._transport = transport
        self._broker = broker
        self._topics = broker.topics
        self._said: set[str] = set()
        self._answered: set[str] = set()
        self._echoed = False
        self._news = Bell(asyncio.sleep)

    async def around(self, iids: list[str], name: str) -> list[str]:
        """Which instruments answer; a retained status alone may be of one that died together with the broker."""
        for iid in iids:
            await self._transport.subscribe(self._topics.status(iid), self._on_status)
        await self._transport.subscribe(self._topics.control(name), self._on_echo)
        # To itself: a broker that forbids a message takes it all the same, and passes it on to nobody.
        for iid in [*iids, name]:
            await self._transport.publish(self._topics.control(iid), Control(op="republish").to_bytes())
        if not await self._news.until(lambda: self._echoed, ANSWER_S):
            raise UserError(
                f"the broker at {self._broker.address.url} passes nothing on below {self._topics.prefix}/ "
                "for this user: is --lab right, and may the user read and write there?"
            )
        # Some brokers send retained messages a little after they have granted a subscription.
        await self._news.until(lambda: bool(self._said | self._answered), RETAINED_S)
        await self._news.until(lambda: self._said <= self._answered, ANSWER_S)
        return sorted(self._answered)

    async def _on_echo(self, _message: Message) -> None:
        self._echoed = True
        self._news.ring()

    async def _on_status(self, message: Message) -> None:
        try:
            online = Status.parse(message.payload).state != "offline"
        except MalformedMessageError:
            return
        if online:
            (self._said if message.retained else self._answered).add(self._topics.parse(message.topic).iid)
        self._news.ring()
