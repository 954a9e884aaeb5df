"""Who may do what at the supervised Mosquitto: every user tries every topic, with real clients."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from patience import require_broker
from typing_extensions import override

from envs.errors import UserError
from instruments.address import BrokerAddress
from instruments.broker import LocalBroker, local_broker
from instruments.brokers.access import Access, BrokerUser
from instruments.mqtt import MqttTransport
from instruments.topics import Lab
from instruments.transport import Message

LAB = Lab("labwright", "lab")
HEAD = LAB.prefix
IIDS = ("furnace-1", "sem-1", "furnace-10", "anna")
TOPICS = [
    *(f"{HEAD}/instrument/{iid}/{rest}"
      for iid in IIDS
      for rest in ("desc", "status", "telemetry/t", "cmd/j", "job/j", "ctl", "job/j/more", "other")),
    *(f"{HEAD}/decision/{who}/p1" for who in ("anna", "bob", "furnace-1", "agent")),
    f"{HEAD}/decision/p1",
    *(f"{HEAD}/request/{who}/r1" for who in ("anna", "bob", "furnace-1", "agent")),
    f"{HEAD}/request/r1",
    *(f"{HEAD}/{what}/{who}/q1" for what in ("question", "answer") for who in ("anna", "bob", "furnace-1", "agent")),
    f"{HEAD}/answer/q1",
    *(f"{HEAD}/{rest}" for rest in ("campaign/c/state", "campaign/c/space", "campaign/c/model", "proposal/p1",
                                    "outcome/p1", "experiment/e1", "agent/agent/status", "agent/agent/event",
                                    "agent/agent/lab", "agent/furnace-1/status", "anything")),
    "labwright/v1/other-lab/instrument/furnace-1/status",
    "labwright/v1/other-lab/decision/anna/p1",
    "labwright/v2/lab/instrument/furnace-1/status",
    "elsewhere",
]  # fmt: skip
INSIDE = {topic for topic in TOPICS if topic.startswith(f"{HEAD}/")}


def of_instrument(iid: str, *rest: str) -> set[str]:
    return {f"{HEAD}/instrument/{iid}/{name}" for name in rest}


PRESENCE = {f"{HEAD}/agent/agent/status", f"{HEAD}/agent/furnace-1/status"}
FOR_PEOPLE = {
    f"{HEAD}/{rest}"
    for rest in ("campaign/c/state", "campaign/c/space", "campaign/c/model", "proposal/p1", "outcome/p1",
                 "experiment/e1", "agent/agent/event", "agent/agent/lab")
}  # fmt: skip
FOR_PEOPLE |= PRESENCE | {
    topic for iid in IIDS for topic in of_instrument(iid, "desc", "status", "telemetry/t", "job/j")
}
MAY_WRITE = {
    "agent": INSIDE,
    "furnace-1": of_instrument("furnace-1", "desc", "status", "telemetry/t", "job/j"),
    "sem-1": of_instrument("sem-1", "desc", "status", "telemetry/t", "job/j"),
    "anna": {f"{HEAD}/{what}" for what in ("decision/anna/p1", "request/anna/r1", "question/anna/q1")},
    "bob": {f"{HEAD}/{what}" for what in ("decision/bob/p1", "request/bob/r1", "question/bob/q1")},
    # It carries what anybody signed: whose words they are is told by the signature alone.
    "pages": {t for t in INSIDE if t.split("/")[3] in {"decision", "request", "question"} and t.count("/") == 5},
}
MAY_READ = {
    "agent": INSIDE,
    "furnace-1": of_instrument("furnace-1", "cmd/j", "ctl", "status") | PRESENCE,
    "sem-1": of_instrument("sem-1", "cmd/j", "ctl", "status") | PRESENCE,
    "anna": FOR_PEOPLE | {f"{HEAD}/answer/anna/q1"},
    "bob": FOR_PEOPLE | {f"{HEAD}/answer/bob/q1"},
    "pages": FOR_PEOPLE | {f"{HEAD}/answer/{who}/q1" for who in ("anna", "bob", "furnace-1", "agent")},
}


class Watched(Access):
    """The same access with one more user, who sees and may do everything: the test's own eye."""

    @override
    def rules(self, user: BrokerUser) -> list[tuple[str, str]]:  # type: ignore[override]
        return [("readwrite", "#")] if user.name == "watcher" else [*super().rules(user)]


@pytest.fixture(scope="module")
def broker() -> Iterator[LocalBroker]:
    require_broker("mosquitto")
    named = Access.new(LAB, instruments=("furnace-1", "sem-1"), persons=("anna", "bob"), dashboards=("pages",))
    access = Watched((*named.users, BrokerUser.new("watcher", "agent")), LAB)
    with local_broker(access, kind="mosquitto") as running:
        yield running


class Ear:
    """Notes what a connection hears under a pattern."""

    def __init__(self) -> None:
        self.heard: list[Message] = []
        self._news = asyncio.Event()

    async def note(self, message: Message) -> None:
        self.heard.append(message)
        self._news.set()

    async def until(self, payload: bytes, topic: str = "") -> list[Message]:
        """Everything before a last message; forgets it."""

        def last(message: Message) -> bool:
            return message.payload == payload and topic in {"", message.topic}

        async with asyncio.timeout(5):
            while not any(map(last, self.heard)):
                self._news.clear()
                await self._news.wait()
        end = next(i for i, message in enumerate(self.heard) if last(message))
        before, self.heard = self.heard[:end], self.heard[end + 1 :]
        return before


@asynccontextmanager
async def connections(broker: LocalBroker, *users: str) -> AsyncIterator[dict[str, MqttTransport]]:
    made = {user: MqttTransport(broker.address(user), client_id=f"test-{user}") for user in users}
    await asyncio.gather(*(transport.connect() for transport in made.values()))
    try:
        yield made
    finally:
        await asyncio.gather(*(transport.close() for transport in made.values()))


def test_every_user_writes_what_is_theirs_and_nothing_else(broker: LocalBroker) -> None:
    async def attempt() -> tuple[dict[str, set[str]], dict[str, set[str]]]:
        live: dict[str, set[str]] = {}
        kept: dict[str, set[str]] = {}
        async with connections(broker, "watcher", *MAY_WRITE) as clients:
            watcher = clients["watcher"]
            ear = Ear()
            await watcher.subscribe("#", ear.note)
            for user, allowed in MAY_WRITE.items():
                for topic in TOPICS:
                    await clients[user].publish(topic, b"try", retain=True)
                await clients[user].publish(min(allowed), b"end")
                live[user] = {message.topic for message in await ear.until(b"end")}
                late = Ear()
                await watcher.subscribe(f"{HEAD}/#", late.note)
                await watcher.subscribe("elsewhere", late.note)
                await watcher.publish(f"{HEAD}/last", b"end")
                kept[user] = {message.topic for message in await late.until(b"end") if message.retained}
                for topic in TOPICS:
                    await watcher.publish(topic, b"", retain=True)
                await watcher.publish("mark", b"mark")
                await ear.until(b"mark")
        return live, kept

    live, kept = asyncio.run(attempt())
    assert live == MAY_WRITE
    assert kept == MAY_WRITE


@pytest.mark.parametrize("retain", [False, True], ids=["live", "retained"])
def test_every_user_hears_what_is_for_them_and_nothing_else(broker: LocalBroker, retain: bool) -> None:
    async def attempt() -> dict[str, set[str]]:
        ears = {user: Ear() for user in MAY_READ}
        end = f"{HEAD}/agent/agent/status"  # everybody may hear it

        async def publish(client: MqttTransport) -> None:
            for topic in TOPICS:
                await client.publish(topic, b"something", retain=retain)

        async with connections(broker, "watcher", *MAY_READ) as clients:
            if retain:
                await publish(clients["watcher"])
                await asyncio.sleep(0.05)  # taken in by the broker before the others ask
            for user, ear in ears.items():
                await clients[user].subscribe("#", ear.note)
                await clients[user].subscribe(f"{HEAD}/instrument/sem-1/cmd/+", ear.note)
            if not retain:
                await publish(clients["watcher"])
            await clients["watcher"].publish(end, b"end")
            heard = {user: {message.topic for message in await ear.until(b"end")} for user, ear in ears.items()}
            for topic in TOPICS:
                await clients["watcher"].publish(topic, b"", retain=True)
        return heard

    assert asyncio.run(attempt()) == MAY_READ


def connect_with_will(address: BrokerAddress, topic: str) -> socket.socket:
    """A raw CONNECT with a last will (MQTT 3.1.1, section 3.1): cut, it leaves no goodbye."""
    fields = [b"will", topic.encode(), b"gone", address.username.encode(), address.password.encode()]
    body = b"\x00\x04MQTT\x04\xc6\x00\x0a" + b"".join(len(text).to_bytes(2, "big") + text for text in fields)
    low, high = len(body) % 128 | 0x80, len(body) // 128
    connection = socket.create_connection((address.host, address.port), timeout=5)
    connection.sendall(bytes([0x10, low, high]) + body)
    assert connection.recv(4)[:2] == b"\x20\x02"
    return connection


def test_no_last_will_goes_where_its_user_may_not_write(broker: LocalBroker) -> None:
    attempts = [
        ("furnace-1", f"{HEAD}/instrument/furnace-1/status", True),
        ("furnace-1", f"{HEAD}/instrument/sem-1/status", False),
        ("furnace-1", f"{HEAD}/agent/agent/status", False),
        ("furnace-1", f"{HEAD}/decision/furnace-1/p1", False),
        ("anna", f"{HEAD}/decision/bob/p1", False),
        ("anna", f"{HEAD}/instrument/furnace-1/cmd/j", False),
        ("agent", f"{HEAD}/agent/agent/status", True),
        ("agent", "labwright/v1/other-lab/agent/agent/status", False),
    ]

    async def attempt() -> list[bool]:
        outcomes, ear = [], Ear()
        async with connections(broker, "watcher") as clients:
            await clients["watcher"].subscribe("#", ear.note)
            for user, topic, _ in attempts:
                connect_with_will(broker.address(user), topic).close()
                # The broker looks at one connection after the other: the second comes after the first one's end.
                connect_with_will(broker.address("watcher"), "end").close()
                heard = await ear.until(b"gone", "end")
                outcomes.append([message.topic for message in heard] == [topic])
        return outcomes

    assert asyncio.run(attempt()) == [allowed for *_, allowed in attempts]


def test_a_user_who_comes_later_has_their_own_rights_and_disturbs_nobody(broker: LocalBroker) -> None:
    async def attempt() -> set[str]:
        back = asyncio.Event()

        async def note_reconnection() -> None:
            back.set()

        ear = Ear()
        async with connections(broker, "watcher") as clients:
            watcher = clients["watcher"]
            watcher.on_reconnect(note_reconnection)
            await watcher.subscribe("#", ear.note)
            await asyncio.to_thread(broker.add, BrokerUser.new("late-1", "instrument"))
            async with connections(broker, "late-1") as late:
                for iid in ("late-1", "furnace-1"):
                    await late["late-1"].publish(LAB.status(iid), b"here")
            await watcher.publish("end", b"end")
            heard = {message.topic for message in await ear.until(b"end")}
        assert not back.is_set()
        return heard

    assert asyncio.run(attempt()) == {LAB.status("late-1")}
    with pytest.raises(UserError, match="names that differ"):
        broker.add(BrokerUser.new("anna", "instrument"))
    with pytest.raises(UserError, match="no user 'nobody'"):
        broker.address("nobody")


def test_who_takes_anothers_client_id_gets_nothing_of_what_waits_there(broker: LocalBroker) -> None:
    async def visit(user: str, ear: Ear) -> None:
        transport = MqttTransport(broker.address(user), client_id="the-agents", persistent=True)
        await transport.subscribe("#", ear.note)
        await transport.connect()
        await asyncio.sleep(0.2)  # what waits comes at once
        await transport.close()

    async def attempt() -> list[list[str]]:
        heard = []
        async with connections(broker, "furnace-1") as clients:
            for visitor in ("agent", "sem-1"):
                await visit("agent", Ear())
                await clients["furnace-1"].publish(LAB.job("furnace-1", "j"), b"succeeded")
                await asyncio.sleep(0.1)  # the broker keeps it for the agent
                ear = Ear()
                await visit(visitor, ear)
                heard.append([message.topic for message in ear.heard])
        return heard

    assert asyncio.run(attempt()) == [[LAB.job("furnace-1", "j")], []]
