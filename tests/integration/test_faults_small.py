"""The counted fault runs at their smallest; the full counts are in docs/results/mqtt_faults.json."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from instruments.broker import find_mosquitto

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.skipif(find_mosquitto() is None, reason="Mosquitto is not installed")
@pytest.mark.parametrize("run", ["kills", "broker", "cuts", "hostile", "duplicates"])
def test_a_few_faults_of_each_kind_cost_nothing(run: str) -> None:
    command = [sys.executable, "-m", "tests.faults.mqtt", "--json", "--scale", "0", "--seed", "7", "--only", run]
    ended = subprocess.run(  # noqa: S603 - our own module
        command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False, env=os.environ
    )
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout.splitlines()[-1])
    (counts,) = found["runs"].values()
    assert found["misses"] == []
    assert counts["done twice"] == counts["results lost"] == 0
    assert counts["jobs"] > 0
