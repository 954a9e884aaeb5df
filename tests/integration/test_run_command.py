"""``labwright run`` before anything runs: contradictions, and what it takes that an order reaches an instrument."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from patience import needs_mosquitto

from agent.daemon.starting import Request, choose
from agent.identity import IdentityStore
from agent.roles import Role
from envs.errors import ConfigError, UserError

LIVE = '[lab]\nname = "hall-3"\nlive = true\n[broker]\nembedded = true\n[[campaign]]\nid = "hard"\n'
NOT_LIVE = LIVE.replace("live = true\n", "")


def lab_file(directory: Path, text: str = NOT_LIVE) -> Path:
    path = directory / "LAB.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "which laboratory"),
        ({"virtual": True, "live": True}, "--virtual and --live: choose one"),
        ({"live": True, "shadow": True}, "--live and --shadow: choose one"),
        ({"dry_run": True, "live": True}, "--live and --dry-run: choose one"),
        ({"file": Path("LAB.toml"), "state": Path("elsewhere")}, "--state: only with --virtual"),
        ({"file": Path("LAB.toml"), "persons": ("anna",)}, "--person: only with --virtual"),
        ({"file": Path("LAB.toml"), "experiments": 3, "strategy": "random"}, "--experiments, --strategy: only with"),
        ({"virtual": True, "approve": "nobody"}, "people or auto"),
        ({"file": Path("missing.toml")}, "missing.toml"),
    ],
)
def test_options_that_contradict_each_other(options: dict[str, object], words: str) -> None:
    with pytest.raises(UserError, match=words):
        choose(Request(**options))  # type: ignore[arg-type]


def test_a_file_says_itself_whether_its_instruments_are_virtual(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="brings its own laboratory"):
        choose(Request(file=lab_file(tmp_path), virtual=True))
    text = f'{NOT_LIVE}[virtual]\ninstruments = ["furnace-1", "balance-1"]\nseed = 5\n'
    config, mode = choose(Request(file=lab_file(tmp_path, text), virtual=True))
    assert mode == "virtual"
    assert config.virtual is not None
    assert (config.virtual.instruments, config.virtual.seed) == (("furnace-1", "balance-1"), 5)
    assert config.broker.instruments == ("furnace-1", "balance-1")
    assert choose(Request(file=lab_file(tmp_path, text), dry_run=True))[1] == "dry-run"
    with pytest.raises(UserError, match="add --virtual"):
        choose(Request(file=lab_file(tmp_path, text)))
    with pytest.raises(UserError, match="--seed: only with --virtual and no file"):
        choose(Request(file=lab_file(tmp_path, text), virtual=True, seed=3))
    with pytest.raises(ConfigError, match="nothing there is real"):
        choose(Request(file=lab_file(tmp_path, text.replace("[broker]", "live = true\n[broker]")), virtual=True))
    with pytest.raises(ConfigError, match="oven-9"):
        choose(Request(file=lab_file(tmp_path, text.replace("balance-1", "oven-9")), virtual=True))


def test_a_virtual_laboratory_without_a_file_has_the_instruments_that_are_wanted(tmp_path: Path) -> None:
    wanted = ("furnace-1", "sem-1", "indenter-1", "balance-1")
    config, _ = choose(Request(virtual=True, state=tmp_path, identities=tmp_path, instruments=wanted))
    assert config.virtual is not None
    assert config.virtual.instruments == config.broker.instruments == wanted
    usual, _ = choose(Request(virtual=True, state=tmp_path, identities=tmp_path))
    assert usual.broker.instruments == ("furnace-1", "sem-1", "indenter-1")


@pytest.mark.parametrize(
    ("text", "options", "mode"),
    [
        (NOT_LIVE, {}, "shadow"), (LIVE, {}, "shadow"), (LIVE, {"shadow": True}, "shadow"),
        (LIVE, {"live": True}, "live"), (LIVE, {"dry_run": True}, "dry-run"),
    ],
)  # fmt: skip
def test_orders_reach_instruments_by_a_key_and_a_flag_together(
    tmp_path: Path, text: str, options: dict[str, bool], mode: str
) -> None:
    assert choose(Request(file=lab_file(tmp_path, text), **options))[1] == mode  # type: ignore[arg-type]


def test_the_flag_alone_is_not_enough(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="live = true"):
        choose(Request(file=lab_file(tmp_path), live=True))


def test_a_live_laboratory_keeps_peoples_time(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="speed"):
        choose(Request(file=lab_file(tmp_path, LIVE.replace("live = true", "live = true\nspeed = 60")), live=True))


def test_the_virtual_laboratory_has_what_was_asked_for(tmp_path: Path) -> None:
    store = IdentityStore(tmp_path / "identities", cost=2**4)
    for name in ("anna", "ben"):
        store.create(name, Role.APPROVER, "correct horse")
    request = Request(
        virtual=True, state=tmp_path / "lab", persons=("anna",), experiments=5, strategy="random", seed=7, speed=60.0,
        identities=store.directory,
    )  # fmt: skip
    config, mode = choose(request)
    (entry,) = config.campaign
    assert (mode, config.state, config.broker.people, config.lab.speed) == ("virtual", tmp_path / "lab", ("anna",), 60)
    assert (entry.experiments, entry.strategy, entry.seed) == (5, "random", 7)
    assert not config.policy.get("auto")
    assert choose(Request(virtual=True, approve="auto", identities=store.directory))[0].policy["auto"]


def labwright(directory: Path, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", "from agent.cli import main; main()", *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    return subprocess.Popen(  # noqa: S603
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=directory, text=True, env=environment
    )


def test_a_wrong_command_is_told_in_one_line_and_leaves_nothing_behind(tmp_path: Path) -> None:
    lab_file(tmp_path)
    child = labwright(tmp_path, "run", "LAB.toml", "--live")
    _, error = child.communicate(timeout=60)
    assert child.returncode == 2
    assert "live = true" in error
    assert "Traceback" not in error
    assert [path.name for path in tmp_path.iterdir()] == ["LAB.toml"]


@needs_mosquitto
def test_a_daemon_that_is_told_to_stop_while_it_starts_leaves_in_order(tmp_path: Path) -> None:
    """Its broker is away, and a service manager does not wait for ever."""
    text = NOT_LIVE.replace("embedded = true", 'url = "mqtt://agent@127.0.0.1:1"') + "[http]\nport = 0\n"
    lab_file(tmp_path, text)
    child = labwright(tmp_path, "run", "LAB.toml")
    log = tmp_path / "state" / "shadow" / "logs" / "agent.jsonl"
    until = time.monotonic() + 60.0
    while not (log.exists() and "connecting" in log.read_text()):
        assert time.monotonic() < until, log.read_text() if log.exists() else "no log"
        assert child.poll() is None, child.communicate()[1]
        time.sleep(0.02)
    child.send_signal(signal.SIGTERM)
    _, error = child.communicate(timeout=20)
    assert child.returncode == 0, error
    assert "Traceback" not in error
