"""What a rule is: an id that never changes, what the profile demands, and a check that says what it saw."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from envs.errors import InstrumentError, LabwrightError

if TYPE_CHECKING:
    from instruments.conformance.examination import Examination

Check = Callable[["Examination"], Awaitable[str]]


class BrokenRuleError(InstrumentError):
    """A device does not keep a rule.

    Attributes:
        seen: what it did instead.
        advice: what its maker can do about it.
    """

    def __init__(self, seen: str, advice: str = "") -> None:
        self.seen = seen
        self.advice = advice
        super().__init__(seen)


class UntriedRuleError(LabwrightError):
    """A rule could not be tried on this device; the message says why."""


@dataclass(frozen=True)
class Rule:
    """One demand of the profile.

    Attributes:
        id: stable, such as ``JOB-3``.
        title: a few words.
        demand: what the profile demands, in a sentence.
        check: returns what was seen when the rule is kept.

    Raises:
        BrokenRuleError: by ``check``, when the rule is broken.
        UntriedRuleError: by ``check``, when it cannot be tried.
    """

    id: str
    title: str
    demand: str
    check: Check


def rule(identity: str, title: str, demand: str) -> Callable[[Check], Rule]:
    """Make a rule of a check."""
    return lambda check: Rule(identity, title, demand, check)


@dataclass(frozen=True)
class Theme:
    """Rules that belong together, in the order in which they are tried."""

    name: str
    rules: tuple[Rule, ...]
