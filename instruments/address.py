"""Where a broker is and how to speak to it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from envs.errors import ConfigError

BrokerKind = Literal["configured", "mosquitto", "amqtt"]


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

    @property
    def on_loopback(self) -> bool:
        """Whether the broker is on this machine."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False
