"""``labwright broker``: run a broker alone, with users that stay, until somebody stops it."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.markup import escape

from agent.broker_words import connecting, print_connecting
from agent.connection import DEFAULT_LAB
from envs.errors import InstrumentError, UserError
from instruments.address import PORT, BrokerAddress
from instruments.broker import BANNER, Kind, LocalBroker, choose_kind, free_port, local_broker, port_is_free
from instruments.brokers.access import Access, BrokerUser, Role
from instruments.brokers.config import TlsListener
from instruments.brokers.probe import lets_in
from instruments.brokers.store import BrokerStore, StoredBroker
from instruments.errors import TopicError
from instruments.topics import Lab

ROOT, AGENT = "labwright", "agent"
_LOOK_S = 0.25
_TAKEN_IN_S = 10.0


@dataclass(frozen=True)
class Request:
    """The command line's options as given."""

    port: int | None
    directory: Path | None
    kind: Kind | None
    instruments: tuple[str, ...]
    persons: tuple[str, ...]
    remove: tuple[str, ...]
    lab: str | None
    bind: str | None
    tls_port: int
    certificate: Path | None
    key: Path | None
    ca: Path | None
    as_json: bool
    dashboards: tuple[str, ...] = ()

    def users(self) -> list[tuple[Role, str]]:
        """Who is asked for."""
        asked: list[tuple[Role, tuple[str, ...]]] = [
            ("instrument", self.instruments), ("person", self.persons), ("dashboard", self.dashboards),
        ]  # fmt: skip
        return [(role, name) for role, names in asked for name in names]


def run_broker(request: Request) -> None:
    """Run the broker of a directory, or let new users in where it is running.

    Raises:
        UserError: when the request or the directory is wrong, or the broker there is running.
        InstrumentError: when the broker does not start, or cannot be kept running.
    """
    store = BrokerStore(request.directory or default_directory())
    tls = _listener(request)
    console = Console(stderr=request.as_json, highlight=False)
    with store.locked() as ours:
        if ours:
            _serve(request, store, tls, console)
        else:
            _introduce(request, store, console)


def default_directory() -> Path:
    """Where this user's broker is."""
    from platformdirs import user_data_path

    return user_data_path("labwright", appauthor=False) / "broker"


def _listener(request: Request) -> TlsListener | None:
    given = {
        "--bind": request.bind,
        "--tls-cert": request.certificate,
        "--tls-key": request.key,
        "--tls-ca": request.ca,
    }
    if not any(given.values()):
        return None
    if request.bind is None or request.certificate is None or request.key is None:
        missing = [name for name in ("--bind", "--tls-cert", "--tls-key") if given[name] is None]
        raise UserError(
            f"{', '.join(missing)} is missing: beyond this machine a broker listens with TLS alone, "
            "which takes --bind ADDRESS --tls-cert FILE --tls-key FILE"
        )
    return TlsListener(request.bind, request.tls_port, request.certificate, request.key, request.ca)


# The broker of this process -----------------------------------------------------------------------------------------


def _serve(request: Request, store: BrokerStore, tls: TlsListener | None, console: Console) -> None:
    kind = request.kind or choose_kind("labwright broker")
    known = store.load()
    lab = Lab(ROOT, request.lab or (known.lab if known else DEFAULT_LAB))
    access = Access(known.access.users, lab) if known else Access((BrokerUser.new(AGENT, "agent"),), lab)
    access = _with_users(access, request)
    port = request.port or _choose_port(known)
    # amqtt's own banner is a warning of the log; here it is printed with the rest.
    logging.getLogger("instruments.broker").setLevel(logging.ERROR)
    with _stopping() as stop, local_broker(access, kind=kind, directory=store.directory, port=port, tls=tls) as broker:
        store.save(StoredBroker.of(access, lab, port))
        seen = store.changed()
        _announce(broker, lab, store, request, console)
        if broker.kind == "amqtt":
            console.print(f"[bold yellow]{BANNER}[/]")
        console.print("[dim]Stop it with Ctrl-C.[/]")
        _watch(broker, store, seen, stop, console)
    kept = (
        "passwords are kept, retained messages are not"
        if kind == "amqtt"
        else "passwords and retained messages are kept"
    )
    console.print(f"\nThe broker has stopped; {kept}.")


def _with_users(access: Access, request: Request) -> Access:
    """The same without those who shall go, and with those who are asked for and not there yet."""
    for name in request.remove:
        access = access.without(name)
    if not any(user.role == "agent" for user in access.users):
        access = access.with_user(BrokerUser.new(AGENT, "agent"))  # its password may be changed, but it stays
    for role, name in request.users():
        known = next((user for user in access.users if user.name == name), None)
        if known is None:
            try:
                access = access.with_user(BrokerUser.new(name, role))
            except TopicError as error:
                raise UserError(f"--{role} {name!r}: {error}") from error
        elif known.role != role:
            raise UserError(f"--{role} {name}: this name is the {known.role}'s already, choose another")
    return access


def _choose_port(known: StoredBroker | None) -> int:
    if known is not None and port_is_free(known.port):
        return known.port
    return PORT if port_is_free(PORT) else free_port()


def _watch(broker: LocalBroker, store: BrokerStore, seen: int, stop: threading.Event, console: Console) -> None:
    """Wait for the end; meanwhile let those in whom another call of the command has written down."""
    while not stop.wait(_LOOK_S):
        if not broker.alive:
            raise InstrumentError(f"the broker could not be kept running: see {store.directory / 'mosquitto.log'}")
        if (now := store.changed()) == seen:
            continue
        seen = now
        try:
            known = store.load()
            if known is not None:
                _take_over(broker, Access(known.access.users, broker.access.lab), console)
        except (UserError, InstrumentError) as error:
            console.print(f"[red]Not taken over:[/] {escape(str(error))}", soft_wrap=True)


def _take_over(broker: LocalBroker, access: Access, console: Console) -> None:
    before = broker.access.users
    broker.change(access)
    for user in access.users:
        if user not in before:
            console.print(f"{user.role} {user.name} may connect now")
    for user in before:
        if user not in access.users:
            console.print(f"{user.role} {user.name} is shut out, with the password of until now")


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    """An event that Ctrl-C, a shutdown and a closed terminal set, so that the broker is stopped in order."""
    stop = threading.Event()

    def note(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    kinds = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {kind: signal.signal(kind, note) for kind in kinds}
    try:
        yield stop
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)


# A broker that is running in another process -----------------------------------------------------------------------


def _introduce(request: Request, store: BrokerStore, console: Console) -> None:
    known = store.load()
    if known is None or not (request.users() or request.remove):
        raise UserError(
            f"a broker is running in {store.directory} already: stop it first, change its users with --instrument, "
            "--person and --remove, or run another one with --dir"
        )
    access = _with_users(known.access, request)
    store.save(StoredBroker.of(access, known.topics, known.port))
    wanted = {name for _, name in request.users()}
    users = [user for user in access.users if user.name in wanted or user not in known.access.users]
    gone = [user for user in known.access.users if user not in access.users]
    deadline = time.monotonic() + _TAKEN_IN_S
    while not all(_may_enter(known, user) for user in users) or any(_may_enter(known, user) for user in gone):
        if time.monotonic() > deadline:
            store.save(known)
            raise InstrumentError(f"the broker that is running in {store.directory} did not take the change")
        time.sleep(0.05)
    for user in gone:
        console.print(f"{user.role} {user.name} is shut out.")
    if users:
        print_connecting(connecting(users, known.topics, known.port, None), console, as_json=request.as_json)


def _may_enter(broker: StoredBroker, user: BrokerUser) -> bool:
    return lets_in(BrokerAddress("127.0.0.1", broker.port, user.name, user.password))


def _announce(broker: LocalBroker, lab: Lab, store: BrokerStore, request: Request, console: Console) -> None:
    line = connecting(broker.access.users, lab, broker.port, broker.tls)
    line = {"kind": broker.kind, **line, "directory": str(store.directory)}
    name = "Mosquitto" if broker.kind == "mosquitto" else "amqtt"
    where = f" and, with TLS, {broker.tls.bind}:{broker.tls.port}" if broker.tls else ""
    lead = f"[bold]{name}[/] is running for the laboratory [bold]{lab.lab}[/]"
    console.print(f"{lead} at 127.0.0.1:{broker.port}{where}.", soft_wrap=True)
    if broker.tls is not None:
        proof = "--cert FILE --key FILE, whose common name is the user" if broker.tls.ca else "the user's password"
        console.print(f"From other machines: the mqtts address with --ca FILE and {proof}.", soft_wrap=True)
    console.print(f"Passwords are kept in {escape(str(store.file))}, for its owner alone.\n", soft_wrap=True)
    print_connecting(line, console, as_json=request.as_json)
