"""Who must approve: everyone waits, or a rule approves within a region; two persons above thresholds; quiet hours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from envs.design import Design


@dataclass(frozen=True)
class Automatic:
    """A rule approves in nobody's stead.

    Args:
        by: ``policy:`` and the rule's name.
        reason: why, for the record.
    """

    by: str
    reason: str


class Policy(Protocol):
    """What a campaign fixes about approvals."""

    @property
    def four_eyes_on_edits(self) -> bool:
        """Whether who changed a design may not be the one who approves it."""
        ...

    def quorum(self, design: Design, cost: Mapping[str, float]) -> int:
        """How many persons must approve."""
        ...

    def expires_at(self, now: datetime) -> datetime:
        """Until when a proposal that is made now can be approved."""
        ...

    def automatic(self, design: Design, cost: Mapping[str, float], now: datetime) -> Automatic | None:
        """The rule that approves this by itself now; None where people must."""
        ...


@dataclass(frozen=True)
class AutoApprove:
    """Everything is approved at once: for a virtual laboratory."""

    by: str = "policy:auto-approve"
    reason: str = "virtual laboratory: nothing real is made"
    four_eyes_on_edits: bool = True

    def quorum(self, design: Design, cost: Mapping[str, float]) -> int:
        """One."""
        del design, cost
        return 1

    def expires_at(self, now: datetime) -> datetime:
        """In a day."""
        return now + timedelta(days=1)

    def automatic(self, design: Design, cost: Mapping[str, float], now: datetime) -> Automatic | None:
        """Always."""
        del design, cost, now
        return Automatic(self.by, self.reason)
