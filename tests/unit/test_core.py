"""The state machine: a pure fold, one final state for every experiment, and deaf to what is late or repeated."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import core
from agent import events as ev
from agent.events.base import CAMPAIGN
from agent.history import observation
from agent.rules.recipe import RecipeSettings, flagship
from envs.factors import Factor

FACTORS = (Factor("temperature", "Cel", (1500.0, 1600.0)), Factor("additive", "", ("none", "MgO"), ordinal=False))
SETTINGS = RecipeSettings()
RULES = core.CampaignRules(experiments=3, batch=1, initial=2, recipe=flagship(SETTINGS), factors=FACTORS)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
WORLD = {kind: core.InstrumentView(kind) for kind in ("furnace", "sem", "indenter")}
CREATED = ev.CampaignCreated(name="test", config={}, space_version="1", software="test")
IMAGE = ev.ArtefactRecord(sha256="a" * 64, media_type="image/tiff", bytes=10)
VALUES: dict[str, dict[str, dict[str, object] | str]] = {
    "sinter": {},
    "survey": {"pixel_size": {"value": 0.02, "unit": "um"}},
    "image": {},
    "indent": {"hardness": {"value": 20.0, "unit": "GPa", "std": 0.5}},
}


class Machine:
    """A campaign driven by hand, as the shell drives it."""

    def __init__(self, rules: core.CampaignRules = RULES) -> None:
        self.rules = core.LabRules({CAMPAIGN: rules})
        self.state = core.LabState()
        self.events: list[ev.Event] = []
        self.sent: list[core.Message] = []
        self.n_jobs = 0
        self.tell(CREATED)

    def tell(self, message: core.Message) -> list[ev.Event]:
        happened = list(core.decide(self.state, message, self.rules, NOW).events)
        for event in happened:
            core.evolve(self.state, event, NOW)
        self.events += happened
        self.sent.append(message)
        return happened

    @property
    def due(self) -> core.Command | None:
        return next(iter(core.due(self.state, self.rules, WORLD, NOW)), None)

    @property
    def campaign(self) -> core.CampaignState:
        return self.state.campaigns[CAMPAIGN]

    def plan(self) -> list[ev.Event]:
        command = self.due
        assert isinstance(command, core.PlanRound)
        first = self.campaign.n_proposals + 1
        return self.tell(core.Planned(planned_round(command.round), [proposal(first + i) for i in range(command.n)]))

    def dispatch(self) -> core.SendOrder:
        """Journal the intent of the order that is due, and return it with its job."""
        command = self.due
        assert isinstance(command, core.SendOrder)
        if not command.job:
            self.n_jobs += 1
            self.tell(intent(command, f"job-{self.n_jobs}"))
            command = self.due
            assert isinstance(command, core.SendOrder)
        return command

    def answer(self, **changes: object) -> list[ev.Event]:
        return self.tell(ended(self.dispatch(), **changes))

    def read(self, *, accepted: bool, next_pixel_size: float | None = None) -> list[ev.Event]:
        command = self.due
        assert isinstance(command, core.ReadImage)
        return self.tell(reading(command, accepted=accepted, next_pixel_size=next_pixel_size))

    def to_step(self, step: str) -> None:
        """Let everything succeed until an order of this step is due."""
        if isinstance(self.due, core.PlanRound):
            self.plan()
        while not (isinstance(self.due, core.SendOrder) and self.due.step == step):
            if isinstance(self.due, core.ReadImage):
                self.read(accepted=True)
            else:
                self.answer()

    @property
    def first(self) -> core.ExperimentState:
        return self.state.experiments["E001"]


def planned_round(index: int) -> ev.RoundPlanned:
    return ev.RoundPlanned(round=index, candidates={"random": 4})


def proposal(n: int) -> ev.ProposalMade:
    design = ev.DesignRecord(crystal="mp-1143", formula="Al2O3", process={"temperature": 1500.0, "additive": "MgO"})
    return ev.ProposalMade(
        proposal=f"P{n:03d}", round=0, design=design, pool="random", acquisition=None, forecast=None, nearest=""
    )


def intent(command: core.SendOrder, job: str) -> core.Dispatching:
    return core.Dispatching(
        command.experiment, command.step, command.attempt, command.tries, command.order, command.instrument, job
    )


def ended(order: core.SendOrder, **changes: object) -> ev.StepEnded:
    fields: dict[str, object] = {
        "experiment": order.experiment, "step": order.step, "attempt": order.attempt, "tries": order.tries,
        "job": order.job,
        "state": "succeeded", "values": VALUES[order.step],
        "artefacts": {"image": IMAGE} if order.step == "image" else {},
    }  # fmt: skip
    return ev.StepEnded.model_validate({**fields, **changes})


def reading(command: core.ReadImage, *, accepted: bool, next_pixel_size: float | None = None) -> ev.ImageRead:
    return ev.ImageRead(
        experiment=command.experiment, attempt=command.attempt, image=command.image, accepted=accepted,
        reason="" if accepted else "blurred: focus again", pixel_size=command.pixel_size,
        next_pixel_size=next_pixel_size, grain_size=(1.0, 0.1), porosity=(0.02, 0.01), n_grains=100, overlay=None,
    )  # fmt: skip


def test_an_experiment_goes_through_all_its_steps_and_completes() -> None:
    machine = Machine()
    machine.to_step("indent")
    happened = machine.answer()
    assert [e.kind for e in happened] == ["step.ended", "experiment.ended"]
    assert (machine.first.outcome, machine.first.hardness) == ("completed", (20.0, 0.5))
    steps = [e.step for e in machine.events if isinstance(e, ev.StepDispatched) and e.experiment == "E001"]
    assert steps == ["sinter", "survey", "image", "indent"]


def test_the_budget_is_kept_in_rounds_and_then_the_campaign_ends() -> None:
    machine = Machine()
    sizes = []
    while machine.due is not None:
        if isinstance(machine.due, core.PlanRound):
            sizes.append(machine.due.n)
            machine.plan()
        elif isinstance(machine.due, core.ReadImage):
            machine.read(accepted=True)
        else:
            machine.answer()
    assert sizes == [2, 1]
    assert len(machine.state.experiments) == RULES.experiments
    assert machine.campaign.phase == "completed"
    assert "3 experiments" in machine.campaign.end


def test_every_order_is_journaled_before_it_may_be_sent() -> None:
    machine = Machine()
    machine.plan()
    command = machine.due
    assert isinstance(command, core.SendOrder)
    assert not command.job  # the shell sends only an order that has a job
    machine.tell(intent(command, "job-1"))
    assert isinstance(machine.events[-1], ev.StepDispatched)
    assert machine.events[-1].parameters["temperature"] == {"value": 1500.0, "unit": "Cel"}
    # Another intent for the same step would make the sample twice.
    assert not machine.tell(intent(command, "job-2"))


def test_a_passing_failure_is_tried_again_and_then_given_up() -> None:
    machine = Machine()
    machine.to_step("sinter")
    failure = {"state": "failed", "values": {}, "error_kind": "retryable", "error": "timeout: no heat"}
    for tries in range(SETTINGS.max_tries - 1):
        assert [e.kind for e in machine.answer(**failure)] == ["step.ended"]
        assert (machine.first.tries, machine.first.attempt) == (tries + 1, 0)
        assert not machine.first.job
    machine.answer(**failure)
    assert (machine.first.step, machine.first.outcome, machine.first.reason) == ("done", "retryable", failure["error"])


def test_a_retry_that_works_leaves_no_trace_in_the_outcome() -> None:
    machine = Machine()
    machine.to_step("sinter")
    machine.answer(state="failed", values={}, error_kind="retryable", error="timeout: no heat")
    machine.to_step("indent")
    machine.answer()
    assert machine.first.outcome == "completed"


PASSING: dict[str, object] = {"state": "failed", "values": {}, "artefacts": {}, "error_kind": "retryable"}
TIMEOUT = {**PASSING, "error_code": "timeout", "error": "timeout: no beam"}
INTERRUPTED = {**PASSING, "error_code": "interrupted", "error": "interrupted: the device restarted"}


@pytest.mark.parametrize("failure", [TIMEOUT, INTERRUPTED])
def test_an_image_order_that_is_sent_again_is_of_the_same_field(failure: dict[str, object]) -> None:
    machine = Machine()
    machine.to_step("image")
    first = machine.dispatch().order
    machine.answer(**failure)
    assert machine.dispatch().order == first


def test_retries_use_up_no_images_and_images_no_retries() -> None:
    machine = Machine()
    machine.to_step("image")
    for _ in range(SETTINGS.max_images - 1):
        for _ in range(SETTINGS.max_tries - 1):
            machine.answer(**TIMEOUT)
        machine.answer()
        machine.read(accepted=False)
    machine.answer(**TIMEOUT)
    machine.answer()
    machine.read(accepted=True)
    assert machine.first.step == "indent"
    sent = [e for e in machine.events if isinstance(e, ev.StepDispatched) and e.step == "image"]
    assert [(e.attempt, e.tries) for e in sent] == [(i, t) for i in range(3) for t in range(3)] + [(3, 0), (3, 1)]


def test_people_may_stop_a_campaign_more_often_than_a_fault_may_pass() -> None:
    machine = Machine()
    machine.to_step("sinter")
    for _ in range(SETTINGS.max_tries + 2):
        machine.answer(**INTERRUPTED)
    for _ in range(SETTINGS.max_tries - 1):
        machine.answer(**TIMEOUT)
    machine.answer()
    assert machine.first.step == "survey"


def test_an_instrument_that_restarts_without_end_is_given_up() -> None:
    machine = Machine()
    machine.to_step("sinter")
    for _ in range(core.MAX_INTERRUPTIONS):
        assert machine.first.step == "sinter"
        machine.answer(**INTERRUPTED)
    assert machine.first.outcome == "retryable"


@pytest.mark.parametrize(
    ("error_kind", "outcome"), [("infeasible", "infeasible"), ("fatal", "aborted"), ("interrupted", "aborted")]
)
def test_a_lasting_failure_ends_the_experiment_at_once(error_kind: str, outcome: str) -> None:
    machine = Machine()
    machine.to_step("sinter")
    machine.answer(state="failed", values={}, error_kind=error_kind, error="molten: the sample melted")
    assert (machine.first.outcome, machine.first.reason) == (outcome, "molten: the sample melted")
    assert isinstance(machine.due, core.SendOrder)
    assert machine.due.experiment == "E002"


def test_a_refused_image_is_taken_again_on_another_field_at_the_advised_magnification() -> None:
    machine = Machine()
    machine.to_step("image")
    first = machine.dispatch().order
    machine.answer()
    machine.read(accepted=False, next_pixel_size=0.05)
    second = machine.dispatch().order
    assert (first.parameters["field"], second.parameters["field"]) != (first.parameters["field"],) * 2
    assert getattr(second.parameters["pixel_size"], "value", None) == 0.05
    machine.answer()
    machine.read(accepted=True)
    assert machine.first.step == "indent"


def test_images_that_stay_bad_make_an_invalid_measurement() -> None:
    machine = Machine()
    machine.to_step("image")
    for _ in range(SETTINGS.max_images):
        machine.answer()
        machine.read(accepted=False)
    assert machine.first.outcome == "invalid_measurement"
    assert machine.first.reason == "all 4 images were refused: blurred: focus again (4 times)"


def test_an_invalid_measurement_names_every_reason_once_and_is_no_datum() -> None:
    machine = Machine()
    machine.to_step("image")
    for reason in ("blurred by 3 px: focus", "only 12 grains: go back", "blurred by 4 px: focus", "a photograph"):
        machine.answer()
        command = machine.due
        assert isinstance(command, core.ReadImage)
        machine.tell(reading(command, accepted=False).model_copy(update={"reason": reason}))
    assert machine.first.reason == (
        "all 4 images were refused: blurred by 4 px: focus (2 times); only 12 grains: go back; a photograph"
    )
    assert machine.first.reading is None
    assert observation(machine.first) is None


def test_a_good_image_after_bad_ones_counts() -> None:
    machine = Machine()
    machine.to_step("image")
    for _ in range(SETTINGS.max_images - 1):
        machine.answer()
        machine.read(accepted=False)
    machine.answer()
    machine.read(accepted=True)
    assert (machine.first.step, machine.first.refusals) == ("indent", ())


@pytest.mark.parametrize(
    ("step", "changes", "outcome"),
    [
        ("survey", {"values": {}}, "aborted"),
        ("image", {"artefacts": {}}, "aborted"),
        ("indent", {"values": {}}, "aborted"),
        ("indent", {"values": {"hardness": {"value": -1.0, "unit": "GPa", "std": 0.1}}}, "invalid_measurement"),
        ("indent", {"values": {"hardness": {"value": 20.0, "unit": "GPa"}}}, "invalid_measurement"),
    ],
)
def test_an_answer_without_a_usable_result_is_no_measurement(
    step: str, changes: dict[str, object], outcome: str
) -> None:
    machine = Machine()
    machine.to_step(step)
    machine.answer(**changes)
    assert machine.first.outcome == outcome
    assert machine.first.hardness is None


def test_answers_of_other_jobs_and_of_unknown_experiments_change_nothing() -> None:
    machine = Machine()
    machine.to_step("sinter")
    order = machine.dispatch()
    before = deepcopy(machine.state)
    assert not machine.tell(ended(replace(order, job="job-of-another-day")))
    assert not machine.tell(ended(replace(order, experiment="E999")))
    assert not machine.tell(CREATED)
    assert machine.state == before


def test_a_plan_that_arrives_twice_is_made_once() -> None:
    machine = Machine()
    machine.plan()
    plan = machine.sent[-1]
    assert not machine.tell(plan)
    for _ in range(2):
        machine.to_step("sinter")
        machine.answer(state="failed", values={}, error_kind="infeasible", error="no")
    assert isinstance(machine.due, core.PlanRound)
    assert not machine.tell(plan)  # late: round 1 is awaited


def test_a_space_with_nothing_left_ends_the_campaign() -> None:
    machine = Machine()
    machine.tell(core.Planned(planned_round(0), []))
    assert machine.campaign.phase == "completed"
    assert machine.due is None


FAILURES = st.sampled_from(["retryable", "infeasible", "fatal", "invalid_measurement", "interrupted"])


@given(data=st.data())
def test_whatever_the_instruments_answer_every_experiment_ends_once(data: st.DataObject) -> None:
    machine = Machine()
    for _ in range(500):
        command = machine.due
        if command is None:
            break
        if isinstance(command, core.PlanRound):
            machine.plan()
        elif isinstance(command, core.ReadImage):
            machine.read(accepted=data.draw(st.booleans()), next_pixel_size=data.draw(st.floats(1e-6, 1e3)))
        elif data.draw(st.booleans()):
            machine.answer()
        else:
            machine.answer(state="failed", values={}, artefacts={}, error_kind=data.draw(FAILURES), error="why")
        if data.draw(st.booleans()):
            late = data.draw(st.sampled_from(machine.sent))
            before = deepcopy(machine.state)
            assert not machine.tell(late)
            assert machine.state == before
    assert machine.campaign.phase == "completed"
    finals = [e.experiment for e in machine.events if isinstance(e, ev.ExperimentEnded)]
    assert sorted(finals) == sorted(machine.state.experiments)
    assert len(set(finals)) == len(finals) == RULES.experiments
    folded = core.LabState()
    for event in machine.events:
        core.evolve(folded, ev.parse_event(event.model_dump_json()), NOW)
    assert folded == machine.state


def test_an_older_form_of_an_event_is_lifted_when_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    older = '{"v":0,"kind":"campaign.ended","why":"budget"}'
    with pytest.raises(ValueError, match="validation error"):
        ev.parse_event(older)
    monkeypatch.setitem(ev.LIFTS, ("campaign.ended", 0), lambda e: {"kind": e["kind"], "v": 1, "reason": e["why"]})
    assert ev.parse_event(older) == ev.CampaignEnded(reason="budget")
    assert ev.parse_event(CREATED.model_dump_json()) == CREATED
    for damaged in ("", "[]", '{"v": 0}', older.replace("0", '"0"')):
        with pytest.raises(ValueError, match="validation error"):
            ev.parse_event(damaged)
