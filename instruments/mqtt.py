"""MQTT 3.1.1, or 5, behind the ``Transport`` port; the one module, with ``paho_client``, that knows paho.

paho runs its own thread. Its callbacks only post to the event loop, in batches, and everything else happens there, so
that little state needs a lock: what is registered in the step of a paho call is there before its answer is handled.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Sequence
from typing import Literal

import paho.mqtt.client as paho
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from instruments.address import BrokerAddress
from instruments.bus.delivery import OFFLINE_LIMIT, PAYLOAD_LIMIT, QOS0_LIMIT, Delivery, check_outgoing
from instruments.bus.inbox import Arrival
from instruments.bus.outgoing import Outgoing
from instruments.bus.paho_client import ResilientClient, begin, make_client, mirrored, wanted
from instruments.bus.waiting import at_most
from instruments.clock import Sleeper
from instruments.errors import TransportError
from instruments.profile.legibility import Complaints
from instruments.topics import check_pattern
from instruments.transport import Handler, Hook, Message, Mirror

_log = logging.getLogger(__name__)

UNSENT_LIMIT = 1_000
"""Most messages on their way over a connection that stands, before ``publish`` waits."""
_GOODBYE_S, _SHORT_S = 5.0, 5.0


class MqttTransport:
    """One MQTT connection; implements ``instruments.transport.Transport``.

    Args:
        address: the broker.
        client_id: unique at the broker, which disconnects the older of two equal ones.
        keepalive_s: after 1.5 times this silence the broker publishes the will.
        connect_timeout_s: how long ``connect`` tries.
        persistent: let the broker keep subscriptions and undelivered messages while disconnected; subscribe before
            ``connect``, for what was kept comes at once.
        protocol: the version of MQTT; the mirror of a message travels on 5 only.
        sleeper: waits before a handler that could not commit is called again.
        payload_limit: most bytes of one message; larger ones are acknowledged unread.
        unsent_limit: most messages of QoS 1 on their way before ``publish`` waits.
        qos0_limit: most messages of QoS 0 that wait to be handled; the oldest are dropped.
        offline_limit: most messages of QoS 1 that wait for a lost connection.
    """

    def __init__(
        self,
        address: BrokerAddress,
        *,
        client_id: str,
        keepalive_s: int = 15,
        connect_timeout_s: float = 10.0,
        persistent: bool = False,
        protocol: Literal["3.1.1", "5"] = "3.1.1",
        sleeper: Sleeper = asyncio.sleep,
        payload_limit: int = PAYLOAD_LIMIT,
        unsent_limit: int = UNSENT_LIMIT,
        qos0_limit: int = QOS0_LIMIT,
        offline_limit: int = OFFLINE_LIMIT,
    ) -> None:
        self._address = address
        self._where = f"{address.host}:{address.port}"
        self._keepalive_s = keepalive_s
        self._timeout_s = connect_timeout_s
        self._persistent = persistent
        self._v5 = protocol == "5"
        self._payload_limit, self._unsent_limit, self._offline_limit = payload_limit, unsent_limit, offline_limit
        self._delivery = Delivery(
            self._acknowledge, sleeper=sleeper, qos0_limit=qos0_limit, payload_limit=payload_limit
        )
        self._hooks: list[Hook] = []
        self._hook_run: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._first: asyncio.Future[None] | None = None
        self._gone = asyncio.Event()
        self._subscribing: dict[int, tuple[Sequence[str], asyncio.Future[None]]] = {}
        self._outgoing, self._turn = Outgoing(), asyncio.Lock()
        self._failure = "no answer"
        self._connected = self._closed = False
        self._name, self._since, self._losses = client_id, 0.0, Complaints(_log)
        self._lock = threading.Lock()
        self._posted: list[tuple[Callable[..., None], tuple[object, ...]]] = []
        self._connection = 0
        self._client = self._make_client(client_id)

    def _make_client(self, client_id: str) -> ResilientClient:
        client = make_client(
            self._address, client_id, v5=self._v5, persistent=self._persistent, connect_timeout_s=self._timeout_s
        )
        client.on_broken = lambda: self._post(self._connection_down)
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

    @property
    def dropped(self) -> int:
        """How many messages of QoS 0 the handlers were too slow for."""
        return self._delivery.inbox.dropped

    def set_will(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = True) -> None:
        """Say what the broker shall publish when this connection is lost; before ``connect``."""
        self._client.will_set(topic, payload, qos=qos, retain=retain)

    def on_reconnect(self, hook: Hook) -> None:
        """Have a function called each time that a lost connection is back."""
        self._hooks.append(hook)

    async def connect(self) -> None:
        """Connect; afterwards a lost connection is retried for ever, 1 to 30 s apart.

        Raises:
            TransportError: when the broker refuses, or does not answer in time, or the transport was closed.
        """
        if self._closed:
            raise TransportError(f"the transport to {self._where} was closed: make a new one")
        if self._loop is not None:
            return
        self._loop = asyncio.get_running_loop()
        self._client.soon = self._loop.call_soon
        self._first = self._loop.create_future()
        self._delivery.start("mqtt transport")
        begin(self._client, self._address, self._keepalive_s, v5=self._v5, persistent=self._persistent)
        self._client.loop_start()
        try:
            await asyncio.wait_for(self._first, self._timeout_s)
        except TimeoutError:
            await self.close()
            raise TransportError(
                f"no MQTT broker at {self._where} after {self._timeout_s:g} s: {self._failure}"
            ) from None
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Send what is queued for at most 5 s, take leave, and stop paho's thread."""
        if self._closed or self._loop is None:
            self._closed = True
            return
        self._closed = True
        self._outgoing.wake()
        if self._connected:
            await at_most(self._outgoing.until(lambda: not self._outgoing or not self._connected), _GOODBYE_S)
            self._client.disconnect()
            await at_most(self._gone.wait(), _GOODBYE_S)
        self._client.leaving.set()
        stopping = asyncio.ensure_future(asyncio.to_thread(self._client.loop_stop))
        while not stopping.done():
            # Again and again: while paho is busy connecting it takes no notice.
            self._client.disconnect()
            await asyncio.wait({stopping}, timeout=0.2)
        if lost := self._client.drop_out_messages():
            _log.warning("%d messages could not be sent to %s before leaving", len(lost), self._where)
        self._connected = False
        if self._hook_run is not None and self._hook_run is not asyncio.current_task():
            self._hook_run.cancel()
            await asyncio.gather(self._hook_run, return_exceptions=True)
        await self._delivery.stop()

    async def publish(
        self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False, mirror: Mirror | None = None
    ) -> None:
        """Hand a message to paho, which sends it now or, for QoS 1, when the broker is back.

        Raises:
            TopicError: when the topic is empty or holds a wildcard.
            TransportError: when the transport was never connected or is closed, when the payload is too large, or
                when too many messages wait for a lost connection.
        """
        check_outgoing(topic, payload, self._payload_limit)
        if qos == 0:
            self._send(topic, payload, qos, retain, mirror)
            return
        async with self._turn:  # in their order: nobody passes those who wait for room
            while self._connected and not self._closed and len(self._outgoing) >= self._unsent_limit:
                await self._outgoing.until(self._has_room)
            if not self._connected and len(self._outgoing) >= self._offline_limit:
                raise TransportError(
                    f"cannot publish to {topic}: {self._offline_limit} messages wait for {self._where} already"
                )
            self._send(topic, payload, qos, retain, mirror)

    def _send(self, topic: str, payload: bytes, qos: int, retain: bool, mirror: Mirror | None) -> None:
        if self._loop is None or self._closed:
            raise TransportError(f"cannot publish to {topic}: the transport is not connected")
        properties = mirrored(mirror) if self._v5 and mirror is not None else None
        info = self._client.publish(topic, payload, qos=qos, retain=retain, properties=properties)
        # NO_CONN means queued for QoS 1 and lost for QoS 0, both as promised; anything else is a refusal.
        if info.rc not in {MQTTErrorCode.MQTT_ERR_SUCCESS, MQTTErrorCode.MQTT_ERR_NO_CONN}:
            raise TransportError(f"cannot publish to {topic}: {paho.error_string(info.rc)}")
        if qos > 0:
            self._outgoing.add(info.mid)

    async def subscribe(self, pattern: str, handler: Handler) -> None:
        """Subscribe, now and after every reconnection; returns when the broker has agreed.

        Raises:
            TopicError: when the pattern is malformed.
            TransportError: when closed, or the broker refuses.
        """
        check_pattern(pattern)
        if self._closed:
            raise TransportError(f"cannot subscribe to {pattern}: the transport is not connected")
        self._delivery.router.add(pattern, handler)
        if self._loop is None:
            return  # when the connection is made
        code, mid = self._client.subscribe(wanted([pattern], v5=self._v5))
        if code == MQTTErrorCode.MQTT_ERR_NO_CONN or mid is None:
            return  # all patterns are subscribed to when the connection is back
        try:
            await asyncio.wait_for(self._agreement(mid, [pattern]), self._timeout_s)
        except TimeoutError:
            raise TransportError(f"the broker did not answer a subscription to {pattern}") from None
        except TransportError:
            self._delivery.router.remove(pattern, handler)
            raise
        finally:
            self._subscribing.pop(mid, None)

    async def unsubscribe(self, pattern: str, handler: Handler) -> None:
        """Call a handler no more."""
        if self._delivery.router.remove(pattern, handler) and self._loop is not None and not self._closed:
            self._client.unsubscribe(pattern)

    def _agreement(self, mid: int, patterns: Sequence[str]) -> asyncio.Future[None]:
        agreed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._subscribing[mid] = (patterns, agreed)
        return agreed

    # In the event loop ------------------------------------------------------------------------------------------------

    def _acknowledge(self, arrival: Arrival) -> None:
        # Under the lock the connection cannot be replaced meanwhile: on another one the number is another message's.
        with self._lock:
            if arrival.qos > 0 and arrival.connection == self._connection:
                self._client.ack(arrival.mid, arrival.qos)

    def _has_room(self) -> bool:
        # Half of the limit, so that many who wait are not woken for one place each.
        return self._closed or not self._connected or 2 * len(self._outgoing) <= self._unsent_limit

    def _connection_up(self, resubscribed: int | None, patterns: Sequence[str]) -> None:
        self._connected, self._since = True, asyncio.get_running_loop().time()
        self._gone.clear()
        agreed = None if resubscribed is None else self._agreement(resubscribed, patterns)
        first = self._first is not None and not self._first.done()
        self._hook_run = asyncio.create_task(self._welcome(agreed, first=first), name="mqtt reconnection")

    async def _welcome(self, agreed: asyncio.Future[None] | None, *, first: bool) -> None:
        try:
            if agreed is not None:
                await agreed
        except TransportError as error:
            if first and self._first is not None and not self._first.done():
                self._first.set_exception(error)
            else:
                _log.exception("after a reconnection the broker refused the subscriptions")
            return
        if self._first is not None and not self._first.done():
            self._first.set_result(None)
            return
        for hook in self._hooks:
            try:
                await hook()
            except Exception:  # noqa: BLE001 - nobody awaits this task, and the next hook is not to blame
                _log.exception("a reconnection hook failed")

    def _connection_refused(self, reason: str) -> None:
        self._failure = f"it refused the connection: {reason}"
        if self._first is not None and not self._first.done():
            self._first.set_exception(
                TransportError(f"the MQTT broker at {self._where} refused the connection: {reason}")
            )
        elif not self._closed:
            _log.warning("the MQTT broker at %s refused the connection: %s", self._where, reason)

    def _connection_down(self, reason: str = "") -> None:
        if self._connected and not self._closed and self._loop is not None:
            # A broker ends the older of two connections of one client id, MQTT 3.1.1 without a word.
            hint = "" if self._loop.time() - self._since > _SHORT_S else "; does another one use this client id?"
            why = f" ({reason})" if reason else ""
            self._losses.add(f"{self._name}: the connection to {self._where} was lost{why}, it is retried{hint}")
        self._connected = False
        self._gone.set()
        self._outgoing.wake()
        if self._hook_run is not None:
            self._hook_run.cancel()
        for _, agreed in self._subscribing.values():
            if not agreed.done():
                agreed.set_result(None)  # all patterns are subscribed to again when the connection is back

    def _connection_failed(self) -> None:  # paho tells no reason; a failed TLS handshake comes this way, too
        tls = ", or does not accept these certificates" if self._address.tls else ""
        self._failure = f"the address does not accept connections{tls}"

    def _subscribed(self, mid: int, refusals: Sequence[str]) -> None:
        patterns, agreed = self._subscribing.pop(mid, ((), None))
        if agreed is None or agreed.done():
            return
        refused = [f"{p} ({why})" for p, why in zip(patterns, refusals, strict=False) if why]
        refused += [f"{p} (no answer)" for p in patterns[len(refusals) :]]
        if refused:
            agreed.set_exception(TransportError(f"the broker refused the subscription to {', '.join(refused)}"))
        else:
            agreed.set_result(None)

    def _run_posted(self) -> None:
        with self._lock:
            posted, self._posted = self._posted, []
        for function, values in posted:
            function(*values)

    # In paho's thread: only post --------------------------------------------------------------------------------------

    def _post(self, function: Callable[..., None], *values: object) -> None:
        with self._lock:
            self._posted.append((function, values))
            if len(self._posted) > 1:
                return  # the loop has been told already
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is there to be told
                self._loop.call_soon_threadsafe(self._run_posted)

    def _on_connect(
        self,
        client: paho.Client,
        _data: object,
        flags: paho.ConnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            self._post(self._connection_refused, str(reason))
            return
        with self._lock:
            self._connection += 1
        if flags.session_present:
            self._delivery.inbox.forget_unacknowledged()  # they come again
        patterns = self._delivery.router.patterns
        mid = client.subscribe(wanted(patterns, v5=self._v5))[1] if patterns else None
        self._post(self._connection_up, mid, patterns)

    def _on_connect_fail(self, _client: paho.Client, _data: object) -> None:
        self._post(self._connection_failed)

    def _on_disconnect(
        self,
        _client: paho.Client,
        _data: object,
        flags: paho.DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        with self._lock:
            self._connection += 1
        self._post(self._connection_down, str(reason) if flags.is_disconnect_packet_from_server else "")

    def _on_subscribe(
        self, _client: paho.Client, _data: object, mid: int, reasons: list[ReasonCode], _properties: Properties | None
    ) -> None:
        self._post(self._subscribed, mid, [str(reason) if reason.is_failure else "" for reason in reasons])

    def _on_publish(
        self, _client: paho.Client, _data: object, mid: int, reason: ReasonCode, _properties: Properties
    ) -> None:
        if reason.is_failure:
            _log.warning("the MQTT broker at %s refused a message: %s", self._where, reason)
        if self._outgoing.acknowledge(mid):
            self._post(self._outgoing.wake)

    def _on_message(self, _client: paho.Client, _data: object, arrived: paho.MQTTMessage) -> None:
        message: Message | None = None
        with contextlib.suppress(UnicodeDecodeError):  # a topic that is not UTF-8 is nobody's
            if self._delivery.fits(arrived.topic, len(arrived.payload)):
                message = Message(arrived.topic, bytes(arrived.payload), retained=bool(arrived.retain))
        if self._delivery.inbox.put(Arrival(message, arrived.qos, arrived.mid, self._connection)):
            self._post(self._delivery.wake)
