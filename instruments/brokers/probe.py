"""Whether a broker lets a user in: one MQTT 3.1.1 CONNECT and its answer, without a client library or a thread."""

from __future__ import annotations

import secrets
import socket

from instruments.address import BrokerAddress

_TIMEOUT_S = 2.0
_CONNACK, _DISCONNECT = 0x20, b"\xe0\x00"


def connect_packet(username: str, password: str, client_id: str) -> bytes:
    """A CONNECT with a clean session (MQTT 3.1.1, section 3.1)."""
    flags = 0x02 | (0x80 if username else 0) | (0x40 if username and password else 0)
    fields = [client_id, *([username] if flags & 0x80 else []), *([password] if flags & 0x40 else [])]
    payload = b"".join(len(text.encode()).to_bytes(2, "big") + text.encode() for text in fields)
    body = b"\x00\x04MQTT\x04" + bytes([flags]) + (10).to_bytes(2, "big") + payload
    return b"\x10" + _remaining_length(len(body)) + body


def lets_in(address: BrokerAddress) -> bool:
    """Whether the broker at a loopback address accepts these credentials now; False also when there is none.

    A port on which something else listens, or another broker, is so told from the one that was started.
    """
    try:
        with socket.create_connection((address.host, address.port), timeout=_TIMEOUT_S) as connection:
            name = f"probe-{secrets.token_hex(6)}"
            connection.sendall(connect_packet(address.username, address.password, name))
            answer = connection.recv(4)
            accepted = len(answer) == 4 and answer[0] == _CONNACK and answer[3] == 0
            if accepted:
                connection.sendall(_DISCONNECT)
            return accepted
    except OSError:
        return False


def _remaining_length(length: int) -> bytes:
    """Seven bits a byte, the lowest first (MQTT 3.1.1, section 2.2.3)."""
    encoded = bytearray()
    while True:
        length, low = divmod(length, 128)
        encoded.append(low | (0x80 if length else 0))
        if not length:
            return bytes(encoded)
