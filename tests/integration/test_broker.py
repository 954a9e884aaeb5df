"""The embedded broker: it starts, keeps strangers out, and never stays behind."""

import asyncio
import dataclasses
import getpass
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from patience import require_broker

from envs.errors import ConfigError, MissingExtraError, UserError
from instruments import broker
from instruments.address import BrokerAddress, TlsOptions
from instruments.broker import LocalBroker, choose_kind, embedded_broker, find_mosquitto, local_broker
from instruments.brokers.access import Access, BrokerUser
from instruments.brokers.config import TlsListener
from instruments.errors import TransportError
from instruments.mqtt import MqttTransport
from instruments.topics import Lab
from instruments.transport import Message

Kind = Literal["mosquitto", "amqtt"]
LAB = Lab("labwright", "lab")
REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(params=["mosquitto", "amqtt"])
def kind(request: pytest.FixtureRequest) -> Kind:
    require_broker(request.param)
    chosen: Kind = request.param
    return chosen


def listening(address: BrokerAddress) -> bool:
    try:
        socket.create_connection((address.host, address.port), timeout=2).close()
    except OSError:
        return False
    return True


def test_it_is_on_loopback_with_credentials_and_gone_afterwards(kind: Kind) -> None:
    with embedded_broker(kind) as address:
        assert (address.on_loopback, address.kind) == (True, kind)
        assert len(address.password) >= 32
        assert listening(address)
    assert not listening(address)


def test_strangers_are_refused(kind: Kind) -> None:
    async def knock(address: BrokerAddress) -> None:
        transport = MqttTransport(address, client_id="stranger")
        with pytest.raises(TransportError, match=r"refused the connection: (Not authorized|Bad user)"):
            await transport.connect()

    with embedded_broker(kind) as address:
        asyncio.run(knock(dataclasses.replace(address, password=address.password[1:])))
        asyncio.run(knock(dataclasses.replace(address, username="", password="")))


def test_no_thread_outlives_a_closed_transport(kind: Kind) -> None:
    async def visit(address: BrokerAddress) -> None:
        transport = MqttTransport(address, client_id="visitor")
        await transport.connect()
        assert any("paho" in thread.name for thread in threading.enumerate())
        await transport.close()

    with embedded_broker(kind) as address:
        asyncio.run(visit(address))
        assert not any("paho" in thread.name for thread in threading.enumerate())


def test_what_was_queued_is_sent_before_leaving(kind: Kind) -> None:
    async def burst(address: BrokerAddress) -> None:
        heard: list[bytes] = []

        async def note(message: Message) -> None:
            heard.append(message.payload)

        listener, talker = (MqttTransport(address, client_id=name) for name in ("listener", "talker"))
        await listener.connect()
        await listener.subscribe("burst", note)
        await talker.connect()
        for number in range(300):
            await talker.publish("burst", str(number).encode())
        await talker.close()
        async with asyncio.timeout(10):
            while len(heard) < 300:  # noqa: ASYNC110 - the other side of a real network
                await asyncio.sleep(0.005)
        await listener.close()
        assert heard == [str(number).encode() for number in range(300)]

    with embedded_broker(kind) as address:
        asyncio.run(burst(address))


def test_no_broker_is_one_clear_error() -> None:
    async def call() -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        transport = MqttTransport(BrokerAddress("127.0.0.1", port), client_id="lonely", connect_timeout_s=0.2)
        with pytest.raises(TransportError, match=rf"no MQTT broker at 127\.0\.0\.1:{port}"):
            await transport.connect()

    asyncio.run(call())
    assert not any("paho" in thread.name for thread in threading.enumerate())


PARENT = """
import signal
import sys
from instruments.broker import embedded_broker
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests in the background has it ignored
with embedded_broker(sys.argv[1]) as address:
    print(address.port, flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("death", [signal.SIGINT, signal.SIGKILL])
def test_it_does_not_outlive_its_parent_nor_does_its_password(
    kind: Kind, death: signal.Signals, tmp_path: Path
) -> None:
    with subprocess.Popen(  # noqa: S603 - our own script
        [sys.executable, "-c", PARENT, kind],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "TMPDIR": str(tmp_path)},
    ) as parent:
        assert parent.stdout is not None
        address = BrokerAddress("127.0.0.1", int(parent.stdout.readline()))
        assert listening(address)
        assert [p.name for p in tmp_path.glob("labwright-broker-*/passwords")] == ["passwords"]
        parent.send_signal(death)
        parent.wait(20)
    done = threading.Event()
    for _ in range(200):
        if not listening(address) and not list(tmp_path.iterdir()):
            break
        done.wait(0.05)
    assert not listening(address)
    assert not list(tmp_path.iterdir())


def test_a_second_try_finds_its_directory_again(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        ports = iter([taken.getsockname()[1], broker.free_port()])
        monkeypatch.setattr(broker, "free_port", lambda: next(ports))
        with embedded_broker(kind) as address:
            assert listening(address)
    assert not list(ports)  # the taken one was tried


def test_a_shutdown_of_the_machine_leaves_nothing_behind(kind: Kind, tmp_path: Path) -> None:
    directory = tmp_path / "temporary"
    access = Access((BrokerUser.new("agent", "agent"),))
    running, child = broker._start(kind, directory, access, temporary=True, port=None, tls=None)
    address = running.address()
    assert listening(address)
    child.terminate()
    child.wait(20)
    assert not listening(address)
    assert not directory.exists()
    broker._stop(child)


def test_a_directory_that_was_given_is_kept(kind: Kind, tmp_path: Path) -> None:
    with embedded_broker(kind, directory=tmp_path):
        pass
    assert (tmp_path / "passwords").exists()


def test_mosquitto_keeps_retained_messages_over_its_restart(tmp_path: Path) -> None:
    require_broker("mosquitto")

    async def leave(address: BrokerAddress) -> None:
        transport = MqttTransport(address, client_id="writer")
        await transport.connect()
        await transport.publish("kept", b"still here", retain=True)
        await transport.close()

    async def find(address: BrokerAddress) -> Message:
        found = asyncio.get_running_loop().create_future()

        async def note(message: Message) -> None:
            found.set_result(message)

        transport = MqttTransport(address, client_id="reader")
        await transport.connect()
        await transport.subscribe("kept", note)
        message: Message = await asyncio.wait_for(found, 5)
        await transport.close()
        return message

    with embedded_broker("mosquitto", directory=tmp_path) as address:
        asyncio.run(leave(address))
    with embedded_broker("mosquitto", directory=tmp_path) as address:
        assert asyncio.run(find(address)) == Message("kept", b"still here", retained=True)


def certificate(directory: Path, name: str, issuer: str = "") -> None:
    """Write ``name.pem`` and ``name.key``, signed by ``issuer`` or by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signer, by = key, subject
    if issuer:
        signer = serialization.load_pem_private_key((directory / f"{issuer}.key").read_bytes(), None)  # type: ignore[assignment]
        by = x509.load_pem_x509_certificate((directory / f"{issuer}.pem").read_bytes()).subject
    today = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(by, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=not issuer, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(signer, hashes.SHA256())
    )
    (directory / f"{name}.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (directory / f"{name}.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


@pytest.fixture
def tls_broker(tmp_path: Path) -> Iterator[int]:
    """Mosquitto with TLS that asks for client certificates."""
    program = find_mosquitto()
    if program is None:
        pytest.skip("Mosquitto is not installed")
    certificate(tmp_path, "authority")
    certificate(tmp_path, "broker", "authority")
    certificate(tmp_path, "client", "authority")
    certificate(tmp_path, "stranger")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    (tmp_path / "conf").write_text(
        f"listener {port} 127.0.0.1\ncafile {tmp_path}/authority.pem\ncertfile {tmp_path}/broker.pem\n"
        f"keyfile {tmp_path}/broker.key\nrequire_certificate true\nallow_anonymous true\nuser {getpass.getuser()}\n"
    )
    with subprocess.Popen([program, "-c", str(tmp_path / "conf")], stderr=subprocess.DEVNULL) as child:  # noqa: S603
        address, pause = BrokerAddress("127.0.0.1", port), threading.Event()
        while not listening(address):
            assert child.poll() is None
            pause.wait(0.02)
        yield port
        child.terminate()


def test_tls_verifies_both_sides(tls_broker: int, tmp_path: Path) -> None:
    async def knock(tls: TlsOptions) -> None:
        address = BrokerAddress("localhost", tls_broker, tls=tls)
        transport = MqttTransport(address, client_id="visitor", connect_timeout_s=0.5)
        await transport.connect()
        await transport.publish("t", b"1")
        await transport.close()

    authority = tmp_path / "authority.pem"
    asyncio.run(knock(TlsOptions(authority, tmp_path / "client.pem", tmp_path / "client.key")))
    wrong = [
        TlsOptions(authority),  # no client certificate
        TlsOptions(authority, tmp_path / "stranger.pem", tmp_path / "stranger.key"),
        TlsOptions(None, tmp_path / "client.pem", tmp_path / "client.key"),  # the broker's authority is unknown
    ]
    for options in wrong:
        with pytest.raises(TransportError, match="no MQTT broker"):
            asyncio.run(knock(options))
    with pytest.raises(TransportError, match="certificates cannot be used"):
        asyncio.run(knock(TlsOptions(tmp_path / "missing.pem")))


def certified(directory: Path, *, ask: bool) -> TlsListener:
    """A listener with certificates of an authority of its own; ``ask`` for the clients' too."""
    certificate(directory, "authority")
    for name in ("broker", "furnace-1", "nobody"):
        certificate(directory, name, "authority")
    ca = directory / "authority.pem" if ask else None
    return TlsListener("127.0.0.1", broker.free_port(), directory / "broker.pem", directory / "broker.key", ca)


async def heard_by_agent(running: LocalBroker, address: BrokerAddress) -> list[str]:
    """What the agent hears when somebody speaks for two instruments."""
    heard: list[str] = []
    done = asyncio.Event()

    async def note(message: Message) -> None:
        heard.append(message.topic)
        if message.payload == b"end":
            done.set()

    agent, other = MqttTransport(running.address("agent"), client_id="agent"), MqttTransport(address, client_id="other")
    await other.connect()
    await agent.connect()
    await agent.subscribe(LAB.everything, note)
    for iid in ("furnace-1", "sem-1", "nobody"):
        await other.publish(LAB.status(iid), b"here")
    await other.close()
    await agent.publish(LAB.agent_status("agent"), b"end")
    await asyncio.wait_for(done.wait(), 5)
    await agent.close()
    return heard[:-1]


@pytest.mark.parametrize("ask", [True, False], ids=["certificates", "passwords"])
def test_beyond_this_machine_there_is_tls_and_the_same_rights(tmp_path: Path, ask: bool) -> None:
    require_broker("mosquitto")
    listener = certified(tmp_path, ask=ask)
    ca = tmp_path / "authority.pem"

    def address(name: str, user: str = "", password: str = "") -> BrokerAddress:
        tls = TlsOptions(ca, tmp_path / f"{name}.pem", tmp_path / f"{name}.key") if ask else TlsOptions(ca)
        return BrokerAddress("localhost", listener.port, user, password, tls=tls)

    users = Access.new(LAB, instruments=("furnace-1", "sem-1"))
    with local_broker(users, kind="mosquitto", tls=listener) as running:
        furnace, sem = users.user("furnace-1"), users.user("sem-1")
        if ask:
            # The certificate says who it is, whatever name and password are given.
            for one in (address("furnace-1"), address("furnace-1", sem.name, sem.password)):
                assert asyncio.run(heard_by_agent(running, one)) == [LAB.status("furnace-1")]
            assert asyncio.run(heard_by_agent(running, address("nobody"))) == []
        else:
            one = address("", furnace.name, furnace.password)
            assert asyncio.run(heard_by_agent(running, one)) == [LAB.status("furnace-1")]
            with pytest.raises(TransportError, match="Not authorized"):
                asyncio.run(heard_by_agent(running, address("", furnace.name, "wrong")))
        with pytest.raises(OSError, match="refused"):  # without TLS only ever on the one address of loopback
            socket.create_connection(("127.0.0.2", running.port), timeout=2).close()


def test_a_listener_with_certificates_that_do_not_belong_together_is_refused(tmp_path: Path) -> None:
    certified(tmp_path, ask=False)
    pem, key = tmp_path / "broker.pem", tmp_path / "broker.key"
    with pytest.raises(ConfigError, match=r"broker\.tls"):
        TlsListener("127.0.0.1", 1, pem, tmp_path / "nobody.key")
    with pytest.raises(ConfigError, match=r"broker\.tls\.ca"):
        TlsListener("127.0.0.1", 1, pem, key, key)
    with pytest.raises(ConfigError, match=r"broker\.bind"):
        TlsListener("", 1, pem, key)
    listener = TlsListener("127.0.0.1", 1, pem, key)
    access = Access((BrokerUser.new("agent", "agent"),))
    with pytest.raises(UserError, match="this machine alone"), local_broker(access, kind="amqtt", tls=listener):
        pass


def test_without_any_broker_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "find_mosquitto", lambda: None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(MissingExtraError, match=r"'labwright broker' needs.*labwright\[lab\]"):
        choose_kind("labwright broker")
    with pytest.raises(MissingExtraError, match="'--kind amqtt' needs"), embedded_broker("amqtt"):
        pass
