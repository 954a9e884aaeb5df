"""``[notify]``: off where nothing is said, and wrong values named with what is allowed."""

from pathlib import Path

import pytest

from agent.dashboard.notices.outlet import Secrets
from agent.dashboard.notices.settings import NotifySection, load_notify, parse_notify
from envs.errors import ConfigError, UserError

MAIL = {"host": "mail.example.org", "from": "lab@example.org", "to": ["ana@example.org"]}


def test_nothing_is_told_where_nothing_is_said() -> None:
    settings = NotifySection()

    assert (settings.browser, settings.email, settings.webhook, settings.on) == (False, None, None, False)


@pytest.mark.parametrize(("security", "port"), [("starttls", 587), ("tls", 465), ("none", 25)])
def test_a_port_follows_from_the_security(security: str, port: int) -> None:
    settings = parse_notify({"email": {**MAIL, "security": security}})

    assert settings.email is not None
    assert settings.email.reached_port == port


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"browser": 1}, r"notify\.browser = 1 is not valid; allowed: true or false"),
        ({"email": {**MAIL, "form": "a@b"}}, r"notify\.email\.form .* \(did you mean 'from'\?\)"),
        ({"email": {"host": "h", "to": ["a@b"]}}, r"notify\.email\.from is missing"),
        ({"email": {"host": "h", "from": "lab@b"}}, "addresses in to or in"),
        ({"email": {**MAIL, "to": ["ana@example.org\nBcc: eve@example.org"]}}, r"notify\.email\.to\[0\]"),
        ({"email": {**MAIL, "user": "u", "security": "none"}}, "a password is not sent unencrypted"),
        ({"webhook": {"url": "http://chat.example.org/x"}}, r"notify\.webhook\.url .* https://"),
        ({"webhook": {"url": "https://u:p@chat.example.org/x"}}, "without user and password"),
        ({"webhook": {"url": "https://c.example.org", "headers": {"X-A": "b\r\nX-C: d"}}}, "printable ASCII in X-A"),
        ({"webhook": {"url": "https://c.example.org", "headers": {"Host": "b"}}}, "other than those"),
        ({"after_s": -1.0}, r"notify\.after_s = -1\.0"),
        ({"about": ["weather"]}, r"notify\.about\[0\] = 'weather'"),
        ({"link": "javascript:alert(1)"}, r"notify\.link"),
    ],
)
def test_what_is_wrong_is_named(table: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        parse_notify(table)


def test_a_password_in_a_wrong_address_is_not_repeated() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_notify({"webhook": {"url": "https://u:hunter2@chat.example.org/x"}})

    assert "hunter2" not in str(caught.value)


def test_a_file_holds_the_one_table(tmp_path: Path) -> None:
    good, bad = tmp_path / "notify.toml", tmp_path / "more.toml"
    good.write_text('[notify]\nbrowser = true\nabout = ["stop"]\n[notify.webhook]\nurl = "http://127.0.0.1:8/x"\n')
    bad.write_text('[notify]\n[lab]\nname = "hall-3"\n')

    settings = load_notify(good)

    assert (settings.browser, settings.about, settings.on) == (True, ("stop",), True)
    with pytest.raises(ConfigError, match=r"more\.toml: lab .* \[notify\] alone"):
        load_notify(bad)


def test_links_are_below_the_dashboards_address() -> None:
    settings = parse_notify({"link": "https://lab.example.org/dashboard/"})

    assert settings.page("/proposals/p-1") == "https://lab.example.org/dashboard/proposals/p-1"
    assert NotifySection().page("/proposals/p-1") == ""


def test_secrets_come_from_the_environment_or_a_credential(tmp_path: Path) -> None:
    (tmp_path / "webhook-secret").write_text("from the file\n")

    found = Secrets.found({"LABWRIGHT_SMTP_PASSWORD": "from there", "CREDENTIALS_DIRECTORY": str(tmp_path)})

    assert (found.smtp_password, found.webhook_secret) == ("from there", "from the file")
    assert "from" not in repr(found)


def test_a_missing_password_is_said_at_the_start() -> None:
    settings = parse_notify({"email": {**MAIL, "user": "lab"}})

    with pytest.raises(UserError, match="LABWRIGHT_SMTP_PASSWORD"):
        Secrets().check(settings)
    Secrets("x").check(settings)
