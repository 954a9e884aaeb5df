"""What the page of the instruments says of each: whether it is there, what it does, who waits, what may be ordered."""

from collections import deque
from datetime import timedelta

import pytest
from dashboard_samples import (
    AGENT,
    BOOT,
    NOW,
    sample_at_work,
    sample_experiment,
    sample_laboratory,
    sample_picture,
    sample_status,
)  # fmt: skip

from agent.dashboard.live.picture import InstrumentPicture, LabPicture
from agent.dashboard.views.instrument_limits import between, taken
from agent.dashboard.views.instruments import InstrumentView, instruments_view, readings_view, summary_of
from instruments import messages as said
from instruments.driving.parameters import Choice, Parameter, Text
from instruments.profile.laboratory import Maintenance

SPACE = "\N{NO-BREAK SPACE}"


def view(picture: LabPicture, iid: str = "furnace-1", heard_now_s: float = 5.0) -> InstrumentView:
    return {one.iid: one for one in instruments_view(picture, NOW, heard_now_s)}[iid]


def plain(text: str) -> str:
    return text.replace(SPACE, " ")


def test_what_it_works_on_is_told_with_its_experiment_and_its_end() -> None:
    (work,) = view(sample_at_work()).work

    assert (work.experiment, work.progress) == ("hard-E011", 0.42)
    assert plain(work.text) == "42 %, running for 2 h 12 min, until about 15:00 (in 3 h)"


@pytest.mark.parametrize("gone", ["silent", "offline"])
def test_what_a_silent_instrument_told_is_not_shown_as_the_present(gone: str) -> None:
    picture = sample_at_work()
    furnace = picture.instruments["furnace-1"]
    if gone == "offline":
        furnace.status = sample_status("offline")
    heard_now_s = (furnace.heard_s or 0.0) + (31.0 if gone == "silent" else 1.0)

    (work,) = view(picture, heard_now_s=heard_now_s).work
    readings = readings_view(furnace, NOW, 600.0, heard_now_s)

    assert (work.experiment, work.progress, work.old) == ("hard-E011", None, True)
    assert plain(work.text).startswith("42 % when it was last heard of, at ")
    assert all(one.age.startswith("read ") for one in readings if one.points)
    assert not any(one.age for one in readings_view(sample_picture().instruments["furnace-1"], NOW, 600.0))


def test_a_job_whose_end_was_lost_with_the_broker_is_over_where_its_experiment_says_so() -> None:
    furnace = view(sample_picture())  # it says that its job runs, and the experiment that it has ended

    assert furnace.work == ()
    assert [(job.experiment, job.verdict) for job in furnace.jobs].count(("hard-E011", "succeeded")) == 1
    assert len({(job.experiment, job.what) for job in furnace.jobs}) == len(furnace.jobs), "none is told twice"


def test_jobs_that_the_broker_has_lost_are_told_by_their_experiments() -> None:
    picture = sample_picture()
    picture.instruments["furnace-1"].jobs.clear()

    jobs = view(picture).jobs

    assert [job.experiment for job in jobs] == ["hard-E011", "hard-E010", "hard-E009", "hard-E008", "hard-E007"]
    assert (jobs[0].verdict, plain(jobs[0].took)) == ("succeeded", "4 h 57 min")


def test_a_job_that_nobody_heard_the_end_of_is_over_with_its_experiment() -> None:
    picture = sample_at_work()
    running = picture.experiments["hard-E011"]
    ended = running.model_copy(update={"phase": "ended", "outcome": "aborted", "ended_at": NOW})
    picture.experiments["hard-E011"] = ended

    furnace = view(picture)

    assert furnace.work == ()
    assert (furnace.jobs[0].experiment, furnace.jobs[0].verdict) == ("hard-E011", "end not heard")


def test_an_instrument_that_has_said_since_that_it_is_free_works_on_nothing() -> None:
    picture = sample_at_work()
    picture.instruments["furnace-1"].status = sample_status("online", ts=NOW + timedelta(seconds=1))

    (work,) = view(picture).work

    assert (work.progress, work.old) == (None, True)
    assert plain(work.text).startswith("End not heard: the instrument works on nothing now. 42 %")


def test_a_job_of_no_known_experiment_is_still_told() -> None:
    picture = sample_picture()
    picture.experiments.clear()

    (work,) = view(picture).work

    assert work.experiment == ""
    assert "no experiment that is known here" in work.what


def test_who_waits_for_it_is_told_with_the_reason_the_oldest_first() -> None:
    picture = sample_picture()
    for i, hours in ((21, 1), (22, 30)):
        one = sample_experiment(i, "queued", reason="furnace-1 is busy", queued_at=NOW - timedelta(hours=hours))
        picture.experiments[one.experiment] = one

    queue = view(picture).queue

    assert [one.experiment for one in queue] == ["hard-E022", "hard-E012", "hard-E021"]
    assert queue[0].reason == "furnace-1 is busy"
    assert view(picture, "indenter-1").queue == ()


def test_a_step_that_waits_is_waited_for_where_it_was_ordered_before_or_can_be() -> None:
    picture = sample_picture(n_experiments=0)
    steps = sample_experiment(3).steps
    waits = tuple(step.model_copy(update={"state": "waiting", "instrument": None, "job": None}) for step in steps[3:])
    half = sample_experiment(5, "running", steps=(*steps[:3], *waits))
    picture.experiments[half.experiment] = half

    assert [one.experiment for one in view(picture, "indenter-1").queue] == ["hard-E005"]  # it knows the command
    assert view(picture).queue == ()


def test_last_jobs_say_what_came_of_them() -> None:
    picture = sample_picture()
    job = "019e82b0-0000-7000-8000-0000000000ff"
    picture.instruments["furnace-1"].jobs[job] = said.JobState(
        job=job, boot_id=BOOT, seq=1, state="failed", ts=NOW, elapsed_s=60.0,
        error=said.JobError(code="heater", message="the heater is cold", kind="retryable"),
    )  # fmt: skip

    last, before = [one for one in view(picture).jobs if one.experiment in {"", "hard-E010"}]

    assert (last.verdict, last.tone) == ("failed", "bad")
    assert last.found == "the heater is cold (it may work when it is tried again)"
    assert (before.verdict, plain(before.found), plain(before.took)) == (
        "succeeded", "furnace time 4.95 h", "4 h 57 min"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("state", "word", "tone"),
    [("online", "Ready", "good"), ("busy", "Busy", "info"), ("error", "Error", "bad"), ("offline", "Offline", "bad")],
)
def test_a_presence_is_a_word_and_a_sign_not_a_colour_alone(state: said.Presence, word: str, tone: str) -> None:
    picture = sample_picture()
    picture.instruments["sem-1"].status = sample_status(state, message="the door is open")

    standing = view(picture, "sem-1").standing

    assert (standing.word, standing.tone, standing.text) == (word, tone, "the door is open")
    assert standing.sign


def test_what_was_not_heard_of_for_30_s_is_silent_and_not_ready() -> None:
    picture = sample_picture()

    assert view(picture, "sem-1", 30.0).standing.word == "Ready"
    silent = view(picture, "sem-1", 31.0).standing
    assert (silent.word, silent.stale) == ("Silent", True)
    assert plain(silent.text) == "Nothing heard for 31 s: it was ready."


def test_an_instrument_of_the_limits_that_was_never_heard_of_is_shown() -> None:
    picture = sample_picture()
    del picture.instruments["indenter-1"]

    missing = view(picture, "indenter-1")

    assert missing.standing.word == "Never heard of"
    assert missing.identity == ("it has not said what it is",)


def test_who_took_it_out_of_service_is_told_once() -> None:
    picture = sample_picture()
    entry = Maintenance(by="ole", reason="the diamond is being changed", since=NOW - timedelta(hours=3))
    picture.labs[AGENT] = sample_laboratory(maintenance={"indenter-1": entry})

    out = view(picture, "indenter-1")

    assert out.service.out
    assert plain(out.service.text) == ("Taken out of service by ole, 09:00 (3 h ago): the diamond is being changed")
    assert out.standing.text == ""  # the instrument says no more than that


def test_limits_of_agent_and_instrument_stand_side_by_side() -> None:
    picture = sample_picture()
    furnace = picture.instruments["furnace-1"]
    assert furnace.description is not None
    schema = {
        "type": "object",
        "properties": {
            "temperature": Parameter("Cel", 20.0, 2000.0, summary="peak of the program").schema(),
            "additive": Choice(("none", "MgO")).schema(),
        },
    }
    commands = {
        "sinter": said.CommandDescription(summary="Sinter", parameters=schema),
        "vent": said.CommandDescription(summary="Open the valve", parameters={"properties": "nonsense"}),
    }
    furnace.description = furnace.description.model_copy(update={"commands": commands})

    sinter, vent = view(picture).limits

    rows = {row.parameter: row for row in sinter.rows}
    assert plain(rows["temperature"].agent) == "900 to 1900 °C"
    assert plain(rows["temperature"].instrument) == "20 to 2000 °C"
    assert rows["additive"].instrument == "none or MgO"
    assert plain(rows["pressure"].agent) == "0 to 60 MPa"
    assert rows[""].agent == "above 1600 Cel: heated by at most 10 K/min"
    assert (sinter.allowed, vent.allowed, vent.rows) == (True, False, ())


def test_where_there_are_no_limits_at_all_nothing_is_barred() -> None:
    picture = sample_picture()
    picture.labs[AGENT] = sample_laboratory(limits={})

    assert all(command.allowed for command in view(picture).limits)


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        (Parameter("N", 0.5, 100.0).schema(), "0.5 to 100 N"),
        (Parameter("1", 2, 50, whole=True).schema(), "whole numbers, 2 to 50"),
        (Text(max_length=64).schema(), "text of at most 64 characters"),
        ({"enum": []}, ""),
        ({"properties": {"value": {"minimum": "much"}}}, "any number"),
    ],
)
def test_schemas_in_words(schema: dict[str, object], words: str) -> None:
    assert plain(taken(schema)) == words


def test_ranges_in_words() -> None:
    ranges = [between(None, 50.0, "N"), between(2.0, None, "Cel"), between(3.0, 3.0, "1"), between(None, None, "1")]

    assert [plain(text) for text in ranges] == ["at most 50 N", "at least 2 °C", "only 3", ""]


def test_the_safe_state_is_said_in_words() -> None:
    picture = sample_picture()

    assert plain(view(picture).safety) == "heater off; it goes there by itself when the agent is silent for 1 min."
    assert view(picture, "sem-1").safety == "none needed: it neither heats nor moves."


def test_readings_have_units_a_span_and_say_when_they_are_old() -> None:
    picture = sample_picture()
    furnace = picture.instruments["furnace-1"]
    furnace.telemetry["temperature"] = deque((NOW - timedelta(seconds=s), 1500.0 - s) for s in (60, 30, 0))

    temperature, density = readings_view(furnace, NOW)

    assert plain(temperature.value) == "1500 °C"
    assert plain(temperature.span) == "1440 to 1500 °C in 1 min"
    assert (temperature.age, plain(density.age)) == ("", "read 1 min ago")
    assert temperature.points == ((-60.0, 1440.0), (-30.0, 1470.0), (0.0, 1500.0))
    assert plain(temperature.spoken).startswith("Temperature: 1500 °C")


def test_a_channel_without_readings_is_there_all_the_same() -> None:
    description = sample_picture().instruments["furnace-1"].description

    shown = readings_view(InstrumentPicture(description=description), NOW)

    assert [one.channel for one in shown] == ["temperature", "density"]
    assert shown[0].points == ()


def test_the_whole_room_in_a_line() -> None:
    assert summary_of(instruments_view(sample_picture(), NOW, 5.0)) == (
        "3 instruments: 1 busy, 1 out of service, 1 ready"
    )


def test_in_a_laboratory_that_runs_ahead_a_reading_grows_old_by_peoples_time() -> None:
    furnace = sample_picture().instruments["furnace-1"]

    at_lab_speed, fast = readings_view(furnace, NOW)[1], readings_view(furnace, NOW, 600.0)[1]

    assert at_lab_speed.age
    assert fast.age == ""
