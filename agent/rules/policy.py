"""Who must approve: everyone waits, or a rule approves within a region; two persons above thresholds; quiet hours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from agent.rules.quiet import QuietHours
from agent.rules.region import Region
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


@dataclass(frozen=True)
class AutoRule:
    """Approves by itself what lies within a region that people trust and costs little enough.

    Args:
        name: of the rule.
        region: within which it approves.
        cost: the most of each cost, by name; a design whose cost of that name is not known is not approved.
    """

    name: str
    region: Region
    cost: Mapping[str, float] = field(default_factory=dict)

    def reason(self, design: Design, cost: Mapping[str, float], names: Mapping[str, str]) -> str:
        """Why a design is approved, for the record; empty where it is not."""
        if not self.region.holds(design, names):
            return ""
        if any(not cost.get(name, float("inf")) <= most for name, most in self.cost.items()):
            return ""
        spends = ", ".join(f"{name} {cost[name]:.4g} of at most {most:g}" for name, most in self.cost.items())
        return f"within the trusted region {self.name!r}: {self.region.words}" + (f"; cost: {spends}" if spends else "")


@dataclass(frozen=True)
class Threshold:
    """Where two persons must approve.

    Args:
        above: a factor larger than this.
        below: a factor smaller than this.
        options: a factor that is one of these.
    """

    above: float = float("inf")
    below: float = float("-inf")
    options: tuple[str, ...] = ()

    def met(self, value: float | str) -> bool:
        """Whether a value calls for two persons."""
        if isinstance(value, str):
            return value in self.options
        return value > self.above or value < self.below


@dataclass(frozen=True)
class ApprovalPolicy:
    """Everyone waits for people, but for what a rule approves; two persons above thresholds; expiry and quiet hours.

    Args:
        auto: the rule that approves by itself; None where everyone waits.
        factors: thresholds on factors, by name: two persons must approve what meets one.
        cost: likewise on costs: two persons must approve what costs more. An unknown cost counts as more.
        expires: how long people have.
        quiet: hours in which no rule approves, and in which no proposal expires.
        four_eyes_on_edits: whether who changed a design may not be the one who approves it.
        names: formula of each crystal, by id.
    """

    auto: AutoRule | None = None
    factors: Mapping[str, Threshold] = field(default_factory=dict)
    cost: Mapping[str, float] = field(default_factory=dict)
    expires: timedelta = timedelta(days=1)
    quiet: QuietHours = field(default_factory=QuietHours)
    four_eyes_on_edits: bool = True
    names: Mapping[str, str] = field(default_factory=dict)

    def quorum(self, design: Design, cost: Mapping[str, float]) -> int:
        """Two where a threshold is met, else one."""
        hot = any(name in design.process and t.met(design.process[name]) for name, t in self.factors.items())
        dear = any(not cost.get(name, float("inf")) <= most for name, most in self.cost.items())
        return 2 if hot or dear else 1

    def expires_at(self, now: datetime) -> datetime:
        """After the time that people have; where that falls into quiet hours, at their end."""
        return self.quiet.end(now + self.expires)

    def automatic(self, design: Design, cost: Mapping[str, float], now: datetime) -> Automatic | None:
        """The rule, where it approves: never in quiet hours, and never in the stead of two persons."""
        if self.auto is None or self.quorum(design, cost) > 1:
            return None
        reason = self.auto.reason(design, cost, self.names)
        return Automatic(f"policy:{self.auto.name}", reason) if reason and not self.quiet.at(now) else None
