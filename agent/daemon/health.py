"""Whether the daemon is well, as a list of questions that each have an answer of one line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """One question.

    Args:
        name: such as ``journal``.
        ask: why it is not well; empty when it is. It must not block.
    """

    name: str
    ask: Callable[[], str]

    def answer(self) -> str:
        """The answer; a question that cannot be asked is not well."""
        try:
            return self.ask()
        except Exception as error:  # noqa: BLE001 - of whatever kind
            return f"this cannot be told: {error!r}"


def answers(checks: Sequence[Check]) -> dict[str, str]:
    """All answers, by name."""
    return {check.name: check.answer() for check in checks}


def well(checks: Sequence[Check]) -> bool:
    """Whether all is well: what the watchdog asks."""
    return not any(answers(checks).values())
