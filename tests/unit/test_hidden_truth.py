"""The truth stays hidden: what decides holds no way to it, no message tells it, no worker of a daemon loads it.

The import contracts say the same of the code (``tests/test_architecture.py``); here it is asked of running campaigns.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import json
import re
import sys
import types
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest
import tifffile
from typing_extensions import override

from agent import core, simulate
from agent import events as ev
from agent.config import CampaignConfig
from agent.desk import Desk
from agent.inline import InlineMinds
from agent.planner import Planner
from agent.runner import Runner
from agent.wiring import Problem, build_problem
from instruments.client import InstrumentClient
from instruments.device import Device
from instruments.local import LocalBus
from simulators.body import Body
from simulators.devices.bench import Bench
from simulators.lab import VirtualLab
from simulators.samples import Sample, SampleStore
from simulators.truth import Constants, LabTruth
from surrogates.datasets import elastic

HIDDEN = (LabTruth, Constants, Sample, Body, SampleStore, Bench, VirtualLab, Device)
DECIDES = (Planner, InlineMinds, Desk, Runner, InstrumentClient)
OURS = ("agent", "surrogates", "envs", "instruments")
# Messages pass the bus and objects do not. The loop, its tasks and their frames hold whatever runs at this moment: the
# instruments, too, and this test.
WALLS = (LocalBus, asyncio.AbstractEventLoop, asyncio.Future, asyncio.Handle, types.FrameType, types.CoroutineType,
         types.GeneratorType, types.AsyncGeneratorType)  # fmt: skip
CONFIG = CampaignConfig.model_validate({"campaign": {"name": "hidden", "experiments": 3, "initial": 2, "batch": 1}})


def reachable(*roots: object) -> Iterator[object]:
    """Everything that objects refer to, however indirectly; through modules of ours, not through those of others."""
    others = [m for name, m in list(sys.modules.items()) if name.split(".")[0] not in OURS]
    foreign = {id(getattr(m, "__dict__", None)) for m in others}
    seen: dict[int, object] = {}
    waiting = list(roots)
    while waiting:
        found = waiting.pop()
        if id(found) in seen or id(found) in foreign or isinstance(found, WALLS):
            continue
        seen[id(found)] = found
        if isinstance(found, types.ModuleType) and found.__name__.split(".")[0] not in OURS:
            continue
        yield found
        waiting += gc.get_referents(found)


class Spy:
    """Has something looked at in the middle of a campaign: once its second experiment has ended."""

    def __init__(self, look: Callable[[], None]) -> None:
        self._look = look
        self._ended = 0

    def __call__(self, event: ev.Event, state: core.LabState, *, replayed: bool) -> None:
        if isinstance(event, ev.ExperimentEnded):
            self._ended += 1
            if self._ended == 2:
                self._look()


class Observed(Runner):
    """The runner of the campaign that runs."""

    one: Runner

    @override
    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        Observed.one = self


@pytest.fixture(scope="module")
def problem() -> Problem:
    return build_problem(CONFIG)


class Campaign:
    """A campaign that was run, with what was seen on the way."""

    def __init__(self, problem: Problem, directory: Path) -> None:
        self.directory = directory
        self.met: list[object] = []
        self.kinds: set[type] = set()
        self.payloads: list[tuple[str, bytes]] = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(simulate, "Runner", Observed)
            patch.setitem(VirtualLab.__init__.__kwdefaults__ or {}, "image_shape", (128, 128))
            patch.setattr(LocalBus, "route", self._routed(LocalBus.route))
            simulate.run_campaign(problem, directory, strategy="random", broker="none", observer=Spy(self._look))

    def _look(self) -> None:
        for found in reachable(Observed.one):
            self.kinds.add(type(found))
            if isinstance(found, HIDDEN):
                self.met.append(found)

    def _routed(self, route: Callable[..., None]) -> Callable[..., None]:
        def record(bus: LocalBus, topic: str, payload: bytes, **more: Any) -> None:
            self.payloads.append((topic, payload))
            route(bus, topic, payload, **more)

        return record


@pytest.fixture(scope="module")
def campaign(problem: Problem, tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    return Campaign(problem, tmp_path_factory.mktemp("hidden"))


def test_nothing_that_decides_holds_a_way_to_the_truth(campaign: Campaign) -> None:
    assert campaign.kinds.issuperset({Planner, InlineMinds, Desk, InstrumentClient}), "the walk went nowhere"
    assert campaign.met == []


def test_the_walk_would_find_a_way(problem: Problem) -> None:
    """A closure, a bound method, a dictionary, an attribute: each way by which it could be handed over by mistake."""
    truth = LabTruth(0, problem.library, elastic.load())

    class Holder:
        pass

    holder = Holder()
    vars(holder)["kept"] = {"by": [truth]}
    for way in (lambda: truth, truth.true_hardness, {"a": (1, [truth])}, holder, [asyncio.Lock(), truth]):
        assert any(found is truth for found in reachable(way))


def numbers(value: object) -> Iterator[float]:
    """Every number in a message, also those that stand in words."""
    if isinstance(value, bool) or value is None:
        return
    if isinstance(value, int | float):
        yield float(value)
    elif isinstance(value, str):
        yield from (float(text) for text in re.findall(r"(?<![\w.-])-?\d+\.\d+(?:e[+-]?\d+)?", value))
    elif isinstance(value, dict):
        for one in value.values():
            yield from numbers(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from numbers(one)


def secrets(problem: Problem, directory: Path) -> dict[str, float]:
    """The drawn constants and what was in every body; only values that are no round numbers can be recognised."""
    truth = LabTruth(problem.config.campaign.seed, problem.library, elastic.load())
    found = dict(_floats("constant", truth.constants))
    for path in sorted((directory / "laboratory" / "samples").glob("*.json")):
        sample = Sample.from_json(path.read_bytes())
        found |= {f"{sample.id} {name}": value for name, value in asdict(sample.body).items()}
        found[f"{sample.id} porosity"] = 1.0 - sample.body.density
        found[f"{sample.id} true hardness"] = truth.true_hardness(sample.design)
        found[f"{sample.id} intrinsic hardness"] = truth.intrinsic_hardness(sample.design.crystal)
        found[f"{sample.id} melting point"] = truth.melting(sample.design.crystal)
    return {name: value for name, value in found.items() if abs(float(f"{value:.4g}") - value) > 1e-6 * abs(value)}


def _floats(name: str, value: object) -> Iterator[tuple[str, float]]:
    if is_dataclass(value):
        for one in fields(value):
            yield from _floats(f"{name} {one.name}", getattr(value, one.name))
    elif isinstance(value, float):
        yield name, value


def told(values: Iterable[float], hidden: dict[str, float]) -> set[str]:
    """The names of hidden values that are among those that were said, to six digits, also in per cent."""
    said = {f"{v:.5e}" for v in values}
    return {name for name, value in hidden.items() if {f"{value:.5e}", f"{100.0 * value:.5e}"} & said}


def test_no_message_of_a_campaign_tells_a_hidden_number(campaign: Campaign, problem: Problem) -> None:
    hidden = secrets(problem, campaign.directory)
    assert len(hidden) > 20
    said = [number for _, payload in campaign.payloads for number in numbers(json.loads(payload) if payload else None)]
    assert len(said) > 200
    assert told(said, hidden) == set()
    assert told([*said, next(iter(hidden.values()))], hidden), "it would not be noticed"


def test_no_image_tells_a_hidden_number_beside_its_picture(campaign: Campaign, problem: Problem) -> None:
    hidden = secrets(problem, campaign.directory)
    images = sorted((campaign.directory / "laboratory" / "images").glob("*.tiff"))
    assert images
    for path in images:
        with tifffile.TiffFile(path) as file:
            texts = [str(tag.value) for page in file.pages for tag in page.tags.values() if tag.name != "StripOffsets"]
        assert told(numbers(texts), hidden) == set()


def test_the_record_of_a_campaign_tells_no_hidden_number(campaign: Campaign, problem: Problem) -> None:
    from agent.journal import Journal

    hidden = secrets(problem, campaign.directory)
    with Journal(campaign.directory, write=False) as journal:
        said = [number for stored in journal.read() for number in numbers(stored.event.model_dump(mode="json"))]
    assert len(said) > 100
    assert told(said, hidden) == set()


def test_no_file_beside_the_record_shows_a_body(campaign: Campaign, problem: Problem) -> None:
    """The laboratory remembers its bodies in its own directory: who looks there, or greps, does not see them."""
    hidden = secrets(problem, campaign.directory)
    files = [path for path in (campaign.directory / "laboratory").rglob("*") if path.is_file()]
    texts = {path: path.read_bytes().decode("latin-1") for path in files if path.suffix != ".tiff"}
    assert any(path.parent.name == "samples" for path in texts)
    for path, text in texts.items():
        assert told(numbers(text), hidden) == set(), path


@contextmanager
def as_in_a_new_process() -> Iterator[None]:
    """None of our modules is loaded; those of others are, which take seconds."""
    known = {name: module for name, module in sys.modules.items() if _ours(name)}
    for name in known:
        del sys.modules[name]
    try:
        yield
    finally:
        for name in [name for name in sys.modules if _ours(name)]:
            del sys.modules[name]
        sys.modules.update(known)


def _ours(name: str) -> bool:
    return name.split(".", maxsplit=1)[0] in {*OURS, "simulators"}


def test_a_worker_of_the_daemon_never_loads_a_simulator() -> None:
    """It states spaces and plans in a process of its own; only the virtual laboratory's has the simulators."""
    settings = CONFIG.campaign.model_copy(update={"strategy": "random"})
    config = CONFIG.model_copy(update={"campaign": settings}).model_dump(mode="json")
    with as_in_a_new_process():
        worker = importlib.import_module("agent.daemon.worker_side")
        minds = importlib.import_module("agent.minds")
        facts = worker.facts(config)
        answer = worker.plan("c", config, minds.PlanRequest(0, 2, {}))
        loaded = set(sys.modules)
    assert facts.n_feasible > 0
    assert len(answer.suggestions) == 2
    assert "agent.planner" in loaded, "nothing was loaded anew"
    assert [name for name in loaded if name.split(".")[0] == "simulators" or name == "agent.reveal"] == []
