"""The audit: a record that was touched, and a signature that is not its signer's, are found and named."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import recorded_lab

from agent import events as ev
from agent.identity import People
from agent.journal import Journal
from agent.reading import audit
from agent.reading.journal_view import JournalView
from envs.errors import JournalError


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("lab")
    recorded_lab.write(directory)
    return directory


@pytest.fixture
def state(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "state"))


def verified(state: Path) -> audit.AuditReport:
    with JournalView(state) as view:
        return audit.verify(view, audit.people_of(state / "people"))


def change(state: Path, statement: str) -> None:
    with closing(sqlite3.connect(state / "journal.sqlite")) as database:
        assert database.execute(statement).rowcount == 1
        database.commit()


def test_a_whole_record_is_said_to_be_whole(state: Path) -> None:
    report = verified(state)
    assert (report.signatures, report.unknown) == (5, 0)
    with Journal(state, write=False) as journal:
        assert report.events == journal.seq


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE events SET payload = replace(payload, 'looks right', 'looks wrong') WHERE seq = 12", "event 12"),
        ("DELETE FROM events WHERE seq = 20", "event 20 is missing"),
        ("UPDATE events SET at = '2026-03-03T00:00:00+00:00' WHERE seq = 7", "event 7"),
        ("UPDATE experiments SET hardness = 99.0 WHERE experiment = 'hard-E001'", "experiments hard-E001: hardness"),
        ("DELETE FROM samples WHERE sample = 'hard-E002'", "samples hard-E002: missing"),
    ],
)
def test_what_was_touched_is_the_first_fault_that_is_named(state: Path, statement: str, words: str) -> None:
    change(state, statement)
    with pytest.raises(JournalError, match=words):
        verified(state)


def test_a_signature_that_is_another_persons_is_found(state: Path) -> None:
    bert = state / "people" / "bert.public.json"
    anna = bert.with_name("anna.public.json")
    anna.write_text(bert.read_text().replace('"bert"', '"anna"'))
    bert.unlink()
    with pytest.raises(JournalError, match=r"event 12: approved of hard-P002 by bert is not theirs: other_user"):
        verified(state)


def test_keys_that_nobody_has_any_more_are_counted(state: Path) -> None:
    (state / "people" / "bert.public.json").unlink()
    assert verified(state) == audit.AuditReport(verified(state).events, 3, 2)


def test_an_approval_without_a_signature_is_a_fault(state: Path) -> None:
    with Journal(state, write=True) as journal:
        approved = ev.ProposalDecided(
            proposal="hard-P004", verdict="approved", by="anna", reason="she said so on the telephone"
        )
        journal.append([approved], recorded_lab.START)
    with pytest.raises(JournalError, match=r"approved of hard-P004 by anna is not theirs: unsigned"):
        verified(state)


def test_an_approval_under_another_decision_is_a_fault(state: Path) -> None:
    with JournalView(state) as view:
        rows = view.decisions()
        people = audit.people_of(state / "people")
    mine, other = rows[0], rows[1]
    assert audit.signature(mine, people) == audit.VERIFIED
    assert audit.signature({**mine, "what": "rejected"}, people) == "it says approve, not reject"
    assert audit.signature({**mine, "subject": "hard-P009"}, people).startswith("other_proposal")
    assert audit.signature({**mine, "envelope": other["envelope"]}, people).startswith("other_user")
    assert audit.signature({**mine, "envelope": mine["envelope"][:-6] + "AAAAAA"}, people).startswith("bad_signature")
    assert audit.signature({**mine, "envelope": "", "user": "policy:trusted-region"}, people) == audit.RULE
    assert audit.signature(mine, People([])).startswith("unknown_key")


def test_what_one_person_said_and_what_was_refused_can_be_asked_for(state: Path) -> None:
    with JournalView(state) as view:
        assert [d["subject"] for d in view.decisions(person="anna")] == ["hard-P001", "hard-P003", "tough-P001"]
        refused = view.decisions(refused=True)
    assert [(d["user"], d["code"]) for d in refused] == [("mallory", "unknown_key")]
