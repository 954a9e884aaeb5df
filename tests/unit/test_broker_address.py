"""Addresses of brokers: what a person may write, and that no mistake shows a password."""

import dataclasses
import ipaddress
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.connection import broker_address
from envs.errors import ConfigError
from instruments.address import BrokerAddress, TlsOptions

TLS = TlsOptions()


@pytest.mark.parametrize(
    ("url", "meant"),
    [
        ("mqtt://localhost", BrokerAddress("localhost", 1883)),
        ("mqtt://127.0.0.1:1884/", BrokerAddress("127.0.0.1", 1884)),
        ("MQTT://anna@127.0.0.1", BrokerAddress("127.0.0.1", 1883, "anna")),
        ("mqtt://anna:s3cret@[::1]:9000", BrokerAddress("::1", 9000, "anna", "s3cret")),
        ("mqtts://broker.example.org", BrokerAddress("broker.example.org", 8883, tls=TLS)),
        ("mqtts://me:p%40ss%3A%2F%23@10.0.0.7:443", BrokerAddress("10.0.0.7", 443, "me", "p@ss:/#", tls=TLS)),
        ("mqtts://j%C3%BCrgen:%25@[2001:db8::1]", BrokerAddress("2001:db8::1", 8883, "jürgen", "%", tls=TLS)),
        ("mqtts://[fe80::1%25eth0]:1", BrokerAddress("fe80::1%eth0", 1, tls=TLS)),
        ("mqtt://anna:@localhost", BrokerAddress("localhost", 1883, "anna", "")),
    ],
)
def test_an_address_is_read(url: str, meant: BrokerAddress) -> None:
    assert BrokerAddress.from_url(url) == meant


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("localhost:1883", ["mqtt://"]),
        ("http://localhost", ["mqtt://", "mqtts://"]),
        ("mqtt://", ["mqtt://[user"]),
        ("mqtt://localhost:0", ["between 1 and 65535"]),
        ("mqtt://localhost:70000", ["between 1 and 65535"]),
        ("mqtt://localhost:port", ["mqtt://[user"]),
        ("mqtt://localhost:1883/lab/topic", ["nothing follows the port"]),
        ("mqtt://localhost?tls=1", ["nothing follows the port"]),
        ("mqtt://::1:1883", ["in brackets"]),
        ("mqtt://[::g]", ["mqtt://[user"]),
        ("mqtt://[1.2:3::4::5]", ["IPv6 address"]),
        ("mqtt://@localhost", ["user name"]),
        ("mqtt://:SECRET@localhost", ["user name"]),
        ("mqtt://anna:SECRET@192.168.1.5", ["mqtts://", "192.168.1.5"]),
        ("mqtt://anna:SECRET@localhost.example.org", ["mqtts://"]),
        ("mqtt://anna:SECRET@localhost:99999", ["between 1 and 65535"]),
        ("mqtt://anna:SE/CRET@localhost", ["percent-encoded", "%2F"]),
        ("mqtt://anna:SE#CRET@localhost", ["percent-encoded"]),
        ("mqtt://anna:SE@CRET@localhost", ["percent-encoded", "%40"]),
        ("mqtt://anna:SECRET%zz@localhost", ["percent sign"]),
        ("mqtt://anna:SECRET%ff@localhost", ["UTF-8"]),
        ("mqtt://anna:SECRET%00@localhost", ["percent-encoded"]),
        ("mqtt://anna:SECRET", ["mqtt://[user"]),
        ("mqtt:/anna:SECRET@localhost", ["mqtt://[user"]),
        ("anna:SECRET", ["mqtt://[user"]),
        ("mqtt://anna:SECRET@local host", ["mqtt://[user"]),
        ("mqtt://anna:SECRET@localhost\n", ["mqtt://[user"]),
    ],
)
def test_a_wrong_address_is_one_clear_error_without_the_password(url: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        BrokerAddress.from_url(url)
    message = str(caught.value)
    for word in ["broker = ", *words]:
        assert word in message
    assert not any(part in message for part in ("SECRET", "CRET@", "SE/", "SE@", "SE#"))
    assert caught.value.__cause__ is None or "SECRET" not in str(caught.value.__cause__)


texts = st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]), min_size=1)
hosts = st.one_of(
    st.just("localhost"), st.ip_addresses(v=4).map(str), st.ip_addresses(v=6).map(str), st.just("a-b.example.org")
)


@given(hosts, st.integers(1, 65535), texts, st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"])))
def test_an_address_survives_its_own_url(host: str, port: int, user: str, password: str) -> None:
    address = BrokerAddress(host, port, user, password, tls=TLS)
    assert BrokerAddress.from_url(address.url_with_password) == address
    assert BrokerAddress.from_url(address.url, password=password) == address


@given(texts.map("§ecret".__add__), st.sampled_from(["", "/x", ":x", "@", "\n"]))
def test_no_password_is_ever_shown(password: str, wrong: str) -> None:
    try:
        address = BrokerAddress.from_url(f"mqtt://anna:{quote(password, safe='')}@localhost{wrong}")
        shown = f"{address!r} {address} {address.url} {address.place}"
    except ConfigError as error:
        shown = str(error)
    assert password not in shown
    assert quote(password, safe="") not in shown


@given(st.ip_addresses())
def test_only_loopback_goes_without_tls(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    place = f"[{ip}]" if ip.version == 6 else str(ip)
    if ip.is_loopback:
        assert BrokerAddress.from_url(f"mqtt://{place}").on_loopback
    else:
        with pytest.raises(ConfigError, match="TLS is required"):
            BrokerAddress.from_url(f"mqtt://{place}")
    assert BrokerAddress.from_url(f"mqtts://{place}").tls == TLS


def test_certificates_need_tls_and_each_other(tmp_path: Path) -> None:
    file = tmp_path / "file.pem"
    with pytest.raises(ConfigError, match="mqtts://"):
        BrokerAddress.from_url("mqtt://localhost", ca=file)
    with pytest.raises(ConfigError, match="come together"):
        BrokerAddress.from_url("mqtts://localhost", certificate=file)
    address = BrokerAddress.from_url("mqtts://furnace.example.org", ca=file, certificate=file, key=file)
    assert address.tls == TlsOptions(file, file, file)


def test_the_environments_password_is_taken_where_the_url_has_none() -> None:
    environment = {"LABWRIGHT_BROKER_PASSWORD": "from outside"}

    def password(url: str) -> str:
        return broker_address(url, environment=environment).password

    assert password("mqtt://anna@localhost") == "from outside"
    assert password("mqtt://anna:own@localhost") == "own"
    assert password("mqtt://anna:@localhost") == ""
    assert password("mqtt://localhost") == ""
    assert dataclasses.asdict(broker_address("mqtt://anna@localhost", environment={}))["password"] == ""
