"""The reading commands from the command line: where they look, what they print, and that --json is JSON."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import recorded_lab

from agent.cli import main
from agent.deciding.asked import Asked
from agent.reading.source import BusSource, JournalSource, find_source
from envs.errors import JournalError, UserError


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("lab") / "state"
    recorded_lab.write(directory, stopped=True)
    logs = directory / "logs"
    logs.mkdir()
    entries = [{"at": "2026-03-02T08:00:00Z", "level": level, "event": level} for level in ("debug", "info", "error")]
    (logs / "agent.jsonl").write_text("".join(json.dumps(e) + "\n" for e in entries))
    (directory.parent / "LAB.toml").write_text(
        '[lab]\nname = "hall-3"\n[broker]\nembedded = true\n[[campaign]]\nid = "hard"\n'
    )
    return directory


@pytest.fixture
def labwright(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run a command in this process: exit status, standard output, standard error."""
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["labwright", *map(str, words)])
        code: Any = 0
        try:
            main()
        except SystemExit as leave:
            code = leave.code or 0
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["status"], ["STOPPED", "smoke in the hood", "labwright reconcile hard-E003 again|aborted", "not running"]),
        (["campaigns"], ["3 of 20", "17.0 ± 0.3", "powder is late"]),
        (["experiments", "--campaign", "hard", "--phase", "completed"], ["hard-E001", "hard-E002"]),
        (["experiment", "hard-E001"], ["Si3N4", "furnace-1", "shelf-4", "approved"]),
        (["samples"], ["shelf-4", "uncertain"]),
        (["audit", "verify"], ["the chain holds", "5 signatures are people's own"]),
        (["audit", "show", "--person", "bert"], ["hard-P002", "verified", "pause"]),
        (["audit", "show", "--refused"], ["mallory", "unknown_key"]),
    ],
)
def test_each_command_says_it_in_words_and_in_json(
    labwright: Any, state: Path, words: list[str], shown: list[str]
) -> None:
    code, out, err = labwright(*words, "--state", state)
    assert (code, err) == (0, "")
    for word in shown:
        assert word in out
    code, out, _ = labwright(*words, "--state", state, "--json")
    assert code == 0
    assert json.loads(out)


def test_the_laboratorys_file_says_where_its_record_is(labwright: Any, state: Path) -> None:
    code, out, _ = labwright("status", "--lab-file", state.parent / "LAB.toml", "--json")
    assert (code, json.loads(out)["lab"]) == (0, "hall-3")


def test_logs_are_lines_of_json_where_no_person_looks(labwright: Any, state: Path) -> None:
    _, out, _ = labwright("logs", "--state", state)
    assert [json.loads(line)["event"] for line in out.splitlines()] == ["info", "error"]
    _, out, _ = labwright("logs", "--state", state, "--level", "debug", "-n", "1")
    assert [json.loads(line)["event"] for line in out.splitlines()] == ["error"]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["experiment", "hard-E009"], 2, "no experiment 'hard-E009'"),
        (["experiments", "--campaign", "soft"], 2, "it has hard, tough"),
        (["status", "--broker", "mqtt://127.0.0.1:1"], 2, "--state and --broker say where"),
    ],
)
def test_a_wrong_question_is_one_line(labwright: Any, state: Path, words: list[str], code: int, message: str) -> None:
    status, out, err = labwright(*words, "--state", state)
    assert (status, out) == (code, "")
    assert message in err


def test_where_no_record_is_it_is_said_where_it_may_be(labwright: Any, tmp_path: Path) -> None:
    code, _, err = labwright("status", "--state", tmp_path)
    assert code == 2
    assert "--lab-file LAB.toml" in err


def test_a_damaged_record_ends_with_status_1(labwright: Any, tmp_path: Path) -> None:
    recorded_lab.write(tmp_path)
    (tmp_path / "people" / "anna.public.json").unlink()
    bert = tmp_path / "people" / "bert.public.json"
    bert.write_text(bert.read_text().replace('"bert"', '"eve"'))
    code, _, err = labwright("audit", "verify", "--state", tmp_path)
    assert code == 1
    assert "is not theirs" in err
    code, out, _ = labwright("audit", "verify", "--state", tmp_path, "--json")
    told = json.loads(out)
    assert (code, told["ok"]) == (1, False)
    assert "is not theirs" in told["error"]


def test_a_database_that_wants_a_password_says_where_it_goes(labwright: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise JournalError("postgresql://lab@db/lab cannot be read as a journal: no password supplied")

    monkeypatch.setattr("agent.reading.journal_view.JournalView", refuse)
    code, _, err = labwright("audit", "show", "--database", "postgresql://lab@db/lab")
    assert code == 1
    assert "set LABWRIGHT_DATABASE_PASSWORD" in err


def test_backup_and_back(labwright: Any, state: Path, tmp_path: Path) -> None:
    archive = tmp_path / "lab.tar"
    code, out, _ = labwright("backup", archive, "--lab-file", state.parent / "LAB.toml", "--json")
    assert (code, json.loads(out)["events"]) == (0, 36)
    code, _, err = labwright("backup", archive, "--state", state)
    assert code == 2
    assert "is there already" in err
    code, out, _ = labwright("restore", archive, "--to", tmp_path / "back")
    assert code == 0
    assert "36 events" in out
    code, out, _ = labwright("audit", "verify", "--state", tmp_path / "back", "--json")
    assert json.loads(out)["signatures"] == 5


def test_config_check_knows_both_kinds_of_file(labwright: Any, state: Path, tmp_path: Path) -> None:
    code, out, _ = labwright("config", "check", state.parent / "LAB.toml")
    assert code == 0
    assert "valid laboratory: hall-3" in out
    campaign = tmp_path / "campaign.toml"
    campaign.write_text("[campaign]\nexperiments = 10\n")
    code, out, _ = labwright("config", "check", campaign)
    assert code == 0
    assert "valid campaign" in out


def test_options_go_before_the_environment_and_that_before_what_lies_around(tmp_path: Path) -> None:
    def place(environment: dict[str, str], **asked: Any) -> Path | str:
        found = find_source(Asked(**asked), environment=environment, here=tmp_path)
        return (
            found.state if isinstance(found, JournalSource) else found.asked.broker or environment["LABWRIGHT_BROKER"]
        )

    with pytest.raises(UserError, match="which laboratory"):
        place({})
    (tmp_path / "state").mkdir()
    assert place({}) == tmp_path / "state"
    (tmp_path / "labwright-virtual").mkdir()
    assert place({}) == tmp_path / "labwright-virtual"
    there = {"LABWRIGHT_BROKER": "mqtt://localhost"}
    assert place(there) == "mqtt://localhost"
    (tmp_path / "other").mkdir()
    there |= {"LABWRIGHT_STATE": str(tmp_path / "other")}
    assert place(there) == tmp_path / "other"
    assert place(there, state=tmp_path / "state") == tmp_path / "state"
    assert place(there, broker="mqtt://[::1]") == "mqtt://[::1]"
    database = find_source(Asked(), database="postgresql://a@b/c", environment={"LABWRIGHT_DATABASE_PASSWORD": "x"})
    assert isinstance(database, JournalSource)
    assert database.place == "postgresql://a:x@b/c"


def test_a_broker_is_asked_for_what_it_knows_alone(labwright: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(find_source(Asked(broker="mqtt://localhost"), environment={}), BusSource)
    code, _, err = labwright("experiments", "--broker", "mqtt://127.0.0.1:1")
    assert code == 2
    assert "on the agent's machine" in err


def test_what_reads_a_broker_needs_no_database() -> None:
    """As on an approver's laptop: nothing heavy is even looked for."""
    code = (
        "import sys; sys.modules.update(dict.fromkeys(('sqlalchemy', 'numpy', 'torch', 'structlog')));"
        "import agent.cli, agent.reading.commands, agent.reading.bus_view, agent.reading.source, agent.reading.tables"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)  # noqa: S603 - ours
    assert done.returncode == 0, done.stderr
