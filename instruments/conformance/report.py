"""What the suite found: one finding a rule, as data for machines; ``table`` draws it for people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Verdict = Literal["passed", "failed", "skipped"]
_JOBS = "JOB-"
"""How the ids of rules about a job's life begin."""


@dataclass(frozen=True)
class Finding:
    """What came of one rule.

    Attributes:
        rule: its id.
        theme: what it belongs to.
        title: a few words.
        demand: what the profile demands.
        verdict: ``skipped`` when the rule could not be tried on this device; ``seen`` then says why.
        seen: what the device did.
        advice: what its maker can do, where the rule failed.
    """

    rule: str
    theme: str
    title: str
    demand: str
    verdict: Verdict
    seen: str
    advice: str = ""


@dataclass(frozen=True)
class Report:
    """All findings about one device.

    Attributes:
        iid: the device.
        about: what it says of itself: kind, serial, driver, boot_id; empty when it says nothing.
        findings: in the order of the rules.
        seconds: how long it took.
        away: the presence in which it took no orders at the end, with its reason; empty when it did take them.
    """

    iid: str
    about: Mapping[str, str]
    findings: tuple[Finding, ...]
    seconds: float = field(default=0.0, compare=False)
    away: str = ""

    def by(self, verdict: Verdict) -> tuple[Finding, ...]:
        """The findings of one verdict."""
        return tuple(f for f in self.findings if f.verdict == verdict)

    @property
    def failed(self) -> tuple[str, ...]:
        """The ids of the rules that the device does not keep."""
        return tuple(f.rule for f in self.by("failed"))

    @property
    def conforms(self) -> bool | None:
        """Whether the device keeps the profile in what could be tried; None when no job was tried."""
        if self.failed:
            return False
        return True if any(f.rule.startswith(_JOBS) for f in self.by("passed")) else None

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        counts = {verdict: len(self.by(verdict)) for verdict in ("passed", "failed", "skipped")}
        return {
            "iid": self.iid,
            **self.about,
            "conforms": self.conforms,
            "away": self.away,
            **counts,
            "seconds": round(self.seconds, 3),
            "rules": [
                {
                    "id": f.rule,
                    "theme": f.theme,
                    "title": f.title,
                    "demand": f.demand,
                    "verdict": f.verdict,
                    "seen": f.seen,
                    "advice": f.advice,
                }
                for f in self.findings
            ],
        }

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(self.to_dict(), ensure_ascii=False)
