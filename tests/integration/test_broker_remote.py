"""A simulated campaign at a broker of others: looked at first, refused clearly, run, watched, continued."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from patience import require_broker

from agent import remote_broker
from agent.cli import main
from agent.remote_broker import RemoteBroker, check_broker
from envs.errors import UserError
from instruments.broker import LocalBroker, local_broker
from instruments.brokers.access import Access
from instruments.clock import SystemClock
from instruments.device import Device
from instruments.ids import SystemIds
from instruments.local import LocalBus
from instruments.messages import Status
from instruments.mqtt import MqttTransport
from instruments.topics import Lab
from instruments.transport import Message

LAB = Lab("labwright", "virtual")
IIDS = ("furnace-1", "sem-1")
QUICK = ("--experiments", "1", "--compare", "none", "--strategy", "random", "--json")


@pytest.fixture(scope="module")
def broker() -> Iterator[LocalBroker]:
    require_broker("mosquitto")
    with local_broker(Access.new(LAB, instruments=IIDS, persons=("anna",)), kind="mosquitto") as running:
        yield running


class Furnace(Device):
    kind = "furnace"


def presence(state: str) -> bytes:
    return Status(state=state, boot_id="b", seq=1, ts=datetime.now(UTC)).to_bytes()  # type: ignore[arg-type]


@asynccontextmanager
async def instrument(broker: LocalBroker, iid: str, *, answers: bool = True) -> AsyncIterator[None]:
    """One that is online; without an answer it is a retained status that nobody took back."""
    transport = MqttTransport(broker.address(iid), client_id=iid)

    async def answer(_message: Message) -> None:
        if answers:
            await transport.publish(LAB.status(iid), presence("online"), retain=True)

    await transport.connect()
    await transport.subscribe(LAB.control(iid), answer)
    await transport.publish(LAB.status(iid), presence("online"), retain=True)
    try:
        yield
    finally:
        await transport.publish(LAB.status(iid), b"", retain=True)
        await transport.close()


def test_instruments_that_answer_are_not_pushed_aside(broker: LocalBroker) -> None:
    async def attempt() -> None:
        async with instrument(broker, "sem-1"):
            await check_broker(RemoteBroker(broker.address("agent"), "virtual"), IIDS)

    with pytest.raises(UserError, match=r"^sem-1: already in the laboratory 'virtual' at mqtt://agent@127.*--lab"):
        asyncio.run(attempt())


def test_a_status_that_nobody_answers_for_is_no_hindrance(broker: LocalBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_broker, "ANSWER_S", 0.3)

    async def attempt() -> None:
        async with instrument(broker, "sem-1", answers=False):
            await check_broker(RemoteBroker(broker.address("agent"), "virtual"), IIDS)

    asyncio.run(attempt())


@pytest.mark.parametrize(("user", "lab"), [("agent", "other"), ("anna", "virtual"), ("sem-1", "virtual")])
def test_a_user_without_rights_is_told_so(
    broker: LocalBroker, user: str, lab: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_broker, "ANSWER_S", 0.2)
    with pytest.raises(UserError, match=f"passes nothing on below labwright/v1/{lab}/ for this user"):
        asyncio.run(check_broker(RemoteBroker(broker.address(user), lab), IIDS))


def labwright(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["labwright", "simulate", *arguments])
    try:
        main()
    except SystemExit as leave:
        return leave.code if isinstance(leave.code, int) else int(bool(leave.code))
    return 0


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--broker", "http://localhost"], 2, ["broker = 'http://localhost'", "mqtt://"]),
        (["--broker", "mqtt://anna:SECRET@192.0.2.1"], 2, ["TLS is required"]),
        (["--broker", "anna:SECRET@localhost"], 2, ["--broker", "none, embedded, or a URL"]),
        (["--broker", "embedded", "--lab", "x"], 2, ["--lab: only with --broker URL"]),
        (["--broker", "mqtt://localhost", "--lab", "a/b"], 2, ["'a/b' cannot be a topic level"]),
        (["--broker", "mqtts://localhost", "--ca", "missing.pem"], 2, ["--ca", "missing.pem"]),
        (["--broker", "mqtt://localhost:1"], 1, ["no MQTT broker at localhost:1 after"]),
    ],
)
def test_what_cannot_be_is_one_message_before_anything_is_written(
    options: list[str], code: int, words: list[str],
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(remote_broker, "CONNECT_S", 0.2)
    assert labwright(monkeypatch, *QUICK, *options) == code
    printed = capsys.readouterr().err
    for word in words:
        assert word in printed
    assert "SECRET" not in printed
    assert "Traceback" not in printed
    assert not list(tmp_path.iterdir())


def test_a_campaign_is_run_twice_watched_and_continued(
    broker: LocalBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LABWRIGHT_BROKER_PASSWORD", broker.address("agent").password)
    where = ("--broker", broker.address("agent").url)
    asyncio.run(leave_a_furnace_of_others(broker))
    lines = []
    for out in ("first", "second"):  # the broker remembers the first when the second begins with the same seed
        assert labwright(monkeypatch, *QUICK, *where, "--out", out) == 0
        printed = capsys.readouterr()
        assert "mosquitto_sub" in printed.err
        assert broker.address("agent").password not in printed.err + printed.out
        lines.append(json.loads(printed.out.splitlines()[-1]))
    assert labwright(monkeypatch, "--resume", "first", "--compare", "none", "--json", *where) == 0
    lines.append(json.loads(capsys.readouterr().out.splitlines()[-1]))
    assert lines[0]["experiments"] == 1
    assert len({(line["best"], line["best_true"], line["simulated_days"]) for line in lines}) == 1
    topics = asyncio.run(kept(broker))
    assert {f"{LAB.prefix}/instrument/{iid}/desc" for iid in ("furnace-1", "sem-1", "indenter-1")} <= topics
    assert any("/job/" in topic for topic in topics)


async def leave_a_furnace_of_others(broker: LocalBroker) -> None:
    """One that comes before the virtual one in every list; nobody answers for it, so an order to it would not end."""
    bus, clock = LocalBus(), SystemClock()
    furnace = Furnace("a-furnace", bus.transport(), lab=LAB.lab, clock=clock, ids=SystemIds())
    await furnace.start()
    transport = MqttTransport(broker.address("agent"), client_id="forger")
    await transport.connect()
    await transport.publish(LAB.desc("a-furnace"), furnace.describe().to_bytes(), retain=True)
    await transport.publish(LAB.status("a-furnace"), presence("online"), retain=True)
    await transport.close()
    await furnace.stop()


async def kept(broker: LocalBroker) -> set[str]:
    """What a person finds there afterwards."""
    topics: set[str] = set()

    async def note(message: Message) -> None:
        topics.add(message.topic)

    transport = MqttTransport(broker.address("anna"), client_id="anna")
    await transport.connect()
    await transport.subscribe("#", note)
    await transport.subscribe(f"{LAB.prefix}/proposal/+", note)
    await asyncio.sleep(0.1)
    await transport.close()
    return topics
