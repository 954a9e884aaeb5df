"""What happened in a schedule, in lines that a person can read and a hash that tells two runs apart."""

from __future__ import annotations

import hashlib
from collections.abc import Callable


class Trace:
    """Lines with virtual times.

    Args:
        time: seconds since the schedule began.
        tell: also gets every line at once.
    """

    def __init__(self, time: Callable[[], float], tell: Callable[[str], None] | None = None) -> None:
        self._time = time
        self._tell = tell
        self.lines: list[str] = []

    def note(self, *words: object) -> None:
        """Something happened."""
        line = f"{self._time():10.3f}  {' '.join(map(str, words))}"
        self.lines.append(line)
        if self._tell is not None:
            self._tell(line)

    @property
    def digest(self) -> str:
        """SHA-256 of all lines."""
        return hashlib.sha256("\n".join(self.lines).encode()).hexdigest()
