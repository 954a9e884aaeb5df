"""What a schedule leaves behind, for the invariants to judge."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from .history import History
from .machines import Act
from .people import Signed


@dataclass
class Evidence:
    """Everything that a schedule left behind.

    Attributes:
        history: the journal, read back.
        acts: what physically happened.
        accidents: what the hardware found impossible.
        signed: what people signed in earnest.
        lossless: whether the network was such that no message could be lost.
        retained: payload kept on each topic of the bus at the end.
        outbox: what was left to be told.
        automatic: campaigns in which a rule approves.
        places: jobs at a time, by instrument.
        commands: what each campaign's recipe orders.
        limits: hottest temperature that was allowed, from each moment on.
        jumped: whether the agent's clock was ever wrong.
        problems: what the storage says of itself: chain, projections, folded state.
        failures: exceptions that nobody looked at.
    """

    history: History
    acts: list[Act]
    accidents: list[str]
    signed: list[Signed]
    lossless: bool
    retained: Callable[[str], bytes | None]
    outbox: list[str]
    automatic: frozenset[str]
    places: dict[str, int]
    commands: dict[str, tuple[str, ...]]
    limits: list[tuple[float, float]]
    prefix: str
    start: datetime
    jumped: bool = False
    problems: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
