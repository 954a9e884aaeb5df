"""A virtual laboratory in a process of its own: the daemon, its broker, its instruments, its dashboard."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from agent.identity import IdentityStore
from agent.roles import Role
from instruments.address import BrokerAddress

PASSWORD = "correct horse"  # noqa: S105  # of everybody here
PEOPLE: Mapping[str, Role] = {
    "anna": Role.APPROVER, "ben": Role.APPROVER, "ole": Role.OPERATOR, "vera": Role.VIEWER, "clara": Role.SAFETY,
    "ada": Role.ADMIN,
}  # fmt: skip
COST = 2**12
"""Of a guess of a password: a thousandth of what protects a real key, so that a journey does not wait for it."""
PREFIX = "/dashboard"
UP_S, SOON_S, LEAVE_S = 90.0, 3.0, 30.0

_CHILD = """
import json, sys
from agent.daemon import starting
policy = json.loads(sys.argv.pop(1))
own = starting._policy
starting._policy = lambda request: {**own(request), **policy}
from agent.cli import main
main()
"""
"""``labwright run`` with more in the policy of its virtual laboratory than the command line offers."""


@dataclass(frozen=True)
class Wanted:
    """How a laboratory is to be.

    Args:
        speed: seconds of lab time in a second: at an hour a second a firing takes some eight.
        experiments: the campaign's budget.
        strategy: how designs are chosen; ``random`` needs no time to learn.
        seed: of the hidden truth and of the campaign.
        approve: ``people``, or ``auto`` for a rule that approves everything.
        policy: more of ``[policy]``, such as ``{"two_persons": {"factors": {"temperature": {"above": 0}}}}``.
    """

    speed: float = 3600.0
    experiments: int = 12
    strategy: str = "random"
    seed: int = 1
    approve: str = "people"
    policy: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Laboratory:
    """A laboratory that runs.

    Attributes:
        home: its directory: ``identities``, ``lab`` (the state), ``log``.
        process: the daemon.
        url: of its HTTP port.
    """

    home: Path
    process: subprocess.Popen[bytes]
    url: str

    @property
    def dashboard(self) -> str:
        """Address of the pages."""
        return self.url + PREFIX

    @property
    def store(self) -> IdentityStore:
        """Everybody's keys."""
        return IdentityStore(self.home / "identities", cost=COST)

    @property
    def state(self) -> Path:
        """The daemon's state."""
        return self.home / "lab"

    def log(self) -> list[dict[str, Any]]:
        """What the daemon logged."""
        return _lines(self.home / "log")

    def address(self, user: str) -> BrokerAddress:
        """The broker, for a person's own client."""
        from agent.deciding.asked import Asked
        from agent.deciding.place import find_place

        return find_place(Asked(state=self.state), (user,)).address

    def command(self, *words: str, user: str = "anna") -> subprocess.CompletedProcess[str]:
        """Run a command line of a person at this laboratory, such as ``labwright approve ID``."""
        line = [sys.executable, "-c", "from agent.cli import main; main()", *words]
        line += ["--state", str(self.state), "--dir", str(self.home / "identities")]
        if words[0] != "status":
            line += ["--as", user]
        environment = {**_environment(), "LABWRIGHT_PASSWORD": PASSWORD}
        return subprocess.run(  # noqa: S603
            line, capture_output=True, text=True, timeout=60, check=False, env=environment, cwd=self.home
        )

    @property
    def broker(self) -> psutil.Process:
        """Mosquitto's process; its supervisor starts another one when it is killed."""
        for child in psutil.Process(self.process.pid).children(recursive=True):
            if child.name() == "mosquitto":
                return child
        raise AssertionError("the broker is not running")


@contextmanager
def laboratory(home: Path, wanted: Wanted | None = None, *, http_port: int = 0) -> Iterator[Laboratory]:
    """Run a laboratory while the context lasts.

    Args:
        home: an empty directory, or that of a laboratory that ran before: it goes on then.
        wanted: how it is to be.
        http_port: of the dashboard; a free one for 0.
    """
    wanted = wanted or Wanted()
    store = IdentityStore(home / "identities", cost=COST)
    for name, role in PEOPLE.items():
        if not store.private_path(name).exists():
            store.create(name, role, PASSWORD)
    (home / "log").unlink(missing_ok=True)
    words = [
        "run", "--virtual", "--state", str(home / "lab"), "--dir", str(store.directory), "--speed", str(wanted.speed),
        "--experiments", str(wanted.experiments), "--strategy", wanted.strategy, "--seed", str(wanted.seed),
        "--approve", wanted.approve, "--http-port", str(http_port),
        *(word for name in PEOPLE for word in ("--person", name)),
    ]  # fmt: skip
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-c", _CHILD, json.dumps(dict(wanted.policy)), *words],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=home, env=_environment(), start_new_session=True,
        )  # fmt: skip
    try:
        yield Laboratory(home, process, _when_up(process, home / "log"))
    finally:
        _stop(process)


@contextmanager
def apart(lab: Laboratory, user: str) -> Iterator[str]:
    """Run a dashboard in a process of its own, as on an approver's machine, while the context lasts.

    Args:
        lab: the laboratory.
        user: whose machine it is: its broker lets them write in their own name alone.

    Yields:
        The address of its pages.
    """
    said = lab.home / f"dashboard-{time.monotonic_ns()}"
    words = ["dashboard", "--lab", "virtual", "--dir", str(lab.home / "identities"), "--port", "0"]
    address = lab.address(user)
    broker = f"mqtt://{user}:{address.password}@{address.host}:{address.port}"
    with said.open("wb") as log:
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-c", "from agent.cli import main; main()", *words],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=lab.home,
            env={**_environment(), "LABWRIGHT_BROKER": broker}, start_new_session=True,
        )  # fmt: skip
    try:
        patience = time.monotonic() + UP_S
        while not (found := re.search(r"The dashboard of .*: (http\S+)", said.read_text(errors="replace"))):
            assert process.poll() is None, said.read_text(errors="replace")
            assert time.monotonic() < patience, said.read_text(errors="replace")
            time.sleep(0.05)
        yield found[1]
    finally:
        _stop(process)


def _environment() -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("LABWRIGHT_")}
    return {**kept, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}


def _lines(path: Path) -> list[dict[str, Any]]:
    found = []
    for line in path.read_text(errors="replace").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            entry = None
        found.append(entry if isinstance(entry, dict) else {"event": line})
    return found


def _when_up(process: subprocess.Popen[bytes], log: Path) -> str:
    patience = time.monotonic() + UP_S
    while time.monotonic() < patience:
        said = {entry.get("event"): entry for entry in _lines(log)}
        if "the dashboard is up" in said and "up" in said:
            return str(said["up"]["http"])
        assert process.poll() is None, log.read_text(errors="replace")
        time.sleep(0.05)
    raise AssertionError(f"the laboratory was not up within {UP_S:g} s: {log.read_text(errors='replace')}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ask it to end in order, which may wait for what runs; then to leave at once, and then it is made to."""
    for said, patience in ((signal.SIGTERM, SOON_S), (signal.SIGINT, LEAVE_S)):
        if process.poll() is None:
            process.send_signal(said)
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            continue
        return
    os.killpg(process.pid, signal.SIGKILL)  # its own session's: nobody else is in it
    process.wait(LEAVE_S)
