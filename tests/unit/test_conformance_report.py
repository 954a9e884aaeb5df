"""What a person and a program get from a check."""

from __future__ import annotations

import asyncio
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import raw_device
from raw_description import description
from rich.console import Console
from test_conformance_rules import examine

from agent.instrument_check import read_parameters, restarter
from agent.instrument_run import print_instruments
from envs.errors import UserError
from instruments.conformance.report import Finding, Report
from instruments.conformance.run import AbsentDeviceError
from instruments.conformance.table import show
from instruments.messages import Quantity

Change = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
def broken() -> Report:
    return examine(["ignores upper limits", "no readings"], restart=False)[0]


def drawn(report: Report, width: int) -> str:
    out = io.StringIO()
    show(report, place="mqtt://127.0.0.1:1883, lab theirs", console=Console(file=out, width=width))
    return out.getvalue()


@pytest.mark.parametrize("width", [80, 100, 120])
def test_the_table_fits_and_names_every_rule(broken: Report, width: int) -> None:
    lines = drawn(broken, width).splitlines()
    assert max(len(line) for line in lines) <= width
    for finding in broken.findings:
        assert any(line.startswith(finding.rule) for line in lines)
    assert lines[0].startswith("scale-7, scale")


def test_what_failed_comes_last_with_what_to_do(broken: Report) -> None:
    text = drawn(broken, 100)
    tail = text[text.index("PAR-6  Upper limits") :]
    assert "Seen: weigh, force = 100.99 N: it was accepted" in tail
    assert "What to do: The device checks its own limits whatever the approval says" in tail
    assert "scale-7 does not keep the profile." in tail.splitlines()[-1]


def test_a_device_that_passes_is_told_so() -> None:
    report, _ = examine(restart=False)
    last = drawn(report, 100).splitlines()[-1]
    assert last.startswith(f"{len(report.by('passed'))} passed, 0 failed, 7 skipped")
    assert last.endswith("scale-7 keeps the profile in what could be tried.")


def test_json_says_the_same(broken: Report) -> None:
    line = broken.to_json()
    assert "\n" not in line
    data = json.loads(line)
    assert (data["iid"], data["kind"], data["conforms"]) == ("scale-7", "scale", False)
    assert {r["id"] for r in data["rules"] if r["verdict"] == "failed"} == set(broken.failed) == {
        "PAR-5", "PAR-6", "TEL-1"
    }  # fmt: skip
    assert data["passed"] + data["failed"] + data["skipped"] == len(data["rules"])


def test_rules_without_an_example_are_left_and_said_why() -> None:
    report, devices = examine(["no example"])
    skipped = {f.rule: f.seen for f in report.by("skipped")}
    assert report.failed == ()
    assert report.conforms is None
    assert json.loads(report.to_json())["conforms"] is None
    assert (
        drawn(report, 200)
        .splitlines()[-1]
        .endswith(
            "scale-7 keeps the profile in what could be tried; no job was carried out: give an example or --command."
        )
    )
    assert "no command declares an example" in skipped["JOB-1"]
    assert devices[0].acts == [], "nothing was carried out"


def test_a_device_in_error_is_not_told_to_keep_the_profile() -> None:
    report, _ = examine(["in error"], restart=False)
    skipped = {f.rule: f.seen for f in report.by("skipped")}
    assert skipped["REF-1"] == "the device is in error (the pan is off): it was rejected as error: the pan is off"
    assert (report.failed, report.conforms, report.away) == ((), None, "error (the pan is off)")
    assert json.loads(report.to_json())["away"] == "error (the pan is off)"
    last = drawn(report, 200).splitlines()[-1]
    assert "scale-7 is in error (the pan is off) and took no orders: whether it keeps the profile is not known" in last
    assert "keeps the profile in" not in last


def test_a_command_is_named_with_its_parameters() -> None:
    parameters = read_parameters('{"force": {"value": 20, "unit": "N"}, "mode": "slow", "label": "mine"}')
    assert parameters["force"] == Quantity(value=20, unit="N")
    report, devices = examine(["no example"], command="weigh", parameters=parameters)
    assert report.failed == ()
    assert devices[0].acts
    assert "JOB-1" in {f.rule for f in report.by("passed")}


def test_quick_leaves_the_heartbeat_out() -> None:
    report, _ = examine(["no heartbeat"], quick=True, restart=False)
    assert report.conforms
    assert {f.rule: f.seen for f in report.by("skipped")}["PRE-7"] == "left out by --quick"


def test_a_restart_that_fails_is_told_in_the_report() -> None:
    async def fail() -> None:
        await restarter("exit 3")()

    with pytest.raises(UserError, match=r"'exit 3' ended with exit code 3: the device was not restarted"):
        asyncio.run(fail())


def test_a_restart_that_never_ends_is_ended_and_told(tmp_path: Path) -> None:
    mark = tmp_path / "pid"

    async def hang() -> None:
        await restarter(f"echo $$ > {mark}; exec sleep 600", within_s=0.3)()

    with pytest.raises(UserError, match=r"had not ended after 0.3 s: have it return"):
        asyncio.run(hang())
    with pytest.raises(ProcessLookupError):
        os.kill(int(mark.read_text()), 0)


def test_a_wrong_command_is_the_users_mistake() -> None:
    with pytest.raises(UserError, match=r"scale-7 has no command 'dance'; it has: weigh, cook"):
        examine(command="dance")


@pytest.mark.parametrize(
    ("text", "word"),
    [("{", "is not JSON"), ("[]", "valid object"), ('{"force": 3}', "force"), ('{"force": {"value": 3}}', "unit")],
)
def test_parameters_that_are_none_are_explained(text: str, word: str) -> None:
    with pytest.raises(UserError, match=word) as caught:
        read_parameters(text)
    assert '"unit": "Cel"' in str(caught.value)


def test_an_absent_device_names_those_that_are_there() -> None:
    assert "there are: a, b" in str(AbsentDeviceError("x", ("a", "b")))
    assert "check --lab and --root" in str(AbsentDeviceError("x", ()))


def _weigh(**changes: Any) -> Change:
    return lambda said: said["commands"]["weigh"]["parameters"].update(changes)


def _force(**changes: Any) -> Change:
    return lambda said: said["commands"]["weigh"]["parameters"]["properties"]["force"]["properties"].update(changes)


@pytest.mark.parametrize(
    ("change", "rules"),
    [
        (lambda said: said.clear(), {"PRE-1"}),
        (lambda said: said.update(proto="2.0"), {"PRE-1"}),
        (_weigh(properties=[1]), {"DES-1"}),
        (_weigh(properties={"force": 5}), {"DES-1"}),
        (_weigh(required=3), {"DES-1"}),
        (_weigh(properties={"mode": {"enum": []}, "label": {"type": "string", "maxLength": "a"}}), {"DES-1"}),
        (_force(value={"type": "number", "minimum": "low", "maximum": None}), {"DES-1", "DES-3"}),
        (_force(value={"type": "number", "minimum": 1, "maximum": 1e400}), {"DES-3"}),
        (_force(unit=[]), {"DES-1"}),
        (_force(unit={"enum": ["N", "kN"]}), set()),
        (lambda said: said.update(commands={}), set()),
        (lambda said: said.update(max_concurrency=1000), set()),
        (lambda said: said["channels"]["mass"].update(period_s=1e9), set()),
    ],
)
def test_whatever_a_description_says_the_report_is_whole(
    change: Change, rules: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def said(boot: str, flaws: frozenset[str]) -> dict[str, Any]:
        found = description(boot, flaws)
        change(found)
        return found

    monkeypatch.setattr(raw_device, "description", said)
    report, _ = examine()
    assert set(report.failed) == rules
    assert len(report.findings) == 70
    assert report.seconds < 120


EVIL = "x\x1b[2J\x1b]0;pwned\x07[/y]"
"""It would clear a terminal, name its window, and end a markup that never began."""


def test_no_device_commands_the_terminal_that_shows_its_report() -> None:
    finding = Finding("JOB-1", "Life", "Confirmed", "Say so.", "failed", EVIL, f"Go to {EVIL}")
    screen = io.StringIO()
    report = Report("oven", {"kind": "oven", "driver": EVIL}, (finding,))
    show(report, console=Console(file=screen, width=200, color_system=None))
    assert "\x1b" not in screen.getvalue()
    assert screen.getvalue().count(r"x\x1b[2J\x1b]0;pwned\x07[/y]") == 4


def test_the_list_shows_what_devices_say_as_it_stands(capsys: pytest.CaptureFixture[str]) -> None:
    channels = {"oven": {"unit": "[degF]"}}
    commands = {"bake": {"duration_s": 5400.0}}
    about = {"iid": "oven", "kind": "oven", "presence": "online", "commands": commands, "channels": channels}
    print_instruments([{**about, "driver": "x\x1b[2J[/y]"}], "lab")
    shown = "".join(capsys.readouterr().out.split())
    assert "\x1b" not in shown
    assert "oven([degF])" in shown
    assert "bake(1.5h)" in shown or "bake(1h30min)" in shown
    assert r"x\x1b[2J[/y]" in shown
