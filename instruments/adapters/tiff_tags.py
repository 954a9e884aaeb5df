"""The directories of a TIFF file: its tags, and whether all the data that they point to are there.

Read after TIFF 6.0 (Adobe, 1992, section 2) and the BigTIFF note (AWare Systems), without decoding a pixel: a file is
then found complete or not whatever compression it uses, and a hostile one costs bounded time and memory.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from envs.errors import InstrumentError

TagValue = str | bytes | tuple[float, ...]

TIFF_MAGIC = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
WIDTH, LENGTH, DESCRIPTION, X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 256, 257, 270, 282, 283, 296
_DATA = ((273, 279), (324, 325))  # offsets and byte counts of strips, and of tiles
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_CODES = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 11: "f", 12: "d", 13: "I", 16: "Q", 17: "q", 18: "Q"}
_PRIVATE = (34118, 34680, 34682, 50431)  # where microscopes put their metadata
_KEPT = {
    WIDTH,
    LENGTH,
    DESCRIPTION,
    X_RESOLUTION,
    Y_RESOLUTION,
    RESOLUTION_UNIT,
    *_PRIVATE,
    *(t for p in _DATA for t in p),
}
# A file may be made so that its directories point to each other's data again and again: reading must end all the same,
# and a number takes some thirty times the memory that it takes in the file.
_MAX_ENTRIES, _MAX_BYTES = 200_000, 1 << 24


class IncompleteImageError(InstrumentError):
    """A file is not yet, or not at all, the whole image that its name promises."""


@dataclass(frozen=True)
class Page:
    """One image of a TIFF file.

    Attributes:
        tags: those that tell of size, scale and place of the pixels, by number: text, bytes, or a tuple of numbers.
    """

    tags: Mapping[int, TagValue]

    def number(self, tag: int) -> float | None:
        """The first number of a tag, None where there is none."""
        value = self.tags.get(tag)
        return value[0] if isinstance(value, tuple) and value else None

    def text(self, tag: int) -> str:
        """A tag as text, empty where there is none; Latin-1, as microscopes write the micro sign."""
        value = self.tags.get(tag)
        if isinstance(value, bytes):
            return value.rstrip(b"\0").decode("latin-1")
        return value if isinstance(value, str) else ""


def read_pages(data: bytes) -> tuple[Page, ...]:
    """All images of a TIFF or BigTIFF file, none of which reaches beyond the end of the file.

    Args:
        data: the whole file.

    Raises:
        IncompleteImageError: when it is no TIFF file, or a directory or the pixels of one are missing.
    """
    if data[:4] not in TIFF_MAGIC:
        raise IncompleteImageError("it does not begin as a TIFF file does")
    reader = _Reader(data)
    pages: list[Page] = []
    seen: set[int] = set()
    offset = reader.first
    while offset and offset not in seen:
        seen.add(offset)
        page, offset = reader.page(offset)
        _check_pixels(page, len(data), len(pages) + 1)
        pages.append(page)
    if not pages:
        raise IncompleteImageError("it holds no image yet")
    return tuple(pages)


def _check_pixels(page: Page, size: int, number: int) -> None:
    if not page.number(WIDTH) or not page.number(LENGTH):
        raise IncompleteImageError(f"page {number} states no size")
    found = False
    for offsets_tag, counts_tag in _DATA:
        offsets, counts = page.tags.get(offsets_tag), page.tags.get(counts_tag)
        if not isinstance(offsets, tuple):
            continue
        found = True
        lengths = counts if isinstance(counts, tuple) and len(counts) == len(offsets) else (1.0,) * len(offsets)
        end = max((offset + length for offset, length in zip(offsets, lengths, strict=True)), default=0.0)
        if end > size:
            raise IncompleteImageError(f"the pixels of page {number} reach to byte {end:.0f}, the file has {size}")
    if not found:
        raise IncompleteImageError(f"page {number} has no pixels")


class _Reader:
    """Decodes one file's byte order and offset width."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._order = "<" if data[:2] == b"II" else ">"
        self._big = data[2:4] in {b"+\x00", b"\x00+"}
        self._offset = "Q" if self._big else "I"
        self._entry_size = 20 if self._big else 12
        self._entries = self._bytes = 0
        self.first = int(self._unpack(self._offset, 8 if self._big else 4)[0])

    def page(self, offset: int) -> tuple[Page, int]:
        """The directory at an offset, and the offset of the next one (0 after the last)."""
        count_code = "Q" if self._big else "H"
        count = int(self._unpack(count_code, offset)[0])
        start = offset + struct.calcsize(count_code)
        end = start + count * self._entry_size
        next_offset = int(self._unpack(self._offset, end)[0])
        self._entries += count
        if self._entries > _MAX_ENTRIES:
            raise IncompleteImageError(f"it has more than {_MAX_ENTRIES} tags, which no microscope writes")
        tags: dict[int, TagValue] = {}
        for position in range(start, end, self._entry_size):
            entry = self._entry(position)
            if entry is not None:
                tags.setdefault(*entry)
        return Page(tags), next_offset

    def _entry(self, position: int) -> tuple[int, TagValue] | None:
        tag, kind = (int(value) for value in self._unpack("HH", position))
        count = int(self._unpack(self._offset, position + 4)[0])
        if kind not in _SIZES:
            return None  # TIFF 6.0: readers skip fields of a type that they do not know
        size = _SIZES[kind] * count
        inline = position + (12 if self._big else 8)
        where = inline if size <= struct.calcsize(self._offset) else int(self._unpack(self._offset, inline)[0])
        if where + size > len(self._data):
            raise IncompleteImageError(f"tag {tag} reaches to byte {where + size}, the file has {len(self._data)}")
        if tag not in _KEPT:
            return None
        self._bytes += size
        if self._bytes > _MAX_BYTES:
            raise IncompleteImageError(f"its tags hold more than {_MAX_BYTES} bytes, which no microscope writes")
        return tag, self._value(kind, count, where)

    def _value(self, kind: int, count: int, where: int) -> TagValue:
        raw = self._data[where : where + _SIZES[kind] * count]
        if kind == 2:
            return raw.rstrip(b"\0").decode("latin-1")
        if kind == 7 or (kind == 1 and count > 4):
            return raw
        if kind in {5, 10}:
            parts = struct.unpack(f"{self._order}{2 * count}{'I' if kind == 5 else 'i'}", raw)
            pairs = zip(parts[::2], parts[1::2], strict=True)
            return tuple(over / under if under else 0.0 for over, under in pairs)
        return struct.unpack(f"{self._order}{count}{_CODES[kind]}", raw)

    def _unpack(self, code: str, offset: int) -> tuple[float, ...]:
        size = struct.calcsize(self._order + code)
        if offset + size > len(self._data):
            raise IncompleteImageError(f"a directory lies at byte {offset}, the file has {len(self._data)}")
        return struct.unpack_from(self._order + code, self._data, offset)
