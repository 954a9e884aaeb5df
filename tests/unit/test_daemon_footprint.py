"""The daemon stays small: what computes is in the worker, and what waits takes little room."""

import asyncio
import json
import subprocess
import sys
import tracemalloc
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agent import core
from agent import events as ev
from agent.daemon import worker_side
from agent.daemon.config import CampaignEntry, load_lab
from agent.daemon.known_spaces import CACHE, KnownSpaces
from agent.daemon.space_facts import SpaceFacts
from agent.journal import Journal
from envs.design import Design
from envs.errors import ConfigError

HEAVY = {"torch", "botorch", "gpytorch", "scipy", "sklearn", "pymatgen", "gymnasium", "matplotlib", "pandas", "alembic"}
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
LAB = """
[lab]
name = "hall-3"
[broker]
url = "mqtt://agent@localhost"
[[campaign]]
id = "hard"
experiments = 20
"""
OPEN = """
import asyncio, json, sys
from pathlib import Path
from agent.daemon.config import load_lab
from agent.daemon.house import Launch, open_house
from agent.daemon.lab_run import run_lab

async def main():
    async with open_house(Launch(load_lab(Path(sys.argv[1])), "shadow", terminal=False)) as house:
        formula = house.desk.rules.campaigns["hard"].crystals["mp-988"]
        print(json.dumps([sorted(sys.modules), formula, house.minds.starts]))

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def facts() -> SpaceFacts:
    return worker_side.facts(CampaignEntry(id="hard").offline.model_dump(mode="json"))


class Asked:
    """Works spaces out at once, and counts."""

    def __init__(self, facts: SpaceFacts) -> None:
        self.n = 0
        self._facts = facts

    async def __call__(self, _config: Mapping[str, Any]) -> SpaceFacts:
        self.n += 1
        return self._facts


def test_a_restart_loads_nothing_that_computes(tmp_path: Path, facts: SpaceFacts) -> None:
    file = tmp_path / "LAB.toml"
    file.write_text(LAB)
    config = load_lab(file)
    with Journal(config.journal(), write=True) as journal:
        journal.append([ev.AgentStarted(software="labwright", mode="shadow", boot="b1")], NOW)
    asyncio.run(KnownSpaces(config.state / CACHE, Asked(facts)).of(config.entry("hard")))
    command = [sys.executable, "-c", OPEN, str(file)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603 - our own code
    assert ran.returncode == 0, ran.stderr
    modules, formula, starts = json.loads(ran.stdout.splitlines()[-1])
    assert {name.partition(".")[0] for name in modules} & HEAVY == set()
    assert formula == "Si3N4"
    assert starts == 0


def test_a_space_is_worked_out_once(tmp_path: Path, facts: SpaceFacts) -> None:
    entry, asked = CampaignEntry(id="hard"), Asked(facts)
    first = asyncio.run(KnownSpaces(tmp_path / "kept", asked).of(entry))
    again = asyncio.run(KnownSpaces(tmp_path / "kept", asked).of(entry))
    assert first == again == facts
    assert asked.n == 1
    levels = {f.name: f.levels for f in facts.factors}
    for n in range(40):
        design = Design(list(facts.crystals)[n % len(facts.crystals)], {k: v[n % len(v)] for k, v in levels.items()})
        assert again.admits(design) == facts.admits(design)


def test_another_space_or_release_is_another_question(tmp_path: Path, facts: SpaceFacts) -> None:
    asked = Asked(facts)
    asyncio.run(KnownSpaces(tmp_path, asked, software="1.0").of(CampaignEntry(id="hard")))
    asyncio.run(KnownSpaces(tmp_path, asked, software="1.1").of(CampaignEntry(id="hard")))
    other = CampaignEntry(id="hard", space={"preset": "flagship", "unavailable": ["Ta"]})
    asyncio.run(KnownSpaces(tmp_path, asked, software="1.1").of(other))
    assert asked.n == 3


@pytest.mark.parametrize("damage", ["cut", "changed", "empty", "no text"])
def test_what_is_damaged_is_worked_out_again(tmp_path: Path, facts: SpaceFacts, damage: str) -> None:
    entry, asked = CampaignEntry(id="hard"), Asked(facts)
    spaces = KnownSpaces(tmp_path, asked)
    asyncio.run(spaces.of(entry))
    (file,) = tmp_path.glob("space-*.json")
    whole = file.read_bytes()
    hurt = {
        "cut": whole[:-20],
        "changed": whole.replace(b"Si3N4", b"Si3N5", 1),
        "empty": b"",
        "no text": b"\xff\xfe\n\n",
    }
    file.write_bytes(hurt[damage])
    assert asyncio.run(spaces.of(entry)) == facts
    assert asked.n == 2
    assert file.read_bytes() == whole


def test_a_directory_that_cannot_be_written_costs_only_time(tmp_path: Path, facts: SpaceFacts) -> None:
    (tmp_path / "kept").write_text("not a directory")
    assert asyncio.run(KnownSpaces(tmp_path / "kept", Asked(facts)).of(CampaignEntry(id="hard"))) == facts


def test_a_wrong_space_names_its_campaign_and_file(tmp_path: Path) -> None:
    async def refuse(_config: Mapping[str, Any]) -> SpaceFacts:
        raise ConfigError("space.preset", "magic", "flagship")

    with pytest.raises(ConfigError, match=r"LAB\.toml.*campaign hard: space\.preset = 'magic'"):
        asyncio.run(KnownSpaces(tmp_path, refuse).of(CampaignEntry(id="hard"), source="LAB.toml"))


def test_what_waits_takes_little_room() -> None:
    state = core.LabState()
    core.evolve(state, ev.CampaignCreated(campaign="hard", name="", config={}, space_version="", software=""), NOW)
    n = 1000
    tracemalloc.start()
    for i in range(n):
        for event in _waiting(i):
            core.evolve(state, ev.parse_event(event.model_dump_json()), NOW)
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(state.campaigns["hard"].queue) == n
    assert taken / n < 2500, f"{taken / n:.0f} bytes an experiment"


def _waiting(i: int) -> list[ev.Event]:
    pid = f"hard-P{i:05d}"
    terms = ev.Terms(
        digest=f"{i:064x}", body="b" * 3000, created_at="2026-03-02T12:00:00Z", expires_at="2026-03-05T12:00:00Z",
        recipe_hash=f"{10**6 + i:064x}", limits_version="v" * 64,
    )  # fmt: skip
    process: dict[str, float | str] = {
        "temperature": 1500.0 + i,
        "hold": 2.0 + i,
        "pressure": 30.0 + i,
        "heating": 10.0 + i,
        "atmosphere": "Ar",
    }
    return [
        ev.ProposalMade(
            campaign="hard", proposal=pid, round=0, pool="local", acquisition=None, forecast=None, nearest="",
            terms=terms, design=ev.DesignRecord(crystal="mp-988", formula="Si3N4", process=process),
        ),
        ev.ProposalDecided(
            proposal=pid, verdict="approved", by="anna", reason="", nonce=f"{i:022d}", envelope="e" * 900
        ),
        ev.ExperimentQueued(experiment=f"hard-E{i:05d}", proposal=pid),
    ]  # fmt: skip
