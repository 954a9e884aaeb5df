"""How paho's client is set up for the profile, and what its thread needs to outlive a hostile broker."""

from __future__ import annotations

import contextlib
import logging
import math
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from typing import Any, cast

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions
from typing_extensions import override

from instruments.address import BrokerAddress, TlsOptions
from instruments.errors import TransportError
from instruments.transport import Mirror

_log = logging.getLogger(__name__)

IN_FLIGHT = 20
"""Mosquitto's and most brokers' default for one client; more would be held back or dropped."""
_BUFFER, _REFILLS = 65_536, 4
_SESSION_S = 7 * 86_400
"""How long an MQTT 5 broker keeps a persistent session; on 3.1.1 that is its own affair."""


class ResilientClient(paho.Client):
    """paho's client with a thread that outlives what a broken or hostile broker sends.

    Attributes:
        leaving: set it to end the waits between attempts to connect.
    """

    on_broken: Callable[[], None]
    """Called in paho's thread when it had to give a connection up."""
    soon: Callable[[Callable[[], None]], object]
    """Calls a function when the present step of the event loop is over; everything but paho's thread is in it."""
    _woken = False
    _received = b""
    _read_at = 0
    _refills = 0

    @override
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.leaving = threading.Event()
        super().__init__(*args, **kwargs)

    @override
    def _reconnect_wait(self) -> None:
        # paho's own sleeps through a departure for up to a second.
        with self._reconnect_delay_mutex:
            doubled = self._reconnect_min_delay if self._reconnect_delay is None else 2 * self._reconnect_delay
            self._reconnect_delay = min(doubled, self._reconnect_max_delay)
        self.leaving.wait(self._reconnect_delay)

    @override
    def loop_forever(self, timeout: float = 1.0, retry_first_connection: bool = False) -> MQTTErrorCode:
        """Serve until stopped; paho's own ends with its thread at the first packet that it cannot decode."""
        while True:
            try:
                return super().loop_forever(timeout, retry_first_connection)
            except Exception as error:  # noqa: BLE001 - otherwise the thread ends and nobody learns of it
                _log.warning("the MQTT connection is made anew, the broker sent what is not MQTT: %r", error)
            self._sock_close()
            self.on_broken()
            self._reconnect_wait()
            if self._thread_terminate:
                return MQTTErrorCode.MQTT_ERR_CONN_LOST

    # paho makes three system calls for each packet that it reads and one to wake its thread for each that it is to
    # write. Each lets the other thread take the interpreter, so that under load both wait for each other most of the
    # time: with what follows, a system call serves as many packets as there are. Measured: the orders a second double.

    @override
    def loop_read(self, max_packets: int = 1) -> MQTTErrorCode:
        """Read whatever has arrived."""
        self._refills = _REFILLS
        while self._sock is not None:
            rc = self._packet_read()
            if rc == MQTTErrorCode.MQTT_ERR_AGAIN:
                break
            if rc > 0:
                return self._loop_rc_handle(rc)
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    @override
    def loop_write(self) -> MQTTErrorCode:
        """Write whatever waits."""
        self._woken = False  # before anything is taken, so that what is added from now on wakes again
        if len(self._out_packet) > 1:
            self._join_packets()
        return super().loop_write()

    def _join_packets(self) -> None:
        """Make one packet of all that wait and of which paho needs not know when each is written."""
        joined = bytearray()
        while self._out_packet and len(joined) < _BUFFER:
            packet = self._out_packet[0]
            if packet["command"] & 0xF0 == paho.DISCONNECT or packet["qos"] == 0:
                break
            joined += packet["packet"][packet["pos"] :]
            self._out_packet.popleft()
        if joined:
            self._out_packet.appendleft(_out_packet(paho.PUBACK, joined, 0, 1, None))

    @override
    def _handle_on_message(self, message: paho.MQTTMessage) -> None:
        if self.on_message is not None:  # without a search for callbacks by topic, which are not used here
            self.on_message(self, None, message)

    @override
    def reconnect(self) -> MQTTErrorCode:
        """Connect anew, forgetting what the old connection brought."""
        self._received, self._read_at = b"", 0
        return super().reconnect()

    @override
    def _sock_recv(self, bufsize: int) -> bytes:
        if self._read_at >= len(self._received):
            self._received, self._read_at = b"", 0
            if not self._refills:
                raise BlockingIOError  # a flood must not keep what waits to be written
            self._refills -= 1
            self._received = super()._sock_recv(_BUFFER)
        start, self._read_at = self._read_at, min(self._read_at + bufsize, len(self._received))
        return self._received[start : self._read_at]

    @override
    def _packet_queue(
        self, command: int, packet: Any, mid: int, qos: int, info: paho.MQTTMessageInfo | None = None
    ) -> MQTTErrorCode:
        self._out_packet.append(_out_packet(command, packet, mid, qos, info))
        # paho's own thread looks for itself before it waits again; for others it is woken once for a whole batch.
        if not self._woken and threading.current_thread() is not self._thread:
            self._woken = True
            self.soon(self._wake)
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def _wake(self) -> None:
        if self._sockpairW is not None:
            with contextlib.suppress(BlockingIOError):
                self._sockpairW.send(b"0")


def _out_packet(command: int, packet: Any, mid: int, qos: int, info: paho.MQTTMessageInfo | None) -> Any:
    """A packet as paho queues it."""
    return {
        "command": command,
        "mid": mid,
        "qos": qos,
        "pos": 0,
        "to_process": len(packet),
        "packet": packet,
        "info": info,
    }


def make_client(
    address: BrokerAddress, client_id: str, *, v5: bool, persistent: bool, connect_timeout_s: float
) -> ResilientClient:
    """A client that is not connected and has no callbacks yet."""
    client = ResilientClient(
        CallbackAPIVersion.VERSION2,
        client_id=client_id,
        clean_session=None if v5 else not persistent,
        protocol=MQTTProtocolVersion.MQTTv5 if v5 else MQTTProtocolVersion.MQTTv311,
        manual_ack=True,
    )
    client.max_inflight_messages_set(IN_FLIGHT)
    client.reconnect_delay_set(1, 30)
    client.connect_timeout = min(5.0, connect_timeout_s)
    if address.username:
        client.username_pw_set(address.username, address.password)
    if address.tls is not None:
        client.tls_set_context(_tls_context(address.tls))
    client.on_socket_open = _no_delay
    return client


def begin(client: paho.Client, address: BrokerAddress, keepalive_s: int, *, v5: bool, persistent: bool) -> None:
    """Say where to connect to; paho's thread does it."""
    if not v5:
        client.connect_async(address.host, address.port, keepalive=keepalive_s)
        return
    properties = _properties(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = _SESSION_S if persistent else 0
    properties.ReceiveMaximum = IN_FLIGHT
    client.connect_async(
        address.host, address.port, keepalive=keepalive_s, clean_start=not persistent, properties=properties
    )


def wanted(patterns: Sequence[str], *, v5: bool) -> Any:
    """Subscriptions at QoS 1 as paho takes them."""
    return [(pattern, SubscribeOptions(qos=1) if v5 else 1) for pattern in patterns]


def mirrored(mirror: Mirror) -> Properties:
    """MQTT 5's way to say what a payload says already."""
    properties = _properties(PacketTypes.PUBLISH)
    if mirror.response_topic:
        properties.ResponseTopic = mirror.response_topic
    if mirror.correlation:
        properties.CorrelationData = mirror.correlation
    if mirror.expiry_s is not None:
        properties.MessageExpiryInterval = max(0, math.ceil(mirror.expiry_s))
    return properties


def _properties(packet: int) -> Properties:
    return Properties(packet)  # type: ignore[no-untyped-call]


def _no_delay(_client: paho.Client, _data: Any, connection: Any) -> None:
    # Nagle's algorithm and delayed acknowledgements together make a round trip 44-92 ms instead of 1.
    cast("socket.socket", connection).setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _tls_context(options: TlsOptions) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=options.ca)
        if options.certificate is not None:
            context.load_cert_chain(options.certificate, options.key)
    except OSError as error:
        raise TransportError(f"the TLS certificates cannot be used: {error}") from error
    return context
