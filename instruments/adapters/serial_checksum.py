"""Checksums that instruments put behind a line of text."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Literal

Checksum = Literal["none", "xor", "sum8", "lrc", "crc16"]


def _crc16(data: bytes) -> int:
    """CRC-16/MODBUS: polynomial 0x8005 reflected, start 0xFFFF (Modbus over serial line V1.02, 6.2.2)."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc


_SUMS: dict[str, tuple[int, Callable[[bytes], int]]] = {
    "xor": (2, lambda data: reduce(int.__xor__, data, 0)),
    "sum8": (2, lambda data: sum(data) & 0xFF),
    "lrc": (2, lambda data: -sum(data) & 0xFF),
    "crc16": (4, _crc16),
}


def suffix(kind: Checksum, data: bytes) -> bytes:
    """The checksum of some bytes in upper-case hexadecimal digits, two or, of ``crc16``, four; empty for ``none``.

    ``xor`` is NMEA 0183's, ``lrc`` that of Modbus ASCII (two's complement of the sum), ``crc16`` Modbus RTU's, here
    with its more significant digits first.
    """
    if kind == "none":
        return b""
    digits, total = _SUMS[kind]
    return f"{total(data):0{digits}X}".encode()
