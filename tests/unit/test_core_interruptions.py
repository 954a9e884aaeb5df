"""What a restart of an instrument means: what can be done again is, what may have changed a sample is asked about."""

from __future__ import annotations

from dataclasses import replace

import pytest
from lab_bench import CAMPAIGN, Bench

from agent import core
from agent import events as ev
from agent.rules.recipe import Recipe


def interrupted(bench: Bench, job: str) -> list[ev.Event]:
    experiment = bench.state.experiments[bench.state.jobs[job]]
    return bench.tell(
        ev.StepEnded(
            experiment=experiment.id, step=experiment.step, attempt=experiment.attempt, tries=experiment.tries, job=job,
            state="failed", values={}, artefacts={}, error_kind="retryable", error_code="interrupted",
            error="interrupted: the device restarted before the job had ended",
        )
    )  # fmt: skip


def fired(*, repeatable: bool) -> tuple[Bench, str]:
    """A laboratory whose furnace has just been ordered to fire."""
    first, *others = CAMPAIGN.recipe.steps
    bench = Bench(replace(CAMPAIGN, recipe=Recipe((replace(first, repeatable=repeatable), *others))))
    bench.approved({})
    bench.dispatch()
    (job,) = bench.state.jobs
    return bench, job


def test_what_can_be_done_again_is_done_again_by_itself() -> None:
    bench, job = fired(repeatable=True)
    assert [e.kind for e in interrupted(bench, job)] == ["step.ended"]
    assert [c.step for c in bench.orders] == [CAMPAIGN.recipe.first]


@pytest.mark.parametrize(("verdict", "goes_on"), [("again", True), ("aborted", False)])
def test_a_firing_that_was_cut_short_waits_for_a_person(verdict: str, goes_on: bool) -> None:
    bench, job = fired(repeatable=False)
    assert [e.kind for e in interrupted(bench, job)] == ["step.ended", "reconcile.needed"]
    assert not bench.orders
    (experiment,) = bench.state.experiments.values()
    assert "look at it" in experiment.lost
    bench.ask("clara", "reconcile", experiment.id, comment="looked", verdict=verdict)
    assert bool(bench.orders) == goes_on
    assert bench.state.experiments[experiment.id].outcome == ("" if goes_on else "aborted")


def test_an_order_that_was_accepted_is_told_so_whoever_asks_next() -> None:
    bench, job = fired(repeatable=True)
    eid = bench.state.jobs[job]
    accepted = ev.StepAccepted(experiment=eid, job=job)
    assert bench.tell(accepted) == [accepted]
    assert not bench.tell(accepted)
    (command,) = (c for c in bench.due if isinstance(c, core.SendOrder))
    assert command.accepted
    assert not bench.tell(ev.StepAccepted(experiment=eid, job="another"))
    interrupted(bench, job)
    (command,) = (c for c in bench.due if isinstance(c, core.SendOrder))
    assert not command.accepted
