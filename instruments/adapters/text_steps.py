"""Settings of a command's steps: tables with one of ``write``, ``query``, ``wait``, ``delay``, ``check``, ``block``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from instruments.adapters.text_reply import Reading, Regex, ReplySettings, Section
from instruments.messages import MediaType, Name

Seconds = Annotated[float, Field(gt=0.0, le=30 * 86400.0)]
Weight = Annotated[float, Field(ge=0.0)]


class WriteStep(Section):
    """Send a line that acts; it is never sent twice.

    ``expect`` is what the instrument answers to it, a regular expression; the file's ``acknowledge`` by default, and
    ``false`` where it answers nothing to this line all the same.
    """

    write: str
    expect: Regex | Literal[False] | None = None
    timeout_s: Seconds | None = None
    weight: Weight = 1.0

    def answer(self, acknowledge: str | None) -> str | None:
        """What the instrument answers, None when nothing."""
        return acknowledge if self.expect is None else self.expect or None


class QueryStep(ReplySettings):
    """Ask, and keep what the reply says; asked again when the line fails, unless ``retry`` is false."""

    query: str
    timeout_s: Seconds | None = None
    retry: bool = True
    weight: Weight = 1.0


class WaitStep(Section):
    """Ask every ``every_s`` until the reply satisfies one condition, ``stable`` times in a row.

    ``at_least``, ``at_most`` and ``near`` (give or take ``tolerance``) take a number in the unit of ``reading`` or the
    name of a parameter; ``matches`` takes a regular expression. ``pattern`` picks the reading out of a longer reply:
    its group ``value``, or its first.
    """

    wait: str
    timeout_s: Seconds
    every_s: Seconds = 1.0
    reading: Reading = Reading()
    pattern: Regex | None = None
    at_least: float | str | None = None
    at_most: float | str | None = None
    near: float | str | None = None
    tolerance: Annotated[float, Field(ge=0.0)] = 0.0
    matches: Regex | None = None
    stable: Annotated[int, Field(ge=1, le=1000)] = 1
    result: Name | None = None
    weight: Weight = 10.0

    @property
    def conditions(self) -> dict[str, float | str]:
        """The conditions that are set; exactly one in a valid file."""
        all_of_them = {name: getattr(self, name) for name in ("at_least", "at_most", "near", "matches")}
        return {name: value for name, value in all_of_them.items() if value is not None}

    @property
    def goal(self) -> float | str | None:
        """What the reading goes towards: a number, or the name of a parameter; None for a condition in words."""
        return next(iter(self.conditions.values())) if self.matches is None else None

    def met(self, value: float, goal: float) -> bool:
        """Whether a reading satisfies the condition."""
        if self.near is not None:
            return abs(value - goal) <= self.tolerance
        return value >= goal if self.at_least is not None else value <= goal


class DelayStep(Section):
    """Wait for a number of seconds, or for as long as a parameter with a unit of time says."""

    delay: Annotated[float, Field(ge=0.0)] | str
    weight: Weight = 10.0


class CheckStep(Section):
    """Read the instrument's queue of errors until it is empty; what stands in it fails the job."""

    check: Literal[True]
    timeout_s: Seconds | None = None
    weight: Weight = 1.0


class BlockStep(Section):
    """Ask for a binary block (IEEE 488.2, 8.7.9: definite length) and keep it as an artefact."""

    block: str
    artefact: Name
    media_type: MediaType = "application/octet-stream"
    summary: str = ""
    timeout_s: Seconds | None = None
    weight: Weight = 2.0


KINDS: dict[str, type[Section]] = {
    "write": WriteStep,
    "query": QueryStep,
    "wait": WaitStep,
    "delay": DelayStep,
    "check": CheckStep,
    "block": BlockStep,
}


def _kind(raw: object) -> str | None:
    if isinstance(raw, dict):
        return next((kind for kind in KINDS if kind in raw), None)
    return next((kind for kind, section in KINDS.items() if isinstance(raw, section)), None)


AnyStep = Annotated[
    Annotated[WriteStep, Tag("write")]
    | Annotated[QueryStep, Tag("query")]
    | Annotated[WaitStep, Tag("wait")]
    | Annotated[DelayStep, Tag("delay")]
    | Annotated[CheckStep, Tag("check")]
    | Annotated[BlockStep, Tag("block")],
    Discriminator(_kind),
]
