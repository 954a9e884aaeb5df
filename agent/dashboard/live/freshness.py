"""Whether what is shown is how things stand now: old values are never shown as live ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Standing = Literal["live", "connecting", "broker-lost", "agent-gone", "agent-silent", "no-agent"]


@dataclass(frozen=True)
class Freshness:
    """How far what is shown can be relied on.

    Args:
        standing: ``live`` where an agent is there and was heard of in time.
        words: what a person should know; empty while it is live.
        age_s: since anything was heard of an agent, s; None where nothing ever was.
    """

    standing: Standing
    words: str = ""
    age_s: float | None = None

    @property
    def live(self) -> bool:
        """Whether what is shown is how things stand."""
        return self.standing == "live"
