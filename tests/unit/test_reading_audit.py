"""The audit: a record that was touched, and a signature that is not its signer's, are found and named."""

import json
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import recorded_lab
from lab_bench import CAMPAIGN, NOW, TRUSTED, TWO_ABOVE, Bench, registry

from agent import events as ev
from agent.identity import People
from agent.journal import Journal, Stored
from agent.reading import audit
from agent.reading.journal_view import JournalView
from agent.reading.signatures import Signatures
from agent.registry import Registry
from agent.rules.policy import ApprovalPolicy
from envs.errors import JournalError
from instruments.profile.decisions import PublishedProposal


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


def forged(state: Path, *events: ev.Event) -> str:
    """What the audit says of a record with events that were written into it with a right chain."""
    with Journal(state, write=True) as journal:
        journal.append(events, recorded_lab.START)
    with pytest.raises(JournalError) as caught:
        verified(state)
    return str(caught.value).partition(" is not theirs: ")[2]


def written_events(state: Path, kind: str) -> list[Any]:
    with Journal(state, write=False) as journal:
        return [stored.event for stored in journal.scan() if stored.event.kind == kind]


def hotter(state: Path, by: str = "policy:trusted", token: str = "") -> ev.ProposalRevised:
    """A second revision of hard-P001, hotter than what Anna approved, that nobody asked for."""
    made: ev.ProposalMade = written_events(state, "proposal.made")[0]
    assert made.terms is not None
    body = json.loads(made.terms.body)
    body["design"]["temperature"]["value"] = 2100.0
    body["revision"] = 2
    terms = made.terms.model_copy(
        update={"revision": 2, "body": json.dumps(body), "digest": PublishedProposal.of(body).digest}
    )
    design = made.design.model_copy(update={"process": {**made.design.process, "temperature": 2100.0}})
    return ev.ProposalRevised(
        proposal="hard-P001", design=design, changes={"temperature": 2100.0}, by=by, comment="", nonce="",
        envelope=token, terms=terms,
    )  # fmt: skip


def test_an_edit_in_the_name_of_a_rule_is_a_fault(state: Path) -> None:
    assert forged(state, hotter(state)) == "unsigned"


def test_an_approval_of_one_revision_does_not_pass_for_another(state: Path) -> None:
    approved = written_events(state, "proposal.decided")[0]
    with Journal(state, write=False) as journal:
        record = [*journal.scan()]
    for event in (hotter(state), approved.model_copy(update={"revision": 2})):
        record.append(Stored(len(record) + 1, recorded_lab.START, event, "hard", ""))
    found = dict(Signatures(audit.people_of(state / "people")).judged(record))
    assert found[len(record)].startswith("other_revision")
    assert forged(state, approved).startswith("replayed_nonce")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"verdict": "rejected"}, "it says approve, not reject"),
        ({"proposal": "hard-P001"}, "other_proposal"),
        ({"nonce": "another"}, "its nonce is not the one on record"),
        ({"reason": "very dangerous"}, "its comment is not the one on record"),
        ({"by": "bert"}, "other_user"),
        ({"by": "bert,anna"}, "approved by bert,anna, but nobody voted before"),
        ({"by": "policy:trusted"}, "other_user"),
        ({"envelope": ""}, "unsigned"),
    ],
)
def test_an_approval_that_says_something_else_than_what_was_signed_is_a_fault(
    state: Path, changes: dict[str, Any], words: str
) -> None:
    approved = recorded_lab.decided("hard-P004", "hard", recorded_lab.keys_of(state)["anna"])
    assert forged(state, approved.model_copy(update=changes)).startswith(words)


def test_what_was_published_must_be_what_is_made(state: Path) -> None:
    made: ev.ProposalMade = written_events(state, "proposal.made")[0]
    design = made.design.model_copy(update={"process": {**made.design.process, "temperature": 2100.0}})
    approved = written_events(state, "proposal.decided")[0]
    record = [Stored(1, recorded_lab.START, made.model_copy(update={"design": design}), "hard", "")]
    record.append(Stored(2, recorded_lab.START, approved, "hard", ""))
    ((_, words),) = Signatures(audit.people_of(state / "people")).judged(record)
    assert words == "what was published is another design than the one on record"


def test_one_person_is_not_two_and_no_rule_is_either(state: Path) -> None:
    keys = recorded_lab.keys_of(state)
    alone = recorded_lab.decided("tough-P001", "tough", keys["bert"], quorum=2, tag="b")
    copy = Path(shutil.copytree(state, state.with_name("copy")))
    assert forged(state, alone).startswith("2 persons have to approve revision 1, 1 did")
    ruled = ev.ProposalDecided(proposal="tough-P001", verdict="approved", by="policy:trusted", reason="")
    assert forged(copy, ruled).startswith("2 persons have to approve revision 1")


def test_what_the_agent_itself_writes_passes(tmp_path: Path) -> None:
    policy = ApprovalPolicy(auto=TRUSTED, factors=TWO_ABOVE)
    bench = Bench(replace(CAMPAIGN, policy=policy))
    one, two, three = bench.plan({"temperature": 1600.0}, {"temperature": 1000.0, "hold": 1.0}, {"hold": 4.0})
    assert bench.state.proposals[two].phase == "approved"  # by a rule
    bench.decide("anna", one)
    bench.edit("ben", one, temperature=1700.0)
    bench.decide("anna", one)
    bench.decide("clara", one)
    bench.decide("anna", three, "reject")
    bench.ask("ole", "pause", "hard")
    with Journal(tmp_path, write=True) as journal:
        journal.append(bench.events, NOW)
    with JournalView(tmp_path) as view:
        assert audit.verify(view, registry()) == audit.AuditReport(len(bench.events), 6, 0)
        assert {row["signature"] for row in audit.shown(view, view.decisions(), registry())} == {
            "verified",
            "by a rule",
        }


def test_two_signatures_are_enough_for_two_persons(state: Path) -> None:
    key = recorded_lab.keys_of(state)["bert"]
    both = recorded_lab.decided("tough-P001", "tough", key, quorum=2, tag="b").model_copy(update={"by": "anna,bert"})
    with Journal(state, write=True) as journal:
        journal.append([both], recorded_lab.START)
    assert verified(state).signatures == 6


def test_a_key_that_was_given_up_before_is_a_fault_and_one_after_is_none(state: Path) -> None:
    Registry(state / "people").revoke("bert", recorded_lab.START + timedelta(days=9))
    assert verified(state).signatures == 5
    bert = state / "people" / "bert.public.json"
    bert.write_text(bert.read_text().replace("2026-03-11", "2026-03-02"))
    with pytest.raises(JournalError, match="of hard-P002 by bert is not theirs: key_revoked"):
        verified(state)


def test_a_role_that_may_not_approve_is_a_fault(state: Path) -> None:
    bert = state / "people" / "bert.public.json"
    bert.write_text(bert.read_text().replace('"approver"', '"viewer"'))
    with pytest.raises(JournalError, match="of hard-P002 by bert is not theirs: role_not_allowed"):
        verified(state)


def test_what_each_signature_is_worth_is_shown(state: Path) -> None:
    people = audit.people_of(state / "people")
    with JournalView(state) as view:
        rows = audit.shown(view, view.decisions(), people)
        nobody = audit.shown(view, view.decisions(person="anna"), People([]))
    assert [row["signature"] for row in rows] == [*[audit.VERIFIED] * 4, "malformed", audit.VERIFIED]
    assert {row["signature"].partition(":")[0] for row in nobody} == {"unknown_key"}


def test_what_one_person_said_and_what_was_refused_can_be_asked_for(state: Path) -> None:
    with JournalView(state) as view:
        assert [d["subject"] for d in view.decisions(person="anna")] == ["hard-P001", "hard-P003", "tough-P001"]
        refused = view.decisions(refused=True)
    assert [(d["user"], d["code"]) for d in refused] == [("mallory", "unknown_key")]
