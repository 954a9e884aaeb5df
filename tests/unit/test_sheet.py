"""Answers on terminals of every width: words stay whole, and lines within it."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from agent.reading import tables
from agent.reading.answers import CampaignAnswer
from agent.sheet import Sheet

DECISIONS = [
    {
        "seq": 31, "at": "2026-03-02T21:00:00", "user": "mallory", "what": "decision", "subject": "hard-P004",
        "accepted": False, "code": "unknown_key", "message": "nobody here has the key", "signature": "malformed",
    },
    {
        "seq": 10, "at": "2026-03-02T10:00:00", "user": "anna", "what": "approved", "subject": "hard-P001",
        "accepted": True, "code": "", "message": "looks right [not bold]", "signature": "verified",
    },
]  # fmt: skip


def printed(what: object, width: int) -> str:
    out = io.StringIO()
    Console(file=out, width=width, highlight=False, soft_wrap=True).print(what)
    return out.getvalue()


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 160, 240])
def test_words_are_whole_and_lines_are_within_the_terminal(width: int) -> None:
    text = printed(tables.decisions(DECISIONS), width)
    for word in ("mallory", "approved", "hard-P004", "unknown_key", "malformed", "[not bold]", "2026-03-02 21:00"):
        assert re.search(re.escape(word), text), (word, text)
    assert max(map(len, text.splitlines())) <= width


def test_it_is_a_table_where_there_is_room_and_blocks_where_not() -> None:
    assert "─────" in printed(tables.decisions(DECISIONS), 160)
    narrow = printed(tables.decisions(DECISIONS), 80)
    assert "─────" not in narrow
    assert "event 31\n    when: 2026-03-02 21:00   who: mallory   what: decision" in narrow


def test_a_column_in_which_nothing_stands_is_left_out() -> None:
    sheet = Sheet("", ("id", "why"))
    sheet.add("one", "")
    assert "why" not in printed(sheet, 80)


def test_proposals_and_experiments_are_counted_apart() -> None:
    counts = {"approved": 3, "proposed": 1, "completed": 2, "needs_reconcile": 1}
    one = CampaignAnswer("hard", "hard", "running", reason="anna: ", used=3, budget=20, counts=counts)
    text = printed(tables.campaigns([one]), 160)
    assert "3 of 20: 2 completed, 1 needs reconcile" in text
    assert "3 approved, 1 proposed" in text
    assert "anna" not in text
    assert text.count("hard") == 1
