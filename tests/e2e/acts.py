"""What people do beside a browser: sign at a command line, publish with Mosquitto's own client, give a key up."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from e2e.laboratory import PASSWORD, UP_S, Laboratory

_HASTY = """
from agent.dashboard.door import sessions
sessions.IDLE_S = {idle_s}
from agent.cli import main
main()
"""
"""``labwright dashboard`` whose sessions end after seconds in which nobody does anything, not after half an hour."""
_LEAVE_S = 20.0


def proposals(lab: Laboratory) -> list[dict[str, Any]]:
    """What waits, as the command line prints what was published."""
    said = lab.command("proposals", "--json")
    assert said.returncode == 0, said.stderr
    found: list[dict[str, Any]] = json.loads(said.stdout)
    return found


def published(lab: Laboratory, user: str, pid: str) -> str:
    """A proposal as the broker keeps it, read by ``mosquitto_sub``."""
    said = _mosquitto(lab, user, "mosquitto_sub", f"proposal/{pid}", "-C", "1", "-W", "20")
    assert said, f"the broker keeps no {pid}"
    return said


def sign(lab: Laboratory, proposal: str, user: str, verdict: str = "approve") -> str:
    """A person's signed decision about a proposal, made by ``labwright sign`` and sent to nobody."""
    words = ["sign", "-", "--as", user, "--verdict", verdict, "--dir", str(lab.home / "identities")]
    said = _labwright(lab, words, proposal)
    assert said.returncode == 0, said.stderr
    return said.stdout.strip()


def publish(lab: Laboratory, user: str, pid: str, token: str) -> None:
    """Publish a signed decision with ``mosquitto_pub``, under a person's name at the broker."""
    _mosquitto(lab, user, "mosquitto_pub", f"decision/{user}/{pid}", "-q", "1", "-m", token)


def _mosquitto(lab: Laboratory, user: str, name: str, topic: str, *words: str) -> str:
    there = lab.address(user)
    line = [
        str(shutil.which(name)),
        "-h",
        there.host,
        "-p",
        str(there.port),
        "-u",
        there.username,
        "-P",
        there.password,
    ]
    line += ["-t", f"labwright/v1/virtual/{topic}", *words]
    return subprocess.run(line, check=True, capture_output=True, text=True, timeout=30).stdout  # noqa: S603


def give_up_key(lab: Laboratory, user: str, *, admin: str = "ada") -> None:
    """Revoke a person's key and have the agent learn of it."""
    said = _labwright(lab, ["identity", "revoke", user, "--state", str(lab.state)])
    assert said.returncode == 0, said.stderr
    said = lab.command("reload", user=admin)
    assert said.returncode == 0, said.stderr


@contextmanager
def hasty(lab: Laboratory, user: str, *, idle_s: float) -> Iterator[str]:
    """Run a dashboard apart whose sessions end soon, while the context lasts.

    Yields:
        The address of its pages.
    """
    said = lab.home / f"hasty-{time.monotonic_ns()}"
    words = ["dashboard", "--lab", "virtual", "--dir", str(lab.home / "identities"), "--port", "0"]
    there = lab.address(user)
    broker = f"mqtt://{user}:{there.password}@{there.host}:{there.port}"
    with said.open("wb") as log:
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-c", _HASTY.format(idle_s=idle_s), *words],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=lab.home,
            env={**_environment(), "LABWRIGHT_BROKER": broker}, start_new_session=True,
        )  # fmt: skip
    try:
        patience = time.monotonic() + UP_S
        while not (found := re.search(r"The dashboard of .*: (http\S+)", said.read_text(errors="replace"))):
            assert process.poll() is None, said.read_text(errors="replace")
            assert time.monotonic() < patience, said.read_text(errors="replace")
            time.sleep(0.05)
        yield found[1].rstrip("/")
    finally:
        process.terminate()
        process.wait(_LEAVE_S)


def _labwright(lab: Laboratory, words: list[str], fed: str = "") -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-c", "from agent.cli import main; main()", *words]
    return subprocess.run(  # noqa: S603
        line, input=fed, capture_output=True, text=True, timeout=60, check=False, env=_environment(), cwd=lab.home
    )


def _environment() -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("LABWRIGHT_")}
    return {**kept, "OMP_NUM_THREADS": "1", "COLUMNS": "200", "LABWRIGHT_PASSWORD": PASSWORD}
