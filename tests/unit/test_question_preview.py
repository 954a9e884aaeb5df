"""What a changed proposal would be: the same that its edit then says, or why it cannot be."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from desk_bench import Lab, LabTime
from lab_bench import FULL_RECIPE, HARD

from agent import core
from agent import events as ev
from agent.daemon.question_preview import KEPT, Previews
from agent.journal import Journal
from agent.minds import PreviewAnswer, PreviewRequest
from agent.rules.outlook import Outlook
from envs.design import Design
from envs.errors import LabwrightError, UserError
from instruments.profile.agent_messages import Proposal
from instruments.profile.model_messages import Domain
from instruments.profile.questions import Preview, Question

FORECAST = ev.ForecastRecord(median=21.0, low=18.0, high=24.5, porosity=0.02, grain_size=3.0, feasibility=0.8)
DOMAIN = Domain(verdict="edge", score=0.6, text="half as far again as what was measured")


class Minds:
    """Says the same of every design, and counts."""

    def __init__(self) -> None:
        self.asked: list[Design] = []
        self.fault: Exception | None = None
        self.slow = False

    async def preview(self, campaign: str, request: PreviewRequest) -> PreviewAnswer:
        assert campaign == HARD
        self.asked += request.designs
        if self.slow:
            await asyncio.Event().wait()
        if self.fault is not None:
            raise self.fault
        outlooks = tuple(Outlook(forecast=FORECAST, domain=DOMAIN, model_version="m-7") for _ in request.designs)
        return PreviewAnswer(outlooks, ("few were measured",))

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"nobody asks for {name}")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with Journal(tmp_path, write=True) as journal:
        yield Lab(journal)


class Clerk:
    """Asks for previews."""

    def __init__(self, lab: Lab, **more: Any) -> None:
        self.minds = Minds()
        self.previews = Previews(lab.at, self.minds, lambda pid: lab.bodies.get(pid, ""), LabTime(lab), **more)

    def ask(self, pid: str, **changes: float | str) -> Preview:
        question = Question(lab="bench", question="q", about="preview", proposal=pid, changes=dict(changes))
        found: Mapping[str, Any] = asyncio.run(self._answer(question))
        assert isinstance(found["preview"], Preview)
        return found["preview"]

    async def _answer(self, question: Question) -> Mapping[str, Any]:
        return await self.previews.answer(question)


def one_approved(lab: Lab) -> tuple[str, str]:
    """An experiment to be made, and a proposal that waits."""
    lab.change(recipe=FULL_RECIPE)
    first, pid = lab.plan({}, {"temperature": 1400.0})
    lab.decide("anna", first)
    return next(e.experiment for e in lab.events if isinstance(e, ev.ExperimentQueued)), pid


def test_what_is_shown_before_an_edit_is_what_the_revision_says(lab: Lab) -> None:
    (pid,) = lab.plan({})
    clerk = Clerk(lab)
    seen = clerk.ask(pid, temperature=1500.0)
    assert seen.refusals == ()
    assert seen.notes == ("few were measured",)
    assert seen.prediction["hardness"].value == 21.0
    assert (seen.revision, seen.domain) == (1, DOMAIN)
    token = lab.pen.decision("anna", lab.bodies[pid], "edit", lab.now, changes={"temperature": 1500.0})
    lab.tell(core.DecisionArrived("anna", pid, token, lab.now, lab.bodies[pid], clerk.previews.known(pid)))
    revision = Proposal.model_validate_json(lab.bodies[pid])
    assert revision.revision == 2
    same = (
        "design",
        "prediction",
        "feasibility",
        "domain",
        "cost",
        "duration",
        "quorum",
        "hazards",
        "checks",
        "nearest",
    )
    assert {name: getattr(seen, name) for name in same} == {name: getattr(revision, name) for name in same}
    assert revision.model_version == "m-7"


def test_without_changes_what_is_proposed_is_predicted_anew(lab: Lab) -> None:
    (pid,) = lab.plan({})
    seen = Clerk(lab).ask(pid)
    assert seen.design == Proposal.model_validate_json(lab.bodies[pid]).design
    assert seen.prediction


def test_the_models_are_asked_once_for_a_design_until_something_is_measured(lab: Lab) -> None:
    pid, other = lab.plan({}, {})
    clerk = Clerk(lab)
    for one in (pid, other):
        clerk.ask(one, temperature=1500.0)
    assert len(clerk.minds.asked) == 1
    assert list(clerk.previews.known(pid)) == clerk.minds.asked
    for n in range(KEPT + 5):
        clerk.previews._of(HARD).keep(Design("", {"n": float(n)}), Outlook())
    assert len(clerk.previews.known(pid)) == KEPT
    assert clerk.previews.known("nobody") == {}


def test_what_the_models_said_before_a_measurement_counts_no_more(lab: Lab) -> None:
    eid, pid = one_approved(lab)
    clerk = Clerk(lab)
    clerk.ask(pid, temperature=1500.0)
    for _ in range(3):
        lab.answer(lab.dispatch(eid))
    assert clerk.previews.known(pid), "nothing was learned yet"
    lab.finish(eid)
    assert clerk.previews.known(pid) == {}
    clerk.ask(pid, temperature=1500.0)
    assert len(clerk.minds.asked) == 2
    assert clerk.previews.known(pid)
    lab.ask("clara", "amend", eid, hardness=21.5, hardness_std=0.7, comment="wrong calibration")
    assert clerk.previews.known(pid) == {}
    clerk.ask(pid, temperature=1500.0)
    lab.ask("clara", "retract", eid, comment="another sample")
    assert clerk.previews.known(pid) == {}


def test_what_is_measured_while_the_models_think_makes_what_they_say_old(lab: Lab) -> None:
    eid, pid = one_approved(lab)
    clerk = Clerk(lab)
    real = clerk.minds.preview

    async def meanwhile(campaign: str, request: PreviewRequest) -> PreviewAnswer:
        lab.finish(eid)
        return await real(campaign, request)

    clerk.minds.preview = meanwhile  # type: ignore[method-assign]
    assert clerk.ask(pid, temperature=1500.0).prediction
    assert clerk.previews.known(pid) == {}


def test_a_decision_does_not_wait_for_a_long_history(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    (pid,) = lab.plan({})
    clerk = Clerk(lab)
    clerk.ask(pid, temperature=1500.0)

    def walked(*_: object) -> None:
        raise AssertionError("the history is gone through")

    monkeypatch.setattr("agent.daemon.question_preview.observations", walked)
    assert list(clerk.previews.known(pid)) == clerk.minds.asked
    clerk.ask(pid, temperature=1500.0)
    assert len(clerk.minds.asked) == 1


def test_limits_say_why_it_cannot_be_made_and_the_rest_is_shown_all_the_same(lab: Lab) -> None:
    (pid,) = lab.plan({})
    lab.rules = replace(lab.rules, limits=replace(lab.rules.limits, instruments={}))
    lab.at.rules = lab.rules
    seen = Clerk(lab).ask(pid, temperature=1500.0)
    assert any("allow-list" in words for words in seen.refusals)
    assert seen.prediction


def test_the_models_are_not_asked_about_what_is_outside_the_space(lab: Lab) -> None:
    (pid,) = lab.plan({})
    own = replace(lab.rules.campaigns[HARD], admits=lambda _design: ("the rule too-hot forbids it",))
    lab.at.rules = lab.rules = replace(lab.rules, campaigns={**lab.rules.campaigns, HARD: own})
    clerk = Clerk(lab)
    seen = clerk.ask(pid, temperature=1500.0)
    assert seen.refusals == ("the rule too-hot forbids it",)
    assert (seen.prediction, clerk.minds.asked) == ({}, [])
    assert "outside" in seen.notes[0]


def test_what_no_edit_can_change_or_nobody_waits_for_is_an_error_in_words(lab: Lab) -> None:
    pid, gone = lab.plan({}, {})
    clerk = Clerk(lab)
    for changes, words in ({"colour": "red"}, "nothing that an edit can change"), ({"temperature": 1.5}, "allowed:"):
        with pytest.raises(UserError, match=words):
            clerk.ask(pid, **changes)
    lab.decide("anna", gone, "reject")
    with pytest.raises(UserError, match="waits no longer: it is rejected"):
        clerk.ask(gone)
    with pytest.raises(UserError, match="no proposal P999"):
        clerk.ask("P999")


def test_models_that_are_busy_or_broken_leave_a_note_and_the_rest(lab: Lab) -> None:
    (pid,) = lab.plan({})
    clerk = Clerk(lab, patience_s=0.01)
    clerk.minds.slow = True
    seen = clerk.ask(pid, temperature=1500.0)
    assert (seen.prediction, "busy" in seen.notes[0]) == ({}, True)
    assert seen.duration is not None or seen.cost is not None
    clerk.minds.slow, clerk.minds.fault = False, LabwrightError("the worker died 3 times")
    assert "died 3 times" in clerk.ask(pid, temperature=1500.0).notes[0]
    clerk.minds.fault = None
    assert clerk.ask(pid, temperature=1500.0).prediction


def test_a_proposal_that_is_decided_while_the_models_think_is_not_shown(lab: Lab) -> None:
    (pid,) = lab.plan({})
    clerk = Clerk(lab)
    real = clerk.minds.preview

    async def meanwhile(campaign: str, request: PreviewRequest) -> PreviewAnswer:
        lab.decide("anna", pid, "reject")
        return await real(campaign, request)

    clerk.minds.preview = meanwhile  # type: ignore[method-assign]
    with pytest.raises(UserError, match="rejected"):
        clerk.ask(pid, temperature=1500.0)
