"""Whether somebody writes to a journal now: the lock tells, and taking it to find out could keep the agent out."""

from __future__ import annotations

import os
from pathlib import Path

LOCK = "journal.lock"
_LOCKS = Path("/proc/locks")


def holder(directory: Path) -> str | None:
    """Who holds the writer's lock of a directory.

    Returns:
        ``pid N``, ``""`` when nobody does, None where this system does not say.
    """
    path = directory / LOCK
    try:
        found = path.stat()
    except FileNotFoundError:
        return ""
    except OSError:
        return None
    try:
        lines = _LOCKS.read_text().splitlines()
    except OSError:
        return _by_pid(path)
    # As in proc(5): number, FLOCK, ADVISORY, WRITE, pid, major:minor:inode in hexadecimal and decimal, start, end.
    place = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    for line in lines:
        words = line.split()
        if "->" not in words and "FLOCK" in words and place in words:
            return f"pid {words[words.index(place) - 1]}"
    return ""


def _by_pid(path: Path) -> str | None:
    """The process that wrote its number there, while it lives: no proof where numbers are used again."""
    try:
        pid = int(path.read_text() or "0")
        os.kill(pid, 0)
    except PermissionError:
        return f"pid {pid}"
    except (OSError, ValueError):
        return ""
    return f"pid {pid}" if pid else ""
