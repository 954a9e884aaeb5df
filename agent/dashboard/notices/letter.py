"""A notice in words: subject, plain text, HTML, and JSON for programs."""

from __future__ import annotations

from datetime import datetime
from html import escape
from typing import Any

from agent.dashboard.notices.bulletin import Notice
from agent.dashboard.notices.settings import ALL, About, NotifySection
from agent.dashboard.notices.waiting import Item
from agent.dashboard.views import words

VERSION = 1
"""Of the JSON body: fields may be added without another."""
MOST = 20
"""Things that one message says in full."""
_NOUNS: dict[About, tuple[str, str]] = {
    "proposal": ("proposal", "proposals"),
    "reconcile": ("experiment to look at", "experiments to look at"),
    "stop": ("stop that holds", "stops that hold"),
    "campaign": ("paused campaign", "paused campaigns"),
}
_CELL = "padding:10px 0;border-bottom:1px solid #d5dbe0"


def subject_of(notice: Notice) -> str:
    """A line that says how much waits in which laboratory."""
    return _line(f"{notice.lab}: {_counts(notice.new or notice.again)} {_waits(notice)}")


def text_of(notice: Notice, settings: NotifySection, now: datetime) -> str:
    """The whole notice in plain text.

    Args:
        notice: what is told.
        settings: give the dashboard's address.
        now: the laboratory's time.
    """
    blocks = [f"{_counts(notice.new or notice.again)} {_waits(notice)} in the laboratory {_line(notice.lab)}."]
    for heading, items in _parts(notice):
        blocks.append(f"{heading}:" if heading else "")
        blocks += [_plain(item, settings, now) for item in items]
    blocks += _endings(notice, settings)
    return "\n\n".join(block for block in blocks if block) + "\n"


def html_of(notice: Notice, settings: NotifySection, now: datetime) -> str:
    """The whole notice in HTML, without anything from elsewhere; arguments as of ``text_of``."""
    rows = []
    for heading, items in _parts(notice):
        if heading:
            rows.append(f'<tr><th align="left" style="{_CELL}">{escape(heading)}</th></tr>')
        rows += [f'<tr><td style="{_CELL}">{_marked(item, settings, now)}</td></tr>' for item in items]
    counted = _counts(notice.new or notice.again)
    opening = f"{counted} {_waits(notice)} in the laboratory <b>{escape(_line(notice.lab))}</b>."
    endings = "".join(f'<p style="color:#55626d">{escape(line)}</p>' for line in _endings(notice, settings))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(subject_of(notice))}</title></head>"
        '<body style="font-family:system-ui,sans-serif;font-size:15px;line-height:1.45;color:#15202a">'
        f'<p>{opening}</p><table role="presentation" cellspacing="0" width="100%" style="max-width:640px">'
        f"{''.join(rows)}</table>{endings}</body></html>"
    )


def body_of(notice: Notice, settings: NotifySection, now: datetime, sent_at: datetime) -> dict[str, Any]:
    """The notice for programs; ``text`` is what chat services show.

    Args:
        notice: what is told.
        settings: give the dashboard's address.
        now: the laboratory's time.
        sent_at: the machine's own time.
    """
    return {
        "version": VERSION,
        "lab": notice.lab,
        "sent_at": sent_at.isoformat(),
        "lab_time": now.isoformat(),
        "subject": subject_of(notice),
        "text": text_of(notice, settings, now),
        "link": settings.page("/"),
        "new": [_entry(item, settings) for item in notice.new],
        "again": [_entry(item, settings) for item in notice.again],
        "others": notice.others,
    }


def _parts(notice: Notice) -> list[tuple[str, tuple[Item, ...]]]:
    new, again = notice.new[:MOST], notice.again[: max(MOST - len(notice.new), 0)]
    parts = [("", new), ("Still waiting, as was told before" if new else "", again)]
    return [(heading, items) for heading, items in parts if items]


def _counts(items: tuple[Item, ...]) -> str:
    counts = [(sum(item.about == about for item in items), *_NOUNS[about]) for about in ALL]
    return words.listed([words.counted(n, one, many) for n, one, many in counts if n])


def _waits(notice: Notice) -> str:
    items = notice.new or notice.again
    still = "" if notice.new else "still "
    return f"{still}{'waits' if len(items) == 1 else 'wait'} for a person"


def _endings(notice: Notice, settings: NotifySection) -> list[str]:
    left = max(len(notice.items) - MOST, 0) + notice.others
    more = f"{words.counted(left, 'other thing waits', 'other things wait')} besides." if left else ""
    where = f"Decide in the dashboard: {settings.page('/')}" if settings.link else "Decide in the dashboard."
    return [line for line in (more, where, "Nothing can be decided by an answer to this message.") if line]


def _plain(item: Item, settings: NotifySection, now: datetime) -> str:
    lines = [f"* {_line(item.title)}", _line(item.detail), _until(item, now), settings.page(item.page)]
    return "\n  ".join(line for line in lines if line)


def _marked(item: Item, settings: NotifySection, now: datetime) -> str:
    title, page = escape(_line(item.title)), settings.page(item.page)
    head = f'<a href="{escape(page)}" style="color:#0a5c6b"><b>{title}</b></a>' if page else f"<b>{title}</b>"
    return "<br>".join([head, *(escape(line) for line in (_line(item.detail), _until(item, now)) if line)])


def _until(item: Item, now: datetime) -> str:
    return f"Until {words.stamp(item.until)} ({words.away(item.until, now)})" if item.until else ""


def _entry(item: Item, settings: NotifySection) -> dict[str, Any]:
    return {
        "about": item.about,
        "id": item.id,
        "title": item.title,
        "text": item.detail,
        "until": item.until.isoformat() if item.until else None,
        "approved_by": list(item.done),
        "roles": sorted(role.value for role in item.roles),
        "link": settings.page(item.page),
    }


def _line(text: str) -> str:
    """A text in one line: nothing of others begins another header, or another line."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split(" ")).strip()
