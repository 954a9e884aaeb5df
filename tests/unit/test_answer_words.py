"""People are told what happened, not what they typed."""

from __future__ import annotations

import pytest

from agent import core
from agent import events as ev
from agent.core.messages import Effect
from agent.daemon.answer_words import in_words


def accepted(action: str, subject: str = "") -> ev.RequestAccepted:
    return ev.RequestAccepted(
        request="r", action=action, subject=subject, by="anna", comment="", nonce="n", envelope="e"
    )


@pytest.mark.parametrize(
    ("action", "event", "words"),
    [
        ("stop-lab", ev.LabStopped(by="anna", reason="smoke"), "everything is stopped: nothing is ordered until"),
        ("clear-lab", ev.LabCleared(by="anna", reason=""), "the stop is cleared"),
        ("stop", ev.CampaignPhaseChanged(campaign="hard", phase="stopping", by="anna", reason=""), "hard is stopping"),
        (
            "maintenance", ev.MaintenanceSet(instrument="sem-1", on=True, by="anna", reason=""),
            "sem-1 is out of service",
        ),
        (
            "maintenance", ev.MaintenanceSet(instrument="sem-1", on=False, by="anna", reason=""),
            "sem-1 is in service again",
        ),
        (
            "amend", ev.ResultAmended(experiment="E1", found={"hardness": (20.1, 0.4)}, by="anna", reason=""),
            "the result of E1 is hardness 20.1 ± 0.4 now",
        ),
        ("retract", ev.ResultRetracted(experiment="E1", by="anna", reason=""), "is taken back"),
        ("move", ev.SampleMoved(sample="E1", place="shelf 3", by="anna", reason=""), "E1 is at shelf 3 now"),
        (
            "reconcile", ev.Reconciled(experiment="E1", job="j", verdict="aborted", by="anna", reason=""),
            "E1 is given up",
        ),
    ],
)  # fmt: skip
def test_a_request_is_answered_by_what_it_did(action: str, event: ev.Event, words: str) -> None:
    happened: list[ev.Event] = [accepted(action), event]
    assert words in in_words(core.Decided(happened, []))


def test_a_stop_says_what_becomes_of_the_jobs_under_way() -> None:
    stopped: list[ev.Event] = [accepted("stop-lab"), ev.LabStopped(by="anna", reason="")]
    answer = in_words(core.Decided(stopped, [Effect("cancel", "j1"), Effect("cancel", "j2")]))
    assert answer.endswith("and instruments are asked to end the 2 jobs under way")


def test_what_changed_nothing_says_so() -> None:
    assert in_words(core.Decided([accepted("pause", "hard")], [])) == "pause hard"
    assert in_words(core.Decided([], [])) == "nothing had to be changed"
