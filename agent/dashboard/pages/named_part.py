"""Links to a part of a page, such as ``/instruments#furnace-1``: browsers look for it before it is there."""

from __future__ import annotations

from typing import Final

from nicegui import ui

_SCRIPT: Final = """
(() => {
  if (window.lwNamed || !location.hash) return;
  window.lwNamed = true;
  const part = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!part) return;
  part.classList.add("lw-named");
  const show = () => part.scrollIntoView({block: "start"});
  const late = setTimeout(show, 400);  // what stands above may still grow
  for (const act of ["wheel", "touchstart", "keydown"]) addEventListener(act, () => clearTimeout(late), {once: true});
  show();
})();
"""


def to_the_named_part() -> None:
    """Have the browser show the part of the page that its address names, once, as soon as it is there."""
    client = ui.context.client
    client.on_connect(lambda: client.run_javascript(_SCRIPT))
