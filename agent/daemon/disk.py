"""Room on the disk of the state: when it runs out nothing new is ordered, before the journal cannot be written."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path

from agent.rules.budgets import Held

_log = logging.getLogger(__name__)

RESERVE = 512 << 20
"""Bytes that are kept for the journal and for what running jobs still bring."""

CODE = "disk_full"
_AGAIN = 1.1


def _free(path: Path) -> int:
    return shutil.disk_usage(path).free


class DiskWatch:
    """Whether there is room.

    Below the reserve it is full; it has room again a tenth above, so that one file more or less does not turn it about.

    Args:
        path: a directory on the disk.
        reserve: bytes that stay free.
        free: tells how many are.
    """

    def __init__(self, path: Path, reserve: int = RESERVE, *, free: Callable[[Path], int] = _free) -> None:
        self.path, self.reserve = path, reserve
        self._free = free
        self._full = False
        self._blind = False

    def free(self) -> int | None:
        """Bytes free; None when the disk does not say."""
        try:
            free = self._free(self.path)
        except OSError as error:
            if not self._blind:
                _log.error("%s does not say how much room it has: %s", self.path, error)
            self._blind = True
            return None
        self._blind = False
        return free

    def held(self) -> Held | None:
        """Why nothing new may be ordered now; None when it may."""
        free = self.free()
        if free is None:
            return Held(CODE, f"{self.path} does not say how much room it has")
        full = free < self.reserve * (_AGAIN if self._full else 1.0)
        if full != self._full:
            what = "nothing new is ordered: too little room" if full else "there is room again"
            _log.warning("%s on %s: %s free, %s are kept", what, self.path, _mib(free), _mib(self.reserve))
        self._full = full
        if not full:
            return None
        return Held(CODE, f"{_mib(free)} are free on the disk of {self.path}, and {_mib(self.reserve)} are kept")

    def check(self) -> str:
        """The same for a health check: empty when there is room."""
        held = self.held()
        return held.reason if held else ""


def _mib(n: int) -> str:
    return f"{n / (1 << 20):.0f} MiB"
