"""The broker's own process: reads its orders from standard input and ends when that is closed.

Standard input is the lifeline: it closes when the parent leaves, is interrupted or is killed, and no broker stays
behind, nor the directory with its passwords where that is temporary.

Orders are JSON, one a line. The first has ``kind``, ``port``, ``directory``, ``temporary``, ``files`` (name to text),
``users`` (name to password), and ``program`` where the kind is Mosquitto. Each later one has the ``files`` that have
changed, which Mosquitto then reads again.

Mosquitto is started again when it dies, whatever killed it, on the same port and directory. One that cannot start, or
dies again and again, is given up with what it said.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import logging
import os
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from instruments.brokers.config import CONFIG, LOG, PASSWORDS

_PATIENCE_S = 5.0


class Lifeline:
    """Standard input: lines of orders, then the end."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._buffer = b""
        self._on_order: Callable[[dict[str, Any]], None] = lambda _order: None
        self.closed = asyncio.Event()

    def first(self) -> dict[str, Any]:
        """Wait for the first order, before any event loop."""
        while b"\n" not in self._buffer:
            data = os.read(self._descriptor, 65536)
            if not data:
                sys.exit(1)
            self._buffer += data
        line, self._buffer = self._buffer.split(b"\n", 1)
        return dict(json.loads(line))

    @contextlib.contextmanager
    def watched(self, on_order: Callable[[dict[str, Any]], None]) -> Any:
        """Have further orders handled in the running event loop."""
        self._on_order = on_order
        loop = asyncio.get_running_loop()
        loop.add_reader(self._descriptor, self._read)
        try:
            yield
        finally:
            loop.remove_reader(self._descriptor)

    def _read(self) -> None:
        data = os.read(self._descriptor, 65536)
        if not data:
            self.closed.set()
            asyncio.get_running_loop().remove_reader(self._descriptor)
        self._buffer += data
        while b"\n" in self._buffer:
            line, self._buffer = self._buffer.split(b"\n", 1)
            self._on_order(json.loads(line))

    async def closed_within(self, seconds: float) -> bool:
        """Whether it closes before the time is over."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.closed.wait(), seconds)
        return self.closed.is_set()


class Restarts:
    """How long to wait before the next start, and when to give up.

    Who lived for ``stable_s`` is no part of a crash loop: it is started again at once, however often it dies.
    """

    def __init__(self, *, stable_s: float = 1.0, limit: int = 8, first_s: float = 0.1, longest_s: float = 5.0) -> None:
        self._stable_s = stable_s
        self._limit = limit
        self._first_s, self._longest_s = first_s, longest_s
        self._has_run = False
        self._short_lives = 0

    def after(self, lived_s: float, status: int) -> float | None:
        """The pause in seconds after a life that ended with an exit status (negative: a signal); None to give up."""
        stable = lived_s >= self._stable_s
        if not (self._has_run or stable) and status >= 0:
            return None  # what ends by itself at its first start has a wrong port or file, which time does not mend
        self._has_run = True
        self._short_lives = 0 if stable else self._short_lives + 1
        if self._short_lives >= self._limit:
            return None
        return min(self._first_s * 2.0 ** max(0, self._short_lives - 1), self._longest_s)


class Supervisor:
    """Keeps Mosquitto running until the lifeline closes.

    Args:
        orders: the first line.
        lifeline: for the end and for changes.
    """

    def __init__(self, orders: dict[str, Any], lifeline: Lifeline) -> None:
        self._program = str(orders["program"])
        self._directory = Path(orders["directory"])
        self._lifeline = lifeline
        self._restarts = Restarts()
        self._child: subprocess.Popen[bytes] | None = None

    async def run(self) -> int:
        """Returns 0 when the lifeline closed, else the last exit status of a Mosquitto that was given up."""
        loop, log = asyncio.get_running_loop(), self._directory / LOG
        with log.open("wb") as handle, self._lifeline.watched(self._change):
            while True:
                begun = loop.time()
                self._child = child = self._spawn(handle.fileno())
                try:
                    if await self._ended(child):
                        return 0
                finally:
                    _end(child)
                pause = self._restarts.after(loop.time() - begun, child.returncode)
                if pause is None:
                    sys.stderr.write(log.read_text(errors="replace"))
                    _say(f"{_cause(child.returncode)} and is given up")
                    return child.returncode or 1
                _say(f"{_cause(child.returncode)} and is started again in {pause:g} s")
                if await self._lifeline.closed_within(pause):
                    return 0

    async def _ended(self, child: subprocess.Popen[bytes]) -> bool:
        """Wait for the first end: True when it is the lifeline's, False when it is Mosquitto's own."""
        while child.poll() is None:
            if await self._lifeline.closed_within(0.05):
                return True
        return False

    def _spawn(self, log: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603
            [self._program, "-c", str(self._directory / CONFIG)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - this process has one thread
        )

    def _change(self, order: dict[str, Any]) -> None:
        write_files(self._directory, order["files"])
        if self._child is not None and self._child.poll() is None:
            self._child.send_signal(signal.SIGHUP)


def write_files(directory: Path, files: dict[str, str]) -> None:
    """Replace files in one step each, readable by their owner alone."""
    for name, text in files.items():
        fresh = directory / f".{name}.{secrets.token_hex(4)}"
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as handle:
            handle.write(text)
        fresh.replace(directory / name)


async def run_amqtt(orders: dict[str, Any], lifeline: Lifeline) -> int:
    """Run amqtt until standard input closes."""
    from amqtt.broker import Broker
    from pwdlib import PasswordHash
    from pwdlib.hashers.argon2 import Argon2Hasher

    # The passwords are 24 random bytes: nothing is to be guessed, so a slow hash would only slow every connection down.
    hasher = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1),))
    passwords = "".join(f"{name}:{hasher.hash(password)}\n" for name, password in orders["users"].items())
    directory = Path(orders["directory"])
    write_files(directory, {PASSWORDS: passwords})
    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{orders['port']}"}},
            "plugins": {
                "amqtt.plugins.authentication.FileAuthPlugin": {"password_file": str(directory / PASSWORDS)},
            },
        }
    )
    with lifeline.watched(lambda _order: None):
        await broker.start()
        await lifeline.closed.wait()
        try:
            await asyncio.wait_for(broker.shutdown(), _PATIENCE_S)
        except TimeoutError:
            return 1
    return 0


def _end(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(_PATIENCE_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _die_with_parent() -> None:
    """Have the kernel end Mosquitto when this process is killed; elsewhere than on Linux nobody can."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)


def _cause(status: int) -> str:
    try:
        return f"Mosquitto was ended by {signal.Signals(-status).name}" if status < 0 else f"Mosquitto ended ({status})"
    except ValueError:
        return f"Mosquitto was ended by signal {-status}"


def _say(text: str) -> None:
    sys.stderr.write(f"labwright broker: {text}\n")
    sys.stderr.flush()


def main() -> int:
    """Read the orders and serve."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle: it closes the lifeline
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # a shutdown, too, tidies up
    os.umask(0o077)
    # amqtt calls each client that leaves without a word an error; its start-up failures are raised, not logged.
    logging.basicConfig(level=logging.CRITICAL)
    lifeline = Lifeline(sys.stdin.fileno())
    orders = lifeline.first()
    try:
        write_files(Path(orders["directory"]), orders["files"])
        if orders["kind"] == "mosquitto":
            return asyncio.run(Supervisor(orders, lifeline).run())
        return asyncio.run(run_amqtt(orders, lifeline))
    finally:
        if orders["temporary"]:
            # The parent does this in order; it cannot when it was killed.
            shutil.rmtree(orders["directory"], ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
