"""How far the picture can be relied on, judged from what was heard and when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from agent.dashboard.live.freshness import Freshness
from agent.dashboard.live.lab_time import STALE_S

if TYPE_CHECKING:
    from agent.dashboard.live.picture import LabPicture

SETTLE_S = 3.0
"""How long after the connection stands what the broker keeps may take to come."""
FIRST_SIGN_S = 15.0
"""An agent gives a sign of life every 10 s: within this time it is heard of, if it is there."""


@dataclass(frozen=True)
class Link:
    """The connection to the broker.

    Args:
        connected: whether it stands.
        since_s: monotonic time at which it came about or was lost.
        lost_at: the machine's time at which it was lost; None while it stands, and where it never did.
        ever: whether it stood before.
        settling: whether it has just come back, and what the broker keeps is on its way.
        trouble: why it does not come about, in words.
    """

    connected: bool
    since_s: float
    lost_at: datetime | None = None
    ever: bool = False
    settling: bool = False
    trouble: str = ""


def judge(picture: LabPicture, link: Link, now_s: float) -> Freshness:
    """Whether the picture is how things stand.

    Args:
        picture: what was heard.
        link: the connection.
        now_s: monotonic time.
    """
    age = None if picture.heard_s is None else max(now_s - picture.heard_s, 0.0)
    if not link.connected:
        return _without_broker(link, age)
    states = {status.state for status in picture.agents.values()}
    words = _on_their_way(link, now_s - link.since_s, known=bool(states))
    if words:
        return Freshness("connecting", words, age)
    if not states:
        return Freshness("no-agent", "No agent was ever at this broker: is this the laboratory's name?", age)
    if states == {"offline"}:
        words = "The agent is gone: nothing that is decided now counts before it is back."
        return Freshness("agent-gone", words, age)
    if age is not None and age <= STALE_S:
        return Freshness("live", age_s=age)
    return _silent(age, now_s - link.since_s)


def _silent(age: float | None, up_s: float) -> Freshness:
    if up_s < FIRST_SIGN_S:
        return Freshness("connecting", "Waiting for the agent's next sign of life.", age)
    silent = f"for {age:.0f} s" if age is not None else "as long as this was watched"
    words = f"The agent has said nothing {silent}: it may be gone, and what is shown may be old."
    return Freshness("agent-silent", words, age)


def _on_their_way(link: Link, up_s: float, *, known: bool) -> str:
    """What is still to come of a connection that stands; empty where nothing is."""
    if link.settling:
        return "The broker is back: what it keeps is on its way."
    if not known and up_s < SETTLE_S:
        return "The broker is there: what it keeps is on its way."
    return ""


def _without_broker(link: Link, age: float | None) -> Freshness:
    why = f" ({link.trouble})" if link.trouble else ""
    if not link.ever:
        return Freshness("connecting", f"Connecting to the broker{why}.", age)
    since = f" since {link.lost_at:%H:%M:%S} UTC" if link.lost_at is not None else ""
    words = f"The broker cannot be reached{since}{why}: what is shown is as it was then, and nothing can be sent."
    return Freshness("broker-lost", words, age)
