"""Users of a broker and what they may do; the command lines that are printed for them; the probe's packets."""

import base64
import hashlib
import ipaddress
import shlex
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from agent.broker_words import connecting
from agent.connection import watching
from envs.errors import ConfigError, UserError
from instruments.address import BrokerAddress, TlsOptions
from instruments.brokers.access import Access, BrokerUser, mosquitto_password_line
from instruments.brokers.config import mosquitto_config
from instruments.brokers.probe import connect_packet
from instruments.errors import TopicError
from instruments.profile.channels import CHANNELS
from instruments.topics import Lab, matches

LAB = Lab("labwright", "lab")


def may(access: Access, name: str, what: str, topic: str) -> bool:
    rules = access.rules(access.user(name))
    return any(right in {what, "readwrite"} and matches(pattern, topic) for right, pattern in rules)


def test_every_channel_of_the_profile_can_be_written_by_its_writer_and_read_by_its_readers() -> None:
    names = {"iid": "dut", "user": "anna", "aid": "agent"}
    users = {"instrument": "dut", "person": "anna", "agent": "agent"}
    access = Access.new(LAB, instruments=("dut", "other"), persons=("anna", "bob"))
    for key, channel in CHANNELS.items():
        topic = LAB.pattern(key, **{level: names.get(level, "x") for level in channel.parameters})
        assert may(access, users[channel.writer], "write", topic), key
        for reader in channel.readers:
            assert may(access, users[reader], "read", topic), key
        for stranger in ("other", "bob"):
            assert not may(access, stranger, "write", topic), key
        assert ("instrument" in channel.readers) == may(access, "dut", "read", topic), key


def test_a_dashboard_reads_what_people_read_and_writes_what_any_of_them_may() -> None:
    access = Access.new(LAB, instruments=("dut",), persons=("anna",), dashboards=("dashboard",))
    names = {"iid": "dut", "aid": "agent", "user": "anna"}
    for key, channel in CHANNELS.items():
        topic = LAB.pattern(key, **{level: names.get(level, "x") for level in channel.parameters})
        assert may(access, "dashboard", "read", topic) == ("person" in channel.readers), key
        assert may(access, "dashboard", "write", topic) == (channel.writer == "person"), key
    written = {pattern for right, pattern in access.rules(access.user("dashboard")) if right == "write"}
    assert written == {f"{LAB.prefix}/{what}/+/+" for what in ("decision", "request", "question")}


def test_what_is_private_is_read_by_whom_it_names_and_by_a_dashboard() -> None:
    access = Access.new(LAB, persons=("anna", "bob"), dashboards=("dashboard",))
    answer = LAB.answer("anna", "q1")
    assert [name for name in ("anna", "bob", "dashboard", "agent") if may(access, name, "read", answer)] == [
        "anna", "dashboard", "agent",
    ]  # fmt: skip
    assert not any(may(access, name, "write", answer) for name in ("anna", "bob", "dashboard"))


def test_names_are_levels_of_topics_and_differ() -> None:
    for name in ("", "a b", "a/b", "+", "#", "a:b", "a\nuser agent", "ü", "x" * 65):
        with pytest.raises(TopicError):
            Access.new(LAB, instruments=(name,))
    with pytest.raises(TopicError, match="person's name"):
        Access.new(LAB, persons=("-anna",))
    with pytest.raises(ConfigError, match="names that differ"):
        Access.new(LAB, instruments=("anna",), persons=("anna",))
    with pytest.raises(ConfigError, match="at least one"):
        Access.new(LAB, agents=())
    with pytest.raises(ConfigError, match="one of agent, instrument, person, dashboard"):
        BrokerUser.new("king", "king")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="a password for anna"):
        BrokerUser("anna", "person", "")


def test_passwords_are_long_differ_and_are_not_shown() -> None:
    access = Access.new(LAB, instruments=("a", "b"))
    passwords = {user.password for user in access.users}
    assert len(passwords) == 3
    assert min(map(len, passwords)) >= 32
    assert not any(password in f"{access!r} {access.mosquitto_passwords()}" for password in passwords)


def test_users_come_and_go() -> None:
    access = Access.new(LAB).with_user(BrokerUser.new("dut", "instrument"))
    assert [user.name for user in access.without("agent").users] == ["dut"]
    with pytest.raises(UserError, match="no user 'x': it has agent, dut"):
        access.without("x")
    with pytest.raises(ConfigError, match="at least one"):
        access.without("agent").without("dut")


def test_a_password_line_is_what_mosquitto_passwd_writes() -> None:
    name, rest = mosquitto_password_line("anna", "secret").strip().split(":")
    _, kind, rounds, salt, key = rest.split("$")
    assert (name, kind) == ("anna", "7")
    again = hashlib.pbkdf2_hmac("sha512", b"secret", base64.b64decode(salt), int(rounds), 64)
    assert base64.b64decode(key) == again


def test_without_tls_there_is_one_listener_and_it_is_on_loopback() -> None:
    lines = mosquitto_config(1883, Path("/somewhere")).splitlines()
    listeners = [line.split() for line in lines if line.startswith("listener ")]
    assert [ipaddress.ip_address(host).is_loopback for _, _, host in listeners] == [True]
    for line in ("allow_anonymous false", "set_tcp_nodelay true", "persistence true"):
        assert line in lines


@pytest.mark.parametrize("password", ["", "p", "ü" * 200])
def test_the_probes_packet_is_pahos(password: str) -> None:
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id="probe", protocol=paho.MQTTv311)
    client.username_pw_set("anna", password or None)
    client._send_connect(10)
    assert connect_packet("anna", password, "probe") == bytes(client._out_packet[0]["packet"])


def test_watching_is_one_line_for_a_shell() -> None:
    address = BrokerAddress("127.0.0.1", 1883, "anna", "it's secret")
    assert shlex.split(watching(address, LAB.everything, with_password=True)) == [
        "mosquitto_sub", "-h", "127.0.0.1", "-p", "1883", "-u", "anna", "-P", "it's secret", "-t", LAB.everything, "-v",
    ]  # fmt: skip
    assert "secret" not in watching(address, LAB.everything)
    tls = BrokerAddress("b.example.org", 8883, tls=TlsOptions(Path("ca.pem"), Path("me.pem"), Path("me.key")))
    assert "--cafile ca.pem --cert me.pem --key me.key" in watching(tls, "#")
    assert "--tls-use-os-certs" in watching(BrokerAddress("b.example.org", 8883, tls=TlsOptions()), "#")


def test_every_user_is_told_how_to_connect() -> None:
    access = Access.new(LAB, instruments=("dut",), persons=("anna",), dashboards=("pages",))
    told = {user["name"]: user for user in connecting(access.users, LAB, 1883, None)["users"]}
    for user in access.users:
        address = BrokerAddress.from_url(told[user.name]["url"])
        assert (address.port, address.username, address.password) == (1883, user.name, user.password)
    assert set(told["agent"]["commands"]) == {"watch", "watch_url", "check", "simulate"}
    assert set(told["dut"]["commands"]) == {"run"}
    assert set(told["pages"]["commands"]) == {"watch", "watch_url", "dashboard"}
    assert set(told["anna"]["commands"]) == {"watch", "watch_url"}
