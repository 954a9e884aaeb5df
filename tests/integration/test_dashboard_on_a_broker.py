"""The dashboard's watch and voice against Mosquitto with its real access list."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest
from dashboard_samples import sample_experiment, sample_proposal
from patience import require_broker, until
from people_bench import LAB, PASSWORD, PEOPLE, Agent, Said, presence, proposal

from agent.dashboard.door.visitor import Visitor
from agent.dashboard.live.patience import PatientTransport
from agent.dashboard.live.watch import Watch
from agent.dashboard.voice import Voice
from agent.identity import IdentityStore, People, SigningKey
from envs.errors import UserError
from instruments.address import BrokerAddress
from instruments.broker import LocalBroker, free_port, local_broker
from instruments.brokers.access import Access
from instruments.clock import SystemClock
from instruments.mqtt import MqttTransport
from instruments.profile.questions import Answer, Question
from instruments.topics import QuestionTopic
from instruments.transport import Message

DASHBOARD = "dashboard"
MANY = 1_500
"""More than Mosquitto holds back for one client where nothing says otherwise."""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[LocalBroker]:
    require_broker("mosquitto")
    access = Access.new(LAB, persons=("anna",), dashboards=(DASHBOARD,))
    with local_broker(access, kind="mosquitto", directory=tmp_path / "broker") as running:
        yield running


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> IdentityStore:
    made = IdentityStore(tmp_path_factory.mktemp("identities"), cost=2**4)
    for name in ("anna", "ben"):
        made.create(name, PEOPLE[name], PASSWORD)
    return made


class StoreKeys:
    def __init__(self, store: IdentityStore) -> None:
        self._store = store

    def open(self, visitor: Visitor, password: str) -> SigningKey:
        return self._store.open(visitor.name, password)


class AgentThere:
    """The agent of the people's bench, at the broker; it answers questions, too."""

    def __init__(self, broker: LocalBroker, store: IdentityStore) -> None:
        self.agent = Agent(People.from_directory(store.directory))
        self.transport = MqttTransport(broker.address("agent"), client_id="agent")

    async def say(self, *said: Said) -> None:
        for topic, payload, retain in said:
            await self.transport.publish(topic, payload, retain=retain)

    async def hear(self, message: Message) -> None:
        topic = LAB.read(message.topic)
        if isinstance(topic, QuestionTopic):
            question = Question.parse(message.payload)
            refusal = Answer(
                question=topic.qid, about=question.about, ts=proposal().created_at, refused=f"none for {topic.user}"
            )
            await self.say((LAB.answer(topic.user, topic.qid), refusal.to_bytes(), False))
        await self.say(*self.agent.on(message))

    async def propose(self, *pids: str) -> None:
        for pid in pids:
            self.agent.proposals[pid] = proposal(pid)
            await self.say((LAB.proposal(pid), self.agent.proposals[pid].to_bytes(), True))

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        await self.transport.connect()
        try:
            for key in ("decision", "request", "question"):
                await self.transport.subscribe(LAB.pattern(key), self.hear)
            await self.say(presence("online"))
            yield
        finally:
            await self.transport.close()


def dashboard(broker: LocalBroker) -> tuple[PatientTransport, Watch]:
    address = broker.address(DASHBOARD)
    transport = PatientTransport(lambda: MqttTransport(address, client_id="dashboard", connect_timeout_s=2.0))
    return transport, Watch(transport, LAB, clock=SystemClock(), trouble=lambda: transport.trouble)


def test_two_people_decide_over_one_connection(broker: LocalBroker, store: IdentityStore) -> None:
    async def run() -> None:
        there = AgentThere(broker, store)
        transport, watch = dashboard(broker)
        voice = Voice(transport, LAB, watch, StoreKeys(store), clock=SystemClock())
        anna, ben = (Visitor(name, PEOPLE[name], name) for name in ("anna", "ben"))
        async with there.at_work(), watch.running():
            await there.propose("P007", "P008")
            await until(lambda: len(watch.picture.proposals) == 2)
            await there.say(presence("online"))
            await until(lambda: watch.freshness().live)
            read = [watch.picture.proposals[pid].published for pid in ("P007", "P008")]
            said = await asyncio.gather(
                voice.decide(anna, PASSWORD, read[0], "approve"), voice.decide(ben, PASSWORD, read[1], "approve")
            )
            assert [answer.verdict for answer in said] == ["counted", "counted"]
            assert {claims.user for claims in there.agent.heard} == {"anna", "ben"}
            for visitor in (anna, ben):
                with pytest.raises(UserError, match=f"none for {visitor.name}"):
                    await voice.audit(visitor)

    asyncio.run(run())


def test_the_broker_is_killed_and_comes_back(broker: LocalBroker, store: IdentityStore, tmp_path: Path) -> None:
    async def run() -> None:
        there = AgentThere(broker, store)
        _, watch = dashboard(broker)
        async with there.at_work(), watch.running():
            await there.propose("P007", "P008")
            await until(lambda: len(watch.picture.proposals) == 2)
            await there.say(presence("online"))
            await until(lambda: watch.freshness().live)
            (server,) = psutil.Process(broker._child.pid).children()
            kept = tmp_path / "broker" / "mosquitto.db"
            server.send_signal(signal.SIGUSR1)  # it saves what it keeps
            await until(kept.exists)
            server.kill()
            await until(lambda: watch.freshness().standing == "broker-lost")
            assert len(watch.picture.proposals) == 2
            # It is closed where the dashboard does not hear it: the agent is back first, or not at all.
            await until(lambda: there.transport.connected)
            await there.say((LAB.proposal("P007"), b"", True))
            await until(lambda: list(watch.picture.proposals) == ["P008"])
            await until(lambda: watch.freshness().standing == "connecting")
            await there.say(presence("online"))
            await until(lambda: watch.freshness().live)

    asyncio.run(run())


def test_it_waits_for_a_broker_that_is_not_there_yet(tmp_path: Path, store: IdentityStore) -> None:
    require_broker("mosquitto")
    port = free_port()
    access = Access.new(LAB, dashboards=(DASHBOARD,))

    async def soon(seconds: float) -> None:
        await asyncio.sleep(seconds / 20)

    async def run() -> None:
        password = access.user(DASHBOARD).password
        address = BrokerAddress("127.0.0.1", port, DASHBOARD, password)
        transport = PatientTransport(lambda: MqttTransport(address, client_id="d", connect_timeout_s=0.3), sleeper=soon)
        watch = Watch(transport, LAB, clock=SystemClock(), trouble=lambda: transport.trouble)
        async with watch.running():
            await until(lambda: bool(transport.trouble))
            assert "no MQTT broker at 127.0.0.1" in watch.freshness().words
            with local_broker(access, kind="mosquitto", directory=tmp_path / "late", port=port) as late:
                there = AgentThere(late, store)
                async with there.at_work():
                    await there.propose("P007")
                    await until(lambda: "P007" in watch.picture.proposals)
                    await there.say(presence("online"))
                    await until(lambda: watch.freshness().live)

    asyncio.run(run())


def test_a_broker_that_keeps_much_tells_all_of_it(broker: LocalBroker, store: IdentityStore) -> None:
    """Mosquitto holds a thousand messages back for a client, and drops the rest without a word."""

    async def run() -> None:
        there = AgentThere(broker, store)
        _, watch = dashboard(broker)
        async with there.at_work():
            for i in range(MANY):
                body = sample_proposal(i, lab=LAB.lab, proposal=f"P{i:04d}").to_bytes()
                await there.say((LAB.proposal(f"P{i:04d}"), body, True))
            for i in range(500):
                body = sample_experiment(i, experiment=f"E{i:03d}").to_bytes()
                await there.say((LAB.experiment(f"E{i:03d}"), body, True))
            before = psutil.Process(os.getpid()).memory_info().rss
            async with watch.running():
                await until(lambda: len(watch.picture.proposals) == MANY and len(watch.picture.experiments) == 500)
                grown = (psutil.Process(os.getpid()).memory_info().rss - before) / 1e6
        assert grown < 130, f"{grown:.0f} MB"

    asyncio.run(run())
