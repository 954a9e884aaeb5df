"""Limits that leave a campaign nothing are found before a run: by the doctor, and by the dry run."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console
from test_doctor import LIMITS, lab_file

from agent import core
from agent import events as ev
from agent.daemon.dry_run import tell_refused
from agent.reading.doctor import examine


@pytest.mark.parametrize(
    ("bound", "words", "todo"),
    [
        (
            "laod = { high = 20, unit = 'N' }",
            ["limits.indenter-1.commands.indent.laod: the recipe's indent gives no laod", "is refused: indent: "],
            "did you mean load?",
        ),
        ("load = { high = 0.1, unit = 'N' }", ["of 200 designs of the space, drawn at random, is refused"], "compare"),
    ],
)
def test_the_doctor_says_what_leaves_nothing(tmp_path: Path, bound: str, words: list[str], todo: str) -> None:
    limits = LIMITS.replace("commands.indent = {}", f"commands.indent.{bound}")
    found = [f for f in examine(lab_file(tmp_path, limits)) if f.check == "limits of hard" and f.health == "problem"]
    said = "\n".join(f.words for f in found)
    assert all(one in said for one in words), said
    assert todo in found[0].todo


def test_bounds_that_leave_something_are_no_problem(tmp_path: Path) -> None:
    bounds = "commands.indent.load = { high = 20, unit = 'N' }\ncommands.indent.count = { high = 20, unit = '1' }"
    limits = LIMITS.replace("commands.indent = {}", bounds)
    limits += "commands.indent.dwell = { high = 9, unit = 's', optional = true }\n"
    checks = [f for f in examine(lab_file(tmp_path, limits)) if f.check == "limits of hard"]
    assert [(f.health, f.words) for f in checks if f.health != "ok"] == []


def test_a_dry_run_names_each_refused_design_and_whether_anything_is_left() -> None:
    planned = ev.RoundPlanned(campaign="hard", round=0, candidates={})
    hot, fine = (ev.DesignRecord(crystal="x1", formula="TiB2", process={"temperature": t}) for t in (2200.0, 1500.0))
    no = ev.ProposalRefused(
        campaign="hard",
        round=0,
        design=hot,
        pool="prior",
        reasons=("too hot [really]",),
    )
    yes = ev.ProposalMade(
        campaign="hard", proposal="hard-P001", round=0, design=fine, pool="prior",
        acquisition=None, forecast=None, nearest="",
    )  # fmt: skip
    out = io.StringIO()
    console = Console(file=out, width=80)
    assert not tell_refused(core.Planned(planned, [], [no]), console)
    assert "refused by the limits: TiB2 (x1): temperature 2200\n    too hot [really]\n" in out.getvalue()
    assert "the limits refuse each of its 1 designs" in out.getvalue()
    assert tell_refused(core.Planned(planned, [yes], [no]), console)
    assert tell_refused(core.Planned(planned, [], []), console)
