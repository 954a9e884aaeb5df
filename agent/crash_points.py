"""Moments at which the fault tests end the daemon as a power cut would: nothing at all unless they ask for one.

``LABWRIGHT_CRASH_AT=after-commit:3`` in the environment of a starting process ends it with SIGKILL when it reaches that
moment for the third time.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Final

VARIABLE: Final = "LABWRIGHT_CRASH_AT"

CRASH_POINTS: Final = (
    "before-commit",
    "in-commit",
    "after-commit",
    "before-send",
    "after-send",
    "after-accepted",
    "before-acknowledge",
    "before-publish",
    "after-publish",
    "before-settle",
    "after-settle",
    "in-reconcile",
    "before-plan",
    "after-plan",
    "before-artefact",
    "after-artefact",
    "in-start",
    "in-stop",
    "in-reload",
    "during-migration",
)
"""Every name that ``reached`` is called with."""


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Trap:
    """Ends the process when one moment is reached for the n-th time.

    Args:
        text: ``NAME`` or ``NAME:N``.
        die: how the process ends.

    Raises:
        ValueError: the text names no moment; nobody but a test sets it, and its typing error must not pass for success.
    """

    def __init__(self, text: str, die: Callable[[], None] = _die) -> None:
        name, colon, count = text.partition(":")
        if name not in CRASH_POINTS:
            raise ValueError(f"{VARIABLE}={text}: there is no such moment; there are {', '.join(CRASH_POINTS)}")
        if colon and not (count.isascii() and count.isdigit() and int(count) > 0):
            raise ValueError(f"{VARIABLE}={text}: how often it is reached before is a number from 1")
        self.name = name
        self._left = int(count) if colon else 1
        self._die = die

    def reached(self, name: str) -> None:
        """Count, and end the process when it is time."""
        if name != self.name:
            return
        self._left -= 1
        if self._left == 0:
            self._die()


_trap = Trap(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None


def reached(name: str) -> None:
    """The process is at this moment now; ``name`` is one of ``CRASH_POINTS``."""
    if _trap is not None:
        _trap.reached(name)
