"""What people type to decide: what they are shown, what is signed, what they are told of it, and by which exit code."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from pathlib import Path

import pytest
from people_bench import AHEAD, LAB, PASSWORD, Bench, lab_now, proposal, words_of

from agent.deciding import session
from agent.deciding.letters import TooLateError
from envs.errors import UserError
from instruments.messages import Quantity
from instruments.profile.agent_messages import Check, Proposal
from instruments.profile.campaign_messages import CampaignState
from instruments.profile.decisions import Decision, proposal_digest
from instruments.profile.model_messages import Domain, EffectPoint, FactorEffect


@pytest.fixture(autouse=True)
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(tmp_path, monkeypatch)


def _decisions(bench: Bench) -> list[Decision]:
    return [claims for claims in bench.agent.heard if isinstance(claims, Decision)]


def test_the_table_says_what_waits_with_time_left_by_the_laboratorys_clock(bench: Bench) -> None:
    votes = CampaignState(campaign="hard", boot_id="b", seq=1, ts=lab_now(), phase="running", votes={"P008": ("ben",)})
    bench.bus.route(LAB.campaign_state("hard"), votes.to_bytes(), retain=True)
    bench.publish(proposal("P007"), proposal("P008", quorum=2, left=timedelta(hours=3)))
    result = bench.type("proposals")
    assert result.exit_code == 0, words_of(result)
    head, first, second = result.stdout.splitlines()
    assert head.split()[:4] == ["id", "campaign", "compound", "process"]
    for word in (
        "P008",
        "hard",
        "TiB₂",
        "1650 °C, 2.5 h, gas argon",
        "hardness 32.4 ± 2.1 GPa",
        "furnace 4 h",
        "1 of 2",
    ):
        assert word in first
    assert "3.0 h" in first
    assert "P007" in second
    assert "0 of 1" in second


def test_the_table_for_programs_is_what_was_published(bench: Bench) -> None:
    sent = proposal()
    bench.publish(sent)
    (row,) = json.loads(bench.type("proposals", "--json").stdout)
    assert row["digest"] == sent.published.digest
    assert {**json.loads(sent.to_bytes()), **row} == row
    assert row["lab_time"] > (lab_now() - timedelta(minutes=5)).isoformat()


def test_a_long_table_begins_with_what_expires_first(bench: Bench) -> None:
    for i in range(45):
        bench.publish(proposal(f"P{i:03d}", left=timedelta(hours=45 - i), campaign="soft" if i < 2 else "hard"))
    result = bench.type("proposals")
    ids = [line.split()[0] for line in result.stdout.splitlines()[1:]]
    assert ids == [f"P{i:03d}" for i in range(44, 4, -1)]
    assert "and 5 more that expire later" in result.stderr
    assert len(bench.type("proposals", "--all").stdout.splitlines()) == 46
    assert len(json.loads(bench.type("proposals", "--json").stdout)) == 45
    assert [row["proposal"] for row in json.loads(bench.type("proposals", "--json", "--campaign", "soft").stdout)] == [
        "P001",
        "P000",
    ]
    assert "Nothing of the campaign none waits" in bench.type("proposals", "--campaign", "none").stdout


def test_what_a_newer_agent_adds_is_part_of_what_is_signed(bench: Bench) -> None:
    body = {**json.loads(proposal().to_bytes()), "added_later": {"x": [1.5, "\u00e4"]}}
    bench.bus.route(LAB.proposal("P007"), json.dumps(body, indent=1).encode(), retain=True)
    (row,) = json.loads(bench.type("proposals", "--json").stdout)
    assert row["digest"] == proposal_digest(body) != Proposal.parse(json.dumps(body).encode()).published.digest
    assert row["added_later"] == body["added_later"]
    assert proposal_digest(body) in bench.type("proposal", "P007").stdout
    bench.type("approve", "P007")
    assert bench.agent.refused[0].digest == proposal_digest(body)


def test_what_is_printed_for_programs_can_be_signed(bench: Bench, tmp_path: Path) -> None:
    sent = proposal()
    bench.publish(sent)
    printed, body = tmp_path / "printed.json", tmp_path / "body.json"
    printed.write_text(bench.type("proposal", "P007", "--json").stdout)
    body.write_bytes(sent.to_bytes())
    for file in (printed, body):
        result = bench.type("sign", str(file), "--as", "anna", "--verdict", "approve", place=False)
        assert result.exit_code == 0, words_of(result)
        claims = json.loads(base64.urlsafe_b64decode(result.stdout.split(".")[1] + "=="))
        assert claims["digest"] == sent.published.digest


def test_what_was_changed_after_it_was_printed_is_not_signed(bench: Bench, tmp_path: Path) -> None:
    bench.publish(proposal())
    printed = tmp_path / "printed.json"
    printed.write_text(bench.type("proposal", "P007", "--json").stdout.replace("1650", "1950"))
    result = bench.type("sign", str(printed), "--as", "anna", "--verdict", "approve", place=False)
    assert result.exit_code != 0
    assert "P007 is not what was published" in words_of(result)
    assert not result.stdout


def test_an_empty_table_and_an_absent_agent_are_said(bench: Bench) -> None:
    bench.status("offline")
    result = bench.type("proposals")
    assert result.exit_code == 0
    assert "Nothing waits in the laboratory ceramics" in result.stdout
    assert "No agent is online" in result.stderr


def test_one_proposal_is_shown_whole(bench: Bench) -> None:
    sent = proposal(rationale="Finer grains", quorum=2)
    bench.publish(sent)
    text = bench.type("proposal", "P007").stdout
    for words in (
        "temperature  1650 °C",
        "28.6 and 35.5",
        "Finer grains",
        "2 to approve",
        sent.published.digest,
        "5b" * 32,
    ):
        assert words in text


def test_what_is_needed_to_judge_a_proposal_is_shown(bench: Bench) -> None:
    points = (EffectPoint(at=1200, value=11, low=9, high=13), EffectPoint(at=1900, value=33, low=28, high=39))
    bench.publish(
        proposal(
            domain=Domain(verdict="edge", score=0.9, text="2.1 lengthscales from the nearest"),
            duration=Quantity(value=11.25, unit="h"),
            effects=(
                FactorEffect(factor="process.temperature", unit="Cel", points=points, share=0.93),
                FactorEffect(factor="process.hold", unit="h", points=points, share=0.001),
            ),
            checks=(
                Check(instrument="furnace-1", command="sinter", parameter="temperature",
                      value=Quantity(value=1650, unit="Cel"), low=20, high=1700),
                Check(instrument="furnace-1", command="sinter", parameter="gas", value="argon"),
            ),
            edited_by="anna",
            changes={"process.temperature": Quantity(value=1500, unit="Cel")},
            editor_may_approve=False,
        )
    )  # fmt: skip
    text = bench.type("proposal", "P007").stdout
    for words in (
        "edge  2.1 lengthscales",
        "temperature  93% of what the process can change: from 11 GPa at 1200 °C to 33 GPa at 1900 °C",
        "takes      11 h",
        "furnace-1 sinter temperature  1650 °C (allowed 20 to 1700)",
        "temperature was  1500 °C",
        "so far: nobody; anna made this revision and cannot approve it",
    ):
        assert words in text
    assert "hold  0%" not in text
    assert "sinter gas" not in text


def test_what_others_wrote_does_nothing_to_the_terminal(bench: Bench) -> None:
    bench.publish(proposal(rationale="quiet\x1b[2J\x1b]0;x\x07 [bold]plain"))
    text = bench.type("proposal", "P007").stdout
    assert "\x1b[2J" not in text
    assert "\x07" not in text
    assert "[bold]plain" in text


def test_an_approval_counts_and_is_of_exactly_what_was_published(bench: Bench) -> None:
    sent = proposal()
    bench.publish(sent)
    result = bench.type("approve", "P007", "--comment", "good margin")
    assert result.exit_code == 0, words_of(result)
    assert "approve by anna counts" in result.stdout
    (decision,) = _decisions(bench)
    assert (decision.digest, decision.revision, decision.comment) == (sent.published.digest, 1, "good margin")
    assert decision.time < lab_now() - AHEAD / 2, "signed by the machine's clock"


def test_an_edit_shows_the_difference_and_signs_paths_of_the_design(bench: Bench) -> None:
    bench.publish(proposal())
    result = bench.type("edit", "P007", "temperature=1600 °C", "process.gas=vacuum")
    assert result.exit_code == 0, words_of(result)
    assert "temperature: 1650 °C -> 1600 °C" in result.stderr
    assert "gas: argon -> vacuum" in result.stderr
    assert _decisions(bench)[0].changes == {"process.temperature": 1600.0, "process.gas": "vacuum"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["temperature"], "is not FACTOR=VALUE"),
        (["pressure=1"], "'pressure' is not in the design; there: crystal, temperature, hold, gas"),
        (["temperature=hot"], "is no number in Cel"),
        (["temperature=1600 K"], "is no number in Cel"),
        (["temperature=nan"], "is no number in Cel"),
        (["temperature=1650"], "is 1650 °C already"),
        (["hold=1", "process.hold=2"], "given twice"),
        (["temperature=1650", "gas=argon"], "temperature is 1650 °C already and gas is argon already"),
    ],
)
def test_an_edit_that_cannot_be_meant_is_refused_before_the_password(
    bench: Bench, changes: list[str], message: str
) -> None:
    bench.publish(proposal())
    result = bench.type("edit", "P007", *changes, password=None)
    assert isinstance(result.exception, UserError)
    assert message in str(result.exception)
    assert not bench.agent.heard


def test_a_value_that_is_there_already_does_not_spoil_an_edit(bench: Bench) -> None:
    bench.publish(proposal())
    result = bench.type("edit", "P007", "temperature=1650", "hold=3")
    assert result.exit_code == 0, words_of(result)
    assert _decisions(bench)[0].changes == {"process.hold": 3.0}


def test_a_formula_is_changed_by_its_crystal(bench: Bench) -> None:
    given = proposal()
    bench.publish(given.model_copy(update={"design": {**given.design, "formula": "TiB2"}}))
    assert "give crystal=ZrC" in words_of(bench.type("edit", "P007", "formula=ZrC"))
    other = words_of(bench.type("edit", "P007", "pressure=1"))
    assert "there: crystal, temperature, hold, gas" in other
    assert "formula" not in other


@pytest.mark.parametrize(("who", "counted", "code"), [("anna", True, 0), ("vera", False, 1)])
def test_a_program_is_told_in_one_line_whether_it_counted(bench: Bench, who: str, counted: bool, code: int) -> None:
    bench.publish(proposal())
    result = bench.type("approve", "P007", "--json", who=who)
    told = json.loads(result.stdout)
    assert (result.exit_code, told["counted"], told["kind"]) == (code, counted, "decision")
    assert len(told["id"]) == 32
    assert told["text"]


def test_a_rejection_needs_a_reason(bench: Bench) -> None:
    bench.publish(proposal())
    assert bench.type("reject", "P007").exit_code == 2
    result = bench.type("reject", "P007", "--comment", "the crucible would melt", who="ole")
    assert result.exit_code == 0, words_of(result)
    assert _decisions(bench)[0].verdict == "reject"


def test_a_refusal_is_the_agents_words_and_exit_code_1(bench: Bench) -> None:
    bench.publish(proposal())
    result = bench.type("approve", "P007", who="vera")
    assert result.exit_code == 1
    assert "Refused: approve needs the role approver or safety, vera is viewer" in result.stderr


def test_silence_is_said_to_be_silence(bench: Bench) -> None:
    bench.publish(proposal())
    bench.agent.mute = True
    result = bench.type("approve", "P007")
    assert result.exit_code == 3
    assert "It is not known whether this counted" in result.stderr
    assert "an agent is online there" in result.stderr


def test_an_outcome_is_an_answer_where_the_event_is_lost(bench: Bench) -> None:
    bench.publish(proposal())
    bench.agent.answers_by_outcome = True
    result = bench.type("approve", "P007", "--wait", "60")
    assert result.exit_code == 0, words_of(result)
    assert "P007 was approved by anna" in result.stdout


def test_what_is_decided_or_expired_or_unknown_is_told_apart(bench: Bench) -> None:
    bench.publish(proposal("P001"), proposal("P002", left=timedelta(days=-1)))
    bench.agent.answers_by_outcome = True
    assert bench.type("approve", "P001").exit_code == 0
    late = bench.type("approve", "P001", who="ben")
    assert isinstance(late.exception, TooLateError)
    assert "P001 does not wait any more: approved by anna" in str(late.exception)
    expired = bench.type("approve", "P002")
    assert isinstance(expired.exception, TooLateError)
    assert "P002 expired at" in str(expired.exception)


def test_an_unknown_proposal_is_waited_for_and_then_said(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.deciding.board.PATIENCE_S", 0.05)
    unknown = bench.type("approve", "P099")
    assert isinstance(unknown.exception, UserError)
    assert "no proposal P099 waits" in str(unknown.exception)
    assert isinstance(bench.type("approve", "P/1").exception, UserError)


def test_time_left_is_the_laboratorys_not_the_machines(bench: Bench) -> None:
    """By the machine's clock this proposal has more than a year left."""
    late = proposal(left=timedelta(minutes=-1))
    assert late.expires_at > lab_now() - AHEAD
    bench.publish(late)
    assert isinstance(bench.type("approve", "P007").exception, TooLateError)


def test_a_body_that_is_anothers_is_not_signed(bench: Bench) -> None:
    bench.bus.route(LAB.proposal("P007"), proposal("P008").to_bytes(), retain=True)
    bench.bus.route(LAB.proposal("P009"), proposal("P009", lab="metals").to_bytes(), retain=True)
    bench.bus.route(LAB.proposal("P010"), b'{"lab": "ceramics"}', retain=True)
    twice = proposal("P011").to_bytes().replace(b'"revision":1', b'"revision":1,"revision":2')
    bench.bus.route(LAB.proposal("P011"), twice, retain=True)
    for pid in ("P007", "P009", "P010", "P011"):
        result = bench.type("approve", pid)
        assert isinstance(result.exception, UserError)
        assert "cannot be signed" in str(result.exception)
    assert "P010 cannot be read" in bench.type("proposals").stderr
    assert not bench.agent.heard


def test_a_proposal_that_changes_while_the_password_is_typed_is_not_signed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.publish(proposal())

    def type_slowly(_prompt: str) -> str:
        bench.publish(proposal(revision=2))
        return PASSWORD

    monkeypatch.setattr("agent.cli_decide.ask_password", type_slowly)
    result = bench.type("approve", "P007")
    assert isinstance(result.exception, TooLateError)
    assert "was changed while you read it" in str(result.exception)
    assert not bench.agent.heard


def test_a_wrong_password_signs_nothing(bench: Bench) -> None:
    bench.publish(proposal())
    result = bench.type("approve", "P007", password="wrong horse")  # noqa: S106
    assert isinstance(result.exception, UserError)
    assert "wrong password for anna" in str(result.exception)
    assert not bench.agent.heard


def test_who_is_meant(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.publish(proposal())
    place = ["--broker", "mqtt://127.0.0.1", "--lab", "ceramics"]
    many = bench.type("approve", "P007", *place, place=False)
    assert "say --as NAME" in words_of(many)
    assert bench.type("approve", "P007", *place, "--as", "ben", place=False).exit_code == 0
    assert _decisions(bench)[-1].user == "ben"
    assert "no identity 'eve'" in words_of(bench.type("approve", "P007", *place, "--as", "eve", place=False))
    for name in ("ada", "ben", "ole", "vera"):
        bench.store.public_path(name).unlink()
    bench.publish(proposal("P008"))
    monkeypatch.setenv("LABWRIGHT_BROKER", "mqtt://127.0.0.1")
    monkeypatch.setenv("LABWRIGHT_LAB", "ceramics")
    assert bench.type("approve", "P008", place=False).exit_code == 0
    assert _decisions(bench)[-1].user == "anna"


def test_the_state_directory_of_an_agent_here_says_how_to_get_to_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    from agent.deciding.place import Place, RunFile

    places: list[Place] = []

    def connect(place: Place) -> object:
        places.append(place)
        return bench.bus.transport()

    monkeypatch.setattr(session, "connection", connect)
    bench.publish(proposal())
    assert "which laboratory?" in words_of(bench.type("approve", "P007", place=False))
    (bench.home / "labwright-virtual").mkdir()
    assert "does one run?" in words_of(bench.type("approve", "P007", place=False))
    file = RunFile(broker="mqtt://127.0.0.1:4711", lab="ceramics", user="anna", password="secret")  # noqa: S106
    assert file.write(bench.home / "labwright-virtual").stat().st_mode & 0o777 == 0o600
    result = bench.type("approve", "P007", place=False)
    assert result.exit_code == 0, words_of(result)
    assert _decisions(bench)[-1].user == "anna"
    address = places[-1].address
    assert (address.port, address.username, address.password) == (4711, "anna", "secret")
    assert "it did for anna" in words_of(bench.type("approve", "P007", "--as", "ben", place=False))
    file.model_copy(update={"user": "ben"}).write(bench.home / "labwright-virtual")
    assert "say --as NAME" in words_of(bench.type("approve", "P007", place=False))
    both = bench.type("proposals", "--state", "labwright-virtual", "--broker", "mqtt://127.0.0.1", place=False)
    assert "give one of them" in words_of(both)
    assert bench.type("proposals", place=False).exit_code == 0
