"""The daemon's processes: ``python -m tests.faults.killing.nursery LAB.toml SEED``, told what to do on standard input.

It has read all the modules and forks a child for each line, ``{"crash": "after-commit:3"}`` or ``{}``. The child is the
real daemon (``run_lab``) and says when it is up; this process says when it ended, and how. With ``--cold`` it becomes
the daemon itself, as a service manager would start it.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent import crash_points
from agent.daemon.children import die_with_parent
from agent.daemon.config import LabConfig, load_lab
from agent.daemon.house import Launch
from agent.daemon.known_spaces import CACHE, KnownSpaces
from agent.daemon.lab_run import run_lab
from agent.daemon.space_facts import SpaceFacts
from envs.errors import LabwrightError, UserError

from .minds import QuickMinds
from .plants import PLANTS


def say(**what: Any) -> None:
    """One line for whoever started this, in one write."""
    os.write(1, json.dumps(what).encode() + b"\n")


def run(path: Path, minds: QuickMinds, crash: str) -> int:
    """Be the daemon; returns its exit status."""
    # Read when the module is imported, which was long before.
    crash_points._trap = crash_points.Trap(crash) if crash else None
    try:
        config = load_lab(path)
        launch = Launch(config, "live", path=path, terminal=False, up=lambda _: say(up=os.getpid()), minds=minds)
        return asyncio.run(run_lab(launch))
    except LabwrightError as error:
        print(f"error: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return 2 if isinstance(error, UserError) else 1
    except BaseException:  # noqa: BLE001 - whatever it is, somebody must be told
        traceback.print_exc()
        return 70


async def worked_out(config: LabConfig) -> dict[str, SpaceFacts]:
    """The design spaces, kept where the daemons look for them: a worker of theirs would take seconds at the first."""

    async def here(wanted: Mapping[str, Any]) -> SpaceFacts:
        from agent.daemon.worker_side import facts

        return facts(wanted)

    config.state.mkdir(exist_ok=True)
    spaces = KnownSpaces(config.state / CACHE, here)
    return {entry.id: await spaces.of(entry) for entry in config.campaign}


def main() -> None:
    """Read orders until standard input ends."""
    path, seed = Path(sys.argv[1]), int(sys.argv[2])
    if plant := os.environ.get("FAULTS_PLANT"):
        PLANTS[plant]()
    facts = asyncio.run(worked_out(load_lab(path)))
    minds = QuickMinds(facts, seed)
    if "--cold" in sys.argv:
        crash = json.loads(sys.stdin.readline()).get("crash", "")
        die_with_parent(os.getppid())
        sys.exit(run(path, minds, crash))
    say(ready=os.getpid())
    parent = os.getpid()
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            die_with_parent(parent)
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os._exit(run(path, minds, order.get("crash", "")))
        say(forked=pid)
        _, status = os.waitpid(pid, 0)
        say(ended=pid, status=os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
