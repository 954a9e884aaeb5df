"""Notices in a browser whose person allowed them: said only while the page is out of sight."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from agent.dashboard.notices.settings import ALL
from agent.dashboard.notices.waiting import Item, waiting_in

if TYPE_CHECKING:
    from agent.dashboard.door.visitor import Visitor
    from agent.dashboard.ports import Live
    from instruments.clock import Clock

LOOK_S = 5.0
"""How often it is looked while a page is out of sight, s."""
MOST = 5
"""Notices at once; more are one that counts them."""
EVENT = "lw_notices"
"""What the page's script sends: whether it may say anything, and whether the page is out of sight."""

SCRIPT = """
window.lwNotices ??= (() => {
  const key = "lw-notices";
  let broken = !("Notification" in window) || !window.isSecureContext;
  const state = () => {
    if (broken) return "missing";
    if (Notification.permission === "denied") return "blocked";
    return Notification.permission === "granted" && localStorage.getItem(key) === "on" ? "on" : "off";
  };
  const report = () => emitEvent("lw_notices", {state: state(), hidden: document.hidden});
  document.addEventListener("visibilitychange", report);
  return {
    report,
    async toggle() {
      if (state() === "on") localStorage.setItem(key, "off");
      else if (!broken && (await Notification.requestPermission()) === "granted") localStorage.setItem(key, "on");
      report();
    },
    tell(notices) {
      if (state() !== "on" || !document.hidden) return;
      for (const one of notices) {
        try {
          const shown = new Notification(one.title, {body: one.body, tag: one.tag, lang: "en"});
          shown.onclick = () => { window.focus(); window.location.assign(one.href); shown.close(); };
        } catch { broken = true; report(); return; }  // phones that leave this to service workers
      }
    },
  };
})();
"""
"""Of the page; ``lwNotices.toggle`` must be called by a person's click, or browsers refuse."""


class Lookout:
    """What waits, worked out once for all pages.

    Args:
        live: the laboratory.
        clock: says when it is looked anew.
    """

    def __init__(self, live: Live, clock: Clock) -> None:
        self._live, self._clock = live, clock
        self._items: tuple[Item, ...] = ()
        self._at = -LOOK_S

    def items(self) -> tuple[Item, ...]:
        """Everything that waits; what was true last while the broker or the agent is gone."""
        now = self._clock.elapsed()
        if now - self._at >= LOOK_S and self._live.freshness().live:
            self._at, self._items = now, waiting_in(self._live.picture, ALL)
        return self._items


_lookouts: WeakValueDictionary[int, Lookout] = WeakValueDictionary()
"""By the laboratory's identity, which nothing else has while its lookout holds it; gone with the last page."""


def lookout_of(live: Live, clock: Clock) -> Lookout:
    """The one of a laboratory."""
    return _lookouts.setdefault(id(live), Lookout(live, clock))


class Absence:
    """One page out of sight: what begins to wait until it is seen again.

    Args:
        lookout: what waits.
        visitor: whom alone concerns what their role may settle.

    Attributes:
        visitor: the same, with the role of this moment; whoever asks for news sets it.
    """

    def __init__(self, lookout: Lookout, visitor: Visitor) -> None:
        self._lookout, self.visitor = lookout, visitor
        self._known = {item.mark for item in lookout.items()}

    def news(self) -> tuple[Item, ...]:
        """What began to wait since this was asked last, and is for the visitor."""
        found = tuple(item for item in self._lookout.items() if item.mark not in self._known)
        self._known.update(item.mark for item in found)
        return tuple(one for one in found if self.visitor.role in one.roles and self.visitor.name not in one.done)


def notices_of(items: tuple[Item, ...], lab: str, prefix: str) -> list[dict[str, Any]]:
    """What the page's script is to say.

    Args:
        items: news.
        lab: the laboratory's id.
        prefix: path below which the pages are.
    """
    if len(items) > MOST:
        title = f"{lab}: {len(items)} things wait for you"
        body = "; ".join(item.title for item in items[:3])
        return [{"title": title, "body": f"{body} …", "tag": f"{lab} many", "href": f"{prefix}/"}]
    return [
        {"title": f"{lab}: {item.title}", "body": item.detail[:300], "tag": item.mark, "href": f"{prefix}{item.page}"}
        for item in items
    ]
