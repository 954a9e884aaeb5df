"""``labwright show DIR --structure-property``: what a campaign's record says of structure and property."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import recorded_campaign
from markupsafe import Markup
from typer.testing import CliRunner

from agent import events as ev
from agent.cli import app
from agent.journal import Journal
from agent.structure_property.command import show_relations
from agent.structure_property.finding import Found, find
from agent.structure_property.page import section
from envs import laws
from envs.crystals import CrystalLibrary
from envs.errors import UserError
from simulators.truth import LabTruth
from surrogates.datasets import elastic

START = datetime(2026, 1, 1, tzinfo=UTC)
PICTURE = ev.ArtefactRecord(sha256="0" * 64, media_type="image/tiff", bytes=1)
Body = tuple[float, float]
"""Porosity and grain size in um."""


def write(
    directory: Path, values: Mapping[Body, Mapping[str, float]], *, accepted: bool = True,
    more: tuple[ev.Event, ...] = (),
) -> Path:  # fmt: skip
    """A record of experiments on one material, by porosity and grain size; readings err by their uncertainties."""
    rng = np.random.default_rng(1)
    with Journal(directory, write=True) as journal:
        journal.append([recorded_campaign.created(), ev.RoundPlanned(round=0, candidates={"start": 1})], START)
        for n, ((porosity, grains), found) in enumerate(values.items()):
            bodies = porosity + 0.005 * rng.normal(), grains * np.exp(0.05 * rng.normal())
            journal.append(_experiment(n, bodies, found, accepted=accepted), START)
        journal.append(list(more), START)
    return directory


def _experiment(n: int, body: Body, found: Mapping[str, float], *, accepted: bool) -> list[ev.Event]:
    experiment, proposal = f"E{n + 1:03d}", f"P{n + 1:03d}"
    design = ev.DesignRecord(crystal="mp-1145", formula="TiB2", process=recorded_campaign.PROCESS)
    readings = {name: (value, 0.02 * value) for name, value in found.items()}
    values: dict[str, dict[str, object] | str] = {k: {"value": v, "unit": "GPa"} for k, v in found.items()}
    sent = ev.StepDispatched(experiment=experiment, step="test", attempt=0, job=f"job-{n}", instrument="bench-1",
                             command="test", parameters={})  # fmt: skip
    return [
        ev.ProposalMade(proposal=proposal, round=0, design=design, pool="start", acquisition=None, forecast=None,
                        nearest=""),
        ev.ExperimentQueued(experiment=experiment, proposal=proposal),
        ev.ImageRead(
            experiment=experiment, attempt=0, image=PICTURE, accepted=accepted, reason="" if accepted else "empty",
            pixel_size=0.05, next_pixel_size=None, grain_size=(body[1], 0.05 * body[1]), porosity=(body[0], 0.005),
            n_grains=200, overlay=None, descriptors={"intercept": ev.DescriptorRecord(value=body[1] / 1.18,
            std=0.04 * body[1], unit="um")},
        ),
        sent,
        ev.StepEnded(experiment=experiment, step="test", attempt=0, job=sent.job, state="succeeded", values=values,
                     artefacts={}, found=readings),
        ev.ExperimentEnded(experiment=experiment, outcome="completed", reason="", found=readings),
    ]  # fmt: skip


def bodies(n: int) -> list[Body]:
    rng = np.random.default_rng(6)
    grains = np.exp(rng.uniform(np.log(0.3), np.log(10.0), n))
    return [(float(p), float(d)) for p, d in zip(rng.permutation(np.linspace(0.01, 0.3, n)), grains, strict=True)]


def hardnesses(n: int) -> dict[Body, dict[str, float]]:
    return {(p, d): {"hardness": float(laws.polycrystal_hardness(20.0, p, d, hall_petch=3.0))} for p, d in bodies(n)}


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("hard"), hardnesses(16))


def answer(directory: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    show_relations(directory, as_json=True)
    (line,) = capsys.readouterr().out.splitlines()
    (relation,) = json.loads(line)["relations"]
    assert isinstance(relation, dict)
    return relation


def test_json_tells_the_law_its_constants_and_every_residual(
    campaign: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = json.loads(json.dumps(answer(campaign, capsys)))
    assert (found["property"], found["unit"], found["fitted"], found["n"]) == ("hardness", "GPa", True, 16)
    assert "k d^(-1/2)" in found["formula"] or "k l^(-1/2)" in found["formula"]
    assert "Petch" in found["citation"]
    b, k = found["parameters"]["b"], found["parameters"]["k"]
    assert abs(b["value"] - 5.0) < 3.0 * b["std"] < 1.5
    assert b["low"] < b["value"] < b["high"]
    assert k["unit"] == "GPa um^0.5"
    assert [r["experiment"] for r in found["residuals"]] == [f"E{i:03d}" for i in range(1, 17)]
    first = found["residuals"][0]
    assert first["residual"] == pytest.approx(first["measured"][0] - first["fitted"][0])
    assert found["r2"] > 0.95
    assert "H = H0 exp(-b P)" in [a["formula"] for a in found["alternatives"]]
    assert Path(found["picture"]).read_bytes().startswith(b"\x89PNG")


def test_people_read_the_law_and_where_the_picture_is(campaign: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    shown = CliRunner().invoke(app, ["show", str(campaign), "--structure-property"])
    assert shown.exit_code == 0
    for expected in ("hardness by porosity and grains: 16 experiments", "exp(−b P)", "GPa·µm½", "E016", "Other laws",
                     "structure_property.png"):  # fmt: skip
        assert expected in shown.output


def test_one_experiment_has_no_law(campaign: Path) -> None:
    shown = CliRunner().invoke(app, ["show", str(campaign), "E001", "--structure-property"])
    assert isinstance(shown.exception, UserError)
    assert "leave E001 out" in str(shown.exception)


def test_the_report_shows_its_figures(campaign: Path) -> None:
    with Journal(campaign, write=False) as journal:
        (found,) = find(journal.read())
    told = section(found, lambda _draw, _theme: Markup("data:,"))
    assert isinstance(told["figures"], dict)
    assert list(told["figures"]) == ["fitted", "residuals", "porosity", "grains"]
    assert len(told["rows"]) == 16  # type: ignore[arg-type]


def test_a_modulus_gets_its_own_laws_in_the_unit_of_the_journal(tmp_path: Path) -> None:
    values = {(p, d): {"young_modulus": float(laws.spriggs_stiffness(400.0, p))} for p, d in bodies(12)}
    with Journal(write(tmp_path, values), write=False) as journal:
        (found,) = find(journal.read())
    assert isinstance(found, Found)
    assert found.unit == "GPa"
    exponential = next(f for f in (found.best, *found.relation.alternatives) if f.form.formula == "M = M0 exp(-b P)")
    assert exponential.theta[0] == pytest.approx(4.0, abs=0.4)


def test_what_people_amended_and_retracted_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more = (
        ev.ResultAmended(experiment="E002", found={"hardness": (99.0, 1.0)}, by="ada", reason="typing error"),
        ev.ResultRetracted(experiment="E003", by="ada", reason="wrong sample"),
    )
    found = json.loads(json.dumps(answer(write(tmp_path, hardnesses(12), more=more), capsys)))
    assert found["n"] == 11
    assert found["outliers"] == ["E002"]
    assert "E003" not in [r["experiment"] for r in found["residuals"]]


def test_too_few_experiments_are_told_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = write(tmp_path, hardnesses(3))
    found = answer(directory, capsys)
    assert found["fitted"] is False
    assert "there are 3: make 1 more" in str(found["missing"])
    assert not (directory / "structure_property.png").exists()


def test_no_accepted_image_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = str(answer(write(tmp_path, hardnesses(5), accepted=False), capsys)["missing"])
    assert missing.startswith("no image was accepted: of 5 finished experiments 0 have")


def test_a_property_without_a_law_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = {body: {"colour": 1.0} for body in bodies(6)}
    assert "no published law is kept here for 'colour'" in str(answer(write(tmp_path, values), capsys)["missing"])


def test_the_virtual_laboratorys_own_constants_are_found_from_what_it_shows(tmp_path: Path) -> None:
    """The laboratory's exponent, 4.2 to 6.8, and Hall-Petch slope are hidden; readings carry their errors."""
    truth = LabTruth(3, CrystalLibrary.builtin(), elastic.load())
    values = {(p, d): {"hardness": truth.hardness("mp-1145", "none", 1.0 - p, d)} for p, d in bodies(20)}
    with Journal(write(tmp_path, values), write=False) as journal:
        (found,) = find(journal.read())
    assert isinstance(found, Found)
    b = next(c for c in found.constants if c.name == "b")
    assert abs(b.value - truth.constants.porosity_exponent) < 3.0 * b.std
    assert 4.0 < b.value < 7.0
