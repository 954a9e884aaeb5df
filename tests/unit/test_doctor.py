"""The doctor finds what a run would stumble over, says what to do, and changes nothing."""

import asyncio
import json
import socket
from datetime import timedelta
from pathlib import Path

import pytest
import recorded_lab
from recorded_lab import START

from agent.daemon.config import load_lab
from agent.journal import Journal
from agent.reading.doctor import examine
from agent.reading.doctor_bus import examine_broker
from agent.reading.doctor_run import see_the_doctor
from agent.reading.findings import Finding
from instruments.local import LocalBus
from instruments.messages import CommandDescription, Description, Status
from instruments.topics import Lab

TOPICS = Lab("labwright", "hall-3")
LIMITS = """
[limits.furnace-1]
kind = "furnace"
commands.sinter = {}
[limits.sem-1]
kind = "sem"
commands.survey = {}
commands.acquire = {}
[limits.indenter-1]
kind = "indenter"
commands.indent = {}
"""


def lab_file(directory: Path, text: str = LIMITS, *, broker: str = "embedded = true", port: int = 0) -> Path:
    path = directory / "LAB.toml"
    whole = f'[lab]\nname = "hall-3"\n[broker]\n{broker}\n[http]\nport = {port}\n[[campaign]]\nid = "hard"\n{text}'
    path.write_text(whole)
    return path


def by_check(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.check: finding for finding in findings}


def looked_at(path: Path, free: int = 10**12) -> dict[str, Finding]:
    return by_check(list(examine(path, free=lambda _path: free)))


def test_a_laboratory_that_is_well(tmp_path: Path) -> None:
    recorded_lab.people(tmp_path / "state")
    found = looked_at(lab_file(tmp_path))
    assert {c: f.words for c, f in found.items() if f.health == "problem"} == {}
    assert "first run makes it" in found["journal"].words
    assert "each step has an instrument" in found["limits of hard"].words
    assert not (tmp_path / "state" / "journal.sqlite").exists()


def test_what_is_wrong_in_the_file_is_said_first(tmp_path: Path) -> None:
    path = lab_file(tmp_path, "batch = 99")
    found = looked_at(path)
    assert list(found)[-1] == "file"
    assert "campaign[0].batch = 99" in found["file"].words


@pytest.mark.parametrize(
    ("text", "check", "words"),
    [
        (LIMITS.replace("[limits.sem-1]", "[limits.sem-1-of-another]"), "limits of hard", "each step"),
        (LIMITS.replace("commands.acquire = {}\n", ""), "limits of hard", "acquire of a sem"),
        (f"instruments = ['furnace-1']\n{LIMITS}", "limits of hard", "survey of a sem, acquire of a sem, indent"),
        ("", "limits", "there are none"),
        (f"{LIMITS}[policy.two_persons.cost]\nx = 1.0", "people", "nobody may approve"),
        (LIMITS, "people", "nobody may approve"),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, text: str, check: str, words: str) -> None:
    assert words in looked_at(lab_file(tmp_path, text))[check].words


def test_levels_that_the_limits_never_allow_are_named(tmp_path: Path) -> None:
    factors = {"powder_size": "um", "hold": "h", "heating_rate": "K/min", "pressure": "MPa"}
    bounds = "".join(f"commands.sinter.{n} = {{ high = 99, unit = '{unit}' }}\n" for n, unit in factors.items())
    bounds += "commands.sinter.temperature = { high = 2100, unit = 'Cel' }\n"
    bounds += "commands.sinter.additive = { options = ['none', 'MgO', 'Y2O3'] }\n"
    words = looked_at(lab_file(tmp_path, LIMITS.replace("commands.sinter = {}\n", bounds)))["limits of hard"].words
    assert words == "never allowed: additive B4C; temperature 2150, 2200 Cel"


def test_two_persons_are_needed_where_the_policy_says_so(tmp_path: Path) -> None:
    recorded_lab.people(tmp_path / "state")
    (tmp_path / "state" / "people" / "bert.public.json").unlink()
    path = lab_file(tmp_path, f"{LIMITS}[policy.two_persons.factors]\ntemperature = {{ above = 1800.0 }}")
    assert "two persons must approve" in by_check(list(examine(path)))["people"].words


def test_secrets_that_others_can_read_and_a_disk_without_room(tmp_path: Path) -> None:
    secrets = tmp_path / "state" / "secrets"
    secrets.mkdir(parents=True)
    (secrets / "broker-password").write_text("x")
    (secrets / "broker-password").chmod(0o644)
    found = looked_at(lab_file(tmp_path), free=10**8)
    assert (found["secrets"].health, found["secrets"].todo) == ("problem", "chmod 600 on each")
    assert (found["disk"].health, "100 MB are free" in found["disk"].words) == ("problem", True)


def test_a_state_directory_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = lab_file(tmp_path)
    assert "state" not in looked_at(path)
    monkeypatch.setattr("os.access", lambda *_: False)
    assert "cannot be written by" in looked_at(path)["state"].words
    monkeypatch.undo()
    (tmp_path / "state").write_text("")
    assert "is a file" in looked_at(path)["state"].words


def test_who_holds_the_journal_is_said(tmp_path: Path) -> None:
    with Journal(tmp_path / "state", write=True):
        assert "held by pid" in looked_at(lab_file(tmp_path))["journal"].words
    assert "held by nobody" in looked_at(lab_file(tmp_path))["journal"].words


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        found = looked_at(lab_file(tmp_path, port=taken.getsockname()[1]))
    assert found["http"].health == "problem"


def test_a_password_in_a_file_that_everybody_can_read(tmp_path: Path) -> None:
    path = lab_file(tmp_path, broker='url = "mqtt://agent:s3cret@localhost"')
    path.chmod(0o644)
    found = looked_at(path)
    assert "a password stands in" in found["secrets"].words
    assert "s3cret" not in "".join(f.words for f in found.values())


def test_problems_are_the_exit_status(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = lab_file(tmp_path)
    with pytest.raises(SystemExit) as ended:
        see_the_doctor(path, offline=True, as_json=True)
    assert ended.value.code == 1
    assert json.loads(capsys.readouterr().out)["well"] is False
    recorded_lab.people(tmp_path / "state")
    see_the_doctor(path, offline=True, as_json=False)
    assert "0 problems" in capsys.readouterr().out


# ---- At the broker


def described(iid: str, kind: str) -> Description:
    return Description(
        iid=iid, kind=kind, boot_id="b", commands={"sinter": CommandDescription(summary="x", parameters={})}
    )


def at_the_broker(tmp_path: Path, *, ahead_s: float = 0.0, answers: bool = True) -> dict[str, Finding]:
    config = load_lab(lab_file(tmp_path, broker='url = "mqtt://agent@localhost"'))

    async def soon(_seconds: float) -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    async def look() -> list[Finding]:
        bus = LocalBus()
        furnace, doctor = bus.transport(), bus.transport()
        await furnace.connect()
        status = Status(state="online", boot_id="b", seq=1, ts=START + timedelta(seconds=ahead_s))

        async def again(_message: object) -> None:
            if answers:
                await furnace.publish(TOPICS.status("furnace-1"), status.to_bytes(), retain=True)

        await furnace.publish(TOPICS.desc("furnace-1"), described("furnace-1", "furnace").to_bytes(), retain=True)
        await furnace.publish(TOPICS.desc("sem-1"), described("sem-1", "camera").to_bytes(), retain=True)
        await furnace.publish(TOPICS.status("furnace-1"), status.to_bytes(), retain=True)
        await furnace.publish(TOPICS.status("sem-1"), status.to_bytes(), retain=True)
        await furnace.publish(TOPICS.agent_status("agent"), status.to_bytes(), retain=True)
        await furnace.subscribe(TOPICS.control("furnace-1"), again)
        try:
            return await examine_broker(config, doctor, "doctor-1", now=lambda: START, sleeper=soon)
        finally:
            await doctor.close()
            await furnace.close()

    return by_check(asyncio.run(look()))


def test_who_is_there_and_what_is_missing(tmp_path: Path) -> None:
    found = at_the_broker(tmp_path)
    assert found["rights"].health == "ok"
    assert (found["instrument furnace-1"].health, found["instrument furnace-1"].words) == ("ok", "a furnace, online")
    assert "does not answer now" in found["instrument sem-1"].words
    assert "sem-1 says that it is a camera, the limits call it a sem" in found["instruments of hard"].words
    assert "is online there already" in found["agent"].words


def test_a_clock_that_is_wrong_is_seen(tmp_path: Path) -> None:
    assert "its clock is +12 s" in at_the_broker(tmp_path, ahead_s=12.0)["instrument furnace-1"].words
    assert "its clock is -40 s" in at_the_broker(tmp_path, ahead_s=-40.0)["instrument furnace-1"].words


def test_an_instrument_that_was_there_once_is_not_taken_for_present(tmp_path: Path) -> None:
    found = at_the_broker(tmp_path, ahead_s=-3600.0, answers=False)["instrument furnace-1"]
    assert (found.health, "60 min ago and does not answer now" in found.words) == ("warning", True)
