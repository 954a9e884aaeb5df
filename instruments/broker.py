"""A broker for development and small labs: supervised Mosquitto where it is installed, else amqtt, in a child process.

``local_broker`` runs one for named users, ``embedded_broker`` for one program that talks to itself.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Literal

from envs.errors import ConfigError, MissingExtraError, UserError
from instruments.address import BrokerAddress
from instruments.brokers.access import Access, BrokerUser
from instruments.brokers.config import ACL, CONFIG, PASSWORDS, TlsListener, mosquitto_config
from instruments.brokers.probe import lets_in
from instruments.errors import TransportError

_log = logging.getLogger(__name__)

Kind = Literal["mosquitto", "amqtt"]

_START_S = 20.0
_STOP_S = 15.0
_RELOAD_S = 5.0
_TRIES = 3
_SYSTEM_PATHS = "/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin"

BANNER = (
    "DEVELOPMENT BROKER (amqtt): this machine only, nothing survives its restart, and every user may do everything: "
    "wills and retained messages slip past its access list, so none is set. "
    "Install Mosquitto, or configure a broker, for a lab."
)


def find_mosquitto() -> str | None:
    """The Mosquitto program, also where a user's PATH does not reach; None when it is not installed."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path=_SYSTEM_PATHS)


def choose_kind(command: str = "--broker embedded") -> Kind:
    """Which broker ``embedded_broker`` would start.

    Args:
        command: what needs it, for the error.

    Raises:
        MissingExtraError: when neither Mosquitto nor amqtt is installed.
    """
    if find_mosquitto() is not None:
        return "mosquitto"
    if importlib.util.find_spec("amqtt") is None:
        raise MissingExtraError(command, "lab", "neither Mosquitto nor amqtt")
    return "amqtt"


class LocalBroker:
    """A running broker on loopback; made by ``local_broker``.

    Attributes:
        kind: Mosquitto or amqtt.
        port: on loopback.
        access: its users.
        tls: the listener beyond this machine, or None.
    """

    def __init__(
        self, kind: Kind, port: int, access: Access, tls: TlsListener | None, child: subprocess.Popen[bytes]
    ) -> None:
        self.kind = kind
        self.port = port
        self.access = access
        self.tls = tls
        self._child = child

    @property
    def alive(self) -> bool:
        """Whether it is there, or being started again; False when it was given up."""
        return self._child.poll() is None

    def address(self, name: str = "") -> BrokerAddress:
        """Where and as whom a user connects on this machine; the first user by default.

        Raises:
            UserError: when there is no such user.
        """
        return self._address(self.access.user(name) if name else self.access.users[0])

    def add(self, user: BrokerUser) -> BrokerAddress:
        """Let one more user in while it runs; nobody is disconnected.

        Raises:
            ConfigError: when the name is taken.
            TopicError: when the name cannot be a level of a topic.
            UserError: when this is amqtt, which reads its users once.
            TransportError: when the broker does not take the change.
        """
        self.change(self.access.with_user(user))
        return self.address(user.name)

    def change(self, access: Access) -> None:
        """Have other users, or other passwords, while it runs: who is not among them any more is disconnected.

        Raises:
            UserError: when this is amqtt, which reads its users once.
            TransportError: when the broker does not take the change.
        """
        if self.kind == "amqtt":
            raise UserError("amqtt takes its users at its start alone: stop it and start it with all of them")
        files = {PASSWORDS: access.mosquitto_passwords(), ACL: access.mosquitto_acl()}
        try:
            _order(self._child, {"files": files})
        except OSError as error:
            raise TransportError(f"the broker is not running any more: {error}") from error
        gone = [self._address(user) for user in self.access.users if user not in access.users]
        new = [self._address(user) for user in access.users if user not in self.access.users]
        self.access = access
        deadline = time.monotonic() + _RELOAD_S
        while not all(map(lets_in, new)) or any(map(lets_in, gone)):
            if time.monotonic() > deadline or not self.alive:
                raise TransportError("the broker goes on with the users that it had, although it was told of others")
            time.sleep(0.02)

    def _address(self, user: BrokerUser) -> BrokerAddress:
        return BrokerAddress("127.0.0.1", self.port, user.name, user.password, self.kind)


@contextmanager
def embedded_broker(kind: Kind | None = None, *, directory: Path | None = None) -> Iterator[BrokerAddress]:
    """Run a broker on a free loopback port with one user and random credentials while the context lasts.

    Args:
        kind: which one; the better one that is installed by default.
        directory: where Mosquitto keeps its messages; a temporary directory by default.

    Raises:
        MissingExtraError: when the broker is not installed.
        TransportError: when it does not start.
    """
    with local_broker(Access((BrokerUser.new("labwright", "agent"),)), kind=kind, directory=directory) as broker:
        yield broker.address()


@contextmanager
def local_broker(
    access: Access,
    *,
    kind: Kind | None = None,
    directory: Path | None = None,
    port: int | None = None,
    tls: TlsListener | None = None,
) -> Iterator[LocalBroker]:
    """Run a broker on this machine while the context lasts.

    Mosquitto is started again when it dies; it keeps each user to what is theirs.

    Args:
        access: the users. amqtt checks their passwords and nothing else.
        kind: which one; the better one that is installed by default.
        directory: where Mosquitto keeps its messages, and both their passwords (hashed); temporary by default.
        port: on loopback; a free one by default.
        tls: a second listener, with TLS, beyond this machine; Mosquitto's only.

    Raises:
        MissingExtraError: when the broker is not installed.
        UserError: when the port is taken, or amqtt shall listen beyond this machine.
        TransportError: when it does not start.
    """
    chosen = kind or choose_kind()
    _check_installed(chosen)
    if tls is not None and chosen == "amqtt":
        raise UserError("amqtt is for this machine alone: install Mosquitto to listen beyond it")
    for wanted, host in [(port, "127.0.0.1")] + ([(tls.port, tls.bind)] if tls else []):
        if wanted is not None and not port_is_free(wanted, host):
            raise ConfigError("broker.port", wanted, f"a port of {host} that is free and that this user may take")
    with ExitStack() as stack:
        temporary = directory is None
        if directory is None:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="labwright-broker-")))
        broker, child = _start(chosen, directory, access, temporary=temporary, port=port, tls=tls)
        stack.callback(_stop, child)
        if chosen == "amqtt":
            _log.warning(BANNER)
        yield broker


def port_is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether somebody may listen there now."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, place = found[0]
        with socket.socket(family, kind, protocol) as probe:
            # As Mosquitto does: connections of an earlier broker that are just closing are no hindrance.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
    except (OSError, OverflowError):
        return False
    return True


def _check_installed(kind: Kind) -> None:
    if kind == "amqtt" and importlib.util.find_spec("amqtt") is None:
        raise MissingExtraError("--kind amqtt", "lab", "amqtt")
    if kind == "mosquitto" and find_mosquitto() is None:
        raise TransportError("Mosquitto is not installed, neither on PATH nor in the system's own directories")


def _start(
    kind: Kind, directory: Path, access: Access, *, temporary: bool, port: int | None, tls: TlsListener | None
) -> tuple[LocalBroker, subprocess.Popen[bytes]]:
    """Try a few ports: a free one may be taken between looking and listening."""
    for attempt in range(1, _TRIES + 1 if port is None else 2):
        chosen = port or free_port()
        child = _spawn(kind, directory, access, temporary=temporary, port=chosen, tls=tls)
        try:
            broker = LocalBroker(kind, chosen, access, tls, child)
            if _comes_up(child, broker.address()):
                return broker, child
        except BaseException:
            _stop(child)
            raise
        _stop(child)
        _log.warning("the %s broker did not start, attempt %d", kind, attempt)
    raise TransportError(f"the {kind} broker did not start; its own messages are on standard error")


def _spawn(
    kind: Kind, directory: Path, access: Access, *, temporary: bool, port: int, tls: TlsListener | None
) -> subprocess.Popen[bytes]:
    try:
        # A child that ended has taken a temporary one with it.
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory = directory.resolve()
    except OSError as error:
        raise UserError(f"{directory} cannot hold a broker: {error.strerror or error}") from error
    files = {
        PASSWORDS: access.mosquitto_passwords(),
        ACL: access.mosquitto_acl(),
        CONFIG: mosquitto_config(port, directory, tls),
    }
    orders = {
        "kind": kind,
        "port": port,
        "directory": str(directory),
        "temporary": temporary,
        "program": find_mosquitto() or "",
        "users": {user.name: user.password for user in access.users},
        "files": files if kind == "mosquitto" else {},
    }
    here = str(Path(__file__).resolve().parent.parent)
    paths = os.pathsep.join([here, *filter(None, [os.environ.get("PYTHONPATH")])])
    child = subprocess.Popen(
        [sys.executable, "-m", "instruments.brokers.child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": paths},
        start_new_session=True,  # Ctrl-C reaches the parent alone, which then stops the broker in order
    )
    with suppress(BrokenPipeError):  # one that ended at once is noticed where its port is waited for
        _order(child, orders)
    return child


def _order(child: subprocess.Popen[bytes], order: Mapping[str, object]) -> None:
    if child.stdin is not None:
        child.stdin.write(json.dumps(order).encode() + b"\n")
        child.stdin.flush()


def free_port() -> int:
    """A port of loopback on which nobody listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _comes_up(child: subprocess.Popen[bytes], address: BrokerAddress) -> bool:
    """Wait until the broker lets its user in; False when the child ends first or takes too long."""
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and child.poll() is None:
        if lets_in(address):
            return True
        time.sleep(0.02)
    return False


def _stop(child: subprocess.Popen[bytes]) -> None:
    """Close the lifeline and see the child end, and with it everything that it started."""
    if child.stdin is not None:
        with suppress(BrokenPipeError):
            child.stdin.close()
    try:
        child.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        _log.warning("the broker did not stop by itself and is killed")
        child.kill()
        child.wait()
    if child.returncode < 0:
        # Killed, it could not end what it had started; its process group has its number, and is gone where all ended.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
