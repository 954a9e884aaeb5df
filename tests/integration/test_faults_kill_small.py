"""The daemon's counted faults at their smallest; the full counts are in docs/results/kill_faults.json."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from patience import needs_mosquitto

ROOT = Path(__file__).parent.parent.parent
pytestmark = needs_mosquitto


def run(name: str, scale: float, **environment: str) -> tuple[int, dict[str, Any], str]:
    command = [sys.executable, "-m", "tests.faults.kill", "--json", "--scale", str(scale), "--seed", "7"]
    ended = subprocess.run(  # noqa: S603 - our own module
        [*command, "--only", name], cwd=ROOT, capture_output=True, text=True, timeout=180, check=False,
        env={**os.environ, **environment},
    )  # fmt: skip
    assert ended.stdout, ended.stderr
    found = json.loads(ended.stdout.splitlines()[-1])
    return ended.returncode, found["runs"][name], "; ".join(found["misses"])


@pytest.mark.slow
def test_a_daemon_that_is_killed_again_and_again_does_everything_once() -> None:
    status, counts, misses = run("sqlite", 0.04)
    assert not misses
    assert status == 0
    assert counts["kills"] >= 6
    assert counts["duplicate acts"] == counts["results lost"] == counts["acts without approval"] == 0
    assert counts["physical acts"] > 0


@pytest.mark.slow
def test_so_does_one_whose_database_server_dies_with_it() -> None:
    status, counts, misses = run("postgres", 0.08)
    if "left out" in counts:
        pytest.skip(counts["left out"])
    assert not misses
    assert status == 0
    assert counts["kills"] >= 3


@pytest.mark.slow
def test_a_torn_log_leaves_all_that_was_committed_before_the_tear() -> None:
    status, counts, misses = run("torn", 0.04)
    assert not misses
    assert (status, counts["torn logs"]) == (0, 12)


@pytest.mark.slow
def test_every_flipped_bit_is_named() -> None:
    status, counts, misses = run("flipped", 0.06)
    assert not misses
    assert (status, counts["found"], counts["not named"]) == (0, 30, 0)


def test_a_daemon_that_leaves_something_out_of_its_tables_is_found_out() -> None:
    status, counts, misses = run("sqlite", 0.01, FAULTS_PLANT="careless")
    assert (status, counts["journals that do not verify"]) == (1, 1)
    assert "tables differ from the events" in misses
