"""Whether somebody writes to a journal now: the lock tells, and taking it to find out could keep the agent out."""

from __future__ import annotations

import os
from pathlib import Path

LOCK = "journal.lock"
_LOCKS = Path("/proc/locks")


def holder(directory: Path) -> str | None:
    """Who holds the writer's lock of a directory.

    Returns:
        ``pid N``, ``""`` when nobody does, None where this system does not say: it lists no lock on the file, but the
        process that took it last lives.
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
    held = _held(lines, found.st_ino)
    if held:
        return held
    # A lock of another container is not listed here, and then its process has another number or none.
    return None if _by_pid(path) else ""


def _held(lines: list[str], inode: int) -> str:
    """Who has a lock on a file, by its number alone: a subvolume of btrfs is listed under another device."""
    # As in proc(5): number, FLOCK, ADVISORY, WRITE, pid, major:minor:inode in hexadecimal and decimal, start, end.
    for line in lines:
        words = line.split()
        places = [n for n, word in enumerate(words) if word.count(":") == 2 and word.endswith(f":{inode}")]
        if "->" not in words and "FLOCK" in words and places:
            return f"pid {words[places[0] - 1]}"
    return ""


def _by_pid(path: Path) -> str | None:
    """The process that wrote its number there, while it lives: no proof where numbers are used again."""
    try:
        pid = int(path.read_text() or "0")
        if pid == os.getpid():  # ours, and we have given it back
            return ""
        os.kill(pid, 0)
    except PermissionError:
        return f"pid {pid}"
    except (OSError, ValueError):
        return ""
    return f"pid {pid}" if pid else ""
