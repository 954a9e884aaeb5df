"""Where the rows of a table stand in an SQLite file, byte by byte.

After "B-tree Pages" and "Cell Payload Overflow Pages" in SQLite's description of its file format (sections 1.6, 1.7).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

_LEAF, _INTERIOR = 0x0D, 0x05
Span = tuple[int, int]
"""Offset and length."""


def used(data: bytes, root: int) -> Iterator[Span]:
    """The bytes of a table that mean something: page headers, cell pointers, cells, overflow pages; no free space.

    Args:
        data: the file, without a log beside it.
        root: page at which the table begins.

    Raises:
        ValueError: it is no table.
    """
    size = struct.unpack(">H", data[16:18])[0]
    size = 65536 if size == 1 else size
    usable = size - data[20]
    waiting = [root]
    while waiting:
        number = waiting.pop()
        begin = (number - 1) * size
        head = begin + (100 if number == 1 else 0)
        kind = data[head]
        if kind not in {_LEAF, _INTERIOR}:
            raise ValueError(f"page {number} is of kind {kind}, no page of a table")
        n_cells = struct.unpack(">H", data[head + 3 : head + 5])[0]
        length = 8 if kind == _LEAF else 12
        yield head, length + 2 * n_cells
        for i in range(n_cells):
            cell = begin + struct.unpack(">H", data[head + length + 2 * i : head + length + 2 * i + 2])[0]
            if kind == _INTERIOR:
                waiting.append(struct.unpack(">I", data[cell : cell + 4])[0])
                yield cell, _varint(data, cell + 4)[1] - cell
            else:
                yield from _leaf_cell(data, cell, size, usable)
        if kind == _INTERIOR:
            waiting.append(struct.unpack(">I", data[head + 8 : head + 12])[0])


def _leaf_cell(data: bytes, cell: int, size: int, usable: int) -> Iterator[Span]:
    payload, place = _varint(data, cell)
    _, place = _varint(data, place)
    local = payload
    if payload > usable - 35:
        least = (usable - 12) * 32 // 255 - 23
        local = least + (payload - least) % (usable - 4)
        local = local if local <= usable - 35 else least
    spilled = payload > local
    yield cell, place + local + (4 if spilled else 0) - cell
    left = payload - local
    following = struct.unpack(">I", data[place + local : place + local + 4])[0] if spilled else 0
    while left > 0:
        begin = (following - 1) * size
        here = min(left, usable - 4)
        yield begin, 4 + here
        following, left = struct.unpack(">I", data[begin : begin + 4])[0], left - here


def _varint(data: bytes, place: int) -> tuple[int, int]:
    """A variable-length integer and the offset behind it."""
    value = 0
    for i in range(8):
        byte = data[place + i]
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            return value, place + i + 1
    return value << 8 | data[place + 8], place + 9
