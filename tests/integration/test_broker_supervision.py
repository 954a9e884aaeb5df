"""Mosquitto is watched over: killed it is back with what it kept, told of other users it knows them."""

import asyncio
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from patience import needs_mosquitto

from envs.errors import ConfigError, UserError
from instruments import broker as broker_module
from instruments.broker import LocalBroker, free_port, local_broker
from instruments.brokers.access import Access, BrokerUser
from instruments.brokers.child import Restarts
from instruments.brokers.probe import lets_in
from instruments.errors import TransportError
from instruments.mqtt import MqttTransport
from instruments.topics import Lab
from instruments.transport import Message

LAB = Lab("labwright", "lab")


def access() -> Access:
    return Access.new(LAB, instruments=("furnace-1",), persons=("anna",))


def processes(broker: LocalBroker) -> tuple[psutil.Process, psutil.Process]:
    """The supervisor and its Mosquitto."""
    supervisor = psutil.Process(broker._child.pid)
    return supervisor, supervisor.children()[0]


def within(seconds: float, true: Callable[[], bool]) -> bool:
    pause, deadline = threading.Event(), time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        pause.wait(0.01)
    return True


@needs_mosquitto
def test_killed_it_is_back_with_what_it_kept_and_so_are_its_clients(tmp_path: Path) -> None:
    async def watch(broker: LocalBroker) -> None:
        heard: set[bytes] = set()
        back, complete = asyncio.Event(), asyncio.Event()

        async def note(message: Message) -> None:
            heard.add(message.payload)
            if heard == {b"before", b"after"}:
                complete.set()

        async def note_reconnection() -> None:
            back.set()

        agent = MqttTransport(broker.address("agent"), client_id="agent")
        furnace = MqttTransport(broker.address("furnace-1"), client_id="furnace-1")
        furnace.on_reconnect(note_reconnection)
        await agent.connect()
        await furnace.connect()
        await furnace.publish(LAB.desc("furnace-1"), b"before", retain=True)
        await asyncio.to_thread(kill, broker, tmp_path)
        async with asyncio.timeout(10):
            await back.wait()
            await agent.subscribe(f"{LAB.prefix}/instrument/+/+", note)
            # Retained: the agent may be back a little later than the furnace.
            await furnace.publish(LAB.status("furnace-1"), b"after", retain=True)
            await complete.wait()
        await asyncio.gather(agent.close(), furnace.close())

    def kill(broker: LocalBroker, directory: Path) -> None:
        _, server = processes(broker)
        database = directory / "mosquitto.db"
        server.send_signal(signal.SIGUSR1)  # save now: what was not saved before a kill is lost
        assert within(5, lambda: database.exists() and b"before" in database.read_bytes())
        server.kill()
        began = time.monotonic()
        assert within(5, lambda: not server.is_running() or server.status() == psutil.STATUS_ZOMBIE)
        assert within(5, lambda: lets_in(broker.address()))
        assert time.monotonic() - began < 3
        assert broker.alive

    with local_broker(access(), kind="mosquitto", directory=tmp_path) as running:
        asyncio.run(watch(running))


@needs_mosquitto
def test_it_ends_with_its_supervisor_however_that_ends() -> None:
    with local_broker(access(), kind="mosquitto") as broker:
        supervisor, server = processes(broker)
        supervisor.kill()
        assert within(5, lambda: not broker.alive)
        if sys.platform == "linux":
            assert within(5, lambda: not server.is_running() or server.status() == psutil.STATUS_ZOMBIE)
        with pytest.raises(TransportError, match=r"not running any more|goes on"):
            broker.add(BrokerUser.new("late", "person"))
    assert not lets_in(broker.address())


@needs_mosquitto
def test_who_is_taken_out_is_disconnected_and_others_stay() -> None:
    async def attempt(broker: LocalBroker) -> None:
        stays = MqttTransport(broker.address("furnace-1"), client_id="stays")
        goes = MqttTransport(broker.address("anna"), client_id="goes")
        await asyncio.gather(stays.connect(), goes.connect())
        await asyncio.to_thread(broker.change, broker.access.without("anna"))
        async with asyncio.timeout(5):
            while goes.connected:  # noqa: ASYNC110 - the other side of a real network
                await asyncio.sleep(0.01)
        assert stays.connected
        await asyncio.gather(stays.close(), goes.close())

    with local_broker(access(), kind="mosquitto") as broker:
        anna = broker.address("anna")
        asyncio.run(attempt(broker))
        assert not lets_in(anna)
        assert lets_in(broker.address("furnace-1"))


def test_amqtt_takes_no_users_while_it_runs_and_listens_here_alone(tmp_path: Path) -> None:
    pytest.importorskip("amqtt", reason="amqtt is not installed")
    with local_broker(access(), kind="amqtt", directory=tmp_path) as broker:
        assert all(lets_in(broker.address(user.name)) for user in broker.access.users)
        with pytest.raises(UserError, match="at its start alone"):
            broker.add(BrokerUser.new("late", "person"))
        assert "every user may do everything" in broker_module.BANNER


@needs_mosquitto
def test_a_taken_port_is_said_at_once(tmp_path: Path) -> None:
    with (
        local_broker(access(), kind="mosquitto", directory=tmp_path / "one") as first,
        pytest.raises(ConfigError, match=rf"broker\.port = {first.port} is not valid.*free"),
        local_broker(access(), kind="mosquitto", directory=tmp_path / "two", port=first.port),
    ):
        pass
    assert not (tmp_path / "two").exists()


@needs_mosquitto
def test_a_chosen_port_is_kept_over_a_restart(tmp_path: Path) -> None:
    port, users = free_port(), access()
    for _ in range(2):
        with local_broker(users, kind="mosquitto", directory=tmp_path, port=port) as broker:
            assert broker.port == port
            assert lets_in(broker.address("anna"))


def test_now_and_then_it_is_started_again_at_once_in_a_crash_loop_later_and_later() -> None:
    restarts = Restarts()
    assert [restarts.after(60.0, -9) for _ in range(50)] == [0.1] * 50
    assert [restarts.after(0.2, -11) for _ in range(8)] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, None]


def test_a_first_start_that_fails_is_not_tried_again_and_a_calm_hour_makes_good() -> None:
    assert Restarts().after(0.1, 1) is None
    assert Restarts().after(0.1, 0) is None
    restarts = Restarts()
    for _ in range(7):
        assert restarts.after(0.1, -9) is not None
    assert restarts.after(3600.0, 1) == 0.1
    assert restarts.after(0.1, 1) == 0.1
