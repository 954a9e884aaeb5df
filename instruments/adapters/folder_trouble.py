"""Why a file of a watched folder could not be taken, and when it is worth another try."""

from __future__ import annotations

from dataclasses import dataclass

from instruments.adapters.folder_scan import Signature
from instruments.adapters.tiff_tags import IncompleteImageError

_RETRY_MOST_S = 60.0


@dataclass(frozen=True)
class Trouble:
    """Why a file could not be taken, and when it is worth another try: an unchanged one less and less often."""

    seen: tuple[Signature | None, ...]
    reason: str
    until: float
    pause: float

    @classmethod
    def after(
        cls, last: Trouble | None, seen: tuple[Signature | None, ...], error: Exception, now: float, pause: float
    ) -> Trouble:
        """What is known after a try failed.

        Args:
            last: what was known before it.
            seen: the state of the image and its text file.
            error: why it failed.
            now: in seconds.
            pause: before the first other try, in seconds.
        """
        if isinstance(error, AwaitsTextError):
            return cls(seen, str(error), error.until, pause)
        again = last is not None and last.seen == seen
        pause = min(2.0 * last.pause, _RETRY_MOST_S) if last is not None and again else pause
        return cls(seen, str(error), now + pause, pause)


class AwaitsTextError(IncompleteImageError):
    """An image waits for its text file, until a certain moment unless that changes before."""

    def __init__(self, message: str, until: float) -> None:
        super().__init__(message)
        self.until = until


class HangingShareError(IncompleteImageError):
    """A share does not answer: another file of it need not be tried."""
