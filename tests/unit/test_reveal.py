"""``--reveal``: the truth beside what was measured, when it was asked for, after the end, and nothing made for it."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import recorded_campaign
from rich.console import Console

from agent import offline, plots
from agent.record import COMPARISON, read_record
from agent.report import write_report
from agent.reveal import reveal_campaign, true_hardness
from agent.revelation import Revelation, tables
from agent.simulate import CampaignResult, ended_campaign
from agent.wiring import Problem, build_problem
from envs.crystals import CrystalLibrary
from envs.design import Design
from envs.errors import UserError
from envs.space import DesignSpace, Factor
from simulators import optimum
from simulators.body import Body
from simulators.optimum import best_design
from simulators.samples import Sample, SampleStore
from simulators.sintering import Outcome
from simulators.truth import LabTruth
from surrogates.datasets import elastic

BODY = Body(density=0.953, grain_size=1.73, open_share=0.125, abnormal=0.0625, second_phase=0.031, cracks=0.0)


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    """A shorter search, and no figures: neither is what these tests are about."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(optimum, "N_DRAWN", 200)
        patched.setattr(plots, "render", lambda *_: "<svg/>")
        yield


@pytest.fixture(scope="module")
def problem() -> Problem:
    return build_problem(recorded_campaign.CONFIG)


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five experiments; the laboratory remembers two bodies and one that melted."""
    directory = recorded_campaign.write(tmp_path_factory.mktemp("ended") / "run")
    recorded_campaign.write(directory / COMPARISON)
    shelf = SampleStore(directory / "laboratory" / "samples")
    for experiment, outcome in (("E001", Outcome.SINTERED), ("E002", Outcome.SINTERED), ("E004", Outcome.MELTED)):
        crystal, _ = recorded_campaign.CRYSTALS[experiment]
        shelf.put(Sample(experiment, Design(crystal, recorded_campaign.PROCESS), BODY, outcome))
    return directory


@pytest.fixture(scope="module")
def truth(problem: Problem, campaign: Path) -> Revelation:
    return reveal_campaign(problem, campaign, best_true=20.0, random_true=18.0)


def test_each_experiment_stands_beside_what_was_measured_of_it(truth: Revelation, campaign: Path) -> None:
    record = read_record(campaign)
    assert [e.id for e in truth.experiments] == list(record.experiments)
    first = truth.experiments[0]
    assert first.body == BODY.to_dict()
    assert first.measured["hardness"] == record.experiments["E001"].hardness
    assert first.hardness is not None
    melted = truth.experiments[3]
    assert (melted.body, melted.hardness, melted.outcome) == ({}, None, "melted")
    never_made = truth.experiments[4]
    assert (never_made.hardness, never_made.outcome) == (None, "")
    assert truth.experiments[2].predicted == (21.0, 15.0, 30.0)


def test_the_true_hardness_of_a_body_is_what_the_indenter_would_find_without_noise(
    truth: Revelation, problem: Problem
) -> None:
    lab = LabTruth(problem.config.campaign.seed, problem.library, elastic.load())
    crystal, _ = recorded_campaign.CRYSTALS["E001"]
    expected = lab.body_hardness(crystal, "Y2O3", BODY)
    assert truth.experiments[0].hardness == pytest.approx(expected)


def test_the_constants_are_those_of_this_laboratory_and_are_said_in_words(truth: Revelation, problem: Problem) -> None:
    drawn = LabTruth(problem.config.campaign.seed, problem.library, elastic.load()).constants
    assert {c.name: c.value for c in truth.constants} == vars(drawn)
    assert all(len(c.words) > 5 for c in truth.constants)
    offset = next(c for c in truth.constants if c.name == "furnace_offset")
    assert "furnace temperature" in offset.words
    assert offset.words.endswith("K")


def test_regret_is_counted_from_a_design_that_may_be_made(truth: Revelation, problem: Problem) -> None:
    best = Design.from_dict(dict(truth.best.design))
    assert problem.space.is_feasible(best)
    assert true_hardness(problem, best) == pytest.approx(truth.best.hardness)
    assert truth.regret == pytest.approx(truth.best.hardness - 20.0)
    assert truth.random_regret == pytest.approx(truth.best.hardness - 18.0)
    drawn = problem.space.sample(np.random.default_rng(5), 500)
    lab = LabTruth(problem.config.campaign.seed, problem.library, elastic.load())
    assert lab.true_hardness_many(drawn).max() <= truth.best.hardness


def test_the_search_finds_what_trying_all_designs_finds() -> None:
    library = CrystalLibrary.builtin().subset(["mp-1145", "mp-1143", "mp-988", "mp-1346"])
    factors = (
        Factor("powder_size", "um", (0.1, 0.8)),
        Factor("additive", "", ("none", "MgO", "Y2O3"), ordinal=False),
        Factor("temperature", "Cel", (1200.0, 1400.0, 1600.0, 1800.0, 2000.0)),
        Factor("hold", "h", (0.5, 2.0, 8.0)),
        Factor("heating_rate", "K/min", (2.0, 50.0)),
        Factor("pressure", "MPa", (0.0, 40.0, 80.0)),
    )
    space = DesignSpace(library, factors, (), "small")
    assert space.n_feasible > 3 * optimum.N_DRAWN
    lab = LabTruth(2, library, elastic.load())
    every = np.stack(np.unravel_index(np.arange(int(space.n_total)), space.lookahead.sizes), axis=1)
    found = best_design(lab, space)
    assert found.hardness == pytest.approx(float(lab.true_hardness_many(space.designs(every)).max()))
    assert found.n_tried < space.n_total
    assert best_design(lab, space) == found


def test_page_and_tables_show_it_only_where_it_was_asked_for(
    truth: Revelation, problem: Problem, campaign: Path
) -> None:
    result = CampaignResult(5, 26.0, 0.3, 25.7, None, "B6O", 2.0, {"completed": 3, "infeasible": 2})
    plain = write_report(campaign, problem, result, None).read_text(encoding="utf-8")
    told = write_report(campaign, problem, result, None, truth).read_text(encoding="utf-8")
    for hidden in ("The truth", "regret", "Hidden constants", "95.3", "6.25"):
        assert hidden not in plain
        assert hidden in told
    assert json.loads(json.dumps(truth.to_dict()))["experiments"][0]["body"]["open_share"] == 0.125


def test_the_tables_fit_a_narrow_terminal(truth: Revelation) -> None:
    console = Console(width=80, file=(page := io.StringIO()))
    for table in tables(truth):
        console.print(table)
    for words in ("95.3", "1.73", "12.5", "regret of random", "melted", "E005"):
        assert words in page.getvalue()


def test_before_the_end_nothing_is_revealed(problem: Problem, tmp_path: Path) -> None:
    directory = recorded_campaign.write(tmp_path / "run", until=3, done=False)
    SampleStore(directory / "laboratory" / "samples")
    assert ended_campaign(problem, directory) is None
    with pytest.raises(UserError, match="has not ended"):
        reveal_campaign(problem, directory, best_true=None)


def test_without_the_laboratorys_memory_it_says_so(problem: Problem, tmp_path: Path) -> None:
    directory = recorded_campaign.write(tmp_path / "run")
    with pytest.raises(UserError, match="laboratory/samples is not there"):
        reveal_campaign(problem, directory, best_true=None)


def test_a_finished_campaign_is_looked_at_and_nothing_is_made(
    campaign: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("a campaign that has ended was run")

    monkeypatch.setattr(offline, "run_campaign", never)
    monkeypatch.setattr(offline, "compare_with_random", never)
    before = (campaign / "journal.sqlite").read_bytes()
    request = offline.Request(
        experiments=None, batch=None, seed=None, strategy=None, out=None, resume=campaign, config=None, broker="none",
        compare=None, as_json=True, reveal=True,
    )  # fmt: skip
    offline.simulate(request)
    line = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert line["truth"]["best"]["hardness"] > 0
    assert line["random_true"] == line["best_true"]
    assert (campaign / "journal.sqlite").read_bytes() == before
