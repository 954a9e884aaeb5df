"""What the pages of experiments show: the table, the recipe, the result, the images."""

from __future__ import annotations

from datetime import timedelta

import pytest
from dashboard_experiments import FURNACE_JOB
from dashboard_samples import (
    NOW,
    sample_experiment,
    sample_images,
    sample_picture,
    sample_proposal,
    sample_space,
    sample_status,
)

from agent.dashboard.live.picture import CampaignPicture, LabPicture
from agent.dashboard.pages import experiment_markup as markup
from agent.dashboard.views.experiment import experiment_view
from agent.dashboard.views.experiment_list import PAGE, deviation, table_of
from agent.dashboard.views.experiment_result import bar_of, changes_of, images_of, measured_of
from agent.dashboard.views.experiment_steps import channels_of, current, steps_of
from agent.words import NO_BREAK
from instruments.messages import Quantity
from instruments.profile.agent_messages import Estimate
from instruments.profile.experiment_messages import Correction, ExperimentState, StepState
from instruments.profile.questions import Entry


def _gpa(value: float, std: float = 0.5) -> dict[str, Quantity]:
    return {"hardness": Quantity(value=value, unit="GPa", std=std)}


def _sintering(begun_minutes: float = 60.0) -> ExperimentState:
    """An experiment in the furnace, whose job the instruments of the samples know."""
    one = sample_experiment(11, "running", images=())
    sinter = StepState(
        step="sinter", state="accepted", command="sinter", instrument="furnace-1", job=FURNACE_JOB.format(11),
        begun_at=NOW - timedelta(minutes=begun_minutes),
    )  # fmt: skip
    return one.model_copy(update={"steps": (sinter, StepState(step="indent", state="waiting"))})


def test_a_table_is_paged_and_the_last_page_is_shown_where_fewer_are_left() -> None:
    picture = sample_picture(n_experiments=2 * PAGE + 3)
    assert [len(table_of(picture, page=n).rows) for n in (0, 1, 2)] == [PAGE, PAGE, 3]
    assert table_of(picture, page=9).page == 2
    every = [row.id for n in range(3) for row in table_of(picture, page=n).rows]
    assert sorted(every) == sorted(picture.experiments)


def test_a_table_is_filtered_and_searched_by_every_word() -> None:
    picture = sample_picture()
    assert {row.stands for row in table_of(picture, chosen="infeasible").rows} == {"cannot be made"}
    assert {row.stands for row in table_of(picture, chosen="open").rows} == {"running", "queued"}
    one = picture.experiments["hard-E004"]
    found = table_of(picture, search=f"HARD-E004 {one.pool}")
    assert [row.id for row in found.rows] == ["hard-E004"]
    assert table_of(picture, search="hard-E004 unobtainium").rows == ()


def test_the_best_come_first_and_those_without_a_value_last() -> None:
    rows = table_of(sample_picture(), sorting="best").rows
    values = [float(row.measured.split()[0]) for row in rows if row.measured and not row.struck]
    assert values == sorted(values, reverse=True)
    assert all(row.measured and not row.struck for row in rows[: len(values)])


def test_each_campaign_has_its_own_best() -> None:
    picture = sample_picture(n_experiments=0)
    picture.campaigns["soft"] = CampaignPicture(None, sample_space("soft"), None)
    for i, campaign, value in ((1, "soft", 40.0), (2, "hard", 20.0), (3, "soft", 10.0), (4, "hard", 30.0)):
        one = sample_experiment(i, campaign=campaign, found=_gpa(value))
        picture.experiments[one.experiment] = one
    rows = table_of(picture, sorting="best").rows
    assert [row.id for row in rows] == ["hard-E004", "hard-E002", "hard-E001", "hard-E003"]


def test_a_deviation_is_in_combined_standard_deviations() -> None:
    expected = {"hardness": Estimate(value=20, unit="GPa", std=3)}
    # 5 off, with 3 and 4 in quadrature: one.
    assert deviation(sample_experiment(1, found=_gpa(25, 4), prediction=expected), "hardness") == pytest.approx(1.0)
    assert deviation(sample_experiment(1, found={}, prediction=expected), "hardness") is None


def test_a_value_taken_back_is_struck_out_in_the_table() -> None:
    row = next(row for row in table_of(sample_picture()).rows if row.id == "hard-E003")
    assert (row.stands, row.struck) == ("taken back", True)
    assert "GPa" in row.measured


def test_a_step_at_work_tells_what_the_instrument_says_of_its_job() -> None:
    picture = sample_picture()
    step, waiting = steps_of(picture, _sintering(), NOW)
    assert (step.look, step.state, step.progress) == ("now", "at work", 0.42)
    assert step.ends == f"15:00 (in 3{NO_BREAK}h)"
    assert step.times == f"since 11:00, 2{NO_BREAK}h 12{NO_BREAK}min so far"
    assert (waiting.look, waiting.state) == ("waiting", "waits")


@pytest.mark.parametrize("gone", ["silent", "offline"])
def test_of_an_instrument_that_has_gone_no_progress_is_told(gone: str) -> None:
    picture = sample_picture()
    furnace = picture.instruments["furnace-1"]
    if gone == "offline":
        furnace.status = sample_status("offline")
    heard_now_s = (furnace.heard_s or 0.0) + (31.0 if gone == "silent" else 1.0)
    step, _ = steps_of(picture, _sintering(), NOW, heard_now_s)
    assert (step.look, step.progress, step.ends) == ("now", None, "")


def test_why_an_experiment_is_held_stands_at_the_step_that_waits() -> None:
    one = sample_experiment(1, "queued", reason="furnace-1 is out of service")
    steps = steps_of(LabPicture(), one, NOW)
    assert [step.error for step in steps] == ["furnace-1 is out of service", "", "", ""]


def test_failures_and_further_tries_are_told() -> None:
    failed = StepState(step="image", state="failed", attempt=1, tries=2, command="acquire", error="the vacuum leaks")
    one = sample_experiment(1).model_copy(update={"steps": (failed,)})
    (step,) = steps_of(LabPicture(), one, NOW)
    assert (step.look, step.error) == ("failed", "the vacuum leaks")
    assert "image 2" in step.notes
    assert "3 times" in step.notes


def test_only_readings_within_the_steps_time_are_an_experiments() -> None:
    picture = sample_picture()
    channels = channels_of(picture, _sintering(begun_minutes=30.5))
    assert [(one.name, one.unit, len(one.readings)) for one in channels] == [
        ("temperature", "Cel", 30),
        ("density", "1", 30),
    ]
    long_ago = sample_experiment(1)
    assert channels_of(picture, long_ago) == ()
    assert current(long_ago) is None


def test_nothing_is_shown_of_a_step_whose_end_nobody_knows() -> None:
    # What the furnace told since may be of another sample.
    assert channels_of(sample_picture(), sample_experiment(11, "needs_reconcile")) == ()


def test_a_result_is_held_against_its_prediction() -> None:
    expected = {"hardness": Estimate(value=20, unit="GPa", std=1, low=18, high=23)}
    (inside,) = measured_of(sample_experiment(1, found=_gpa(22), prediction=expected))
    assert (inside.inside, inside.interval) == (True, f"18.0 to 23.0{NO_BREAK}GPa")
    assert inside.low < (inside.mark or 0.0) < inside.high
    (outside,) = measured_of(sample_experiment(1, found=_gpa(25), prediction=expected))
    assert outside.inside is False
    assert outside.high < (outside.mark or 0.0) < 1.0
    (neither,) = measured_of(sample_experiment(1, "running", found={}, prediction=expected))
    assert (neither.value, neither.inside, neither.mark) == ("", None, None)


def test_a_result_beyond_its_interval_may_be_no_more_than_its_own_uncertainty() -> None:
    expected = {"hardness": Estimate(value=20, unit="GPa", std=0.5)}
    (near,) = measured_of(sample_experiment(1, found=_gpa(21, 0.6), prediction=expected))
    assert (near.inside, near.verdict) == (True, "inside the 90% interval, its own uncertainty counted, 1.3 σ off")
    (far,) = measured_of(sample_experiment(1, found=_gpa(22, 0.6), prediction=expected))
    assert (far.inside, far.verdict) == (False, "outside the 90% interval, 2.6 σ off")


def test_corrections_tell_before_and_after_of_each_step() -> None:
    said = [
        Correction(kind="amended", by="ben", at=NOW - timedelta(hours=2), reason="load cell", before=_gpa(40)),
        Correction(kind="amended", by="clara", at=NOW - timedelta(hours=1), reason="again", before=_gpa(30)),
    ]
    newest, oldest = changes_of(sample_experiment(1, found=_gpa(25), corrections=tuple(said)))
    unit = f"{NO_BREAK}GPa"
    assert newest.values == (("Hardness", f"30.0 ± 0.5{unit}", f"25.0 ± 0.5{unit}"),)
    assert oldest.values == (("Hardness", f"40.0 ± 0.5{unit}", f"30.0 ± 0.5{unit}"),)
    assert oldest.by == "ben"


def test_a_retraction_leaves_nothing_in_its_place() -> None:
    one = sample_experiment(1, retracted=True)
    (change,) = changes_of(one)
    assert [after for _, _, after in change.values] == [""]
    hardness = next(part for part in measured_of(one) if part.name == "hardness")
    assert hardness.value == ""
    assert "GPa" in hardness.struck


def test_a_refused_image_says_why_and_what_to_do() -> None:
    newest, first = images_of(sample_experiment(1, images=sample_images(1)))
    assert (newest.number, newest.state) == (2, "counts")
    assert newest.pixel_um == pytest.approx(0.08)
    assert (first.state, first.tone) == ("refused", "warn")
    assert "use 0.08 µm" in first.reason


def test_an_image_tells_its_class_and_what_was_measured_in_it_known_things_first() -> None:
    facts = dict(images_of(sample_experiment(1, images=sample_images(1)))[0].facts)
    assert facts["Class"] == f"two-phase, 93{NO_BREAK}% sure"
    assert facts["Second phase"] == f"(8.3 ± 0.6){NO_BREAK}%"
    assert facts["Boundary length per area"] == f"1.20 ± 0.05{NO_BREAK}1/µm"
    names = list(facts)
    assert names.index("ASTM grain size number") < names.index("Second phase") < names.index("Own index")


def test_grains_that_were_counted_without_a_diameter_are_accounted_for() -> None:
    image = sample_images(1)[-1]
    assert image.diameters is not None
    sized = sum(image.diameters.counts)
    for n, said in ((sized, f"{sized}"), (sized + 17, f"{sized + 17}, {sized} with a diameter")):
        one = sample_experiment(1, images=(image.model_copy(update={"n_grains": n}),))
        assert dict(images_of(one)[0].facts)["Grains counted"] == said


def test_a_scale_bar_is_round_and_at_most_a_quarter_wide() -> None:
    # 0.08 um a pixel, 1024 pixels: 81.92 um wide, a quarter is 20.48.
    share, text = bar_of(0.08, 1024)
    assert text == "20 µm"
    assert share == pytest.approx(20 / 81.92)
    share, text = bar_of(0.001, 1024)
    assert text == "200 nm"
    assert share == pytest.approx(0.2 / 1.024)


def test_provenance_leads_to_people_orders_files_and_the_record() -> None:
    picture = sample_picture()
    view = experiment_view(picture, "hard-E001", NOW)
    assert view is not None
    found = {origin.label: origin for origin in view.provenance}
    assert found["Proposal"].page == "/proposals/hard-P001"
    assert found["Approved by"].value == "anna"
    assert found["Models"].value == sample_proposal(1).model_version
    assert found["Order: sinter"].value.startswith(FURNACE_JOB.format(1))
    assert len(found["Image 2, SHA-256"].value) == 64
    assert len(found["Record entry, SHA-256"].value) == 64
    assert experiment_view(sample_picture(), "hard-E999", NOW) is None


def test_provenance_leads_to_no_page_that_is_not_there() -> None:
    picture = sample_picture()
    del picture.proposals["hard-P001"]
    picture.outcomes.pop("hard-P001", None)
    view = experiment_view(picture, "hard-E001", NOW)
    assert view is not None
    found = {origin.label: origin for origin in view.provenance}
    assert found["Proposal"].page == ""
    assert found["Campaign"].page == "/campaigns/hard"


def test_who_it_was_is_told_once_in_the_record() -> None:
    one = Entry(seq=1, at=NOW, kind="proposal.decided", text="", by="anna", hash="5b" * 32, signed=True)
    told, untold = (
        markup.entries([one.model_copy(update={"text": text})])
        for text in ("hard-P001 approved by anna", "hard-P001 approved")
    )
    assert "approved by anna <span class='lw-meta'>signed</span>" in told
    assert "approved <span class='lw-meta'>by anna, signed</span>" in untold
