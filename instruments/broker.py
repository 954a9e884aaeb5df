"""A broker for development and single-machine labs: Mosquitto where it is installed, else amqtt, in a child process."""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal

from envs.errors import MissingExtraError
from instruments.address import BrokerAddress
from instruments.errors import TransportError

_log = logging.getLogger(__name__)

_START_S = 20.0
_STOP_S = 15.0
_TRIES = 3
_SYSTEM_PATHS = "/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin"

BANNER = (
    "DEVELOPMENT BROKER (amqtt): this machine only, nothing survives its restart. "
    "Install Mosquitto, or configure a broker, for a lab."
)


def find_mosquitto() -> str | None:
    """The Mosquitto program, also where a user's PATH does not reach; None when it is not installed."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path=_SYSTEM_PATHS)


def choose_kind() -> Literal["mosquitto", "amqtt"]:
    """Which broker ``embedded_broker`` would start.

    Raises:
        MissingExtraError: when neither Mosquitto nor amqtt is installed.
    """
    if find_mosquitto() is not None:
        return "mosquitto"
    if importlib.util.find_spec("amqtt") is None:
        raise MissingExtraError("--broker embedded", "lab", "neither Mosquitto nor amqtt")
    return "amqtt"


@contextmanager
def embedded_broker(
    kind: Literal["mosquitto", "amqtt"] | None = None, *, directory: Path | None = None
) -> Iterator[BrokerAddress]:
    """Run a broker on a free loopback port with random credentials while the context lasts.

    Args:
        kind: which one; the better one that is installed by default.
        directory: where Mosquitto keeps its messages; a temporary directory by default.

    Raises:
        MissingExtraError: when the broker is not installed.
        TransportError: when it does not start.
    """
    chosen = kind or choose_kind()
    if chosen == "amqtt" and importlib.util.find_spec("amqtt") is None:
        raise MissingExtraError("--broker embedded", "lab", "amqtt")
    if chosen == "mosquitto" and find_mosquitto() is None:
        raise TransportError("Mosquitto is not installed, neither on PATH nor in the system's own directories")
    with ExitStack() as stack:
        temporary = directory is None
        if directory is None:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="labwright-broker-")))
        child, address = _start(chosen, directory, temporary=temporary)
        stack.callback(_stop, child)
        if chosen == "amqtt":
            _log.warning(BANNER)
        yield address


def _start(
    kind: Literal["mosquitto", "amqtt"], directory: Path, *, temporary: bool
) -> tuple[subprocess.Popen[bytes], BrokerAddress]:
    """Try a few ports: a free one may be taken between looking and listening."""
    for attempt in range(1, _TRIES + 1):
        address = BrokerAddress("127.0.0.1", _free_port(), "labwright", secrets.token_urlsafe(24), kind)
        child = _spawn(address, directory, temporary=temporary)
        try:
            if _comes_up(child, address):
                return child, address
        except BaseException:
            _stop(child)
            raise
        _stop(child)
        _log.warning("the embedded %s broker did not start, attempt %d of %d", kind, attempt, _TRIES)
    raise TransportError(f"the embedded {kind} broker did not start; its own messages are on standard error")


def _spawn(address: BrokerAddress, directory: Path, *, temporary: bool) -> subprocess.Popen[bytes]:
    directory.mkdir(mode=0o700, exist_ok=True)  # a child that ended has taken a temporary one with it
    orders = {
        "kind": address.kind,
        "port": address.port,
        "username": address.username,
        "password": address.password,
        "directory": str(directory.resolve()),
        "temporary": temporary,
        "program": find_mosquitto() or "",
    }
    here = str(Path(__file__).resolve().parent.parent)
    paths = os.pathsep.join([here, *filter(None, [os.environ.get("PYTHONPATH")])])
    child = subprocess.Popen(
        [sys.executable, "-m", "instruments.broker_child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": paths},
        start_new_session=True,  # Ctrl-C reaches the parent alone, which then stops the broker in order
    )
    if child.stdin is not None:
        child.stdin.write(json.dumps(orders).encode() + b"\n")
        child.stdin.flush()
    return child


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _comes_up(child: subprocess.Popen[bytes], address: BrokerAddress) -> bool:
    """Wait until the port answers; False when the child ends first or takes too long."""
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and child.poll() is None:
        try:
            socket.create_connection((address.host, address.port), timeout=1.0).close()
        except OSError:
            time.sleep(0.02)
        else:
            return child.poll() is None
    return False


def _stop(child: subprocess.Popen[bytes]) -> None:
    """Close the lifeline and see the child end."""
    if child.stdin is not None:
        child.stdin.close()
    try:
        child.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        _log.warning("the embedded broker did not stop by itself and is killed")
        child.kill()
        child.wait()
