"""A log file that turns over by size, and that a full disk cannot harm: what does not fit is dropped and counted."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

from typing_extensions import override

_MODE = 0o640


class LogFile(logging.Handler):
    """Writes each record as one line, unbuffered, so that a line is there whole or not at all.

    ``logging.handlers.RotatingFileHandler`` keeps what it could not write in a buffer, and fails on it again for ever.

    Args:
        path: the file; older ones are beside it with ``.1`` (the newest) to ``.keep`` behind their names.
        max_bytes: at which it turns over.
        keep: number of older files.
        lost: makes the line that says how many lines were dropped, once there is room again.
        write: the system's.

    Attributes:
        dropped: lines that were not written, in all.
    """

    def __init__(
        self,
        path: Path,
        *,
        max_bytes: int,
        keep: int,
        lost: Callable[[int], str],
        write: Callable[[int, bytes], int] = os.write,
    ) -> None:
        super().__init__()
        self.path, self.dropped = path, 0
        self._max_bytes, self._keep, self._lost, self._write = max_bytes, keep, lost, write
        self._unsaid = 0
        self._torn = False
        self._file, self._size = -1, 0

    @override
    def emit(self, record: logging.LogRecord) -> None:
        """Write the record's line; never raises."""
        try:
            line = self.format(record)
            if self._unsaid:
                self._put(self._lost(self._unsaid))
                self._unsaid = 0
            self._put(line)
        except Exception:  # noqa: BLE001 - whatever a record holds, logging it ends nothing
            self.dropped += 1
            self._unsaid += 1

    def reopen(self) -> None:
        """Begin a new file where someone moved this one away."""
        self.acquire()
        try:
            self._shut()
        finally:
            self.release()

    @override
    def close(self) -> None:
        """Close the file."""
        self.reopen()
        super().close()

    def _put(self, line: str) -> None:
        data = line.encode(errors="backslashreplace") + b"\n"
        if self._file < 0:
            self._open()
        if self._size and self._size + len(data) > self._max_bytes:
            self._turn_over()
        if self._torn:  # the begin of a line for which there was no room must not swallow the next one
            data = b"\n" + data
        written = self._write(self._file, data)
        self._size += written
        self._torn = written < len(data) and (written > 0 or self._torn)
        if written < len(data):
            raise OSError(f"{written} of {len(data)} bytes were written to {self.path}")

    def _open(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, _MODE)
        self._size = os.fstat(self._file).st_size
        self._torn = self._size > 0 and not self._ends_a_line()

    def _ends_a_line(self) -> bool:
        with self.path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"

    def _shut(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _turn_over(self) -> None:
        self._shut()
        names = [self.path, *(self.path.with_name(f"{self.path.name}.{n}") for n in range(1, self._keep + 1))]
        if self._keep == 0:
            self.path.unlink()
        for older, newer in zip(reversed(names[1:]), reversed(names[:-1]), strict=True):
            if newer.exists():
                newer.replace(older)
        self._open()
