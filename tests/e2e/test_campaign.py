"""Small campaigns, whole: the record they leave, that they repeat, and that nothing stops them for good."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from agent import core
from agent import events as ev
from agent.config import CampaignConfig, parse_config
from agent.journal import FILE, Journal
from agent.record import ARTEFACTS
from agent.simulate import CampaignResult, run_campaign
from agent.store import ArtefactStore
from agent.wiring import Broker, Problem, build_problem
from envs.errors import MissingExtraError
from instruments.broker import choose_kind

SEED = 5


def config(experiments: int, strategy: str) -> CampaignConfig:
    """Few labels: the crystal surrogate then takes a second, and is otherwise the same."""
    return parse_config(
        {
            "campaign": {
                "experiments": experiments, "initial": 5, "batch": 2, "seed": SEED, "strategy": strategy,
                "labelled": 0.05,
            }
        }
    )  # fmt: skip


def watch(event: ev.Event, state: core.LabState, *, replayed: bool) -> None:
    """Observe nothing."""


def run(
    directory: Path, settings: CampaignConfig, *, observer: Callable[..., None] = watch, broker: Broker = "none"
) -> CampaignResult:
    problem: Problem = build_problem(settings)
    return run_campaign(problem, directory, strategy=settings.campaign.strategy, broker=broker, observer=observer)


def events(directory: Path) -> list[ev.Event]:
    with Journal(directory, write=False) as journal:
        return [s.event for s in journal.read()]


def measured(directory: Path) -> list[dict[str, object]]:
    """What was proposed, made and measured, in order, without the jobs' names, which a continued run draws anew."""
    lines: list[dict[str, object]] = []
    for event in events(directory):
        fields = event.model_dump(exclude={"job", "software"})
        fields.get("config", {}).pop("name", None)
        lines.append(fields)
    return lines


def finals(directory: Path) -> dict[str, tuple[str, ev.Reading | None]]:
    return {e.experiment: (e.outcome, e.hardness) for e in events(directory) if isinstance(e, ev.ExperimentEnded)}


RANDOM = config(6, "random")
HYBRID = config(9, "hybrid")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("undisturbed")
    run(directory, RANDOM)
    return directory


@pytest.fixture(scope="module")
def hybrid(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, CampaignResult]:
    directory = tmp_path_factory.mktemp("hybrid")
    return directory, run(directory, HYBRID)


def test_a_campaign_designs_makes_images_measures_and_learns(hybrid: tuple[Path, CampaignResult]) -> None:
    directory, result = hybrid
    happened = events(directory)
    assert result.experiments == 9 == len(finals(directory))
    rounds = [e for e in happened if isinstance(e, ev.RoundPlanned)]
    assert [r.round for r in rounds] == [0, 1, 2]
    assert {"random", "local", "library", "ppo"} <= set(rounds[-1].candidates)
    informed = [e for e in happened if isinstance(e, ev.ProposalMade) and e.round > 0]
    assert all(p.forecast is not None and p.forecast.low < p.forecast.median < p.forecast.high for p in informed)
    assert all(p.nearest in finals(directory) for p in informed)
    assert result.best is not None
    assert result.best_true == pytest.approx(result.best, rel=0.2)


def test_every_measurement_comes_with_its_image_and_reading(hybrid: tuple[Path, CampaignResult]) -> None:
    directory, _ = hybrid
    store = ArtefactStore(directory / ARTEFACTS)
    completed = {e for e, (outcome, _) in finals(directory).items() if outcome == "completed"}
    accepted = [e for e in events(directory) if isinstance(e, ev.ImageRead) and e.accepted]
    assert completed <= {e.experiment for e in accepted}
    for reading in accepted:
        assert store.get(reading.image.sha256)[:4] in {b"II*\0", b"MM\0*"}  # TIFF
        assert reading.overlay is not None
        assert store.get(reading.overlay.sha256)[:4] == b"\x89PNG"
        assert reading.grain_size is not None
        assert 0 < reading.grain_size[1] < reading.grain_size[0]


def test_the_record_stands_whole(hybrid: tuple[Path, CampaignResult]) -> None:
    directory, result = hybrid
    with Journal(directory, write=False) as journal:
        assert journal.verify() == len(journal.read())
        assert journal.read()[0].at < journal.read()[-1].at
    assert result.simulated_days > 1
    checkpoints = [e.checkpoint for e in events(directory) if isinstance(e, ev.RoundPlanned) and e.round > 0]
    assert all(ArtefactStore(directory / ARTEFACTS).get(c) for c in checkpoints)


def test_the_same_seed_gives_the_same_campaign(hybrid: tuple[Path, CampaignResult], tmp_path: Path) -> None:
    run(tmp_path, HYBRID)
    assert measured(tmp_path) == measured(hybrid[0])


def test_a_finished_campaign_stays_as_it_is(undisturbed: Path) -> None:
    before = events(undisturbed)
    result = run(undisturbed, RANDOM)
    assert events(undisturbed) == before
    assert result.experiments == 6


class Interruption:
    """Ctrl-C right after the nth event that this run adds."""

    def __init__(self, n: int) -> None:
        self.left = n

    def __call__(self, event: ev.Event, state: core.LabState, *, replayed: bool) -> None:
        if not replayed:
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt


@pytest.mark.interrupts
def test_interrupted_again_and_again_it_ends_with_the_same_measurements(undisturbed: Path, tmp_path: Path) -> None:
    # 1: created. 17: an intent just written. Then an answer, an image read, and amid the last experiments.
    for n in (1, 16, 5, 7, 6, 11):
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, RANDOM, observer=Interruption(n))
    run(tmp_path, RANDOM)
    assert finals(tmp_path) == finals(undisturbed)
    assert measured(tmp_path) == measured(undisturbed)


def test_a_learning_campaign_goes_on_as_if_nothing_had_happened(
    hybrid: tuple[Path, CampaignResult], tmp_path: Path
) -> None:
    def amid_round_one(event: ev.Event, state: core.LabState, *, replayed: bool) -> None:
        if not replayed and isinstance(event, ev.StepDispatched) and event.experiment == "E007":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, HYBRID, observer=amid_round_one)
    run(tmp_path, HYBRID)
    assert measured(tmp_path) == measured(hybrid[0])


KILLED = """
import os, signal, sys
from pathlib import Path
from agent import events as ev
from agent.config import parse_config
from agent.simulate import run_campaign
from agent.wiring import build_problem
import json

def kill(event, state, *, replayed):
    if isinstance(event, ev.StepDispatched) and (event.experiment, event.step) == ("E003", "image"):
        os.kill(os.getpid(), signal.SIGKILL)

problem = build_problem(parse_config(json.loads(sys.argv[2])))
run_campaign(problem, Path(sys.argv[1]), strategy="random", broker="none", observer=kill)
"""


def test_a_killed_process_loses_nothing(undisturbed: Path, tmp_path: Path) -> None:
    done = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, "-c", KILLED, str(tmp_path), RANDOM.model_dump_json()], env=dict(os.environ), check=False
    )
    assert done.returncode == -signal.SIGKILL
    assert (tmp_path / FILE).exists()
    assert len(finals(tmp_path)) == 2
    run(tmp_path, RANDOM)
    assert finals(tmp_path) == finals(undisturbed)
    assert measured(tmp_path) == measured(undisturbed)


def test_the_same_campaign_over_a_real_broker(undisturbed: Path, tmp_path: Path) -> None:
    try:
        choose_kind()
    except MissingExtraError as error:
        pytest.skip(str(error))
    run(tmp_path, RANDOM, broker="embedded")
    assert finals(tmp_path) == finals(undisturbed)
    assert measured(tmp_path) == measured(undisturbed)
