"""Forks daemons: each is the real ``run_lab``, with minds that need no models; for a line of standard input each."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent import events as ev
from agent.daemon.children import die_with_parent
from agent.daemon.config import LabConfig, load_lab
from agent.daemon.house import Launch
from agent.daemon.known_spaces import CACHE, KnownSpaces
from agent.daemon.lab_run import run_lab
from agent.daemon.space_facts import SpaceFacts
from agent.minds import PlanAnswer, PlanRequest, PreviewAnswer, PreviewRequest, Suggestion
from agent.rules.outlook import Outlook
from envs.design import Design
from envs.errors import LabwrightError, UserError


class Minds:
    """Plans at random, within the space that is kept in the state directory."""

    def __init__(self, config: LabConfig) -> None:
        self._config = config

    async def plan(self, campaign: str, request: PlanRequest) -> PlanAnswer:
        """Feasible designs that were not proposed before."""
        facts = await KnownSpaces(self._config.state / CACHE, self._unknown).of(self._config.entry(campaign))
        rng, found = random.Random(request.round), list[Suggestion]()
        while len(found) < request.n:
            process = {factor.name: rng.choice(factor.levels) for factor in facts.factors}
            crystal, formula = rng.choice(list(facts.crystals.items()))
            design = Design(crystal, process)
            if design not in set(request.made_before) and not facts.admits(design):
                record = ev.DesignRecord(crystal=crystal, formula=formula, process=dict(process))
                found.append(Suggestion(record, "random"))
        return PlanAnswer(found, {"random": len(found)})

    async def preview(self, campaign: str, request: PreviewRequest) -> PreviewAnswer:
        """Expects what a temperature and a time alone would make of it: another value for each of them."""
        del campaign
        return PreviewAnswer(tuple(Outlook(forecast=_expected(d), model_version="by-heat-1") for d in request.designs))

    async def read_image(
        self, experiment: str, attempt: int, image: ev.ArtefactRecord, pixel_size: float, store: Path
    ) -> ev.ImageRead:
        """There is none in this recipe."""
        raise AssertionError

    @staticmethod
    async def _unknown(_wanted: Mapping[str, Any]) -> SpaceFacts:
        raise AssertionError


def _expected(design: Design) -> ev.ForecastRecord:
    median = float(design.process["temperature"]) / 100.0 + float(design.process["hold"])
    return ev.ForecastRecord(
        median=median, low=median - 2.0, high=median + 3.0, porosity=0.05, grain_size=2.0, feasibility=0.9
    )


def be_the_daemon(order: Mapping[str, Any]) -> int:
    """Run as a service manager would have it; returns the exit status."""
    path, place = Path(order["file"]), Path(order["place"])
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(place / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    os.environ["LABWRIGHT_BROKER_PASSWORD"] = order["password"]

    def say(words: str) -> None:
        print(json.dumps(words), flush=True)

    try:
        config = load_lab(path)
        launch = Launch(config, order["mode"], path=path, terminal=False, up=say, minds=Minds(config))
        return asyncio.run(run_lab(launch))
    except LabwrightError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return 2 if isinstance(error, UserError) else 1
    except BaseException:  # noqa: BLE001 - whatever it is, the test must be told
        traceback.print_exc()
        return 70


def watch_over(order: Mapping[str, Any]) -> None:
    """Fork the daemon, and write down its id and its end."""
    parent, place = os.getpid(), Path(order["place"])
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if pid == 0:
        die_with_parent(parent)
        os._exit(be_the_daemon(order))
    note(place / "pid", pid)
    note(place / "status", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def note(path: Path, number: int) -> None:
    """Write a number down, whole or not at all."""
    spare = path.with_suffix(".new")
    spare.write_text(str(number))
    spare.replace(path)


def main() -> None:
    """Fork a daemon for each line of standard input; they die with this process."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    parent = os.getpid()
    for line in sys.stdin:
        if os.fork() == 0:
            die_with_parent(parent)
            watch_over(json.loads(line))
            os._exit(0)


if __name__ == "__main__":
    main()
