"""A network that fails: a proxy of MQTT connections that cuts, stalls, delays, doubles and reorders, and counts it."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

Cut = Literal["reset", "close", "mid-packet", "half-open", "stall", "delay"]
CUTS: tuple[Cut, ...] = ("reset", "close", "mid-packet", "half-open", "stall", "delay")
_PUBLISH, _PUBACK = 3, 4
_LATE_S = (0.005, 0.15)
_ENDS = (OSError, asyncio.IncompleteReadError)


@dataclass(eq=False)
class Link:
    """One connection through the proxy, with both of its ends."""

    client: asyncio.StreamWriter
    broker: asyncio.StreamWriter
    extra: Counter[tuple[bool, bytes]] = field(default_factory=Counter)

    def end(self, *, reset: bool, broker_only: bool = False) -> None:
        """Close both ends; with a reset nothing that waits is delivered."""
        for writer in (self.broker,) if broker_only else (self.broker, self.client):
            connection = writer.get_extra_info("socket")
            if reset and connection is not None and connection.fileno() >= 0:
                with suppress(OSError):
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
            else:
                writer.close()


class Proxy:
    """Stands between one client and the broker.

    Args:
        port: of the broker, on loopback.
        seed: chooses what happens to which packet.

    Attributes:
        port: where the client connects.
        doubled: share of PUBLISHes of QoS 1 that arrive twice, either way.
        delayed: share that arrive late, past later ones.
        counts: what was done to packets.
    """

    def __init__(self, port: int, seed: int) -> None:
        self._broker_port = port
        self._rng = random.Random(seed)
        self._links: set[Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._flow = asyncio.Event()
        self._flow.set()
        self._half: bool | None = None
        self._pause_s = 0.0
        self._server: asyncio.Server | None = None
        self.port = 0
        self.doubled = self.delayed = 0.0
        self.counts: Counter[str] = Counter()

    async def open(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stop, with every connection."""
        if self._server is not None:
            self._server.close()
        for link in list(self._links):
            link.end(reset=True)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def cut(self, how: Cut) -> None:
        """Disturb what is connected now; returns when the disturbance itself is over, not its consequences."""
        links = list(self._links)
        if how in {"reset", "close"}:
            self._end(links, reset=how == "reset")
        elif how == "mid-packet":
            self._half = self._rng.random() < 0.5
            for _ in range(100):
                if self._half is None:
                    return
                await asyncio.sleep(0.02)
            self._half = None
            self._end(links, reset=True)
        elif how == "half-open":
            # The broker sees the end; the client's own end stays open, and silent, until its keep-alive notices.
            for link in links:
                link.end(reset=True, broker_only=True)
        elif how == "stall":
            self._flow.clear()
            await asyncio.sleep(self._rng.uniform(1.0, 3.0))
            self._flow.set()
            self._end(links, reset=True)
        else:
            self._pause_s = 0.3
            await asyncio.sleep(self._rng.uniform(0.5, 1.5))
            self._pause_s = 0.0
            self._end(links, reset=True)

    @staticmethod
    def _end(links: list[Link], *, reset: bool) -> None:
        for link in links:
            link.end(reset=reset)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, broker = await asyncio.open_connection("127.0.0.1", self._broker_port)
        except OSError:
            writer.transport.abort()
            return
        for end in (writer, broker):
            end.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link = Link(writer, broker)
        self._links.add(link)
        self.counts["connections"] += 1
        up = asyncio.create_task(self._pump(link, reader, broker, up=True))
        down = asyncio.create_task(self._pump(link, there, writer, up=False))
        self._tasks |= {up, down}
        try:
            await asyncio.gather(up, down)
        finally:
            self._tasks -= {up, down}
            self._links.discard(link)
            link.end(reset=False)

    async def _pump(self, link: Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, up: bool) -> None:
        with suppress(*_ENDS):
            while True:
                packet = await read_packet(reader)
                await self._flow.wait()
                if self._pause_s:
                    await asyncio.sleep(self._pause_s)
                if self._half is up and len(packet) > 3:
                    self._half = None
                    self.counts["cut in mid-packet"] += 1
                    writer.write(packet[: len(packet) // 2])
                    await writer.drain()
                    link.end(reset=False)
                    return
                self._forward(link, packet, writer, up=up)
                await writer.drain()
        if not (link.broker.is_closing() and not link.client.is_closing() and not up):
            link.end(reset=False)

    def _forward(self, link: Link, packet: bytes, writer: asyncio.StreamWriter, *, up: bool) -> None:
        kind, qos = packet[0] >> 4, packet[0] >> 1 & 3
        if kind == _PUBACK and link.extra[not up, packet[2:4]] > 0:
            link.extra[not up, packet[2:4]] -= 1  # of the copy that the other end never sent
            return
        if kind != _PUBLISH or qos != 1:
            writer.write(packet)
            return
        self.counts["published"] += 1
        late = self._rng.random() < self.delayed
        if self._rng.random() < self.doubled:
            self.counts["doubled"] += 1
            link.extra[up, message_id(packet)] += 1
            self._write(writer, bytes((packet[0] | 8,)) + packet[1:], late=self._rng.random() < 0.5)
        if late:
            self.counts["reordered"] += 1
        self._write(writer, packet, late=late)

    def _write(self, writer: asyncio.StreamWriter, packet: bytes, *, late: bool) -> None:
        if late:
            pause = self._rng.uniform(*_LATE_S)
            asyncio.get_running_loop().call_later(pause, self._write_now, writer, packet)
        else:
            writer.write(packet)

    @staticmethod
    def _write_now(writer: asyncio.StreamWriter, packet: bytes) -> None:
        if not writer.is_closing():
            writer.write(packet)


async def read_packet(reader: asyncio.StreamReader) -> bytes:
    """The next MQTT packet, whole (MQTT 3.1.1, section 2.2).

    Raises:
        IncompleteReadError: at the end of the connection.
    """
    head = await reader.readexactly(2)
    while head[-1] & 0x80:
        head += await reader.readexactly(1)
    length = sum((byte & 0x7F) << 7 * index for index, byte in enumerate(head[1:]))
    return head + await reader.readexactly(length)


def message_id(publish: bytes) -> bytes:
    """The packet identifier of a PUBLISH of QoS 1 (section 3.3.2)."""
    start = 2
    while publish[start - 1] & 0x80:
        start += 1
    topic = int.from_bytes(publish[start : start + 2], "big")
    return publish[start + 2 + topic : start + 4 + topic]
