"""What a person reads of a laboratory's journal: where it stands, what waits for people, what became of a sample."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import recorded_lab
from recorded_lab import LAB, START

from agent import events as ev
from agent.journal import Journal
from agent.reading.answers import LabAnswer, age_words
from agent.reading.journal_view import JournalView
from agent.reading.lease import holder
from envs.errors import JournalError, UserError


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("lab")
    recorded_lab.write(directory, stopped=True)
    return directory


@pytest.fixture
def view(state: Path) -> Iterator[JournalView]:
    with JournalView(state, lab=LAB, now=lambda: START + timedelta(days=3)) as view:
        yield view


def test_status_says_where_each_campaign_stands(view: JournalView) -> None:
    status = view.status()
    hard, tough = status.campaigns
    assert (hard.id, hard.phase, hard.used, hard.budget) == ("hard", "running", 3, 20)
    assert hard.counts == {"approved": 3, "completed": 2, "needs_reconcile": 1, "proposed": 1}
    assert hard.best is not None
    assert (hard.best.experiment, hard.best.value, hard.best.unit, hard.best.made_of) == (
        "hard-E002", 17.0, "GPa", "TiB2",
    )  # fmt: skip
    assert (tough.phase, tough.reason, tough.by, tough.best) == ("paused", "powder is late", "bert", None)


def status_after(state: Path, days: float) -> LabAnswer:
    with JournalView(state, now=lambda: START + timedelta(days=days)) as view:
        return view.status()


def test_status_says_what_waits_for_people_and_how_it_goes_on(state: Path) -> None:
    status = status_after(state, 1)
    waiting = [(w.kind, w.id, w.command) for w in status.waiting]
    assert waiting == [
        ("stop", "lab", "labwright clear"),
        ("campaign", "tough", "labwright resume tough"),
        ("reconcile", "hard-E003", "labwright reconcile hard-E003 again|aborted"),
        ("proposal", "hard-P004", "labwright approve hard-P004"),
        ("proposal", "tough-P001", "labwright approve tough-P001"),
    ]
    assert "1 of 2 approved" in status.waiting[-1].text


def test_what_it_is_too_late_for_waits_for_nobody(state: Path) -> None:
    assert [w.kind for w in status_after(state, 3).waiting] == ["stop", "campaign", "reconcile"]


def test_a_clock_that_is_ahead_is_said_to_be(state: Path) -> None:
    agent = status_after(state, -1).agent
    assert agent.age_s is None
    assert agent.evidence.endswith("ahead of this machine's: the clocks differ")
    assert "clocks" not in status_after(state, 1).agent.evidence


def test_what_is_old_is_said_to_be_old(view: JournalView) -> None:
    agent = view.status().agent
    assert (agent.life, agent.mode) == ("not running", "live")
    assert "took no leave" in agent.evidence
    assert agent.age_s is not None
    assert age_words(agent.age_s) == "2 days ago"
    assert {i.id: i.state for i in view.status().instruments} == {
        "furnace-1": "unknown", "indenter-1": "unknown", "sem-1": "maintenance",
    }  # fmt: skip


def test_what_orders_wait_for_is_told(tmp_path: Path) -> None:
    keys = recorded_lab.people(tmp_path)
    with Journal(tmp_path, write=True) as journal:
        for transaction in list(recorded_lab.happened(keys))[:5]:
            journal.append(transaction, START)
        held = [
            ev.DispatchHeld(experiment=f"hard-E00{n}", step="sinter", code="budget", reason=reason)
            for n, reason in ((1, "12 of 12 runs today"), (2, "12 of 12 runs today"), (3, "furnace-1 is stale"))
        ]
        journal.append(held, START)
    with JournalView(tmp_path) as view:
        hard, tough = view.campaigns()
    assert hard.notes == ("2 wait: 12 of 12 runs today", "1 wait: furnace-1 is stale")
    assert tough.notes == ()


@pytest.mark.parametrize(
    ("age", "words"), [(None, ""), (0.0, "0 s ago"), (240.0, "4 min ago"), (7200.0, "2 h ago"), (2e5, "2 days ago")]
)
def test_ages_are_words(age: float | None, words: str) -> None:
    assert age_words(age) == words


def test_experiments_are_found_by_campaign_and_phase(view: JournalView) -> None:
    assert [e["experiment"] for e in view.experiments()] == ["hard-E001", "hard-E002", "hard-E003"]
    assert [e["experiment"] for e in view.experiments("hard", "completed")] == ["hard-E001", "hard-E002"]
    assert view.experiments("tough") == []
    assert view.experiments()[0]["process"] == recorded_lab.PROCESS
    with pytest.raises(UserError, match="no campaign 'soft': it has hard, tough"):
        view.experiments("soft")


def test_one_experiment_is_told_whole(view: JournalView) -> None:
    found = view.experiment("hard-E001")
    assert [(j["step"], j["instrument"], j["state"]) for j in found["jobs"]] == [
        ("sinter", "furnace-1", "succeeded"),
        ("indent", "indenter-1", "succeeded"),
    ]
    assert [(d["user"], d["what"], d["signed"]) for d in found["decisions"]] == [("anna", "approved", True)]
    assert [i["grain_size"] for i in found["images"]] == [[1.5, 0.1]]
    assert [h["place"] for h in found["sample_history"]][-1] == "shelf-4"
    assert found["proposal"]["cost"] == {"runs": 1.0}
    with pytest.raises(UserError, match="no experiment 'hard-E009'"):
        view.experiment("hard-E009")


def test_samples_have_a_place(view: JournalView) -> None:
    assert {s["sample"]: (s["place"], s["state"]) for s in view.samples()} == {
        "hard-E001": ("shelf-4", "done"),
        "hard-E002": ("indenter-1", "done"),
        "hard-E003": ("furnace-1", "uncertain"),
    }


def test_it_is_read_while_the_agent_writes(tmp_path: Path) -> None:
    keys = recorded_lab.people(tmp_path)
    rounds = list(recorded_lab.happened(keys))
    with Journal(tmp_path, write=True) as writer:
        writer.append(rounds[0], START)
        with JournalView(tmp_path, now=lambda: START) as view:
            assert view.status().agent.life == "running"
            assert f"pid {os.getpid()}" in view.status().agent.evidence
            writer.append(rounds[1], START)
            assert len(view.status().waiting) == 5
    with JournalView(tmp_path) as view:
        assert view.status().agent.life == "not running"


def test_a_lock_is_seen_and_never_taken(tmp_path: Path) -> None:
    assert holder(tmp_path) == ""
    code = (
        "import sys, pathlib; from agent.journal import Journal; "
        "j = Journal(pathlib.Path(sys.argv[1]), write=True); print('up', flush=True); input()"
    )
    child = subprocess.Popen(  # noqa: S603 - our own
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "up\n"
        assert holder(tmp_path) == f"pid {child.pid}"
        child.kill()
    assert holder(tmp_path) == ""


def test_where_no_journal_is_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match=r"journal\.sqlite"):
        JournalView(tmp_path)
    assert list(tmp_path.iterdir()) == []
