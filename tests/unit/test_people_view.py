"""Who may do what, who decided what, and what is known of the record: as the page of the people says it."""

from datetime import timedelta

import pytest
from dashboard_samples import AGENT, NOW, sample_laboratory, sample_outcome, sample_picture

from agent.dashboard.views.addresses import page_of
from agent.dashboard.views.people import allowed, people_view, roles_view, rules_view
from agent.dashboard.views.record import decisions_view, entries_view, record_view, verification_view
from agent.identity import PublicKey
from agent.roles import Role, may, may_ask
from instruments.profile.laboratory import PersonEntry, RecordState
from instruments.profile.questions import Entry, Verification
from instruments.profile.requests import FORMS


def test_who_decides_comes_first_and_who_looks_is_named() -> None:
    people = people_view(sample_laboratory(), NOW, "ole")

    assert [person.name for person in people] == ["anna", "ben", "clara", "ada", "ole", "vera"]
    assert [person.name for person in people if person.is_visitor] == ["ole"]


def test_a_key_is_shown_by_its_thumbprints_first_digits_and_when_it_was_given_up() -> None:
    lab = sample_laboratory()
    x = "A" * 43
    old = PersonEntry(name="anna", role="viewer", kid=PublicKey(x=x).kid, x=x, revoked=NOW - timedelta(days=2))
    gone = old.model_copy(update={"name": "otto"})

    people = {
        one.name: one for one in people_view(lab.model_copy(update={"people": (old, gone, *lab.people)}), NOW, "")
    }

    assert people["anna"].role is Role.APPROVER  # by the key that counts
    assert [bool(key.revoked) for key in people["anna"].keys] == [False, True]
    assert people["anna"].keys[1].digits == PublicKey(x=x).kid[:8]
    assert people["anna"].keys[1].revoked.replace("\N{NO-BREAK SPACE}", " ") == "given up 30 May, 12:00 (2 d ago)"
    assert not people["otto"].active
    assert list(people)[-1] == "otto"


@pytest.mark.parametrize("role", list(Role))
def test_every_right_of_a_role_is_said(role: Role) -> None:
    n_rights = sum(may(role, choice) for choice in ("approve", "reject", "edit"))
    n_rights += sum(may_ask(role, action) for action in FORMS)
    n_rights += may_ask(role, "resume", clears=True)

    assert len(allowed(role)) == len(set(allowed(role))) == n_rights


def test_roles_name_their_holders_and_what_they_may_not() -> None:
    roles = {view.role: view for view in roles_view(people_view(sample_laboratory(), NOW, ""))}

    assert roles[Role.APPROVER].holders == ("anna", "ben")
    assert "approve proposals" in roles[Role.ADMIN].may_not
    assert roles[Role.VIEWER].may == ()
    assert "approve proposals" not in roles[Role.OPERATOR].may


def test_rules_that_decide_without_a_person() -> None:
    assert rules_view(sample_laboratory()) == ("the rule well-known",)
    assert rules_view(None) == ()


def test_decisions_the_latest_first_by_pages_and_by_person() -> None:
    picture = sample_picture()
    picture.outcomes = {
        one.proposal: one
        for one in (sample_outcome(i, by=("ben",) if i % 3 else ("policy:well-known",)) for i in range(1, 31))
    }

    first, last = decisions_view(picture, NOW), decisions_view(picture, NOW, first=24)
    of_rule = decisions_view(picture, NOW, "well-known")

    assert [line.pid for line in first.lines[:2]] == ["hard-P001", "hard-P002"]
    assert (len(first.lines), len(last.lines), last.first, last.n) == (12, 6, 24, 30)
    assert decisions_view(picture, NOW, first=500).first == 24
    assert (of_rule.n, of_rule.lines[0].by) == (10, "the rule well-known")
    assert decisions_view(picture, NOW, "hard-E007").n == 1


def test_an_expired_proposal_was_decided_by_nobody() -> None:
    picture = sample_picture()
    picture.outcomes = {"p": sample_outcome(1, "expired")}

    (line,) = decisions_view(picture, NOW).lines

    assert (line.verdict, line.by, line.experiment) == ("expired", "", "")


def test_entries_lead_to_the_page_of_what_they_are_about() -> None:
    picture = sample_picture()
    entry = Entry(
        seq=7, at=NOW, kind="vote.cast", text="said", by="anna,ben", subject="hard-P002", hash="a" * 64, signed=True
    )

    (line,) = entries_view([entry], picture, NOW)

    assert (line.page, line.by) == ("/proposals/hard-P002", "anna and ben")
    assert page_of("hard-E001", picture) == "/experiments/hard-E001"
    assert page_of("furnace-1", picture) == "/instruments#furnace-1"
    assert page_of("nobody-knows", picture) == ""


@pytest.mark.parametrize(("whole", "word", "tone"), [(True, "Whole", "good"), (None, "Not checked yet", "warn"),
                                                     (False, "Damaged", "bad")])  # fmt: skip
def test_the_record_says_what_is_known_of_it(whole: bool | None, word: str, tone: str) -> None:
    picture = sample_picture()
    record = RecordState(entries=12_345, tip="5b" * 32, verified_to=12_000, verified_at=NOW, whole=whole, text="why")
    picture.labs[AGENT] = sample_laboratory(record=record)

    view = record_view(picture.lab, NOW)

    assert (view.word, view.tone) == (word, tone)
    assert view.text.endswith("Why.")
    assert record_view(None, NOW).word == "Not known"


def test_a_verification_says_what_was_read_and_every_fault() -> None:
    good = Verification(whole=True, entries=1834, signatures=61, took_s=2.4)
    bad = Verification(whole=False, entries=10, faults=("entry 7 does not hold the hash of entry 6",))

    line, tone, faults = verification_view(good)

    assert line.replace("\N{NO-BREAK SPACE}", " ") == (
        "The whole chain holds: 1834 entries read, 61 signatures judged again, in 2.4 s."
    )
    assert (tone, faults) == ("good", ())
    assert verification_view(bad)[1:] == ("bad", ("entry 7 does not hold the hash of entry 6",))


def test_a_record_that_has_just_begun_was_empty_and_not_checked_up_to_entry_0() -> None:
    lab = sample_laboratory(record=RecordState(entries=30, tip="5b" * 32, verified_at=NOW, whole=True, text="how"))

    assert record_view(lab, NOW).text == "It began empty at 12:00 (now)."
