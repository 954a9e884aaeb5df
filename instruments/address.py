"""Where a broker is and how to speak to it."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import quote, unquote

from envs.errors import ConfigError

BrokerKind = Literal["configured", "mosquitto", "amqtt"]

PORT, TLS_PORT = 1883, 8883
"""The ports that IANA has registered for MQTT, without and with TLS."""
FORM = "mqtt://[user[:password]@]host[:port] on this machine, mqtts://[user[:password]@]host[:port] anywhere"

_URL = re.compile(
    r"(?P<scheme>[a-z]+)://"
    r"((?P<user>[^:@/?#\[\]]*)(?P<secret>:(?P<password>[^:@/?#\[\]]*))?@)?"
    r"(\[(?P<ip6>[0-9a-f:.]+(%25[0-9a-z._-]+)?)\]|(?P<host>[0-9a-z]([0-9a-z._-]*[0-9a-z])?\.?))"
    r"(:(?P<port>[0-9]{1,5}))?/?",
    re.IGNORECASE | re.ASCII,
)
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True)
class TlsOptions:
    """Certificates for TLS; the system's authorities are trusted when ``ca`` is not given.

    Args:
        ca: PEM file of the authority that signed the broker's certificate.
        certificate: PEM file of the client's certificate.
        key: PEM file of the client's private key.

    Raises:
        ConfigError: when one of ``certificate`` and ``key`` stands without the other.
    """

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise ConfigError("tls.certificate", self.certificate, "a client certificate and its key come together")


@dataclass(frozen=True)
class BrokerAddress:
    """One broker with the credentials for it.

    Raises:
        ConfigError: when the port is out of range, or the broker is beyond this machine and TLS is not configured.
    """

    host: str
    port: int
    username: str = ""
    password: str = field(default="", repr=False)
    kind: BrokerKind = "configured"
    tls: TlsOptions | None = None

    def __post_init__(self) -> None:
        if not 0 < self.port < 65536:
            raise ConfigError("broker.port", self.port, "a TCP port between 1 and 65535")
        if self.tls is None and not self.on_loopback:
            raise ConfigError("broker.tls", None, f"TLS is required for {self.host}, which is not this machine")

    @classmethod
    def from_url(
        cls,
        url: str,
        *,
        password: str | None = None,
        ca: Path | None = None,
        certificate: Path | None = None,
        key: Path | None = None,
    ) -> BrokerAddress:
        """Read ``mqtt://[user[:password]@]host[:port]`` or ``mqtts://...``; the ports are 1883 and 8883 by default.

        Args:
            url: the address; an IPv6 host stands in brackets, other characters of a user or a password than letters,
                digits and ``-._~`` are percent-encoded.
            password: taken when the URL names a user and no password.
            ca: PEM file of the authority that signed the broker's certificate; the system's by default.
            certificate: PEM file of the client's certificate.
            key: PEM file of the client's private key.

        Raises:
            ConfigError: when anything about it is wrong; the message never holds a password.
        """
        read = _URL.fullmatch(url)
        scheme = read["scheme"].lower() if read else ""
        if read is None or scheme not in {"mqtt", "mqtts"}:
            raise ConfigError("broker", without_secrets(url), _what_is_wrong(url))
        port = int(read["port"] or (TLS_PORT if scheme == "mqtts" else PORT))
        if not 0 < port < 65536:
            raise ConfigError("broker", without_secrets(url), "a TCP port between 1 and 65535")
        if scheme == "mqtt" and (ca or certificate or key):
            raise ConfigError("broker", without_secrets(url), "certificates need TLS: mqtts:// instead of mqtt://")
        user = _decoded(read["user"] or "", url)
        secret = _decoded(read["password"], url) if read["secret"] else password or ""
        if not user and (read["user"] is not None or secret):
            raise ConfigError("broker", without_secrets(url), "a user name before the password and the @")
        host = _host(read, url)
        tls = TlsOptions(ca, certificate, key) if scheme == "mqtts" else None
        if tls is None and not _is_loopback(host):
            allowed = f"mqtts://: TLS is required for {host}, which is not this machine"
            raise ConfigError("broker", without_secrets(url), allowed)
        return cls(host, port, user, secret, "configured", tls)

    @property
    def on_loopback(self) -> bool:
        """Whether the broker is on this machine."""
        return _is_loopback(self.host)

    @property
    def place(self) -> str:
        """``host:port``, with brackets around an IPv6 host."""
        return f"[{self.host.replace('%', '%25')}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """The address as a URL with its user and without the password: for messages and logs."""
        return self._url("")

    @property
    def url_with_password(self) -> str:
        """The whole address; only ever for the eyes of the person whose it is."""
        return self._url(f":{quote(self.password, safe='')}" if self.password else "")

    def _url(self, secret: str) -> str:
        user = f"{quote(self.username, safe='')}{secret}@" if self.username else ""
        return f"{'mqtts' if self.tls else 'mqtt'}://{user}{self.place}"


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _host(read: re.Match[str], url: str) -> str:
    if read["ip6"] is None:
        return str(read["host"])
    host = unquote(read["ip6"])
    try:
        ipaddress.IPv6Address(host)
    except ValueError as error:
        raise ConfigError("broker", without_secrets(url), "an IPv6 address in the brackets") from error
    return host


def _decoded(text: str, url: str) -> str:
    try:
        decoded = unquote(text, errors="strict")
    except UnicodeDecodeError:
        decoded = None
    if decoded is None or _BAD_ESCAPE.search(text) or any(character < " " for character in decoded):
        # No cause is given: it would show the password.
        allowed = "a user and a password in percent-encoded UTF-8, a percent sign itself as %25"
        raise ConfigError("broker", without_secrets(url), allowed)
    return decoded


def _what_is_wrong(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.lower() not in {"mqtt", "mqtts"}:
        return FORM
    _, at, place = rest.rpartition("@")
    if at and any(character in rest[: -len(place) - 1] for character in "@/?#[]"):
        return f"{FORM}; special characters of a password are percent-encoded (@ is %40, / is %2F, # is %23)"
    if re.search(r"[/?#].", place):
        return f"{FORM}; nothing follows the port, topics are chosen by --lab"
    if place.count(":") > 1 and "[" not in place:
        return f"{FORM}; an IPv6 host stands in brackets, such as mqtt://[::1]:1883"
    return FORM


def without_secrets(url: str) -> str:
    """What of an address may be shown; also of a wrong one, where a password may stand anywhere."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return url if not set("@:/") & set(url) else "***"
    _, at, place = rest.rpartition("@")
    shown = re.fullmatch(r"(\[[0-9A-Fa-f:.]*\]|[0-9A-Za-z._-]*)(:[0-9]{1,6})?/?", place)
    return f"{scheme}://{'***@' if at else ''}{place if shown else '***'}"
