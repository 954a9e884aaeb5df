"""The daemon's log: readable, without secrets, bounded, and never a reason to stop."""

import errno
import io
import json
import logging
import os
import threading
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from agent.daemon import logs
from agent.daemon.flood import Flood
from agent.daemon.log_file import LogFile
from agent.daemon.redaction import redacted, redacted_text

JWS = "eyJhbGciOiJFZERTQSJ9.eyJ2ZXJkaWN0IjoiYXBwcm92ZWQifQ.c2lnbmF0dXJl"
NOON = datetime(2031, 5, 4, 12, tzinfo=UTC)


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def written(directory: Path) -> list[dict[str, Any]]:
    return lines((directory / logs.FILE).read_text(encoding="utf-8"))


def test_an_event_is_one_json_object_a_line_in_the_file_and_off_a_terminal(tmp_path: Path) -> None:
    stream = io.StringIO()
    log = logs.get("daemon", campaign="c1")  # made before the set-up, as modules do
    moments = iter([NOON])  # lab time is asked once for both

    with logs.configure(tmp_path, terminal=False, stream=stream, lab_time=lambda: next(moments)):
        log.info("experiment ended", experiment="c1-E004", outcome="completed", hardness=(30.5, float("nan")))

    assert lines(stream.getvalue()) == written(tmp_path)
    (said,) = written(tmp_path)
    assert datetime.fromisoformat(said.pop("at")).tzinfo is not None
    assert said == {
        "lab_at": "2031-05-04T12:00:00.000Z", "level": "info", "logger": "labwright.daemon",
        "event": "experiment ended", "campaign": "c1", "experiment": "c1-E004", "outcome": "completed",
        "hardness": [30.5, "nan"],
    }  # fmt: skip


def test_people_read_no_json_on_a_terminal_and_the_file_has_it_all_the_same(tmp_path: Path) -> None:
    stream = io.StringIO()

    with logs.configure(tmp_path, terminal=True, stream=stream):
        logs.get("daemon").warning("no answer", instrument="furnace-1", said="line\none\x1b[31m")

    assert "no answer" in stream.getvalue()
    assert "instrument=furnace-1" in stream.getvalue()
    assert "\x1b" not in stream.getvalue(), "what an instrument says moves no cursor"
    assert written(tmp_path)[0]["said"] == "line\none\x1b[31m"


def test_libraries_go_the_same_way_and_only_their_warnings(tmp_path: Path) -> None:
    with logs.configure(tmp_path, terminal=False, stream=io.StringIO()) as log:
        logging.getLogger("instruments.client").info("job %s is away", "j1")
        logging.getLogger("uvicorn.error").info("chatter")
        logging.getLogger("paho.mqtt").warning("connection to %s lost", "mqtt://agent:hunter2@broker:1883")
        log.set_level("debug")
        logging.getLogger("alembic.runtime").debug("running upgrade")

    assert [(one["logger"], one["event"]) for one in written(tmp_path)] == [
        ("instruments.client", "job j1 is away"),
        ("paho.mqtt", "connection to mqtt://agent:***@broker:1883 lost"),
        ("alembic.runtime", "running upgrade"),
    ]


def test_an_exception_stands_in_its_line_with_its_trace_and_without_secrets(tmp_path: Path) -> None:
    with logs.configure(tmp_path, terminal=False, stream=io.StringIO()):
        try:
            int(f"bad token {JWS}")
        except ValueError:
            logs.get("hear").exception("a decision could not be read")

    (said,) = written(tmp_path)
    assert "ValueError: invalid literal for int() with base 10: 'bad token ***'" in said["exception"]
    assert "Traceback" in said["exception"]


def test_what_is_bound_to_the_task_stands_in_every_event(tmp_path: Path) -> None:
    with (
        logs.configure(tmp_path, terminal=False, stream=io.StringIO()),
        structlog.contextvars.bound_contextvars(job="j-7"),
    ):
        logs.get("dispatch").info("sent")

    assert written(tmp_path)[0]["job"] == "j-7"


def test_fields_cannot_pass_for_the_lines_own(tmp_path: Path) -> None:
    with logs.configure(tmp_path, terminal=False, stream=io.StringIO()):
        logs.get("x").info("moved", level="fake", at="never", exception="none")

    (said,) = written(tmp_path)
    assert (said["level"], said["level_"], said["at_"], said["exception_"]) == ("info", "fake", "never", "none")


def test_warnings_of_python_are_log_lines(tmp_path: Path) -> None:
    with logs.configure(tmp_path, terminal=False, stream=io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(False)  # pytest's own hook is in between
        logging.captureWarnings(True)
        warnings.warn("old", DeprecationWarning, stacklevel=1)

    assert written(tmp_path)[0]["logger"] == "py.warnings"


def test_logging_is_left_as_it_was_found(tmp_path: Path) -> None:
    root = logging.getLogger()
    before = (root.level, root.handlers[:], logging.getLogger("paho").level)

    with logs.configure(tmp_path, terminal=False, stream=io.StringIO()):
        pass

    assert (root.level, root.handlers, logging.getLogger("paho").level) == before


# Secrets --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "postgresql+psycopg://labwright:S3cr3t@db/labwright",
        "mqtts://agent:p@S3cr3t@broker:8883",
        "Authorization: Bearer S3cr3tS3cr3t",
        'authorization: "Basic S3cr3tS3cr3t=="',
        "eyJhbGciOiJIUzI1NiJ9.eyJqb2IiOiJTM2NyM3QifQ.S3cr3t",
        "-----BEGIN PRIVATE KEY-----\nS3cr3t\n-----END PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\nS3cr3t and the rest is cut off",
        '{"kty": "OKP", "d": "S3cr3tS3cr3tS3cr3tS3cr3tS3cr3t"}',
        "broker_password=S3cr3t",
        "{'password': 'S3cr3t'}",
        "api-key: S3cr3t, more",
    ],
)
def test_no_secret_passes(text: str) -> None:
    assert "S3cr3t" not in redacted_text(text)


@given(st.text(alphabet=st.characters(exclude_characters=" \t\r\n/?#:@", categories=("L", "N", "P")), min_size=4))
def test_no_password_in_an_address_passes(password: str) -> None:
    text = redacted_text(f"cannot reach mqtt://agent:{password}@broker.lab:1883 now")

    assert text == "cannot reach mqtt://agent:***@broker.lab:1883 now"


@pytest.mark.parametrize(
    "text",
    ["https://lab.example.org:8080/artefacts/ab12", "E004 ended: 30.5 ± 0.2 GPa", "a token was refused: it is stale"],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redacted_text(text) == text


def test_fields_that_are_named_after_secrets_are_hidden_however_deep() -> None:
    said = redacted({"a": [{"broker_password": "x", "token": {"raw": 1}, "n": 3}], "secret": ""})

    assert said == {"a": [{"broker_password": "***", "token": "***", "n": 3}], "secret": ""}


def test_a_value_without_end_ends() -> None:
    endless: list[Any] = []
    endless.append(endless)

    assert len(json.dumps(redacted(endless))) < 100
    assert len(redacted_text("x" * 10**6)) < 17_000


# Floods ---------------------------------------------------------------------------------------------------------------


def test_a_flood_becomes_one_line_with_a_count(tmp_path: Path) -> None:
    now = [0.0]
    with logs.configure(tmp_path, terminal=False, stream=io.StringIO(), per_minute=3, monotonic=lambda: now[0]):
        for n in range(1000):
            logging.getLogger("instruments.mqtt").warning("no connection, try %d", n)
        logs.get("daemon").info("something else")
        now[0] = 61.0
        logs.get("daemon").info("later")

    said = [(one["event"], one.get("again"), one.get("times")) for one in written(tmp_path)]
    assert said == [
        *((f"no connection, try {n}", None, None) for n in range(3)),
        ("something else", None, None),
        ("the same event came again", "no connection, try %d", 997),
        ("later", None, None),
    ]


def test_what_was_left_out_is_said_at_the_end(tmp_path: Path) -> None:
    with logs.configure(tmp_path, terminal=False, stream=io.StringIO(), per_minute=1):
        for _ in range(5):
            logs.get("daemon").info("again and again")

    assert written(tmp_path)[-1]["times"] == 4


def test_different_events_without_end_take_no_memory_without_end() -> None:
    flood = Flood(1, lambda: 0.0, keys=10)
    for n in range(1000):
        flood.admits(("a", 20, f"event {n}"))
        list(flood.over())

    assert len(flood._spans) <= 11


# The file -------------------------------------------------------------------------------------------------------------


def file_log(path: Path, **settings: Any) -> LogFile:
    return LogFile(path, lost=lambda n: f"{n} lost", **{"max_bytes": 10_000, "keep": 2, **settings})


def say(log: LogFile, text: str) -> None:
    log.handle(logging.LogRecord("x", logging.INFO, "", 0, text, (), None))


def test_the_file_turns_over_by_size_and_keeps_so_many(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "a.jsonl"
    log = file_log(path, max_bytes=25)
    for n in range(8):
        say(log, f"line {n} ...")
    log.close()

    found = {p.name: p.read_text() for p in path.parent.iterdir()}
    assert found == {
        "a.jsonl": "line 6 ...\nline 7 ...\n", "a.jsonl.1": "line 4 ...\nline 5 ...\n",
        "a.jsonl.2": "line 2 ...\nline 3 ...\n",
    }  # fmt: skip


def test_a_file_that_someone_moved_away_is_begun_anew(tmp_path: Path) -> None:
    with logs.configure(tmp_path, terminal=False, stream=io.StringIO()) as log:
        logs.get("x").info("before")
        (tmp_path / logs.FILE).rename(tmp_path / "moved")
        logs.get("x").info("still there")
        log.reopen()
        logs.get("x").info("after")

    assert [one["event"] for one in lines((tmp_path / "moved").read_text())] == ["before", "still there"]
    assert [one["event"] for one in written(tmp_path)] == ["after"]


class Disk:
    """Room for so many bytes; then writes fail as they do on a full disk, the last one in its middle."""

    def __init__(self, room: int) -> None:
        self.room = room

    def write(self, file: int, data: bytes) -> int:
        if self.room == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        n = min(self.room, len(data))
        self.room -= n
        return os.write(file, data[:n])


def test_a_full_disk_loses_lines_and_says_so_once_there_is_room(tmp_path: Path) -> None:
    disk = Disk(room=15)
    log = file_log(tmp_path / "a.log", write=disk.write)
    for n in range(4):
        say(log, f"line {n} ...")  # one and a half fit
    disk.room = 1000
    for n in range(4, 6):
        say(log, f"line {n} ...")
    log.close()

    assert (tmp_path / "a.log").read_text().split("\n") == [
        "line 0 ...",
        "line",
        "3 lost",
        "line 4 ...",
        "line 5 ...",
        "",
    ]
    assert log.dropped == 3


def test_the_system_s_own_full_device_is_survived() -> None:
    log = file_log(Path("/dev/full"))

    for n in range(3):
        say(log, f"line {n}")
    log.close()

    assert log.dropped == 3


def test_a_directory_that_cannot_be_made_is_survived(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("a file")
    stream = io.StringIO()

    with logs.configure(tmp_path / "logs", terminal=False, stream=stream) as log:
        logs.get("x").info("said all the same")
        assert log.dropped == 1

    assert "said all the same" in stream.getvalue()


def test_a_terminal_that_went_away_is_survived(tmp_path: Path) -> None:
    stream = io.StringIO()

    with logs.configure(tmp_path, terminal=True, stream=stream) as log:
        stream.close()
        logs.get("x").info("said all the same")
        assert log.dropped == 1

    assert written(tmp_path)[0]["event"] == "said all the same"


def test_a_record_that_cannot_be_shown_is_survived(tmp_path: Path) -> None:
    class Bad:
        @override
        def __str__(self) -> str:
            raise RuntimeError("no")

    with logs.configure(tmp_path, terminal=False, stream=io.StringIO()) as log:
        logs.get("x").info("bad", value=Bad())
        logs.get("x").info("\udcff good")
        assert log.dropped == 2  # in the stream and in the file

    assert [one["event"] for one in written(tmp_path)] == ["log lines were dropped", "\udcff good"]


def test_a_line_torn_by_a_power_cut_does_not_swallow_the_next(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text('{"event": "hal')
    log = file_log(path)
    say(log, "whole")
    log.close()

    assert path.read_text() == '{"event": "hal\nwhole\n'


def test_threads_write_whole_lines(tmp_path: Path) -> None:
    with logs.configure(tmp_path, terminal=False, stream=io.StringIO(), per_minute=10**6, max_bytes=4000, keep=1000):
        log = logs.get("x")
        threads = [
            threading.Thread(target=lambda k=k: [log.info("said", thread=k, n=n) for n in range(100)]) for k in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    said = [one for path in tmp_path.iterdir() for one in lines(path.read_text())]
    assert {(one["thread"], one["n"]) for one in said} == {(k, n) for k in range(4) for n in range(100)}
    assert len(list(tmp_path.iterdir())) > 5
