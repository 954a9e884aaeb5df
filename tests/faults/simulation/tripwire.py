"""Where a process dies: at a moment, or at its n-th touch of the world outside of it."""

from __future__ import annotations

from collections.abc import Callable

from .loop import Killed


class Tripwire:
    """Everything by which a process touches the world goes through one of these.

    Args:
        on_death: called once, when it has died.
    """

    def __init__(self, on_death: Callable[[str], None]) -> None:
        self._on_death = on_death
        self._left: int | None = None
        self.dead = False
        self.n_touches = 0

    def arm(self, touches: int) -> None:
        """Die at the n-th touch from now."""
        if not self.dead:
            self._left = touches

    def disarm(self) -> None:
        """Live on."""
        self._left = None

    def cut(self, where: str) -> None:
        """Die now: whatever still runs of this process reaches nothing any more."""
        if not self.dead:
            self.dead = True
            self._on_death(where)

    def touch(self, where: str) -> None:
        """The world is about to be touched, or just was.

        Raises:
            Killed: the process is dead.
        """
        if self.dead:
            raise Killed
        self.n_touches += 1
        if self._left is not None:
            self._left -= 1
            if self._left <= 0:
                self.cut(where)
                raise Killed
