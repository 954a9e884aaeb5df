"""What a refusing, broken or hostile broker can do to the MQTT transport: one clear error, and nothing stays behind."""

import asyncio
import contextlib
import random
import socket
import struct
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from instruments.address import BrokerAddress
from instruments.errors import TransportError
from instruments.mqtt import MqttTransport
from instruments.transport import Message

Answer = Callable[[bytes], bytes]
CONNACK = b"\x20\x02\x00\x00"


async def ignore(_message: Message) -> None:
    """Do nothing."""


def pull(transport: MqttTransport) -> None:
    """Lose the connection without a word."""
    connection = transport._client.socket()
    if isinstance(connection, socket.socket):
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)


@asynccontextmanager
async def broker(answer: Answer) -> AsyncIterator[BrokerAddress]:
    """A server that answers each packet as a test says, and the check that no thread outlives it."""
    before = set(threading.enumerate())

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (packet := await read_packet(reader)) is not None:
                writer.write(answer(packet))
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield BrokerAddress("127.0.0.1", server.sockets[0].getsockname()[1])
    finally:
        server.close()
    assert {thread for thread in threading.enumerate() if "asyncio" not in thread.name} <= before


async def read_packet(reader: asyncio.StreamReader) -> bytes | None:
    """One MQTT packet with its fixed header (MQTT 3.1.1, section 2.2); these tests send short ones."""
    head = await reader.readexactly(2)
    return head + await reader.readexactly(head[1]) if head[0] >> 4 != 14 else None


def polite(packet: bytes) -> bytes:
    """Agree to everything."""
    kind = packet[0] >> 4
    if kind == 1:
        return CONNACK
    if kind == 8:
        return b"\x90\x03" + packet[2:4] + b"\x01"
    if kind == 3 and packet[0] & 6:
        length = struct.unpack("!H", packet[2:4])[0]
        return b"\x40\x02" + packet[4 + length : 6 + length]
    return b""


@pytest.mark.parametrize(
    ("code", "why"), [(1, "rotocol"), (2, "dentifier"), (3, "navailable"), (4, "ser name"), (5, "authorized")]
)
def test_a_refused_connection_is_one_clear_error(code: int, why: str) -> None:
    async def act() -> None:
        async with broker(lambda _packet: bytes([0x20, 2, 0, code])) as address:
            transport = MqttTransport(address, client_id="visitor", connect_timeout_s=2.0)
            with pytest.raises(TransportError, match=rf"{address.port} .*{why}"):
                await transport.connect()
            assert not transport.connected
            with pytest.raises(TransportError, match="not connected"):
                await transport.publish("t", b"")

    asyncio.run(act())


def test_a_refused_subscription_names_its_pattern_and_leaves_no_handler() -> None:
    def refuse(packet: bytes) -> bytes:
        return b"\x90\x03" + packet[2:4] + b"\x80" if packet[0] >> 4 == 8 else polite(packet)

    async def act() -> None:
        async with broker(refuse) as address:
            transport = MqttTransport(address, client_id="visitor")
            await transport.connect()
            with pytest.raises(TransportError, match=r"refused the subscription to secret/\+"):
                await transport.subscribe("secret/+", ignore)
            assert transport._delivery.router.patterns == []
            await transport.close()
            early = MqttTransport(address, client_id="visitor")
            await early.subscribe("secret/+", ignore)
            with pytest.raises(TransportError, match=r"refused the subscription to secret/\+"):
                await early.connect()

    asyncio.run(act())


def test_a_silent_broker_is_given_up() -> None:
    async def act() -> None:
        async with broker(lambda _packet: b"") as address:
            transport = MqttTransport(address, client_id="visitor", connect_timeout_s=0.1)
            with pytest.raises(TransportError, match=r"after 0\.1 s: no answer"):
                await transport.connect()

    asyncio.run(act())


def test_what_is_not_mqtt_costs_the_connection_and_no_more() -> None:
    rng = random.Random(7)
    garbage = [
        b"\x30\x01\x00",  # a publication shorter than its topic's length
        b"\x32\x04\x00\x01t\x00",  # half a packet number
        b"\x40\x01\x00",  # an acknowledgement of half a message
        b"\x30\x03\x00\x01\xff",  # a topic that is not UTF-8
        b"\x90\x00",
        b"\xff\xff\xff\xff\xff\xff",
        *(rng.randbytes(40) for _ in range(8)),
    ]
    sent = 0

    def spoil(packet: bytes) -> bytes:
        nonlocal sent
        if packet[0] >> 4 == 1:
            sent += 1
            return CONNACK + (garbage[sent - 1] if sent <= len(garbage) else b"")
        return polite(packet)

    async def act() -> None:
        async with broker(spoil) as address:
            transport, heard = MqttTransport(address, client_id="visitor"), list[Message]()

            async def note(message: Message) -> None:
                heard.append(message)

            transport._client.reconnect_delay_set(0, 0)
            await transport.connect()
            await transport.subscribe("t", note)
            async with asyncio.timeout(20):
                while sent <= len(garbage) or not transport.connected:
                    # Some garbage is only an unfinished packet: a person would pull the plug.
                    if sent <= len(garbage):
                        pull(transport)
                    await asyncio.sleep(0.02)
            await transport.publish("t", b"still here")
            await transport.close()

    asyncio.run(act())


@pytest.mark.parametrize("moment", ["never connected", "connecting", "offline", "twice"])
def test_closing_leaves_nothing_behind(moment: str) -> None:
    async def act() -> None:
        silent = moment == "connecting"
        async with broker((lambda _packet: b"") if silent else polite) as address:
            transport = MqttTransport(address, client_id="visitor")
            if silent:
                connecting = asyncio.create_task(transport.connect())
                await asyncio.sleep(0.05)
                connecting.cancel()
                await asyncio.gather(connecting, return_exceptions=True)
            elif moment != "never connected":
                await transport.connect()
                await transport.publish("t", b"1")
            if moment == "offline":
                pull(transport)
                async with asyncio.timeout(5):
                    while transport.connected:  # noqa: ASYNC110 - another thread's doing
                        await asyncio.sleep(0.01)
                await transport.publish("t", b"never sent")
            await transport.close()
            await transport.close()
            with pytest.raises(TransportError, match="was closed"):
                await transport.connect()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            assert not [task for task in others if "mqtt" in task.get_name()]

    asyncio.run(act())
