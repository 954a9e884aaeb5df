"""As whom ``labwright dashboard`` goes to a laboratory's broker."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.dashboard_run import _place
from agent.deciding.asked import Asked
from agent.deciding.place import RunFile, SignPost


@pytest.fixture(autouse=True)
def _nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LABWRIGHT_BROKER", "LABWRIGHT_BROKER_PASSWORD", "LABWRIGHT_STATE", "LABWRIGHT_LAB"):
        monkeypatch.delenv(name, raising=False)


def leave(state: Path, *names: str) -> None:
    for name in names:
        RunFile(broker="mqtt://127.0.0.1:1999", lab="hall-3", user=name, password=f"of {name}").write(state)


def test_at_the_agents_own_broker_it_is_the_user_for_pages(tmp_path: Path) -> None:
    leave(tmp_path, "anna", "dashboard", "zoe")

    place = _place(Asked(state=tmp_path))

    assert (place.address.username, place.address.password) == ("dashboard", "of dashboard")


def test_where_there_is_none_it_is_a_person_who_is_there(tmp_path: Path) -> None:
    leave(tmp_path, "anna")

    assert _place(Asked(state=tmp_path)).address.username == "anna"


def test_another_broker_is_not_told_a_name_that_it_may_not_know(tmp_path: Path) -> None:
    SignPost(lab="hall-3", broker="mqtt://127.0.0.1:1999", users=True).write(tmp_path)

    assert _place(Asked(state=tmp_path)).address.username != "dashboard"
