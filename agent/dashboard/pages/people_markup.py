"""The markup of people, roles, decisions and the record: every value of others is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from agent.dashboard.views.people import KeyView, PersonView, RoleView
from agent.dashboard.views.record import HASH_DIGITS, DecisionLine, EntryLine, RecordView, Tone

_SIGNS: dict[Tone, str] = {"good": "✓", "bad": "!", "warn": "?", "info": "", "": ""}


def people(shown: Sequence[PersonView], prefix: str) -> str:
    """Everybody, with roles and keys.

    Args:
        shown: people.
        prefix: path below which the pages are.
    """
    if not shown:
        return '<p class="lw-empty">The agent has not said yet who there is.</p>'
    return f'<ul class="people-list">{"".join(_person(person, prefix) for person in shown)}</ul>'


def roles(shown: Sequence[RoleView]) -> str:
    """What each role allows."""
    return "".join(_role(role) for role in shown)


def rules(shown: Sequence[str]) -> str:
    """What decides without a person."""
    if not shown:
        return "<p>None: every proposal waits for a person.</p>"
    items = "".join(f"<li>{escape(rule)}</li>" for rule in shown)
    return f"<ul>{items}</ul><p class='lw-meta'>What they approve names them instead of a person.</p>"


def record(view: RecordView) -> str:
    """How the record stands."""
    tip = f'<dt>Latest hash</dt><dd><code class="people-hash">{escape(view.tip)}</code></dd>' if view.tip else ""
    entries = f"<dt>Entries</dt><dd>{escape(view.entries)}</dd>" if view.entries else ""
    return (
        f'<dl class="lw-kv">{entries}<dt>State</dt><dd>{_chip(view.tone, view.word)} {escape(view.text)}</dd>{tip}</dl>'
    )


def verification(line: str, tone: Tone, faults: Sequence[str]) -> str:
    """What reading the whole record gave."""
    listed = "".join(f"<li>{escape(fault)}</li>" for fault in faults)
    return f'<div class="lw-note {tone}" role="status">{escape(line)}{f"<ul>{listed}</ul>" if listed else ""}</div>'


def decisions(shown: Sequence[DecisionLine], prefix: str) -> str:
    """What became of proposals, in a table that is a list on a phone."""
    if not shown:
        return '<p class="lw-empty">No decision is known of that.</p>'
    columns = ("When", "Proposal", "Outcome", "By", "Why")
    rows = "".join(_decision(line, prefix) for line in shown)
    return _table("Decisions", "people-decisions", columns, rows)


def entries(shown: Sequence[EntryLine], prefix: str) -> str:
    """Entries of the record, in a table that is a list on a phone."""
    if not shown:
        return '<p class="lw-empty">The record has no entry about that.</p>'
    columns = ("No.", "When", "What", "By", "Hash")
    return _table("Entries of the record", "people-entries", columns, "".join(_entry(line, prefix) for line in shown))


def about(name: str, prefix: str, text: str = "") -> str:
    """A link to all that is on record of a person or a thing."""
    return f'<a class="lw-link" href="{escape(prefix)}/people?about={escape(name)}#decided">{escape(text or name)}</a>'


def _person(person: PersonView, prefix: str) -> str:
    you = ' <span class="lw-meta">(you)</span>' if person.is_visitor else ""
    tone: Tone = "info" if person.decides and person.active else ""
    keys = "".join(_key(key) for key in person.keys)
    left = "" if person.active else '<span class="lw-chip">no key that counts</span>'
    return (
        f'<li class="{"" if person.active else "left"}"><div class="people-who"><b>{escape(person.name)}</b>{you} '
        f'{_chip(tone, person.role.value)}{left}<span class="people-did">{about(person.name, prefix, "what they did")}'
        f'</span></div><p class="lw-meta">{escape(person.about)}</p><ul class="people-keys">{keys}</ul></li>'
    )


def _key(key: KeyView) -> str:
    revoked = f' <span class="lw-meta">{escape(key.revoked)}</span>' if key.revoked else ""
    name = f"<s>{escape(key.digits)}</s>" if key.revoked else escape(key.digits)
    return f'<li><span class="lw-meta">key</span> <code title="{escape(key.thumbprint)}">{name}…</code>{revoked}</li>'


def _role(role: RoleView) -> str:
    holders = ", ".join(escape(name) for name in role.holders) or "nobody"
    may = "".join(f"<li>{escape(phrase)}</li>" for phrase in role.may)
    listed = f'<ul class="people-may">{may}</ul>' if may else ""
    barred = ", ".join(escape(phrase) for phrase in role.may_not)
    never = f'<p class="lw-meta">May not: {barred}.</p>' if barred and may else ""
    return (
        f'<section class="people-role"><h3>{escape(role.role.value)} <span class="lw-meta">{holders}</span></h3>'
        f"<p>{escape(role.about)}</p>{listed}{never}</section>"
    )


def _decision(line: DecisionLine, prefix: str) -> str:
    made = _page(line.page, line.experiment, prefix) if line.page else escape(line.experiment)
    led = f" → {made}" if made else ""
    by = escape(line.by) or '<span class="lw-meta">nobody</span>'
    return (
        f'<tr><td class="lw-num"><time title="{escape(line.stamp)}">{escape(line.at)}</time></td>'
        f"<td>{_page(f'/proposals/{line.pid}', line.proposal, prefix)}{led}</td>"
        f"<td>{_chip(line.tone, line.verdict)}</td><td>{by}</td><td>{escape(line.reason)}"
        f' <code class="lw-meta" title="{escape(line.audit)}">{escape(line.audit[:HASH_DIGITS])}</code></td></tr>'
    )


def _entry(line: EntryLine, prefix: str) -> str:
    subject = _page(line.page, line.subject, prefix) if line.page else escape(line.subject)
    signed = ' <span class="lw-chip good">✓ signed</span>' if line.signed else ""
    return (
        f'<tr><td class="lw-num">{line.seq}</td>'
        f'<td class="lw-num"><time title="{escape(line.stamp)}">{escape(line.at)}</time></td>'
        f'<td>{escape(line.text)}{signed}<br><span class="lw-meta">{escape(line.kind)}'
        f"{f', {subject}' if subject else ''}</span></td><td>{escape(line.by)}</td>"
        f'<td><code title="{escape(line.hash)}">{escape(line.hash[:HASH_DIGITS])}</code></td></tr>'
    )


def _page(page: str, text: str, prefix: str) -> str:
    return f'<a class="lw-link" href="{escape(prefix + page)}">{escape(text)}</a>'


def _table(caption: str, name: str, columns: Sequence[str], rows: str) -> str:
    heads = "".join(f'<th scope="col">{column}</th>' for column in columns)
    return (
        f'<div class="lw-scroll"><table class="lw-table people-table {name}"><caption class="lw-hidden-label">{caption}'
        f"</caption><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _chip(tone: Tone, word: str) -> str:
    sign = f'<span aria-hidden="true">{_SIGNS[tone]}</span>' if _SIGNS[tone] else ""
    return f'<span class="lw-chip {tone}">{sign}{escape(word)}</span>'
