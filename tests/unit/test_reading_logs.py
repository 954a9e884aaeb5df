"""The log as people read it: levels, lines that are half, and files that turn over while somebody looks."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.reading import logs
from envs.errors import UserError
from instruments.profile.agent_messages import AgentEvent, Reference


def line(event: str, level: str = "info", **more: object) -> str:
    return json.dumps({"at": "2026-03-02T08:00:00Z", "level": level, "event": event, **more}) + "\n"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / logs.FILE
    path.parent.mkdir()
    path.write_text(line("one") + line("two", "warning") + line("three", "debug") + line("four", "error"))
    return path


def events(state: Path, **options: object) -> list[str]:
    return [entry["event"] for entry in logs.written(state, **options)]  # type: ignore[arg-type]


def test_levels_and_the_newest(log: Path) -> None:
    state = log.parent.parent
    assert events(state) == ["one", "two", "three", "four"]
    assert events(state, level="warning") == ["two", "four"]
    assert events(state, level="info", last=2) == ["two", "four"]


def test_the_newest_are_looked_for_in_files_that_were_put_aside_too(log: Path) -> None:
    log.rename(log.with_name(f"{log.name}.10"))
    log.with_name(f"{log.name}.2").write_text(line("five"))
    log.with_name(f"{log.name}.old").write_text(line("of another program"))
    state = log.parent.parent
    assert events(state, last=1) == ["five"]
    log.write_text(line("six"))
    assert events(state, last=1) == ["six"]
    assert events(state, last=3) == ["four", "five", "six"]
    assert events(state, level="error", last=5) == ["four"]
    assert events(state) == ["one", "two", "three", "four", "five", "six"]


def test_a_line_that_a_power_cut_left_in_half_is_shown_as_it_is(log: Path) -> None:
    with log.open("a") as handle:
        handle.write('{"level": "info", "ev')
    assert events(log.parent.parent)[-1] == '{"level": "info", "ev'


def test_without_a_log_it_is_said_where_it_was_expected(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"agent\.jsonl"):
        logs.written(tmp_path)


def test_what_comes_is_followed_across_the_turning_over_of_the_file(log: Path) -> None:
    state = log.parent.parent
    waited: list[float] = []
    comes = logs.following(state, level="info", sleeper=waited.append)

    def news() -> list[str]:
        found = []
        while (entry := next(comes)) is not None:
            found.append(entry["event"])
        return found

    assert news() == []
    with log.open("a") as handle:
        handle.write(line("five") + line("quiet", "debug") + line("six")[:20])
    assert news() == ["five"]
    with log.open("a") as handle:
        handle.write(line("six")[20:])
    assert news() == ["six"]
    with log.open("a") as handle:
        handle.write(line("last of the old"))
    log.rename(log.with_name("agent.jsonl.1"))
    log.write_text(line("first of the new"))
    assert news() == ["last of the old", "first of the new"]
    log.unlink()
    assert news() == []
    assert waited


def test_what_others_wrote_does_not_move_the_terminal() -> None:
    shown = logs.shown({"at": "2026-03-02T08:00:00Z", "level": "error", "event": "\x1b[2J[red]x", "logger": "a"})
    assert "\x1b" not in shown
    assert r"\[red]" in shown


def test_what_an_agent_tells_the_bus_looks_like_its_log() -> None:
    event = AgentEvent(
        boot_id="b", seq=1, ts=datetime(2026, 3, 2, tzinfo=UTC), kind="experiment.ended", level="warning",
        text="it melted", reference=Reference(kind="experiment", id="hard-E001"),
    )  # fmt: skip
    entry = logs.of_event(event)
    assert (entry["event"], entry["experiment"]) == ("it melted", "hard-E001")
    assert logs.wanted(entry, "warning")
    assert not logs.wanted(entry, "error")
