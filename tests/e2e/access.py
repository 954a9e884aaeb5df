"""What anybody needs of a page, looked at in the browser: names, headings, contrast, focus, and room."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

_LOOK = """async () => {
 const look = () => {
  const faults = [];
  const seen = e => {
    const box = e.getBoundingClientRect(), style = getComputedStyle(e);
    return box.width > 1 && box.height > 1 && style.visibility === "visible" && Number(style.opacity) > 0
      && !e.closest("[aria-hidden=true]");
  };
  const which = e => `${e.tagName.toLowerCase()}.${String(e.className.baseVal ?? e.className).slice(0, 60)} `
    + `${(e.textContent ?? "").trim().slice(0, 40)}`;

  // Room: nothing is wider than the window.
  const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  if (wide > 0) {
    const room = document.documentElement.clientWidth + 1;
    const out = [...document.querySelectorAll("main *")].filter(e => e.getBoundingClientRect().right > room);
    faults.push(`wider than the window by ${wide} px: ${out.slice(0, 3).map(which).join("; ")}`);
  }

  // Names: what can be pressed, followed or filled has one, and so has every picture.
  const named = e => {
    const by = (e.getAttribute("aria-labelledby") ?? "").split(" ").map(id => document.getElementById(id)?.textContent);
    const labels = [...(e.labels ?? [])].map(l => l.textContent);
    const alt = [...e.querySelectorAll("img[alt], [aria-label]")].map(i => i.alt ?? i.getAttribute("aria-label"));
    return [e.getAttribute("aria-label"), e.title, e.alt, e.placeholder, e.textContent, ...by, ...labels, ...alt]
      .some(t => (t ?? "").trim());
  };
  const used = "button, a[href], input:not([type=hidden]), select, textarea, summary, [role=button], [role=combobox], "
    + "[role=tab], [role=img]";
  for (const e of document.querySelectorAll(used))
    if (seen(e) && !named(e)) faults.push(`no name: ${which(e)}`);
  for (const e of document.querySelectorAll("img:not([alt])")) faults.push(`no alt: ${e.src.slice(-40)}`);

  // Headings: one of the first level, and none is left out on the way down.
  const levels = [...document.querySelectorAll("h1, h2, h3, h4, h5, h6")].filter(seen).map(e => Number(e.tagName[1]));
  if (levels.filter(l => l === 1).length !== 1) faults.push(`headings of level 1: ${levels.join(" ")}`);
  levels.forEach((l, i) => { if (i && l > levels[i - 1] + 1) faults.push(`from h${levels[i - 1]} to h${l}`); });
  if (!document.documentElement.lang) faults.push("the page has no language");
  const mains = document.querySelectorAll("main:not([role=presentation])").length;
  if (mains !== 1) faults.push(`main parts: ${mains}`);
  const ids = [...document.querySelectorAll("[id]")].map(e => e.id);
  for (const id of new Set(ids.filter((id, i) => ids.indexOf(id) !== i))) faults.push(`the id ${id} is given twice`);

  // Contrast, as WCAG 2 counts it, of all words on a plain surface.
  const parse = c => { const n = (c.match(/[\\d.]+/g) ?? [0, 0, 0, 0]).map(Number);
    const of = c.startsWith("color(srgb") ? 255 : 1;
    return [n[0] * of, n[1] * of, n[2] * of, n[3] ?? 1]; };
  const over = (a, b) => [0, 1, 2].map(i => a[i] * a[3] + b[i] * (1 - a[3])).concat(1);
  const light = c => { const [r, g, b] = c.slice(0, 3).map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const behind = e => {
    const layers = [];
    for (let at = e; at; at = at.parentElement) {
      const style = getComputedStyle(at);
      if (style.backgroundImage !== "none") return null;
      const c = parse(style.backgroundColor);
      if (c[3] > 0) layers.push(c);
      if (c[3] >= 1) break;
    }
    return layers.reverse().reduce((base, c) => over(c, base), [255, 255, 255, 1]);
  };
  const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const told = new Set();
  const exempt = "svg, script, style, [disabled], [aria-disabled=true], .disabled, .lw-hidden-label, .lw-skip";
  while (words.nextNode()) {
    const e = words.currentNode.parentElement;
    if (!words.currentNode.textContent.trim() || !e || e.closest(exempt) || !seen(e)) continue;
    const base = behind(e), style = getComputedStyle(e);
    if (base === null) continue;
    let opacity = 1;
    for (let at = e; at; at = at.parentElement) opacity *= Number(getComputedStyle(at).opacity);
    const ink = parse(style.color); ink[3] *= opacity;
    const [a, b] = [light(over(ink, base)), light(base)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const size = parseFloat(style.fontSize), bold = Number(style.fontWeight) >= 700;
    const least = size >= 24 || (bold && size >= 18.66) ? 3 : 4.5;
    const said = `contrast ${ratio.toFixed(2)} of ${which(e)}`;
    if (ratio < least - 0.005 && !told.has(said)) { told.add(said); faults.push(said); }
  }
  return faults;
 };
 let faults = look();
 for (let again = 0; again < 40 && faults.length; again++) {  // what is being drawn has its time
  await new Promise(done => setTimeout(done, 50));
  faults = look();
 }
 return faults;
}"""
_FOCUSED = """async () => {
  const e = document.activeElement;
  if (!e || e === document.body) return null;
  const key = [...document.querySelectorAll("*")].indexOf(e);
  const ringed = at => {
    const style = getComputedStyle(at), after = getComputedStyle(at, "::after");
    return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2
      || at.classList.contains("q-field__control") && parseFloat(after.borderTopWidth) >= 2;
  };
  let shown = false;
  for (let frame = 0; frame < 30 && !shown; frame++) {  // a transition has its time
    await new Promise(requestAnimationFrame);
    for (let at = e, i = 0; at && i < 4; at = at.parentElement, i++) shown ||= ringed(at);
  }
  const what = `${e.tagName.toLowerCase()}.${String(e.className).slice(0, 50)} ${e.textContent.slice(0, 30)}`;
  return {key, shown, what};
}"""


def look_at(page: Page, *, tabs: int = 12) -> list[str]:
    """What stands in somebody's way on the page that is open; empty where nothing does.

    Args:
        page: as it is now.
        tabs: how often the tabulator is pressed: each press goes on to something, and one sees where one is.
    """
    faults: list[str] = list(page.evaluate(_LOOK))
    page.evaluate("document.activeElement?.blur?.()")
    seen: list[int] = []
    for _ in range(tabs):
        page.keyboard.press("Tab")
        found = page.evaluate(_FOCUSED)
        if found is None:
            continue
        if not found["shown"]:
            faults.append(f"no sign of focus: {found['what']}")
        seen.append(found["key"])
    if len(set(seen)) < min(tabs, 3):
        faults.append(f"the tabulator leads nowhere: {len(set(seen))} places")
    return list(dict.fromkeys(faults))
