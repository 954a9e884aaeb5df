"""A campaign whose microscopist makes mistakes: what is refused is imaged again, and what stays bad is no datum."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from agent import core, gallery
from agent import events as ev
from agent.config import load_config
from agent.events.base import CAMPAIGN
from agent.history import observations
from agent.record import ARTEFACTS, read_record
from agent.show import show_campaign, show_experiment
from agent.simulate import run_campaign
from agent.store import ArtefactStore
from agent.wiring import build_problem
from simulators.devices import microscope
from simulators.lab import VirtualLab
from simulators.optics.operator import OperatorFault
from surrogates.observations import Made

MISTAKES = (
    (OperatorFault.OUT_OF_FOCUS, OperatorFault.SATURATED, OperatorFault.WRONG_MAGNIFICATION, None),
    (OperatorFault.EMPTY_STAGE, OperatorFault.OUT_OF_FOCUS, OperatorFault.EMPTY_STAGE, OperatorFault.SATURATED),
)
"""Of the first samples that come under the beam, image by image."""


class Watch:
    """Keeps what happened, and the state at the end."""

    def __init__(self) -> None:
        self.read: list[ev.ImageRead] = []
        self.ordered: list[tuple[str, int, float]] = []
        self.ends: dict[str, ev.ExperimentEnded] = {}
        self.state = core.LabState()

    def __call__(self, event: ev.Event, state: core.LabState, *, replayed: bool) -> None:
        self.state = state
        if isinstance(event, ev.ImageRead):
            self.read.append(event)
        elif isinstance(event, ev.ExperimentEnded):
            self.ends[event.experiment] = event
        elif isinstance(event, ev.StepDispatched) and event.step == "image":
            pixel = event.parameters["pixel_size"]
            assert isinstance(pixel, dict)
            self.ordered.append((event.experiment, event.attempt, float(str(pixel["value"]))))

    def images(self, experiment: str) -> list[ev.ImageRead]:
        return [one for one in self.read if one.experiment == experiment]


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Watch]:
    directory, watch, seen = tmp_path_factory.mktemp("campaign"), Watch(), Counter[str]()
    frame, samples = microscope._frame, list[str]()

    def mistaken(made: Any, pixel: float, settings: Any, shape: Any, surface: Any, _fault: object, rng: Any) -> Any:
        if made.id not in samples:
            samples.append(made.id)
        of = samples.index(made.id)
        fault = MISTAKES[of][seen[made.id]] if of < len(MISTAKES) else None
        seen[made.id] += 1
        return frame(made, pixel, settings, shape, surface, fault, rng)

    problem = build_problem(load_config(None, experiments=3, initial=3, strategy="random", seed=1))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(microscope, "_frame", mistaken)
        patched.setitem(VirtualLab.__init__.__kwdefaults__ or {}, "image_shape", (384, 512))
        run_campaign(problem, directory, strategy="random", broker="none", observer=watch)
    return directory, watch


def test_every_mistake_leads_to_another_image_and_the_good_one_counts(campaign: tuple[Path, Watch]) -> None:
    _, watch = campaign
    images = watch.images("E001")
    assert [(one.attempt, one.accepted) for one in images] == [(0, False), (1, False), (2, False), (3, True)]
    for image, said in zip(images, ("focus", "saturated", "were ordered"), strict=False):
        assert said in image.reason
    assert watch.ends["E001"].outcome == "completed"
    assert watch.state.experiments["E001"].reading == images[-1]


def test_only_advice_on_the_magnification_changes_it(campaign: tuple[Path, Watch]) -> None:
    """The third picture is of far more than was ordered: its file says so, and the order is given again."""
    _, watch = campaign
    ordered = [pixel for experiment, _, pixel in watch.ordered if experiment == "E001"]
    assert len(set(ordered)) == 1
    far = watch.images("E001")[2]
    assert far.pixel_size > 5.0 * ordered[0]
    assert far.next_pixel_size == pytest.approx(ordered[0])


def test_after_four_bad_images_the_measurement_is_invalid_and_no_datum(campaign: tuple[Path, Watch]) -> None:
    _, watch = campaign
    end = watch.ends["E003"]
    assert [one.accepted for one in watch.images("E003")] == [False] * 4
    assert (end.outcome, end.found) == ("invalid_measurement", {})
    assert end.reason.startswith("all 4 images were refused: empty")
    for said in ("(2 times)", "focus", "saturated"):
        assert said in end.reason
    learnt = observations(watch.state, CAMPAIGN)
    assert [name for name, seen in learnt.items() if isinstance(seen, Made)] == ["E001"]


def test_people_read_the_reasons(campaign: tuple[Path, Watch], capsys: pytest.CaptureFixture[str]) -> None:
    directory, watch = campaign
    record = read_record(directory)
    told = gallery.refused(record.experiments.values(), ArtefactStore(directory / ARTEFACTS))
    refused = {one.reason for one in watch.read if not one.accepted}
    assert told
    assert {card.reason for card in told} <= refused
    show_experiment(directory, "E003", as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert [image["reason"] for image in found["images"]] == [one.reason for one in watch.images("E003")]
    show_campaign(directory, as_json=True)
    rows = {row["experiment"]: row for row in json.loads(capsys.readouterr().out)["experiments"]}
    assert rows["E001"]["grain_size"] is not None
    assert (rows["E003"]["grain_size"], rows["E003"]["porosity"]) == (None, None)  # what was seen is not told as data
