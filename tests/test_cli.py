"""The command line: quick to answer, one clear message for what is wrong, and nothing half-written."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent.cli import app, main

HEAVY = ("torch", "numpy", "scipy", "sqlalchemy", "botorch", "gymnasium", "pymatgen", "matplotlib")
QUICK = ("--experiments", "3", "--compare", "none", "--strategy", "random")


class Answer:
    """What a call of the command printed, and how it left."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


class Command:
    """Calls ``labwright`` in this process, in a directory of its own."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.directory = directory
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        monkeypatch.chdir(directory)
        monkeypatch.setenv("COLUMNS", "300")

    def __call__(self, *arguments: str | Path) -> Answer:
        self._monkeypatch.setattr(sys, "argv", ["labwright", *map(str, arguments)])
        self._capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as leave:
            code = leave.code if isinstance(leave.code, int) else int(bool(leave.code))
        printed = self._capsys.readouterr()
        return Answer(code, printed.out, printed.err)

    def refused(self, *arguments: str | Path) -> str:
        """The message of a call that must be refused with code 2 and leave nothing behind."""
        before = self.files()
        answer = self(*arguments)
        assert answer.code == 2, answer.out + answer.err
        assert "Traceback" not in answer.err
        assert self.files() == before
        return answer.err

    def files(self) -> dict[Path, int]:
        return {p: p.stat().st_size for p in self.directory.rglob("*")}


@pytest.fixture
def labwright(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(tmp_path, monkeypatch, capsys)


def in_python(code: str) -> str:
    """Run code in a fresh interpreter."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("arguments", [[], ["simulate"], ["show"], ["config", "check"], ["train", "sem"], ["analyse"]])
def test_help_answers_without_loading_anything_heavy(arguments: list[str]) -> None:
    printed = in_python(
        "import sys\n"
        "from agent.cli import main\n"
        f"sys.argv = {['labwright', *arguments, '--help']!r}\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"print('LOADED', [m for m in {HEAVY!r} if m in sys.modules])\n"
    )
    assert "Usage" in printed
    assert printed.strip().endswith("LOADED []")


@pytest.mark.parametrize(
    ("arguments", "default"),
    [(["train", "sem"], "as the shipped model"), (["identity", "new"], "the user's data directory")],
)
def test_help_names_the_defaults(labwright: Command, arguments: list[str], default: str) -> None:
    assert f"default: ({default})" in " ".join(labwright(*arguments, "--help").out.split())


@pytest.mark.parametrize(
    ("arguments", "missing"),
    [(["simulate"], "torch"), (["simulate"], "sqlalchemy"), (["show", "x"], "sqlalchemy"),
     (["config", "check", "x.toml"], "numpy"), (["analyse", "x.png"], "torch")],
)  # fmt: skip
def test_a_missing_extra_says_what_to_install(arguments: list[str], missing: str) -> None:
    printed = in_python(
        "import sys\n"
        "class Blocked:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.split('.')[0] == {missing!r}:\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Blocked())\n"
        "sys.stderr = sys.stdout\n"
        "from agent.cli import main\n"
        f"sys.argv = {['labwright', *arguments]!r}\n"
        "try:\n    main()\nexcept SystemExit as leave:\n    print('CODE', leave.code)\n"
    )
    assert f"needs the extra 'lab' ({missing} is not installed)" in printed
    assert "pip install 'labwright[lab]'" in printed
    assert printed.strip().endswith("CODE 2")


def test_the_version_is_the_distributions() -> None:
    from importlib.metadata import version

    assert CliRunner().invoke(app, ["--version"]).output.strip() == f"labwright {version('labwright')}"


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--strategy", "magic", ["--strategy", "magic", "random", "bo", "ppo", "hybrid"]),
        ("--broker", "carrier-pigeon", ["--broker", "carrier-pigeon", "none", "embedded"]),
        ("--compare", "past", ["--compare", "past", "random", "none"]),
        ("--experiments", "many", ["--experiments", "'many' is not a whole number"]),
        ("--experiments", "0", ["campaign.experiments", "0", "greater than or equal to 1"]),
        ("--batch", "1000", ["campaign.batch", "1000", "less than or equal to 32"]),
        ("--seed", "-1", ["campaign.seed", "-1", "greater than or equal to 0"]),
        ("--config", "missing.toml", ["missing.toml", "cannot be read"]),
        ("--resume", "nowhere", ["--resume nowhere", "no campaign is there"]),
        ("--speed", "9", ["--speed"]),
    ],
)
def test_a_wrong_option_is_refused_with_what_is_allowed(
    labwright: Command, option: str, value: str, words: list[str]
) -> None:
    message = labwright.refused("simulate", option, value)
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[campaign]\nbacth = 2\n", ["campaign.bacth", "did you mean 'batch'"]),
        ("[recipe]\nmax_images = 99\n", ["recipe.max_images", "99", "less than or equal to 20"]),
        ("[campaign\n", ["is not valid TOML"]),
        ("[space]\npreset = 'moon'\n", ["space.preset", "moon", "flagship"]),
        ("[space]\nfactors = 5\n", ["space.factors = 5", "a list of tables"]),
        ("[space]\npreset = 'flagship'\nunavailable = ['hf']\n", ["space.unavailable", "did you mean 'Hf'"]),
        ("[[campaign]]\nseed = 1\n", ["campaign", "a table [campaign]"]),
        ("campaign = " + 3000 * "[", ["is not valid TOML"]),
        ("campaign = 3\n", ["campaign = 3", "a table [campaign]"]),
    ],
)
@pytest.mark.parametrize("command", [("simulate", "--config"), ("config", "check")])
def test_a_wrong_file_is_refused_by_both_commands(
    labwright: Command, command: tuple[str, str], text: str, words: list[str]
) -> None:
    file = labwright.directory / "campaign.toml"
    file.write_text(text)
    message = labwright.refused(*command, file)
    for word in [str(file), *words]:
        assert word in message


def test_a_right_file_is_said_to_be_right(labwright: Command) -> None:
    file = labwright.directory / "campaign.toml"
    file.write_text("[campaign]\nexperiments = 12\n")
    answer = labwright("config", "check", file)
    assert answer.code == 0
    assert str(file.name) in answer.out.replace("\n", "")


def test_a_file_where_the_directory_should_be_is_refused(labwright: Command) -> None:
    (labwright.directory / "taken").write_text("mine")
    for out in ("taken", "taken/deeper"):
        message = labwright.refused("simulate", *QUICK, "--out", out)
        assert f"--out {out} cannot be written" in message


def test_a_campaign_leaves_its_record_and_answers_in_json(labwright: Command) -> None:
    answer = labwright("simulate", *QUICK, "--seed", "3", "--out", "first", "--json")
    assert answer.code == 0, answer.err
    line = json.loads(answer.out.splitlines()[-1])
    assert (line["experiments"], line["seed"], line["strategy"], line["unit"]) == (3, 3, "random", "GPa")
    assert {"best", "best_true", "report", "wall_s"} <= set(line)
    assert (labwright.directory / line["report"]).stat().st_size > 10_000
    assert (labwright.directory / "first" / "journal.sqlite").exists()

    message = labwright.refused("simulate", *QUICK, "--out", "first")
    assert "already holds a campaign" in message
    assert "--resume first" in message
    message = labwright.refused("simulate", "--resume", "first", "--seed", "4", "--batch", "2")
    assert "leave out --batch, --seed" in message

    again = labwright("simulate", "--resume", "first", "--compare", "none", "--json")
    assert again.code == 0, again.err
    repeated = json.loads(again.out.splitlines()[-1])
    assert {**repeated, "wall_s": 0} == {**line, "wall_s": 0}

    shown = labwright("show", "first")
    assert shown.code == 0, shown.err
    assert "E003" in shown.out
    one = labwright("show", "first", "E002")
    assert one.code == 0, one.err
    assert "E002" in one.out
    assert "E009" in labwright.refused("show", "first", "E009")


def test_showing_nothing_is_refused(labwright: Command) -> None:
    assert "nowhere" in labwright.refused("show", "nowhere")
