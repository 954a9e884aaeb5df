"""The instruments as an agent sees them at this moment, for the core to choose among."""

from __future__ import annotations

from collections.abc import Collection

from agent.core.messages import InstrumentView, World
from instruments.client import InstrumentClient


def world_of(
    client: InstrumentClient,
    allowed: Collection[str] | None,
    *,
    judge: bool = True,
    ours: Collection[str] | None = None,
) -> World:
    """The instruments on the bus that may be ordered from.

    Args:
        client: has discovered them.
        allowed: their ids: whatever else is on the bus belongs to somebody else; None for all.
        judge: whether one that is stale, away or in trouble counts as such: not where time is simulated.
        ours: the open jobs of this agent, by which it tells its own work from that of others; None where nobody else
            orders.
    """
    found: dict[str, InstrumentView] = {}
    for iid, description in client.instruments.items():
        if allowed is not None and iid not in allowed:
            continue
        code, reason = _hindrance(client, iid, description.max_concurrency, ours) if judge else ("", "")
        found[iid] = InstrumentView(description.kind, description.max_concurrency, code, reason)
    return found


def _hindrance(client: InstrumentClient, iid: str, places: int, ours: Collection[str] | None) -> tuple[str, str]:
    presence = client.presence(iid)
    if presence not in {"online", "busy"}:
        return f"instrument_{presence}", f"{iid} is {presence}"
    if presence == "busy" and ours is not None:
        # Its jobs are looked at, too: it says a moment later than a job's end that it is busy no more.
        others = [job for job in client.open_jobs(iid) if job not in ours]
        if len(others) >= places:
            return "instrument_busy", f"{iid} is busy with job {others[0]} of somebody else"
    return "", ""
