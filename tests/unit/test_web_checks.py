"""What is wrong with the settings of the pages is said once, clearly, before anybody stands before a closed door."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent.daemon.config import LabConfig, parse_lab
from agent.daemon.web_checks import web_faults
from agent.reading.doctor import pages

MAIL = {"email": {"host": "mail.example.org", "user": "lab", "from": "lab@example.org", "to": ["anna@example.org"]}}


def config(tmp_path: Path, **tables: Any) -> LabConfig:
    raw = {"lab": {"name": "hall"}, "broker": {"url": "mqtt://agent@localhost"}, "campaign": [{"id": "hard"}], **tables}
    return parse_lab(raw, home=tmp_path)


def said(tmp_path: Path, environment: dict[str, str] | None = None, **tables: Any) -> list[str]:
    return [str(fault) for fault in web_faults(config(tmp_path, **tables), environment or {})]


@pytest.mark.parametrize(
    ("tables", "key", "todo"),
    [
        ({"dashboard": {"identities": "nowhere"}}, "dashboard.identities", "labwright identity new --dir"),
        ({"dashboard": {"broker_user": "pages"}}, "dashboard.broker_user is pages", "LABWRIGHT_DASHBOARD_PASSWORD"),
        ({"notify": MAIL}, "notify.email.user is lab", "LABWRIGHT_SMTP_PASSWORD"),
        (
            {"dashboard": {"behind_proxy": True}, "http": {"host": "lab.example.org", "certificate": "c", "key": "k"}},
            "dashboard.behind_proxy",
            "the proxy alone reaches it",
        ),
        ({"http": {"host": "lab.example.org", "plain": True}}, "dashboard.behind_proxy", "unencrypted"),
    ],
)
def test_each_fault_is_one_message_with_its_key_and_what_to_do(
    tmp_path: Path, tables: dict[str, Any], key: str, todo: str
) -> None:
    (fault,) = said(tmp_path, **tables)
    assert key in fault
    assert todo in fault
    assert "\n" not in fault
    told = [finding for finding in pages(config(tmp_path, **tables)) if finding.health == "warning"]
    assert [finding.words for finding in told] == [fault]
    tables = {**tables, "dashboard": {**tables.get("dashboard", {}), "enabled": False}}
    assert said(tmp_path, **tables) == []


def test_what_is_right_is_not_spoken_of(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    assert said(tmp_path) == []
    assert said(tmp_path, dashboard={"identities": "keys", "behind_proxy": True}) == []
    assert said(tmp_path, http={"host": "0.0.0.0", "plain": True}, dashboard={"behind_proxy": True}) == []  # noqa: S104
    secrets = {"LABWRIGHT_SMTP_PASSWORD": "x", "LABWRIGHT_DASHBOARD_PASSWORD": "y"}
    assert said(tmp_path, secrets, notify=MAIL, dashboard={"broker_user": "pages"}) == []
    assert [finding.health for finding in pages(config(tmp_path))] == ["ok"]
