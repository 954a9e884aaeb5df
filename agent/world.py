"""The instruments as an agent sees them at this moment, for the core to choose among."""

from __future__ import annotations

from collections.abc import Collection

from agent.core.messages import InstrumentView, World
from instruments.client import InstrumentClient


def world_of(client: InstrumentClient, allowed: Collection[str] | None, *, judge: bool = True) -> World:
    """The instruments on the bus that may be ordered from.

    Args:
        client: has discovered them.
        allowed: their ids: whatever else is on the bus belongs to somebody else; None for all.
        judge: whether one that is stale, away or in trouble counts as such: not where time is simulated.
    """
    found: dict[str, InstrumentView] = {}
    for iid, description in client.instruments.items():
        if allowed is not None and iid not in allowed:
            continue
        presence = client.presence(iid)
        code = "" if presence in {"online", "busy"} or not judge else f"instrument_{presence}"
        reason = f"{iid} is {presence}" if code else ""
        found[iid] = InstrumentView(description.kind, description.max_concurrency, code, reason)
    return found
