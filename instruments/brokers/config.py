"""What Mosquitto is told: listeners, persistence and limits. Valid for every Mosquitto 2.0."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from pathlib import Path

from envs.errors import ConfigError

PASSWORDS, ACL, CONFIG, LOG = "passwords", "acl", "mosquitto.conf", "mosquitto.log"
"""Names of the files in the broker's directory."""

PACKET_LIMIT = 1 << 20
"""Who sends a packet above this many bytes is disconnected before the broker has taken it in; ours stay below."""

_LIMITS = {
    # Commands in a persistent session wait for an agent that is away; a week later nobody comes back for them.
    "max_queued_messages": "10000",
    "max_queued_bytes": str(256 << 20),
    "persistent_client_expiration": "7d",
    "max_inflight_messages": "20",
    "max_packet_size": str(PACKET_LIMIT),
}


@dataclass(frozen=True)
class TlsListener:
    """A listener beyond this machine, with TLS.

    Args:
        bind: address to listen on, such as ``0.0.0.0``.
        port: its port.
        certificate: PEM file of the broker's certificate, with intermediate ones.
        key: PEM file of its private key.
        ca: PEM file of the authority whose client certificates are required; a certificate's common name is the user.
            Without one users give their passwords.

    Raises:
        ConfigError: when a file cannot be used, or the key is not the certificate's.
    """

    bind: str
    port: int
    certificate: Path
    key: Path
    ca: Path | None = None

    def __post_init__(self) -> None:
        if not 0 < self.port < 65536:
            raise ConfigError("broker.tls.port", self.port, "a TCP port between 1 and 65535")
        if not self.bind or any(character.isspace() for character in self.bind):
            raise ConfigError("broker.bind", self.bind, "an address of this machine, or 0.0.0.0 for all of them")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(self.certificate, self.key, password="")
        except (OSError, ValueError) as error:
            allowed = f"a PEM certificate and its unencrypted private key ({error})"
            raise ConfigError("broker.tls", [str(self.certificate), str(self.key)], allowed) from error
        try:
            context.load_verify_locations(self.ca) if self.ca else None
        except (OSError, ValueError) as error:
            raise ConfigError("broker.tls.ca", str(self.ca), f"a PEM file of an authority ({error})") from error

    def lines(self) -> list[str]:
        """Its part of the configuration."""
        return [
            "",
            f"listener {self.port} {self.bind}",
            f"certfile {self.certificate.resolve()}",
            f"keyfile {self.key.resolve()}",
            "tls_version tlsv1.2",
            *(
                [f"cafile {self.ca.resolve()}", "require_certificate true", "use_identity_as_username true"]
                if self.ca
                else []
            ),
        ]


def mosquitto_config(port: int, directory: Path, tls: TlsListener | None = None) -> str:
    """The text of Mosquitto's configuration: plain on loopback alone, users and access list, persistence on.

    Args:
        port: of the listener on loopback.
        directory: absolute; holds the files that are named here.
        tls: a second listener.
    """
    lines = [
        "allow_anonymous false",
        f"password_file {directory / PASSWORDS}",
        f"acl_file {directory / ACL}",
        "persistence true",
        f"persistence_location {directory}/",
        # What a kill -9 may cost; the profile's rules stand without the broker's memory, people like it complete.
        "autosave_interval 5",
        "set_tcp_nodelay true",
        *(f"{name} {value}" for name, value in _LIMITS.items()),
        "log_dest stderr",
        "log_type error",
        "log_type warning",
        "log_timestamp_format %Y-%m-%dT%H:%M:%S",
        # Started by root it would become another user, who may not read the directory.
        *(["user root"] if os.geteuid() == 0 else []),
        "",
        f"listener {port} 127.0.0.1",
        *(tls.lines() if tls else []),
        "",
    ]
    return "\n".join(lines)
