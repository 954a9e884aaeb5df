"""Directories and URLs: what each means, and what a person is told who gives a wrong one."""

from __future__ import annotations

import sys

import pytest

from agent.journal import Journal, locate
from envs.errors import JournalError, MissingExtraError, UserError


def test_a_url_of_another_database_is_refused() -> None:
    with pytest.raises(UserError, match=r"a directory or postgresql://\.\.\., not mysql://"):
        Journal("mysql://me:secret@server/lab", write=True)


def test_a_url_that_cannot_be_read_is_refused_without_its_password() -> None:
    with pytest.raises(UserError, match="cannot be read") as caught:
        Journal("postgresql://me:secret@server:port/lab", write=True)
    assert "secret" not in str(caught.value)


def test_a_missing_driver_is_one_clear_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingExtraError, match=r"labwright\[postgres\]"):
        Journal("postgresql://me@server/lab", write=True)


def test_no_message_tells_a_password() -> None:
    pytest.importorskip("psycopg")
    url = "postgresql://me:secret@127.0.0.1:1/lab"
    assert locate(url).name == "postgresql://me:***@127.0.0.1:1/lab"
    with pytest.raises(JournalError, match="cannot be opened") as caught:
        Journal(url, write=True)
    assert "secret" not in str(caught.value)
