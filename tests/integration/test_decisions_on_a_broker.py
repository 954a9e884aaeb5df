"""People's commands against Mosquitto with its real access list: what counts, and what never reaches the agent."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from patience import require_broker, until
from people_bench import LAB, PASSWORD, PEOPLE, Agent, Said, presence, proposal
from typer.testing import CliRunner, Result

from agent.cli_people import people_app
from agent.deciding.place import RunFile
from agent.identity import IdentityStore, People
from agent.requests import request_id, sign_request
from instruments.broker import LocalBroker, local_broker
from instruments.brokers.access import Access
from instruments.mqtt import MqttTransport
from instruments.profile.decisions import Decision
from instruments.profile.requests import Request
from instruments.transport import Message

KEYS = ("anna", "ben")


@pytest.fixture(scope="module")
def broker() -> Iterator[LocalBroker]:
    require_broker("mosquitto")
    with local_broker(Access.new(LAB, persons=KEYS), kind="mosquitto") as running:
        yield running


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> IdentityStore:
    made = IdentityStore(tmp_path_factory.mktemp("identities"), cost=2**4)
    for name in KEYS:
        made.create(name, PEOPLE[name], PASSWORD)
    return made


@asynccontextmanager
async def at_work(broker: LocalBroker, store: IdentityStore) -> AsyncIterator[tuple[Agent, list[Message]]]:
    """The agent at the broker, with one proposal; and all that it is sent by people."""
    agent, sent = Agent(People.from_directory(store.directory)), list[Message]()
    transport = MqttTransport(broker.address("agent"), client_id="agent")

    async def say(said: list[Said]) -> None:
        for topic, payload, retain in said:
            await transport.publish(topic, payload, retain=retain)

    async def hear(message: Message) -> None:
        sent.append(message)
        await say(agent.on(message))

    await transport.connect()
    try:
        await transport.subscribe(LAB.pattern("decision"), hear)
        await transport.subscribe(LAB.pattern("request"), hear)
        agent.proposals["P007"] = proposal()
        await say([presence("online"), (LAB.proposal("P007"), agent.proposals["P007"].to_bytes(), True)])
        yield agent, sent
    finally:
        await transport.close()


def typing(
    broker: LocalBroker, store: IdentityStore, state: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    """A shell of people on the agent's own machine."""
    monkeypatch.setitem(os.environ, "LABWRIGHT_PASSWORD", PASSWORD)
    for name in KEYS:
        address = broker.address(name)
        url = f"mqtt://{address.host}:{address.port}"
        RunFile(broker=url, lab=LAB.lab, user=name, password=address.password).write(state)

    def run(*words: str) -> Result:
        line = ["--wait", "5", "--dir", str(store.directory)]
        line = [words[0], *line, *words[1:]]
        return CliRunner().invoke(people_app, [*line, "--state", str(state)] if "--broker" not in line else line)

    return run


def test_what_people_type_reaches_the_agent_and_its_answer_them(
    broker: LocalBroker, store: IdentityStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = typing(broker, store, tmp_path, monkeypatch)

    async def work() -> None:
        async with at_work(broker, store) as (agent, sent):
            shown = await asyncio.to_thread(run, "proposals", "--as", "ben")
            assert "TiB₂" in shown.stdout
            assert "7.0 h" in shown.stdout
            edited = await asyncio.to_thread(run, "edit", "P007", "hold=3", "--as", "ben", "--comment", "longer")
            assert edited.exit_code == 0, edited.output
            approved = await asyncio.to_thread(run, "approve", "P007", "--as", "anna")
            assert approved.exit_code == 0, approved.output
            assert "approve by anna counts" in approved.stdout
            stopped = await asyncio.to_thread(run, "stop", "--all", "--as", "anna", "--comment", "smoke")
            assert stopped.exit_code == 0, stopped.output
            refused = await asyncio.to_thread(run, "reload", "--as", "anna")
            assert refused.exit_code == 1
            assert "reload needs the role admin, anna is approver" in refused.stderr
            said = [claims.verdict if isinstance(claims, Decision) else claims.action for claims in agent.heard]
            assert said == ["edit", "approve", "stop-lab"]
            assert not any(message.retained for message in sent)
            assert len(sent) == 4

    asyncio.run(work())


def test_nobody_writes_on_anothers_topic(
    broker: LocalBroker, store: IdentityStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even with the other's key: the broker passes it on to nobody."""
    run = typing(broker, store, tmp_path, monkeypatch)
    ben = broker.address("ben")
    url = f"mqtt://ben:{ben.password}@{ben.host}:{ben.port}"
    elsewhere = ["--as", "anna", "--broker", url, "--lab", LAB.lab, "--wait", "0.5"]

    async def work() -> None:
        async with at_work(broker, store) as (agent, sent):
            for words in (["approve", "P007"], ["stop", "--all"]):
                result = await asyncio.to_thread(run, *words, *elsewhere)
                assert result.exit_code == 3, result.output
                assert "only anna may write on anna's topics" in result.stderr
            assert sent == []
            assert agent.heard == []
            counted = await asyncio.to_thread(run, "stop", "--all", "--as", "ben")
            assert counted.exit_code == 0, counted.output
            assert [message.topic.split("/")[-2] for message in sent] == ["ben"]

    asyncio.run(work())


def test_a_request_that_was_overheard_counts_no_second_time(broker: LocalBroker, store: IdentityStore) -> None:
    """Whoever may write on the topic sends the same bytes again, and then under another id."""
    request = Request(lab=LAB.lab, action="pause", subject="hard", nonce="n" * 22, time=datetime.now(UTC), user="anna")
    token = sign_request(request, store.open("anna", PASSWORD))

    async def work() -> None:
        async with at_work(broker, store) as (agent, sent):
            anna = MqttTransport(broker.address("anna"), client_id="anna")
            await anna.connect()
            try:
                for rid in (request_id(token), request_id(token), "0" * 32):
                    await anna.publish(LAB.request("anna", rid), token.encode())
                await until(lambda: len(sent) == 3)
            finally:
                await anna.close()
            assert agent.heard == [request]

    asyncio.run(work())
