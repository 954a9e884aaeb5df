"""The MQTT transport and a real Mosquitto: processes and brokers are killed, and nothing grows without limit."""

import asyncio
import getpass
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from patience import require_broker, until

from instruments.address import BrokerAddress
from instruments.broker import find_mosquitto
from instruments.errors import NotCommittedError, TransportError
from instruments.mqtt import MqttTransport
from instruments.transport import Message, Mirror

REPOSITORY = Path(__file__).resolve().parents[2]


class Mosquitto:
    """A broker on a port of its own that can be killed and come back."""

    def __init__(self, directory: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = BrokerAddress("127.0.0.1", probe.getsockname()[1])
        self._config = directory / "conf"
        self._config.write_text(
            f"listener {self.address.port} 127.0.0.1\nallow_anonymous true\nuser {getpass.getuser()}\n"
            "set_tcp_nodelay true\n"
        )
        self.start()

    def start(self) -> None:
        program = find_mosquitto()
        assert program is not None
        self._child = subprocess.Popen([program, "-c", str(self._config)], stderr=subprocess.DEVNULL)  # noqa: S603
        pause = threading.Event()
        while True:
            try:
                socket.create_connection((self.address.host, self.address.port), timeout=1).close()
            except OSError:
                pause.wait(0.01)
            else:
                return

    def stop(self, how: signal.Signals = signal.SIGKILL) -> None:
        self._child.send_signal(how)
        self._child.wait(10)


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    require_broker("mosquitto")
    before = set(threading.enumerate())
    broker = Mosquitto(tmp_path)
    yield broker
    broker.stop()
    assert {thread for thread in threading.enumerate() if "asyncio" not in thread.name} <= before


SUBSCRIBER = """
import asyncio, sys
from instruments.address import BrokerAddress
from instruments.errors import NotCommittedError
from instruments.mqtt import MqttTransport

async def main():
    address = BrokerAddress("127.0.0.1", int(sys.argv[1]))
    transport = MqttTransport(address, client_id="writer", persistent=True, protocol=sys.argv[3])
    async def handle(message):
        print(message.payload.decode(), flush=True)
        if sys.argv[2] == "stuck":
            raise NotCommittedError("no room")
    await transport.subscribe("t", handle)
    await transport.connect()
    print("ready", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def subscriber(address: BrokerAddress, how: str, protocol: str) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603 - our own script
        [sys.executable, "-c", SUBSCRIBER, str(address.port), how, protocol],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
def test_a_message_outlives_the_process_that_could_not_commit_it(mosquitto: Mosquitto, protocol: str) -> None:
    async def send(payloads: list[bytes]) -> None:
        sender = MqttTransport(mosquitto.address, client_id="sender")
        await sender.connect()
        for payload in payloads:
            await sender.publish("t", payload)
        await sender.close()

    with subscriber(mosquitto.address, "stuck", protocol) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "ready\n"
        asyncio.run(send([b"1", b"2"]))
        assert first.stdout.readline() == "1\n"
        first.kill()
    asyncio.run(send([b"3"]))
    with subscriber(mosquitto.address, "fine", protocol) as second:
        assert second.stdout is not None
        lines = [second.stdout.readline() for _ in range(4)]
        second.kill()
    assert sorted(lines) == ["1\n", "2\n", "3\n", "ready\n"]
    assert [line for line in lines if line != "ready\n"] == ["1\n", "2\n", "3\n"]


def test_a_killed_broker_comes_back_to_the_same_subscriptions_and_what_was_queued(mosquitto: Mosquitto) -> None:
    async def act() -> None:
        heard, back = list[bytes](), list[str]()
        listener, talker = (MqttTransport(mosquitto.address, client_id=name) for name in ("listener", "talker"))

        async def note(message: Message) -> None:
            heard.append(message.payload)

        async def returned() -> None:
            back.append("listener")

        listener.on_reconnect(returned)
        await listener.connect()
        await listener.subscribe("t/+", note)
        await talker.connect()
        await talker.publish("t/a", b"before")
        await until(lambda: heard == [b"before"])
        talker._client.reconnect_delay_set(2, 2)  # the listener is back first, after one second
        mosquitto.stop()
        await until(lambda: not listener.connected and not talker.connected)
        for number in range(30):  # more than are in flight at a time
            await talker.publish("t/b", str(number).encode())
        await talker.publish("t/b", b"lost", qos=0)
        mosquitto.start()
        await until(lambda: len(heard) >= 31)
        assert heard[1:] == [str(number).encode() for number in range(30)]
        assert back == ["listener"]
        await talker.close()
        await listener.close()

    asyncio.run(act())


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
def test_a_stuck_handler_holds_the_sender_back_at_the_broker(
    mosquitto: Mosquitto, protocol: Literal["3.1.1", "5"]
) -> None:
    async def act() -> None:
        stuck, heard, naps = True, list[bytes](), list[float]()

        async def nap(seconds: float) -> None:
            naps.append(seconds)
            await asyncio.sleep(0.005)

        async def commit(message: Message) -> None:
            if stuck:
                raise NotCommittedError("no room")
            heard.append(message.payload)

        slow = MqttTransport(mosquitto.address, client_id="slow", protocol=protocol, sleeper=nap)
        sender = MqttTransport(mosquitto.address, client_id="sender")
        await slow.connect()
        await slow.subscribe("t", commit)
        await sender.connect()
        for number in range(90):
            await sender.publish("t", str(number).encode())
        await until(lambda: not sender._outgoing and len(naps) >= 12)
        assert len(slow._delivery.inbox) == 19  # and one in the handler's hands: the window of twenty
        assert naps[:10] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0]
        stuck = False
        await until(lambda: len(heard) >= 90)
        assert heard == [str(number).encode() for number in range(90)]
        await sender.close()
        await slow.close()

    asyncio.run(act())


def test_what_waited_over_a_lost_connection_comes_again_in_order_and_is_acknowledged(mosquitto: Mosquitto) -> None:
    async def act() -> None:
        stuck, heard = True, list[int]()

        async def commit(message: Message) -> None:
            if stuck:
                raise NotCommittedError("no room")
            heard.append(int(message.payload))

        async def nap(_seconds: float) -> None:
            await asyncio.sleep(0.002)

        slow = MqttTransport(mosquitto.address, client_id="slow", persistent=True, sleeper=nap)
        sender = MqttTransport(mosquitto.address, client_id="sender")
        await slow.subscribe("t", commit)
        await slow.connect()
        await sender.connect()
        for number in range(60):
            await sender.publish("t", str(number).encode())
        await until(lambda: len(slow._delivery.inbox) == 19)
        connection = slow._client.socket()
        assert isinstance(connection, socket.socket)
        connection.shutdown(socket.SHUT_RDWR)
        await until(lambda: not slow.connected)
        await until(lambda: slow.connected and len(slow._delivery.inbox) >= 19)
        stuck = False
        await until(lambda: len(heard) >= 61)
        assert heard == [0, *range(60)]  # only the one in hand is handled twice, for the first time came too late
        await slow.close()
        after = MqttTransport(mosquitto.address, client_id="slow", persistent=True)
        await after.subscribe("t", commit)
        await after.connect()
        await sender.publish("t", b"60")
        await until(lambda: len(heard) > 61)
        assert heard[61:] == [60]  # everything before was acknowledged
        await after.close()
        await sender.close()

    asyncio.run(act())


def test_a_flood_of_readings_drops_the_oldest_and_counts_them(mosquitto: Mosquitto) -> None:
    async def act() -> None:
        door, heard = asyncio.Event(), list[int]()

        async def slow(message: Message) -> None:
            await door.wait()
            heard.append(int(message.payload))

        listener = MqttTransport(mosquitto.address, client_id="listener", qos0_limit=50)
        sender = MqttTransport(mosquitto.address, client_id="sender")
        await listener.connect()
        await listener.subscribe("t", slow)
        await sender.connect()
        for number in range(500):
            await sender.publish("t", str(number).encode(), qos=0)
        await until(lambda: listener.dropped == 449)  # 50 wait, one is in hand
        door.set()
        await until(lambda: len(heard) == 51)
        assert heard[1:] == list(range(450, 500))
        await sender.close()
        await listener.close()

    asyncio.run(act())


def test_publishing_waits_for_the_broker_also_in_a_handler_and_refuses_when_offline_for_long(
    mosquitto: Mosquitto,
) -> None:
    async def act() -> None:
        heard, most = list[bytes](), 0
        echo = MqttTransport(mosquitto.address, client_id="echo", unsent_limit=5, offline_limit=8)

        async def multiply(message: Message) -> None:
            nonlocal most
            for _ in range(40):
                await echo.publish("out", message.payload)
                most = max(most, len(echo._outgoing))

        async def note(message: Message) -> None:
            heard.append(message.payload)

        await echo.connect()
        await echo.subscribe("in", multiply)
        await echo.subscribe("out", note)
        for number in range(3):
            await echo.publish("in", str(number).encode())
        await until(lambda: len(heard) == 120)
        assert most <= 5
        mosquitto.stop()
        await until(lambda: not echo.connected)
        for _ in range(8):
            await echo.publish("x", b"queued")
        with pytest.raises(TransportError, match="8 messages wait for 127"):
            await echo.publish("x", b"one too many")
        await echo.publish("x", b"a reading", qos=0)
        await echo.close()

    asyncio.run(act())


def test_what_is_too_large_is_dropped_unread_with_one_warning(
    mosquitto: Mosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    async def act() -> None:
        heard = list[bytes]()

        async def note(message: Message) -> None:
            heard.append(message.payload)

        listener = MqttTransport(mosquitto.address, client_id="listener", payload_limit=1000)
        sender = MqttTransport(mosquitto.address, client_id="sender")
        await listener.connect()
        await listener.subscribe("t", note)
        await sender.connect()
        for _ in range(50):  # more than the window: they are acknowledged
            await sender.publish("t", bytes(1001))
        await sender.publish("t", b"small")
        await until(lambda: bool(heard))
        assert heard == [b"small"]
        await sender.close()
        await listener.close()

    with caplog.at_level(logging.WARNING):
        asyncio.run(act())
    assert [r.getMessage() for r in caplog.records] == ["dropped 1001 bytes on t unread: the limit is 1000"]


def test_mqtt_5_mirrors_what_the_payload_says(mosquitto: Mosquitto) -> None:
    mirrored = list[dict[str, object]]()
    done = threading.Event()
    witness = paho.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)

    def on_message(_client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        mirrored.append(vars(message.properties))
        done.set()

    def on_subscribe(*_told: object) -> None:
        done.set()

    witness.on_message, witness.on_subscribe = on_message, on_subscribe
    witness.on_connect = lambda client, *_: client.subscribe("cmd")
    witness.connect(mosquitto.address.host, mosquitto.address.port)
    witness.loop_start()
    assert done.wait(10)
    done.clear()

    async def act() -> None:
        transport = MqttTransport(mosquitto.address, client_id="agent", protocol="5")
        await transport.connect()
        await transport.publish("cmd", b"{}", mirror=Mirror("job", b"j1", 29.5))
        await transport.close()

    asyncio.run(act())
    assert done.wait(10)
    witness.disconnect()
    witness.loop_stop()
    told = {name: mirrored[0][name] for name in ("ResponseTopic", "CorrelationData", "MessageExpiryInterval")}
    assert told == {"ResponseTopic": "job", "CorrelationData": b"j1", "MessageExpiryInterval": 30}


def test_two_processes_of_one_client_id_are_no_silent_quarrel(
    mosquitto: Mosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        older, newer = (MqttTransport(mosquitto.address, client_id="furnace-1") for _ in range(2))
        await older.connect()
        await newer.connect()
        await until(lambda: "furnace-1: the connection to 127.0.0.1" in caplog.text)
        await newer.close()
        await until(lambda: older.connected)
        await older.close()

    asyncio.run(run())
    assert "does another one use this client id?" in caplog.text


def test_messages_that_wait_for_room_are_not_overtaken(mosquitto: Mosquitto) -> None:
    async def run() -> None:
        heard: list[int] = []

        async def note(message: Message) -> None:
            heard.append(int(message.payload))

        writer = MqttTransport(mosquitto.address, client_id="writer", unsent_limit=20)
        reader = MqttTransport(mosquitto.address, client_id="reader")
        await asyncio.gather(writer.connect(), reader.connect())
        await reader.subscribe("t", note)
        async with asyncio.TaskGroup() as publishing:
            for number in range(400):
                publishing.create_task(writer.publish("t", str(number).encode()))
                await asyncio.sleep(0.0 if number % 7 else 0.0005)
        await until(lambda: len(heard) == 400)
        await writer.close()
        await reader.close()
        assert heard == sorted(heard)

    asyncio.run(run())
