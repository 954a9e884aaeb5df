"""What the README and the guides say is run as it stands: commands with a small budget, campaign files, the example."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer.main

from agent.cli import app, main
from agent.config import parse_config
from agent.wiring import build_problem
from instruments.artefacts import INLINE_LIMIT
from instruments.broker import find_mosquitto

REPOSITORY = Path(__file__).resolve().parent.parent
README = (REPOSITORY / "README.md").read_text()
GUIDES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
SMALL = ["--experiments", "3", "--compare", "none"]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(text: str, language: str) -> list[str]:
    return [body for kind, body in BLOCK.findall(text) if kind == language]


def commands(text: str) -> list[str]:
    """Lines of the shell blocks, without what a comment says."""
    lines = "".join(blocks(text, "sh")).splitlines()
    return [line.split("   #", maxsplit=1)[0].strip() for line in lines if line.strip()]


def labwright(line: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """Run one line in this process; a campaign gets a small budget."""
    arguments = shlex.split(line.split("|", maxsplit=1)[0])
    if arguments[1] == "simulate":
        arguments += SMALL[2:] if "--resume" in arguments else SMALL
    monkeypatch.setattr(sys, "argv", arguments)
    try:
        main()
    except SystemExit as leave:
        return leave.code if isinstance(leave.code, int) else int(bool(leave.code))
    return 0


def simulate_command() -> Any:
    return getattr(typer.main.get_command(app), "commands")["simulate"]  # noqa: B009 - typer hides its group's type


def test_the_two_commands_are_one_line_each() -> None:
    first, second = (body.strip() for body in blocks(README, "sh")[:2])
    assert first == "pip install '.[lab]' && labwright simulate"
    assert second == "pip install '.[test]' && pytest"


def test_the_continuous_checks_run_the_readmes_test_command() -> None:
    script = (REPOSITORY / ".ci" / "run").read_text()
    assert "pip install '.[test]' && pytest" in script
    assert "set -euo pipefail" in script


def test_the_torch_to_take_first_is_the_one_that_is_required() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    pin = next(d for d in project["project"]["optional-dependencies"]["lab"] if d.startswith("torch=="))
    for guide in GUIDES:
        named = re.findall(r"(?:torch==|PyTorch )(\d[\d.]*\d)", guide.read_text())
        assert set(named) <= {pin.removeprefix("torch==")}


def test_the_commands_of_the_readme_do_what_they_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "campaign.toml").write_text(blocks(README, "toml")[0])
    lines = [line for line in commands(README) if line.startswith("labwright")]
    assert len(lines) >= 8
    for line in lines:
        code = labwright(line, monkeypatch)
        printed = capsys.readouterr()
        assert code == 0, f"{line}\n{printed.err}{printed.out}"
    assert {p.name for p in (tmp_path / "campaigns").iterdir()} >= {"first", "broker", "001", "002"}
    kept = {p.name for p in (tmp_path / "campaigns" / "first").iterdir()}
    assert {"journal.sqlite", "artefacts", "laboratory", "report.html"} <= kept


@pytest.mark.parametrize("guide", [g for g in GUIDES if g.name != "README.md"], ids=lambda p: str(p.name))
def test_the_commands_of_the_guides_are_understood(guide: Path) -> None:
    """Parsed, not run: the README's own are run."""
    command = simulate_command()
    for line in commands(guide.read_text()):
        if line.startswith("labwright simulate"):
            arguments = shlex.split(line.split("|", maxsplit=1)[0])[2:]
            command.make_context("simulate", arguments)


def test_every_option_of_the_table_is_there_and_none_is_missing() -> None:
    offered = {name for parameter in simulate_command().params for name in parameter.opts if name != "--help"}
    rows = re.findall(r"^\| (`--[^|]*)\|", README, re.MULTILINE)
    table = {option for row in rows for option in re.findall(r"`(--[a-z-]+)", row)}
    assert table == offered


@pytest.mark.parametrize("guide", GUIDES, ids=lambda p: str(p.name))
def test_campaign_files_are_right(guide: Path) -> None:
    for body in blocks(guide.read_text(), "toml"):
        build_problem(parse_config(tomllib.loads(body)))


def test_the_message_of_a_wrong_file_is_the_one_that_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "campaign.toml").write_text(blocks(README, "toml")[0].replace("experiments", "experimets"))
    assert labwright("labwright config check campaign.toml", monkeypatch) == 2
    assert capsys.readouterr().err in blocks(README, "")


def run_guide(tail: str, directory: Path) -> list[str]:
    """What the programs of the guide print, joined together, with a line of a test's own at the end."""
    code = "".join(blocks((REPOSITORY / "docs" / "instruments.md").read_text(), "python")) + tail
    done = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False, cwd=directory
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_example_instrument_works_as_printed(tmp_path: Path) -> None:
    succeeded, failed, rejected = run_guide("", tmp_path)
    assert succeeded.startswith("succeeded")
    assert failed.startswith("failed the pellet had melted")
    assert rejected.startswith("rejected temperature = 2500")


AT_A_BROKER = """

from instruments.broker import local_broker
from instruments.brokers.access import Access
from instruments.topics import Lab


async def with_a_furnace(broker) -> None:
    furnace = Furnace(
        "furnace-1", MqttTransport(broker.address("furnace-1"), client_id="furnace-1"), lab="demo",
        clock=SystemClock(), ids=SystemIds(),
    )
    await furnace.start()
    beating = asyncio.create_task(furnace.run())
    earlier = InstrumentClient(
        MqttTransport(broker.address("agent"), client_id="earlier"), lab="demo", agent="agent", clock=SystemClock(),
        ids=SystemIds(),
    )
    await earlier.start()
    await earlier.wait_for(["furnace-1"])
    warm = {"temperature": Quantity(value=900, unit="Cel"), "hold": Quantity(value=15, unit="h")}
    order = asyncio.create_task(earlier.execute("furnace-1", "sinter", warm, job="earlier-job"))
    while "earlier-job" not in earlier.open_jobs("furnace-1"):
        await asyncio.sleep(0.01)
    order.cancel()
    await earlier.close()
    await at_the_broker(broker.address("agent"))
    beating.cancel()
    await asyncio.gather(order, beating, return_exceptions=True)
    await furnace.stop()


access = Access.new(Lab("labwright", "demo"), agents=("agent",), instruments=("furnace-1",))
with local_broker(access, kind="mosquitto") as broker:
    asyncio.run(with_a_furnace(broker))
"""


def test_the_example_agent_works_as_printed(tmp_path: Path) -> None:
    if find_mosquitto() is None:
        pytest.skip("Mosquitto is not installed")
    printed = run_guide(AT_A_BROKER, tmp_path)
    assert "sighting furnace-1 appeared busy" in printed
    assert "adopted earlier-job succeeded" in printed
    assert "reading temperature 21.5 Cel" in printed
    assert any(line.startswith("update ") and line.endswith(" running 0.5") for line in printed)
    fetched = next(int(line.split()[1]) for line in printed if line.startswith("fetched "))
    assert fetched > INLINE_LIMIT, "or it would not have come by the ticket"
    assert list((tmp_path / "artefacts").rglob("*.csv"))
    assert "cancelled: cancelled" in printed


@pytest.mark.parametrize("guide", GUIDES, ids=lambda p: str(p.name))
def test_links_between_files_lead_somewhere(guide: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", guide.read_text()):
        if "://" not in target:
            assert (guide.parent / target).exists(), target
