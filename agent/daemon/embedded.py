"""The daemon's own broker: a child on loopback whose users and passwords stay in the state directory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from agent.daemon.config import LabConfig
from agent.deciding.place import RunFile
from envs.errors import ConfigError
from instruments.broker import LocalBroker, free_port, local_broker, port_is_free
from instruments.brokers.access import Access, BrokerUser, Role
from instruments.brokers.store import BrokerStore, StoredBroker

DIRECTORY = "broker"
DASHBOARD = "dashboard"
"""The mounted dashboard's name at the broker, where the laboratory's file gives it no other."""


@contextmanager
def embedded(config: LabConfig) -> Iterator[LocalBroker]:
    """Run the broker while the context lasts; who was there before keeps their password.

    Raises:
        ConfigError: two users have one name, or the port is taken.
        TransportError: it does not start.
    """
    store = BrokerStore(config.keys / DIRECTORY)
    known = store.load()
    port = _port(config, known)
    access = _access(config, known)
    with local_broker(access, directory=store.directory, port=port) as broker:
        store.save(StoredBroker.of(access, config.topics, port))
        pages = [dashboard_user(config)] if config.dashboard.enabled else []
        for name in (*config.broker.people, *pages):
            _tell(config, broker, name)
        yield broker


def admit(config: LabConfig, broker: LocalBroker, name: str) -> bool:
    """Let one more person in while it runs; whether they were not in before.

    Raises:
        ConfigError: the name is an instrument's or the agent's.
        TransportError: the broker does not take the change.
    """
    if any(user.name == name and user.role == "person" for user in broker.access.users):
        return False
    broker.add(BrokerUser.new(name, "person"))
    BrokerStore(config.state / DIRECTORY).save(StoredBroker.of(broker.access, config.topics, broker.port))
    _tell(config, broker, name)
    return True


def dashboard_user(config: LabConfig) -> str:
    """Name of the mounted dashboard at a broker of our own.

    Raises:
        ConfigError: somebody else has it.
    """
    name = config.dashboard.broker_user or DASHBOARD
    if name in {config.lab.agent, *config.broker.instruments, *config.broker.people}:
        allowed = "a name that neither the agent, nor an instrument, nor a person has"
        raise ConfigError("dashboard.broker_user", name, allowed, source=config.source)
    return name


def _port(config: LabConfig, known: StoredBroker | None) -> int:
    if config.broker.port:
        return config.broker.port
    return known.port if known is not None and port_is_free(known.port) else free_port()


def _access(config: LabConfig, known: StoredBroker | None) -> Access:
    before = {u.name: u for u in known.access.users} if known else {}
    told = config.broker
    named: list[tuple[Role, str]] = [("agent", config.lab.agent)]
    named += [("instrument", name) for name in told.instruments]
    named += [("person", name) for name in told.people]
    if config.dashboard.enabled:
        named.append(("dashboard", dashboard_user(config)))
    users: list[BrokerUser] = []
    for role, name in named:
        user = before.get(name)
        if user is None or user.role != role:
            user = BrokerUser.new(name, role)
        users.append(user)
    return Access(tuple(users), config.topics)


def _tell(config: LabConfig, broker: LocalBroker, name: str) -> None:
    """Leave a file that this machine's commands find the broker by; only its owner may read it."""
    address = broker.address(name)
    file = RunFile(broker=address.url, lab=config.lab.name, root=config.lab.root, user=name, password=address.password)
    file.write(config.state)
