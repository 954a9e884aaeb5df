"""Markup of the pages of experiments, without charts and pictures: strings of what the views say, all escaped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from html import escape

from agent.dashboard.views import words
from agent.dashboard.views.experiment import ExperimentView
from agent.dashboard.views.experiment_list import Row, Table
from agent.dashboard.views.experiment_result import Changed, ImageView, Measured
from agent.dashboard.views.experiment_steps import StepView
from instruments.profile.questions import Entry

_DOTS = {"done": "✓", "now": "►", "waiting": "", "failed": "×", "lost": "?"}


def table(data: Table, root: str, now: datetime) -> str:
    """One page of the table of experiments."""
    if not data.rows:
        return "<p class='lw-empty'>No experiment is like that.</p>"
    heads = ("Experiment", "Made of", "State", data.property, "Predicted", "Approved by", "When")
    cells = "".join(f"<th scope='col'>{escape(head)}</th>" for head in heads)
    rows = "".join(_row(row, heads, root, now) for row in data.rows)
    return (
        f"<table class='lw-table lw-experiments'><caption class='lw-hidden-label'>Experiments</caption>"
        f"<thead><tr>{cells}</tr></thead><tbody>{rows}</tbody></table>"
    )


def _row(row: Row, heads: Sequence[str], root: str, now: datetime) -> str:
    measured = escape(row.measured)
    why = f"<span class='why'>{escape(row.detail)}</span>" if row.detail else ""
    cells = (
        f"<a class='lw-link' href='{escape(root)}/experiments/{escape(row.id)}'>{escape(row.id)}</a>",
        f"<span>{escape(row.formula)}<span class='how'>{escape(row.process)}</span></span>",
        f"<span><span class='lw-chip {row.tone}'>{escape(row.stands)}</span>{why}</span>",
        f"<span class='lw-num'>{f'<s>{measured}</s>' if row.struck else measured}</span>" if measured else "",
        f"<span class='lw-num'>{escape(row.predicted)}</span>" if row.predicted else "",
        escape(row.approved_by),
        f"<time class='lw-num' datetime='{row.at.isoformat()}'>{escape(words.clock(row.at, now))}</time>",
    )
    named = zip(heads, cells, strict=True)
    return "<tr>" + "".join(f"<td {_named(head, cell)}>{cell}</td>" for head, cell in named) + "</tr>"


def _named(head: str, cell: str) -> str:
    # On a phone a cell is a line of its own: with its name, and not at all where it is empty.
    return f"data-name='{escape(head)}'" + ("" if cell else " class='empty'")


def summary(view: ExperimentView, root: str) -> str:
    """What is made, how, how it stands, when."""
    note = f"<p class='lw-note {_note(view.tone)}'>{escape(view.reason)}</p>" if view.reason else ""
    link = f"<a class='lw-link' href='{escape(root)}/campaigns/{escape(view.campaign)}'>{escape(view.campaign)}</a>"
    return (
        f"<div class='lw-card-head'><span class='lw-chip {view.tone}' role='status'>{escape(view.stands)}</span>"
        f"<span class='lw-meta'>Campaign {link}</span></div>"
        f"<h2 class='lw-what'>{escape(view.formula)}</h2>{note}"
        f"<div class='lw-facts'>{_pairs(view.process)}{_pairs(view.facts)}</div>"
    )


def _note(tone: str) -> str:
    return tone if tone in {"warn", "bad"} else ""


def _pairs(pairs: Iterable[tuple[str, str]]) -> str:
    return f"<dl class='lw-kv'>{''.join(f'<dt>{escape(k)}</dt><dd>{escape(v)}</dd>' for k, v in pairs)}</dl>"


def step(view: StepView) -> str:
    """What stands in a list's item of one step of the recipe."""
    parts = [f"<h3>{escape(view.name)} <span>{escape(view.state)}</span></h3>"]
    line = words.listed([part for part in (view.what, view.notes) if part], ",")
    if view.what or view.times:
        times = f" <span class='lw-num'>{escape(view.times)}</span>" if view.times else ""
        parts.append(f"<p class='lw-meta'>{escape(line)}{'; ' if line and times else ''}{times}</p>")
    if view.progress is not None:
        share = words.percent(view.progress)
        parts.append(
            f"<span class='lw-bar' role='img' aria-label='{escape(share)} done'>"
            f"<i class='band' style='width:{100 * view.progress:.1f}%'></i></span>"
        )
    if view.look == "now" and (view.progress is not None or view.ends):
        share = f"{words.percent(view.progress)} done" if view.progress is not None else ""
        ends = f"ends {view.ends}" if view.ends else ""
        parts.append(f"<p class='lw-now'>{escape(', '.join(part for part in (share, ends) if part))}</p>")
    if view.error:
        tone = "bad" if view.look in {"failed", "lost"} else "warn"
        parts.append(f"<p class='lw-note {tone}'>{escape(view.error)}</p>")
    if view.found:
        parts.append(_pairs(view.found))
    if view.parameters:
        parts.append(_ordered(view))
    return f"<span class='dot' aria-hidden='true'>{_DOTS[view.look]}</span>{''.join(parts)}"


def _ordered(view: StepView) -> str:
    job = f"<p class='lw-meta'>Order <code>{escape(view.job)}</code></p>" if view.job else ""
    said = f"{_pairs(view.parameters)}{job}"
    # What goes on is written anew all the time: what was unfolded there would fold itself up again.
    if view.look == "now":
        return f"<p class='lw-meta'>What was ordered:</p>{said}"
    return f"<details><summary>What was ordered</summary>{said}</details>"


def measured(views: Sequence[Measured]) -> str:
    """What was found, against what was expected."""
    if not views:
        return "<p class='lw-empty'>Nothing was measured, and nothing predicted.</p>"
    return "".join(_measured(view) for view in views)


def _measured(view: Measured) -> str:
    if view.value:
        value = f"<p class='value'>{escape(view.value)}</p>"
    elif view.struck:
        value = f"<p class='value'><s>{escape(view.struck)}</s></p><p>Taken back: it does not count.</p>"
    else:
        value = "<p class='lw-meta'>Not measured.</p>"
    return f"<section class='lw-measured'><h3>{escape(view.label)}</h3>{value}{_expected(view)}</section>"


def _expected(view: Measured) -> str:
    if not view.predicted:
        return "<p class='lw-meta'>Not predicted.</p>"
    mark = f"<i class='mark' style='left:{100 * view.mark:.1f}%'></i>" if view.mark is not None else ""
    band = f"<i class='band' style='left:{100 * view.low:.1f}%;width:{100 * (view.high - view.low):.1f}%'></i>"
    said = f"Predicted {view.predicted}; 90% interval {view.interval}"
    tone = {True: "good", False: "warn", None: ""}[view.inside]
    verdict = f"<p><span class='lw-chip {tone}'>{escape(view.verdict)}</span></p>" if view.verdict else ""
    return (
        f"<span class='lw-bar' role='img' aria-label='{escape(said)}'>{band}{mark}</span>"
        f"<p class='lw-meta'>{escape(said)}</p>{verdict}"
    )


def changes(views: Sequence[Changed], now: datetime) -> str:
    """What people changed, before and after."""
    return f"<ul class='lw-changed'>{''.join(_changed(view, now) for view in views)}</ul>" if views else ""


def _changed(view: Changed, now: datetime) -> str:
    rows = "".join(
        f"<br>{escape(name)}: <s>{escape(before)}</s>{f' → <strong>{escape(after)}</strong>' if after else ''}"
        for name, before, after in view.values
    )
    return (
        f"<li><span class='lw-chip warn'>{escape(view.kind)}</span> by {escape(view.by)}, "
        f"<time datetime='{view.at.isoformat()}'>{escape(words.clock(view.at, now))}</time>: {escape(view.reason)}"
        f"{rows}</li>"
    )


def provenance(view: ExperimentView, root: str) -> str:
    """Where the result is from: proposal, people, orders, files, the record."""
    rows = []
    for one in view.provenance:
        value = f"<code class='lw-mono'>{escape(one.value)}</code>" if one.exact else escape(one.value)
        if one.page:
            value = f"<a class='lw-link' href='{escape(root + one.page)}'>{value}</a>"
        rows.append(f"<dt>{escape(one.label)}</dt><dd>{value}</dd>")
    return f"<dl class='lw-kv lw-provenance'>{''.join(rows)}</dl>"


def image_facts(view: ImageView) -> str:
    """What is known of an image, and why it was refused where it was."""
    tone = _note(view.tone)
    reason = f"<p class='lw-note {tone}'>{escape(view.reason)}</p>" if view.reason else ""
    return (
        f"<div class='lw-row'><span class='lw-chip {view.tone}'>{escape(view.state)}</span></div>{reason}"
        f"{_pairs(view.facts)}"
    )


def entries(found: Sequence[Entry]) -> str:
    """Entries of the record as a table."""
    if not found:
        return "<p class='lw-empty'>The record says nothing about it.</p>"
    rows = "".join(
        f"<tr><td class='lw-num'>{one.seq}</td><td><time datetime='{one.at.isoformat()}'>{escape(words.stamp(one.at))}"
        f"</time></td><td>{escape(one.text)}{_by(one)}<br><code class='lw-mono lw-meta' title='{one.hash}'>"
        f"{escape(one.kind)} {one.hash[:16]}…</code></td></tr>"
        for one in found
    )
    heads = "".join(f"<th scope='col'>{head}</th>" for head in ("No.", "When", "What"))
    return (
        "<div class='lw-scroll'><table class='lw-table lw-audit'>"
        "<caption class='lw-hidden-label'>Entries of the record</caption>"
        f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _by(one: Entry) -> str:
    # Most entries name who it was themselves.
    named = one.by if not re.search(rf"\b{re.escape(one.by)}\b", one.text) else ""
    said = ", ".join(
        part for part in (f"by {named}" if named else "", "signed" if one.by and one.signed else "") if part
    )
    return f" <span class='lw-meta'>{escape(said)}</span>" if said else ""
