"""What ``labwright show`` tells of a campaign and of one experiment."""

import json
import sqlite3
from pathlib import Path

import pytest
import recorded_campaign

from agent.journal import FILE, Journal
from agent.show import show_campaign, show_experiment
from agent.store import ArtefactStore
from envs.errors import JournalError, UserError


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "220")


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recorded_campaign.write(tmp_path_factory.mktemp("tiny"))


def test_campaign_says_what_was_made_and_that_its_record_is_intact(
    campaign: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    show_campaign(campaign, as_json=False)
    out = capsys.readouterr().out
    assert "completed: budget: 5 experiments made" in out
    assert "3 completed, 2 synthesis failed" in out
    assert "B6O (E003): 26.0 ± 0.3" in out
    assert "hash chain verified" in out
    assert "1700 °C, 4 h, 5 K/min, 40 MPa, 0.2 µm, Y2O3" in out


def test_campaign_in_json_is_one_object(campaign: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show_campaign(campaign, as_json=True)
    (line,) = capsys.readouterr().out.splitlines()
    found = json.loads(line)
    assert found["phase"] == "completed"
    assert found["intact"] is True
    assert found["outcomes"] == {"completed": 3, "infeasible": 2}
    assert found["best"] == {"experiment": "E003", "formula": "B6O", "hardness": [26.0, 0.3]}
    assert [row["experiment"] for row in found["experiments"]] == ["E001", "E002", "E003", "E004", "E005"]
    assert found["experiments"][0]["process"]["temperature"] == 1500.0


def test_running_campaign_is_read_while_its_writer_holds_the_lock(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = recorded_campaign.write(tmp_path / "run", until=2, done=False)
    with Journal(directory, write=True):
        show_campaign(directory, as_json=False)
    out = capsys.readouterr().out
    assert "running" in out
    assert "--resume" in out


def test_changed_record_is_said_to_be_damaged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = recorded_campaign.write(tmp_path / "run")
    with sqlite3.connect(directory / FILE) as connection:
        connection.execute(
            "UPDATE events SET payload = replace(payload, '26.0', '62.0') WHERE kind = 'experiment.ended'"
        )
    show_campaign(directory, as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert found["intact"] is False
    assert "hash chain breaks at event" in found["damage"]


def test_experiment_shows_everything_from_proposal_to_hardness(
    campaign: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    show_experiment(campaign, "E003", as_json=False)
    out = capsys.readouterr().out
    for expected in (
        "B6O (mp-1346)", "P003 in round 1 by pool 'ppo'", "21.0 GPa (90%: 15.0 to 30.0)", "26.0 ± 0.3", "E001",
        "approved by policy:auto-approve: virtual", "job-E003-image-1", "sem-1",
        "refused: out of focus: refocus and image again", "3.50 ± 0.12", "sha256",
        "Microstructure in image 2", "two-phase (91%)", "13.62 ± 0.11", "12.3 ± 1.1", "µm⁻¹", "no pore is seen",
    ):  # fmt: skip
        assert expected in out


def test_experiment_in_json_leads_to_its_files(campaign: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show_experiment(campaign, "e003", as_json=True)
    found = json.loads(capsys.readouterr().out)
    refused, accepted = found["images"]
    assert (refused["accepted"], accepted["accepted"]) == (False, True)
    assert refused["reason"] == "out of focus: refocus and image again"
    assert (refused["class"], refused["descriptors"]) == ("", {})  # as records from before they were told
    assert (accepted["class"], accepted["class_probabilities"]["two-phase"]) == ("two-phase", 0.914)
    assert accepted["descriptors"]["phase_fraction"] == {"value": 0.123, "std": 0.011, "unit": "1"}
    assert accepted["withheld"] == {"pore_size": "no pore is seen"}
    for image in (refused["image"], accepted["overlay"]):
        assert Path(image["path"]).stem == image["sha256"]
        assert Path(image["path"]).stat().st_size == image["bytes"]
    assert [s["step"] for s in found["steps"]] == ["sinter", "image", "image", "indent"]
    assert found["steps"][-1]["values"]["hardness"] == {"value": 26.0, "unit": "GPa", "std": 0.3}
    assert found["hardness"] == [26.0, 0.3]


def test_failed_experiment_gives_the_instruments_words_unchanged(
    campaign: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    show_experiment(campaign, "E004", as_json=False)
    assert recorded_campaign.HOSTILE in capsys.readouterr().out


def test_lost_file_is_said_to_be_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = recorded_campaign.write(tmp_path / "run", until=1)
    show_experiment(directory, "E001", as_json=True)
    digest = json.loads(capsys.readouterr().out)["images"][0]["image"]["sha256"]
    ArtefactStore(directory / "artefacts").path(digest).unlink()
    show_experiment(directory, "E001", as_json=False)
    assert "MISSING" in capsys.readouterr().out


def test_unknown_experiment_names_those_that_exist(campaign: Path) -> None:
    with pytest.raises(UserError, match="no experiment 'E077': there are E001 to E005"):
        show_experiment(campaign, "E077", as_json=False)


def test_directory_without_a_campaign_is_left_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no campaign"):
        show_campaign(tmp_path, as_json=False)
    assert not list(tmp_path.iterdir())


def test_file_that_is_no_journal_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"not a database " * 200)
    with pytest.raises(JournalError, match="cannot be read as a journal"):
        show_campaign(tmp_path, as_json=False)
