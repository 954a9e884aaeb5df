"""The counted fault runs at their smallest; the full counts are in docs/results/mqtt_faults.json."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from patience import needs_mosquitto

ROOT = Path(__file__).parent.parent.parent
pytestmark = needs_mosquitto


def run(name: str, **environment: str) -> tuple[int, dict[str, Any], str]:
    command = [sys.executable, "-m", "tests.faults.mqtt", "--json", "--scale", "0", "--seed", "7", "--only", name]
    ended = subprocess.run(  # noqa: S603 - our own module
        command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False, env={**os.environ, **environment}
    )
    assert ended.stdout, ended.stderr
    found = json.loads(ended.stdout.splitlines()[-1])
    (counts,) = found["runs"].values()
    return ended.returncode, counts, "; ".join(found["misses"])


def test_faults_of_every_kind_at_once_cost_no_job_and_no_result() -> None:
    status, counts, misses = run("together")
    assert not misses
    assert status == 0
    assert set(counts["faults"]) == {"agent kill", "device kill", "broker kill", "cut", "hostile messages"}
    assert counts["done twice"] == counts["results lost"] == 0
    assert counts["jobs"] >= 5


def test_a_device_that_forgets_its_jobs_is_found_out() -> None:
    status, counts, misses = run("kills", FAULTS_FORGETFUL="1")
    assert status == 1
    found = {name for name in ("done twice", "results lost") if counts[name]}
    assert found, "which of the two it comes to depends on where the kill fell"
    assert all(name in misses for name in found)
