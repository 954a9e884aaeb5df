"""``labwright broker``: it says how to connect, keeps and changes its users, and leaves nothing behind."""

import json
import os
import shlex
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import typer.main
from patience import needs_mosquitto

from agent import broker_run
from agent.cli import app, main
from instruments.address import BrokerAddress
from instruments.broker import free_port
from instruments.brokers.probe import lets_in

REPOSITORY = Path(__file__).resolve().parents[2]
CODE = "from agent.cli import main; main()"


@contextmanager
def running(directory: Path, *options: str, end: signal.Signals = signal.SIGINT) -> Iterator[dict[str, Any]]:
    """The command with ``--json`` in a process of its own; afterwards it is stopped, and everything with it."""
    with subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-c", CODE, "broker", "--dir", str(directory), "--json", *options],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as command:
        assert command.stdout is not None
        line = json.loads(command.stdout.readline())
        started = psutil.Process(command.pid).children(recursive=True)
        assert started
        try:
            yield line
        finally:
            command.send_signal(end)
            assert command.wait(20) == 0
        assert not [process for process in started if process.is_running()]


class Labwright:
    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys
        monkeypatch.setenv("COLUMNS", "300")

    def __call__(self, *arguments: str | Path) -> tuple[int, str, str]:
        self._monkeypatch.setattr(sys, "argv", ["labwright", "broker", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as leave:
            code = leave.code if isinstance(leave.code, int) else int(bool(leave.code))
        printed = self._capsys.readouterr()
        return code, printed.out, printed.err


@pytest.fixture
def labwright(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Labwright:
    return Labwright(monkeypatch, capsys)


def urls(line: dict[str, Any]) -> dict[str, str]:
    return {user["name"]: user["url"] for user in line["users"]}


def enters(url: str) -> bool:
    return lets_in(BrokerAddress.from_url(url))


@needs_mosquitto
def test_users_port_and_passwords_are_there_again_the_next_time(tmp_path: Path) -> None:
    port = str(free_port())
    with running(tmp_path, "--port", port, "--instrument", "furnace-1", "--person", "anna", "--lab", "east") as first:
        assert (first["kind"], first["lab"], first["port"]) == ("mosquitto", "east", int(port))
        assert list(urls(first)) == ["agent", "furnace-1", "anna"]
        assert all(map(enters, urls(first).values()))
        assert not enters(f"mqtt://agent@127.0.0.1:{port}")
    assert not enters(first["users"][0]["url"])
    secret = {path.name for path in tmp_path.iterdir() if stat.S_IMODE(path.stat().st_mode) != 0o600}
    assert not secret
    with running(tmp_path, "--instrument", "sem-1", end=signal.SIGTERM) as second:
        assert (second["lab"], second["port"]) == ("east", int(port))
        assert urls(second).items() > urls(first).items()
        assert all(map(enters, urls(second).values()))


@needs_mosquitto
def test_users_come_and_go_while_it_runs(tmp_path: Path, labwright: Labwright) -> None:
    with running(tmp_path, "--port", str(free_port()), "--person", "anna") as line:
        code, out, err = labwright("--dir", tmp_path, "--person", "bob", "--remove", "anna", "--json")
        assert code == 0, err
        added = json.loads(out)
        assert list(urls(added)) == ["bob"]
        assert enters(urls(added)["bob"])
        assert not enters(urls(line)["anna"])
        assert enters(urls(line)["agent"])

        code, out, err = labwright("--dir", tmp_path, "--remove", "agent")
        assert code == 0, err
        assert "mqtt://agent:" in out
        assert not enters(urls(line)["agent"])

        code, _, err = labwright("--dir", tmp_path)
        assert (code, "a broker is running in" in err) == (2, True)
        code, _, err = labwright("--dir", tmp_path, "--instrument", "bob")
        assert (code, "this name is the person's already" in err) == (2, True)
        code, _, err = labwright("--dir", tmp_path, "--remove", "nobody")
        assert (code, "has no user 'nobody'" in err) == (2, True)


@needs_mosquitto
def test_what_it_prints_can_be_typed(tmp_path: Path) -> None:
    with running(tmp_path, "--port", str(free_port()), "--instrument", "furnace-1", "--person", "anna") as line:
        pass
    commands: Any = getattr(typer.main.get_command(app), "commands")  # noqa: B009 - typer hides its group's type
    agent, furnace, anna = (user["commands"] for user in line["users"])
    simulate = shlex.split(agent["simulate"])
    assert simulate[:2] == ["labwright", "simulate"]
    context = commands["simulate"].make_context("simulate", simulate[2:])
    assert (context.params["broker"], context.params["lab"]) == (line["users"][0]["url"], "lab")
    for words in (shlex.split(agent["check"]), shlex.split(furnace["run"])):
        assert words[:2] == ["labwright", "instrument"]
        context = commands["instrument"].commands[words[2]].make_context(words[2], words[3:])
        assert (context.params["broker"], context.params["lab"]) == (words[words.index("--broker") + 1], "lab")
    password = BrokerAddress.from_url(urls(line)["anna"]).password
    watch = shlex.split(anna["watch"])
    assert watch[0] == "mosquitto_sub"
    assert [watch[watch.index(option) + 1] for option in ("-h", "-p", "-u", "-P", "-t")] == [
        "127.0.0.1", str(line["port"]), "anna", password, "labwright/v1/lab/#",
    ]  # fmt: skip
    assert shlex.split(anna["watch_url"]) == ["mosquitto_sub", "-L", f"{urls(line)['anna']}/labwright/v1/lab/#", "-v"]


def test_amqtt_runs_with_its_banner(tmp_path: Path) -> None:
    pytest.importorskip("amqtt", reason="amqtt is not installed")
    with subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-c", CODE, "broker", "--dir", str(tmp_path), "--kind", "amqtt", "--port", str(free_port())],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        env={**os.environ, "COLUMNS": "1000"},
    ) as command:
        assert command.stdout is not None
        printed = b""
        while b"Ctrl-C" not in printed:
            printed += (line := command.stdout.readline())
            assert line
        command.send_signal(signal.SIGINT)
        assert b"stopped; passwords are kept, retained messages are not" in command.stdout.read()
        assert command.wait(20) == 0
    assert b"DEVELOPMENT BROKER" in printed
    assert b"labwright simulate --broker mqtt://agent:" in printed


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--bind", "192.0.2.1"], ["--tls-cert, --tls-key is missing", "TLS alone"]),
        (["--tls-cert", __file__], ["--bind, --tls-key is missing"]),
        (
            ["--bind", "192.0.2.1", "--tls-cert", __file__, "--tls-key", __file__],
            ["PEM certificate and its unencrypted"],
        ),
        (["--instrument", "a b"], ["--instrument 'a b'", "use 1 to 64 of letters, digits, '_', '.' and '-'"]),
        (["--person", "-x-"], ["--person '-x-'", "cannot be a person's name"]),
        (["--person", "x", "--instrument", "x"], ["this name is the instrument's already"]),
        (["--lab", "a b"], ["'a b' cannot be a topic level"]),
        (["--remove", "nobody"], ["no user 'nobody'"]),
        (["--port", "0"], ["--port"]),
        (["--kind", "emqx"], ["--kind", "mosquitto", "amqtt"]),
    ],
)
def test_a_wrong_option_is_one_clear_message(
    labwright: Labwright, tmp_path: Path, options: list[str], words: list[str]
) -> None:
    code, _, err = labwright("--dir", tmp_path / "broker", *options)
    assert code == 2, err
    for word in words:
        assert word in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", ["credentials.json", "the file"]),
        ('{"version": 2, "root": "labwright", "lab": "l", "port": 1, "users": []}', ["version"]),
        ('{"root": "labwright", "lab": "l", "port": 1, "users": []}', ["at least one user"]),
        ('{"root": "labwright", "lab": "l", "port": "SECRET", "users": []}', ["port"]),
        (
            '{"root": "r", "lab": "l", "port": 1, "users": [{"name": "a", "role": "king", "password": "SECRET"}]}',
            ["users.0.role"],
        ),
    ],
)
def test_a_damaged_file_of_credentials_is_said_and_left_as_it_is(
    labwright: Labwright, tmp_path: Path, text: str, words: list[str]
) -> None:
    file = tmp_path / "credentials.json"
    file.write_text(text)
    code, _, err = labwright("--dir", tmp_path)
    assert code == 2
    for word in words:
        assert word in err
    assert "SECRET" not in err
    assert file.read_text() == text


@needs_mosquitto
def test_a_taken_port_is_refused_when_asked_for_and_passed_over_otherwise(
    tmp_path: Path, labwright: Labwright, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(tmp_path / "one", "--port", str(free_port())) as line:
        taken = line["port"]
        code, _, err = labwright("--dir", tmp_path / "two", "--port", str(taken))
        assert (code, f"broker.port = {taken}" in err) == (2, True)
        monkeypatch.setattr(broker_run, "PORT", taken)
        assert broker_run._choose_port(None) != taken
