"""A shadow has a record of its own: it spends nothing of the live one's, and speaks for the laboratory alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.daemon.config import load_lab
from agent.daemon.opening import only_agent
from agent.daemon.rules_of import Changes, changes
from agent.daemon.starting import Request, choose
from envs.errors import JournalError, UserError

FILE = """
[lab]
name = "hall-3"
live = true
database = "postgresql://agent@db/lab"
[broker]
url = "mqtt://agent@127.0.0.1"
[[campaign]]
id = "hard"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "LAB.toml"
    path.write_text(FILE)
    return path


def test_a_shadow_keeps_its_own_record_and_the_laboratorys_people_and_secrets(file: Path) -> None:
    live, shadow = choose(Request(file=file, live=True))[0], choose(Request(file=file))[0]

    assert shadow.state == live.state / "shadow"
    assert live.journal({}) == "postgresql://agent@db/lab"
    assert shadow.journal({}) == shadow.state
    assert shadow.people == live.people == live.state / "people"
    assert (shadow.home, shadow.source) == (live.home, live.source)
    secrets = live.state / "secrets"
    secrets.mkdir(parents=True)
    (secrets / "broker-password").write_text("of the broker\n")
    assert shadow.address({}).password == live.address({}).password == "of the broker"  # noqa: S105


def test_a_shadow_reads_its_file_again_as_a_shadow(file: Path) -> None:
    shadow = choose(Request(file=file))[0]
    file.write_text(FILE + "experiments = 40\n")

    again = load_lab(file).in_shadow()
    assert changes(shadow, again) == Changes(campaigns={"hard": ("experiments",)})
    with pytest.raises(UserError, match=r"lab\.state"):
        changes(shadow, load_lab(file))


def test_live_and_shadow_never_speak_at_the_same_time(file: Path) -> None:
    live, shadow = choose(Request(file=file, live=True))[0], choose(Request(file=file))[0]
    with (
        only_agent(live.keys),
        pytest.raises(JournalError, match="another agent of this laboratory"),
        only_agent(shadow.keys),
    ):
        pass
    with only_agent(shadow.keys):
        pass


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"approve": "auto"}, "--approve"), ({"speed": 60.0}, "--speed"), ({"seed": 3}, "--seed"),
        ({"http_port": 8080}, "--http-port"), ({"identities": Path("keys")}, "--dir"),
    ],
)  # fmt: skip
def test_what_only_a_virtual_laboratory_takes_is_refused_with_a_file(
    file: Path, options: dict[str, object], name: str
) -> None:
    with pytest.raises(UserError, match=f"{name}: only with --virtual"):
        choose(Request(file=file, **options))  # type: ignore[arg-type]
