"""How people on the agent's machine find a laboratory whose broker or database is not the agent's own child."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from agent.daemon.config import load_lab
from agent.daemon.starting import Request, run, sign_post, what_to_type
from agent.deciding.asked import Asked
from agent.deciding.entrance import explained, with_credentials
from agent.deciding.place import Place, SignPost, find_place
from agent.reading.source import JournalSource, find_source
from envs.errors import UserError
from instruments.address import BrokerAddress
from instruments.errors import TransportError
from instruments.topics import Lab

FILE = """
[lab]
name = "hall-3"
root = "acme"
database = "postgresql://agent:hush@db:5433/lab?sslmode=require&password=hush"
[broker]
url = "mqtts://agent:hush@broker.example.org:8884"
ca = "ca.pem"
[[campaign]]
id = "hard"
"""


@pytest.fixture
def state(tmp_path: Path) -> Path:
    (tmp_path / "LAB.toml").write_text(FILE)
    (tmp_path / "ca.pem").write_text("")
    config = load_lab(tmp_path / "LAB.toml")
    config.state.mkdir()
    sign_post(config).write(config.state)
    return config.state


def test_what_an_agent_leaves_for_everybody_holds_no_password(state: Path) -> None:
    text = (state / "place.json").read_text()
    assert "hush" not in text
    told = json.loads(text)
    assert told["broker"] == "mqtts://broker.example.org:8884"
    assert told["database"] == "postgresql://agent@db:5433/lab?sslmode=require"
    sign = SignPost.read(state)
    assert sign is not None
    assert sign.options() == (
        f"--broker mqtts://NAME@broker.example.org:8884 --lab hall-3 --root acme --ca {state.parent / 'ca.pem'}"
    )


def test_the_state_directory_says_where_broker_and_record_are(state: Path) -> None:
    place = find_place(Asked(state=state), ("anna",), environment={"LABWRIGHT_BROKER_PASSWORD": "her own"})
    assert (place.address.host, place.address.username, place.address.password) == (
        "broker.example.org", "anna", "her own"
    )  # fmt: skip
    assert place.topics == Lab("acme", "hall-3")
    assert place.asks

    told = {"LABWRIGHT_BROKER": "mqtts://ole@broker.example.org:8884", "LABWRIGHT_BROKER_PASSWORD": "his"}
    other = find_place(Asked(state=state), (), environment=told)
    assert (other.address.username, other.address.password) == ("ole", "his")

    source = find_source(Asked(state=state), environment={"LABWRIGHT_DATABASE_PASSWORD": "pw"})
    assert isinstance(source, JournalSource)
    assert source.place == "postgresql://agent:pw@db:5433/lab?sslmode=require"
    assert source.lab == "hall-3"


def test_a_shadows_state_is_named_where_the_live_one_was_asked_for(tmp_path: Path) -> None:
    (tmp_path / "shadow").mkdir()
    SignPost(lab="hall-3").write(tmp_path / "shadow")
    with pytest.raises(UserError, match=r"in shadow: --state .*/shadow"):
        find_place(Asked(state=tmp_path), ("anna",), environment={})


@pytest.mark.parametrize(
    ("user", "password", "words"),
    [
        ("anna", "", "set LABWRIGHT_BROKER_PASSWORD to the password of anna, or give it in the URL"),
        ("anna", "old", "is not the one that the broker knows"),
        ("", "", "name a user: mqtt://NAME@host:port"),
    ],
)
def test_a_broker_that_refuses_says_what_it_wants(user: str, password: str, words: str) -> None:
    place = Place(BrokerAddress("127.0.0.1", 1883, user, password), Lab("labwright", "hall-3"))
    error = TransportError("the MQTT broker at 127.0.0.1:1883 refused the connection: Not authorized")
    assert words in str(explained(error, place))
    assert str(explained(TransportError("nobody answers"), place)) == "nobody answers"


def test_the_password_is_asked_for_at_a_terminal_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(BrokerAddress("127.0.0.1", 1883, "anna"), Lab("labwright", "hall-3"))
    asked: list[str] = []

    def prompt(text: str, **_: object) -> str:
        asked.append(text)
        return "her own"

    monkeypatch.setattr("typer.prompt", prompt)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    assert with_credentials(place) == place
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    assert with_credentials(place).address.password == "her own"  # noqa: S105
    assert asked == ["Password of anna at the broker 127.0.0.1 (not that of the key)"]


def test_a_state_directory_that_cannot_be_made_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be the state directory"):
        run(Request(virtual=True, state=tmp_path / "file" / "st", identities=tmp_path / "identities"))


def test_the_start_says_commands_that_work(state: Path) -> None:
    config = load_lab(state.parent / "LAB.toml")
    words = what_to_type(Request(file=state.parent / "LAB.toml"), config, sign_post(config))
    assert "labwright approve ID --broker mqtts://NAME@broker.example.org:8884 --lab hall-3 --root acme" in words
    assert f"labwright status --state {state}" in words
    assert "hush" not in words

    own = config.model_copy(update={"broker": config.broker.model_copy(update={"embedded": True, "url": ""})})
    assert f"labwright approve ID --state {own.state}" in what_to_type(Request(), own, sign_post(own))
