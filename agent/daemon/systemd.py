"""What systemd is told: ready, reloading, stopping, alive. Its protocol is one datagram a message (sd_notify(3)).

Without systemd (a terminal, a container) nothing is sent, and nothing here fails. Credentials that it hands over are
read by ``credentials``.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping

_log = logging.getLogger(__name__)

SOCKET, WATCHDOG, WATCHDOG_PID = "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"
_STATUS_LIMIT = 500
_EXTEND_EVERY_S = 30.0
Sleeper = Callable[[float], Awaitable[None]]


class Notifier:
    """Tells the service manager how the daemon stands.

    Args:
        address: of its socket: a path, or ``@`` and an abstract name; nothing is told when it is empty.
        watchdog_s: within which it must hear of us, s; None when it does not watch.
        monotonic: the machine's monotonic clock, s.
    """

    def __init__(
        self, address: str = "", *, watchdog_s: float | None = None, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self.watchdog_s = watchdog_s
        self._monotonic = monotonic

    @classmethod
    def from_environment(cls, environ: MutableMapping[str, str] | None = None) -> Notifier:
        """As systemd said in the environment, whose variables are taken out of it: they are not for our children."""
        environ = os.environ if environ is None else environ
        address = environ.pop(SOCKET, "")
        every, pid = environ.pop(WATCHDOG, ""), environ.pop(WATCHDOG_PID, "")
        ours = not pid or pid == str(os.getpid())
        watchdog_s = int(every) / 1e6 if ours and every.isdigit() and int(every) else None
        known = address.startswith(("/", "@"))
        if address and not known:
            _log.warning("%s=%s is no socket that can be told anything", SOCKET, address)
        return cls(address if known else "", watchdog_s=watchdog_s)

    @property
    def told(self) -> bool:
        """Whether a service manager listens."""
        return bool(self._address)

    def ready(self, status: str = "") -> None:
        """Started, or done with reloading."""
        self._send("READY=1", *_status(status))

    def status(self, text: str) -> None:
        """One line for ``systemctl status``."""
        self._send(*_status(text))

    def reloading(self, status: str = "reading the configuration again") -> None:
        """Reloading; ``ready`` says that it is over."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={int(self._monotonic() * 1e6)}", *_status(status))

    def stopping(self, status: str = "") -> None:
        """On the way out."""
        self._send("STOPPING=1", *_status(status))

    def alive(self) -> None:
        """One beat of the watchdog's."""
        self._send("WATCHDOG=1")

    def extend(self, seconds: float) -> None:
        """Ask for so much time from now on, s, before a start or a stop counts as stuck."""
        self._send(f"EXTEND_TIMEOUT_USEC={int(seconds * 1e6)}")

    async def watch(self, healthy: Callable[[], bool], *, sleep: Sleeper = asyncio.sleep) -> None:
        """Tell every half of the watchdog's time that we are alive, as long as we are; for ever.

        Args:
            healthy: asked before each beat; while it is false the service manager hears nothing, and restarts us.
            sleep: waits, s.
        """
        if not self.told or self.watchdog_s is None:
            return
        while True:
            if healthy():
                self.alive()
            await sleep(self.watchdog_s / 2)

    @contextlib.asynccontextmanager
    async def waiting(self, why: str, *, sleep: Sleeper = asyncio.sleep) -> AsyncIterator[None]:
        """While the context lasts, a stop takes as long as it takes: a hot furnace is waited for.

        Args:
            why: said in the status.
            sleep: waits, s.
        """
        self.status(why)
        task = asyncio.create_task(self._extending(sleep), name="more time from systemd")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _extending(self, sleep: Sleeper) -> None:
        while self.told:
            self.extend(2 * _EXTEND_EVERY_S)
            await sleep(_EXTEND_EVERY_S)

    def _send(self, *lines: str) -> None:
        if not self._address or not lines:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.setblocking(False)
                channel.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:  # a service manager that does not listen is no reason to stop an experiment
            _log.warning("systemd was not told %s: %s", lines[0], error)


def _status(text: str) -> tuple[str, ...]:
    line = " ".join(text.split())[:_STATUS_LIMIT]
    return (f"STATUS={line}",) if line else ()
