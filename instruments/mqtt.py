"""The one module that knows paho: MQTT 3.1.1 behind the ``Transport`` port.

paho runs its own thread. Its callbacks only post to the event loop, and everything else happens there, so that no
state needs a lock: what is registered in the same step as a paho call is there before the answer is handled.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from typing import Any, cast

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from instruments.address import BrokerAddress, TlsOptions
from instruments.errors import TopicError, TransportError
from instruments.topics import check_pattern, matches
from instruments.transport import Handler, Hook, Message

_log = logging.getLogger(__name__)

_IN_FLIGHT = 20
"""Mosquitto's and most brokers' default for one client; more would be held back or dropped."""
_GOODBYE_S = 5.0


class MqttTransport:
    """One MQTT connection; implements ``instruments.transport.Transport``.

    Args:
        address: the broker.
        client_id: unique at the broker, which disconnects the older of two equal ones.
        keepalive_s: after 1.5 times this silence the broker publishes the will.
        connect_timeout_s: how long ``connect`` tries.
        persistent: let the broker keep subscriptions and undelivered messages while disconnected.
    """

    def __init__(
        self,
        address: BrokerAddress,
        *,
        client_id: str,
        keepalive_s: int = 15,
        connect_timeout_s: float = 10.0,
        persistent: bool = False,
    ) -> None:
        self._address = address
        self._keepalive_s = keepalive_s
        self._timeout_s = connect_timeout_s
        self._handlers: list[tuple[str, Handler]] = []
        self._hooks: list[Hook] = []
        self._hook_run: asyncio.Task[None] | None = None
        self._inbox: asyncio.Queue[paho.MQTTMessage] = asyncio.Queue()
        self._pump: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._first: asyncio.Future[None] | None = None
        self._gone = asyncio.Event()
        self._subscribing: dict[int, asyncio.Future[None]] = {}
        self._unsent: set[int] = set()
        self._sent = asyncio.Event()
        self._failure = "no answer"
        self._connected = self._closed = False
        self._client = self._make_client(client_id, persistent)

    def _make_client(self, client_id: str, persistent: bool) -> paho.Client:
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=not persistent,
            protocol=paho.MQTTv311,
            manual_ack=True,
        )
        client.max_inflight_messages_set(_IN_FLIGHT)
        client.reconnect_delay_set(1, 30)
        if self._address.username:
            client.username_pw_set(self._address.username, self._address.password)
        if self._address.tls is not None:
            client.tls_set_context(_tls_context(self._address.tls))
        client.on_socket_open = _no_delay
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        return client

    # The port ---------------------------------------------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        """Whether the broker can be reached now."""
        return self._connected

    def set_will(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = True) -> None:
        """Say what the broker shall publish when this connection is lost; before ``connect``."""
        self._client.will_set(topic, payload, qos=qos, retain=retain)

    def on_reconnect(self, hook: Hook) -> None:
        """Have a function called each time that a lost connection is back."""
        self._hooks.append(hook)

    async def connect(self) -> None:
        """Connect; afterwards a lost connection is retried for ever, 1 to 30 s apart.

        Raises:
            TransportError: when the broker refuses, or does not answer in time.
        """
        if self._pump is not None:
            return
        self._loop = asyncio.get_running_loop()
        self._first = self._loop.create_future()
        self._pump = asyncio.create_task(self._deliver(), name="mqtt transport")
        self._client.connect_async(self._address.host, self._address.port, keepalive=self._keepalive_s)
        self._client.loop_start()
        try:
            await asyncio.wait_for(self._first, self._timeout_s)
        except TimeoutError:
            await self.close()
            where = f"{self._address.host}:{self._address.port}"
            raise TransportError(f"no MQTT broker at {where} after {self._timeout_s:g} s: {self._failure}") from None
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Send what is queued for at most 5 s, take leave, and stop paho's thread."""
        pump, self._pump = self._pump, None
        self._closed = True
        if pump is None:
            return
        if self._connected:
            await _at_most(self._wait_sent(), _GOODBYE_S)
            self._client.disconnect()
            await _at_most(self._gone.wait(), _GOODBYE_S)
        else:
            self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)
        ending = [pump] if self._hook_run is None else [pump, self._hook_run]
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)

    async def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> None:
        """Hand a message to paho, which sends it now or, for QoS 1, when the broker is back.

        Raises:
            TopicError: when the topic is empty or holds a wildcard.
            TransportError: when the transport was never connected, or is closed.
        """
        if not topic or "+" in topic or "#" in topic:
            raise TopicError(f"{topic!r} cannot be published to: it is empty or holds a wildcard")
        if self._loop is None or self._closed:
            raise TransportError(f"cannot publish to {topic}: the transport is not connected")
        info = self._client.publish(topic, payload, qos=qos, retain=retain)
        # NO_CONN means queued for QoS 1 and lost for QoS 0, both as promised; anything else is a refusal.
        if info.rc not in {MQTTErrorCode.MQTT_ERR_SUCCESS, MQTTErrorCode.MQTT_ERR_NO_CONN}:
            raise TransportError(f"cannot publish to {topic}: {paho.error_string(info.rc)}")
        if qos > 0:
            self._unsent.add(info.mid)

    async def subscribe(self, pattern: str, handler: Handler) -> None:
        """Subscribe, now and after every reconnection; returns when the broker has agreed.

        Raises:
            TopicError: when the pattern is malformed.
            TransportError: when not connected, or the broker refuses.
        """
        check_pattern(pattern)
        if self._loop is None or self._closed:
            raise TransportError(f"cannot subscribe to {pattern}: the transport is not connected")
        self._handlers.append((pattern, handler))
        code, mid = self._client.subscribe(pattern, qos=1)
        if code == MQTTErrorCode.MQTT_ERR_NO_CONN or mid is None:
            return  # all patterns are subscribed to when the connection is back
        agreed = self._subscribing[mid] = self._loop.create_future()
        try:
            await asyncio.wait_for(agreed, self._timeout_s)
        except TimeoutError:
            raise TransportError(f"the broker did not answer a subscription to {pattern}") from None
        finally:
            self._subscribing.pop(mid, None)

    # In the event loop ------------------------------------------------------------------------------------------------

    async def _deliver(self) -> None:
        while True:
            arrived = await self._inbox.get()
            message = Message(arrived.topic, bytes(arrived.payload), retained=bool(arrived.retain))
            for pattern, handler in list(self._handlers):
                if matches(pattern, message.topic):
                    try:
                        await handler(message)
                    except Exception:  # noqa: BLE001 - one handler's mistake must not stop all others
                        _log.exception("a handler failed on %s", message.topic)
            if arrived.qos > 0:
                self._client.ack(arrived.mid, arrived.qos)

    async def _wait_sent(self) -> None:
        while self._unsent:
            self._sent.clear()
            await self._sent.wait()

    def _connection_up(self, resubscribed: int | None) -> None:
        self._connected = True
        self._gone.clear()
        if self._first is not None and not self._first.done():
            self._first.set_result(None)
            return
        agreed = asyncio.get_running_loop().create_future()
        if resubscribed is None:
            agreed.set_result(None)
        else:
            self._subscribing[resubscribed] = agreed
        self._hook_run = asyncio.create_task(self._welcome_back(agreed), name="mqtt reconnection")

    async def _welcome_back(self, agreed: asyncio.Future[None]) -> None:
        try:
            await agreed
        except TransportError:
            _log.exception("after a reconnection the broker refused the subscriptions")
            return
        for hook in self._hooks:
            try:
                await hook()
            except Exception:  # noqa: BLE001 - nobody awaits this task, and the next hook is not to blame
                _log.exception("a reconnection hook failed")

    def _connection_refused(self, reason: str) -> None:
        self._failure = reason
        if self._first is not None and not self._first.done():
            where = f"{self._address.host}:{self._address.port}"
            self._first.set_exception(TransportError(f"the MQTT broker at {where} refused the connection: {reason}"))

    def _connection_down(self) -> None:
        self._connected = False
        self._gone.set()
        if self._hook_run is not None:
            self._hook_run.cancel()
        for agreed in self._subscribing.values():
            if not agreed.done():
                agreed.set_result(None)  # all patterns are subscribed to again when the connection is back

    def _connection_failed(self) -> None:
        # paho tells no reason here; a failed TLS handshake comes this way, too.
        tls = ", or does not accept these certificates" if self._address.tls else ""
        self._failure = f"the address does not accept connections{tls}"

    def _subscribed(self, mid: int, refused: bool) -> None:
        agreed = self._subscribing.pop(mid, None)
        if agreed is None or agreed.done():
            return
        if refused:
            agreed.set_exception(TransportError("the broker refused a subscription"))
        else:
            agreed.set_result(None)

    def _published(self, mid: int) -> None:
        self._unsent.discard(mid)
        self._sent.set()

    # In paho's thread: only post --------------------------------------------------------------------------------------

    def _post(self, function: Callable[..., None], *values: object) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function, *values)

    def _on_connect(
        self, client: paho.Client, _data: object, _flags: object, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if reason.is_failure:
            self._post(self._connection_refused, str(reason))
            return
        patterns = [(pattern, 1) for pattern, _ in self._handlers]
        mid = client.subscribe(patterns)[1] if patterns else None
        self._post(self._connection_up, mid)

    def _on_connect_fail(self, _client: paho.Client, _data: object) -> None:
        self._post(self._connection_failed)

    def _on_disconnect(
        self, _client: paho.Client, _data: object, _flags: object, _reason: ReasonCode, _properties: Properties | None
    ) -> None:
        self._post(self._connection_down)

    def _on_subscribe(
        self, _client: paho.Client, _data: object, mid: int, reasons: list[ReasonCode], _properties: Properties | None
    ) -> None:
        self._post(self._subscribed, mid, any(reason.is_failure for reason in reasons))

    def _on_publish(
        self, _client: paho.Client, _data: object, mid: int, _reason: ReasonCode, _properties: Properties
    ) -> None:
        self._post(self._published, mid)

    def _on_message(self, _client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        self._post(self._inbox.put_nowait, message)


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


async def _at_most(wanted: Any, seconds: float) -> None:
    try:
        await asyncio.wait_for(wanted, seconds)
    except TimeoutError:
        _log.warning("the broker did not take leave within %g s", seconds)
