"""SQLite's write-ahead log, read by the rules of its file format: which commits a log still holds, whatever tore it.

After "The Write-Ahead Log" in SQLite's description of its file format (sections 4.1 to 4.3). A frame counts when its
salts are the header's and its checksum follows from all frames before it; a commit counts when its last frame does.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

HEADER, FRAME_HEADER = 32, 24
_LITTLE, _BIG = 0x377F0682, 0x377F0683


@dataclass(frozen=True)
class Frame:
    """One valid page of a log.

    Args:
        end: offset behind it.
        page: its number in the database.
        pages: of the whole database, where this frame ends a commit; else 0.
        data: of the page.
    """

    end: int
    page: int
    pages: int
    data: bytes


def frames(log: bytes) -> Iterator[Frame]:
    """The valid frames of a log, in order; it ends at the first that is torn, or older than the header."""
    if len(log) < HEADER:
        return
    magic, version, size, _, salt_1, salt_2, sum_1, sum_2 = struct.unpack(">8I", log[:HEADER])
    order = {_LITTLE: "<", _BIG: ">"}.get(magic, "")
    if not order or version != 3007000 or size < 512 or size & (size - 1) or size > 65536:
        return
    running = _sums(log[:24], (0, 0), order)
    if running != (sum_1, sum_2):
        return
    place = HEADER
    while place + FRAME_HEADER + size <= len(log):
        head, data = log[place : place + FRAME_HEADER], log[place + FRAME_HEADER : place + FRAME_HEADER + size]
        page, pages, one, two, sum_1, sum_2 = struct.unpack(">6I", head)
        running = _sums(data, _sums(head[:8], running, order), order)
        if (one, two) != (salt_1, salt_2) or running != (sum_1, sum_2) or page == 0:
            return
        place += FRAME_HEADER + size
        yield Frame(place, page, pages, data)


def _sums(data: bytes, start: tuple[int, int], order: str) -> tuple[int, int]:
    s0, s1 = start
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for even, odd in zip(words[::2], words[1::2], strict=True):
        s0 = (s0 + even + s1) & 0xFFFFFFFF
        s1 = (s1 + odd + s0) & 0xFFFFFFFF
    return s0, s1


def commits(log: bytes) -> list[int]:
    """Offsets behind the commits of a log, in order."""
    return [frame.end for frame in frames(log) if frame.pages]


def recovered(base: bytes, log: bytes, size: int) -> bytes:
    """The database that a file and its log mean: all whole commits of the log laid over the file."""
    pages: dict[int, bytes] = {}
    pending: dict[int, bytes] = {}
    total = 0
    for frame in frames(log):
        pending[frame.page] = frame.data
        if frame.pages:
            pages |= pending
            pending, total = {}, frame.pages
    if not total:
        return base
    return b"".join(pages.get(n) or base[(n - 1) * size : n * size] for n in range(1, total + 1))


def page_size(log: bytes) -> int:
    """Of a log; 0 where it has no header."""
    return int(struct.unpack(">I", log[8:12])[0]) if len(log) >= HEADER else 0


def checkpointed(shared: bytes) -> int:
    """Frames that stood in the database before it was killed, from the shared-memory file (``nBackfill``).

    What stood there had been on the disk in the log: no power cut tears it there any more.
    """
    return int(struct.unpack("=I", shared[96:100])[0]) if len(shared) >= 100 else 0
