"""What people ask for beside decisions: each command signs the one request that it means, and tells what came of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from people_bench import LAB, Bench, words_of

from envs.errors import UserError
from instruments.profile.requests import FORMS, Request


@pytest.fixture(autouse=True)
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(tmp_path, monkeypatch)


COMMANDS: list[tuple[list[str], tuple[str, str, dict[str, Any]]]] = [
    (["pause", "hard"], ("pause", "hard", {})),
    (["resume", "hard"], ("resume", "hard", {})),
    (["stop", "hard"], ("stop", "hard", {})),
    (["stop", "--all"], ("stop-lab", "", {})),
    (["clear"], ("clear-lab", "", {})),
    (["withdraw", "P007"], ("withdraw", "P007", {})),
    (["reconcile", "E012", "again"], ("reconcile", "E012", {"verdict": "again"})),
    (["reconcile", "E012", "aborted"], ("reconcile", "E012", {"verdict": "aborted"})),
    (
        ["amend", "E012", "hardness=20.1", "hardness_std=0.4"],
        ("amend", "E012", {"hardness": 20.1, "hardness_std": 0.4}),
    ),
    (["retract", "E012"], ("retract", "E012", {})),
    (["sample", "move", "E012", "shelf 3"], ("move", "E012", {"place": "shelf 3"})),
    (["maintenance", "furnace-1", "on"], ("maintenance", "furnace-1", {"on": True})),
    (["maintenance", "furnace-1", "off"], ("maintenance", "furnace-1", {"on": False})),
    (["reload"], ("reload", "", {})),
]


@pytest.mark.parametrize(("words", "meant"), COMMANDS, ids=lambda value: str(value[0]))
def test_each_command_asks_for_what_it_says(
    bench: Bench, words: list[str], meant: tuple[str, str, dict[str, Any]]
) -> None:
    who = "ada" if words == ["reload"] else "ben"
    result = bench.type(*words, "--comment", "as agreed", who=who)
    assert result.exit_code == 0, words_of(result)
    assert f"{meant[0]} by {who} counts" in result.stdout
    (request,) = bench.agent.heard
    assert isinstance(request, Request)
    assert (request.action, request.subject, request.arguments) == meant
    assert (request.lab, request.user, request.comment) == (LAB.lab, who, "as agreed")


def test_every_action_has_its_command() -> None:
    assert {meant[0] for _, meant in COMMANDS} == set(FORMS)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["stop"], "give a campaign, or --all"),
        (["stop", "hard", "--all"], "give a campaign, or --all"),
        (["amend", "E012", "hardness", "--comment", "x"], "is not PROPERTY=NUMBER"),
        (["amend", "E012", "hardness=hard", "--comment", "x"], "is not PROPERTY=NUMBER"),
        (["amend", "E012", "hardness=inf", "--comment", "x"], "is not PROPERTY=NUMBER"),
        (["amend", "E012", "hardness=1", "hardness=2", "--comment", "x"], "given twice"),
        (["amend", "E012", "hardness_std=1", "--comment", "x"], "hardness_std is the uncertainty of hardness"),
        (["amend", "E012", "hardness=1", "hardness_std=-1", "--comment", "x"], "not negative"),
        (["pause", "a/b"], "this cannot be asked for: subject"),
        (["sample", "move", "E012", ""], "place of move"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_the_password(bench: Bench, words: list[str], message: str) -> None:
    result = bench.type(*words, password=None)
    assert isinstance(result.exception, UserError)
    assert message in str(result.exception)
    assert not bench.agent.heard


@pytest.mark.parametrize(
    "words", [["reconcile", "E012", "again"], ["amend", "E012", "hardness=1"], ["retract", "E012"]]
)
def test_what_changes_the_record_needs_a_reason(bench: Bench, words: list[str]) -> None:
    assert bench.type(*words).exit_code == 2
    assert not bench.agent.heard


def test_a_refusal_and_silence_are_told_apart(bench: Bench) -> None:
    refused = bench.type("stop", "--all", who="vera")
    assert refused.exit_code == 1
    assert "Refused: stop-lab needs the role operator, approver, safety or admin, vera is viewer" in refused.stderr
    bench.agent.mute = True
    bench.status("offline")
    silent = bench.type("stop", "--all")
    assert silent.exit_code == 3
    assert "no agent is online in the laboratory ceramics" in silent.stderr


def test_a_program_is_told_in_one_line_what_came_of_a_request(bench: Bench) -> None:
    told = json.loads(bench.type("pause", "hard", "--json", who="ben").stdout)
    assert (told["counted"], told["kind"], len(told["id"])) == (True, "request", 32)
    bench.agent.mute = True
    result = bench.type("stop", "--all", "--json", who="ben")
    assert (result.exit_code, json.loads(result.stdout)["counted"]) == (3, None)
