"""Links to a part of a page, such as ``/instruments#furnace-1``: browsers look for it before it is there."""

from __future__ import annotations

from typing import Final

from nicegui import ui

_SCRIPT: Final = """
(() => {
  if (window.lwNamed || !location.hash) return;
  window.lwNamed = true;
  const part = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (part) { part.classList.add("lw-named"); part.scrollIntoView({block: "start"}); }
})();
"""


def to_the_named_part() -> None:
    """Have the browser show the part of the page that its address names, once, as soon as it is there."""
    client = ui.context.client
    client.on_connect(lambda: client.run_javascript(_SCRIPT))
