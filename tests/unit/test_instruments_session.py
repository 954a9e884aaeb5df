"""The rules of a job's life, and what they stand on: topics, ids, clocks, journals. No network."""

import itertools
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from envs.errors import ConfigError, JournalError
from instruments.address import BrokerAddress, TlsOptions
from instruments.clock import SimClock
from instruments.errors import TopicError
from instruments.ids import SeededIds, SystemIds, uuid7
from instruments.journal import JobJournal, MemoryJournal, SqliteJournal
from instruments.messages import Command, JobError, JobPhase, JobState, Quantity, Result
from instruments.session import DEVICE_STEPS, Action, JobTracker, TransitionError, check_step, judge
from instruments.topics import Lab, check_pattern, matches

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LAB = Lab("labwright", "demo")


def order(temperature: float = 1500.0, *, not_after: datetime = NOW + timedelta(minutes=5)) -> Command:
    parameters: dict[str, Quantity | str] = {"temperature": Quantity(value=temperature, unit="Cel")}
    return Command(job="j1", command="sinter", parameters=parameters, issued_at=NOW, not_after=not_after)


def state(
    phase: JobPhase, *, job: str = "j1", boot: str = "b1", seq: int = 1, digest: str = "", code: str = "broken"
) -> JobState:
    error = JobError(code=code, message="why") if phase in {"rejected", "failed"} else None
    result = Result() if phase == "succeeded" else None
    return JobState(job=job, boot_id=boot, seq=seq, state=phase, digest=digest, ts=NOW, error=error, result=result)


# The device's judgement ---------------------------------------------------------------------------------------------


def test_a_new_timely_live_command_is_considered() -> None:
    assert judge(order(), retained=False, known=None, now=NOW).action is Action.CONSIDER


def test_a_retained_command_is_ignored_even_when_it_is_new() -> None:
    assert judge(order(), retained=True, known=None, now=NOW).action is Action.IGNORE


@pytest.mark.parametrize("phase", ["accepted", "running", "succeeded", "failed", "rejected", "cancelled"])
def test_the_same_order_again_is_echoed_in_every_state(phase: JobPhase) -> None:
    known = state(phase, digest=order().digest)
    late = NOW + timedelta(days=1)  # an echo never expires: it starts nothing
    assert judge(order(), retained=False, known=known, now=late).action is Action.ECHO


def test_the_same_id_with_another_order_is_a_conflict() -> None:
    verdict = judge(order(1600), retained=False, known=state("running", digest=order(1500).digest), now=NOW)
    assert verdict.action is Action.REFUSE
    assert verdict.error is not None
    assert verdict.error.code == "conflict"


def test_nothing_starts_after_its_time() -> None:
    at_the_limit = judge(order(not_after=NOW), retained=False, known=None, now=NOW)
    too_late = judge(order(not_after=NOW), retained=False, known=None, now=NOW + timedelta(microseconds=1))
    assert at_the_limit.action is Action.CONSIDER
    assert too_late.error is not None
    assert too_late.error.code == "expired"


def test_an_end_is_an_end() -> None:
    ends: tuple[JobPhase, ...] = ("rejected", "succeeded", "failed", "cancelled")
    for end, step in itertools.product(ends, DEVICE_STEPS):
        if step is not None:
            with pytest.raises(TransitionError, match=f"{end} cannot become {step}"):
                check_step(end, step)


# The agent's view ---------------------------------------------------------------------------------------------------


def test_duplicates_and_late_arrivals_are_no_news() -> None:
    tracker = JobTracker("j1", "")
    running = state("running", seq=5)
    assert tracker.offer(running)
    assert not tracker.offer(running)
    assert not tracker.offer(state("accepted", seq=4))
    assert tracker.state == running


def test_a_later_boot_outranks_any_number_of_an_earlier_one() -> None:
    tracker = JobTracker("j1", "")
    assert tracker.offer(state("running", boot="b1", seq=900))
    assert tracker.offer(state("failed", boot="b2", seq=1, code="interrupted"))
    assert not tracker.offer(state("running", boot="b1", seq=901))


def test_states_of_another_order_with_the_same_id_are_not_ours() -> None:
    tracker = JobTracker("j1", "a" * 64)
    assert not tracker.offer(state("rejected", seq=9, digest="b" * 64, code="conflict"))
    assert tracker.offer(state("succeeded", seq=10, digest="a" * 64))


def test_a_device_that_never_saw_the_job_has_not_rejected_it() -> None:
    tracker = JobTracker("j1", "")
    assert not tracker.offer(state("rejected", seq=9, code="unknown_job"))
    assert tracker.unseen
    assert not tracker.terminal
    assert tracker.offer(state("accepted", seq=10))
    assert not tracker.unseen


@given(st.permutations(range(6)), st.lists(st.integers(min_value=0, max_value=5), max_size=6))
def test_any_order_and_repetition_ends_in_the_same_end_once(arrival: list[int], repeats: list[int]) -> None:
    life = [
        state("accepted", seq=1),
        *(state("running", seq=s) for s in (2, 3, 4, 5)),
        state("succeeded", seq=6),
    ]
    tracker, ends = JobTracker("j1", ""), 0
    for index in [*arrival, *repeats]:
        ends += tracker.offer(life[index]) and life[index].terminal
    assert ends == 1
    assert tracker.state == life[-1]


# Topics -------------------------------------------------------------------------------------------------------------


def test_topics_are_those_of_the_profile() -> None:
    assert LAB.desc("furnace-1") == "labwright/v1/demo/instrument/furnace-1/desc"
    assert LAB.command("furnace-1", "j1") == "labwright/v1/demo/instrument/furnace-1/cmd/j1"
    assert LAB.every("job") == "labwright/v1/demo/instrument/+/job/+"
    assert LAB.every("status") == "labwright/v1/demo/instrument/+/status"


@given(st.from_regex(r"[A-Za-z0-9_.\-]{1,64}", fullmatch=True), st.from_regex(r"[a-z0-9\-]{1,64}", fullmatch=True))
def test_topics_read_back_what_was_built(iid: str, job: str) -> None:
    for text in (LAB.desc(iid), LAB.status(iid), LAB.control(iid), LAB.job(iid, job), LAB.telemetry(iid, job)):
        assert str(LAB.parse(text)) == text
    parsed = LAB.parse(LAB.command(iid, job))
    assert (parsed.iid, parsed.channel, parsed.name) == (iid, "cmd", job)
    assert matches(LAB.commands_of(iid), LAB.command(iid, job))


@pytest.mark.parametrize("iid", ["", "a/b", "a+", "#", "ü", "x" * 65, "a b", "a\n"])
def test_ids_that_would_break_a_topic_are_refused(iid: str) -> None:
    with pytest.raises(TopicError):
        LAB.desc(iid)


@pytest.mark.parametrize(
    "topic",
    [
        "labwright/v1/other/instrument/f/desc",
        "labwright/v2/demo/instrument/f/desc",
        "labwright/v1/demo/instrument/f",
        "labwright/v1/demo/instrument/f/cmd",
        "labwright/v1/demo/instrument/f/desc/x",
        "labwright/v1/demo/instrument/f/cmd/j/x",
        "labwright/v1/demo/instrument/f/dance",
    ],
)
def test_foreign_topics_are_not_read(topic: str) -> None:
    with pytest.raises(TopicError):
        LAB.parse(topic)


# The examples of MQTT 3.1.1, sections 4.7.1.2, 4.7.1.3 and 4.7.2.
@pytest.mark.parametrize(
    ("pattern", "topic", "wanted"),
    [
        ("sport/tennis/player1/#", "sport/tennis/player1", True),
        ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", True),
        ("sport/#", "sport", True),
        ("sport/tennis/+", "sport/tennis/player1", True),
        ("sport/tennis/+", "sport/tennis/player1/ranking", False),
        ("sport/+", "sport", False),
        ("sport/+", "sport/", True),
        ("+/+", "/finance", True),
        ("/+", "/finance", True),
        ("+", "/finance", False),
        ("#", "$SYS/uptime", False),
        ("+/monitor/Clients", "$SYS/monitor/Clients", False),
        ("$SYS/#", "$SYS/uptime", True),
    ],
)
def test_wildcards_match_as_the_standard_says(pattern: str, topic: str, wanted: bool) -> None:
    assert matches(pattern, topic) is wanted


@pytest.mark.parametrize("pattern", ["", "sport/tennis#", "sport/tennis/#/ranking", "sport+"])
def test_patterns_that_the_standard_forbids_are_refused(pattern: str) -> None:
    with pytest.raises(TopicError):
        check_pattern(pattern)


# Ids and clocks -----------------------------------------------------------------------------------------------------


def test_seeded_ids_repeat_and_are_ordered_even_within_one_millisecond() -> None:
    def ids() -> list[str]:
        clock = SimClock(NOW)
        source = SeededIds(clock, random.Random(7))
        first = [source.new() for _ in range(5000)]  # more than the 4096 of one millisecond
        clock.advance(60)
        return [*first, source.new()]

    once = ids()
    assert once == ids()
    assert once == sorted(set(once))
    assert int(once[-1].replace("-", "")[:12], 16) == int((NOW + timedelta(seconds=60)).timestamp() * 1000)


def test_uuid7_is_the_one_of_the_standard() -> None:
    # RFC 9562, appendix A.6: the same time and random fields.
    class Fixed(random.Random):
        @override
        def getrandbits(self, k: int) -> int:
            assert k == 62
            return 0x18C4DC0C0C07398F

    assert uuid7(0x017F22E279B0, 0xCC3, Fixed()) == UUID("017F22E2-79B0-7CC3-98C4-DC0C0C07398F")
    assert UUID(SystemIds().new()).version == 7


def test_a_simulated_clock_only_moves_when_told() -> None:
    clock = SimClock(NOW)
    assert clock.now() == NOW
    clock.advance(7200)
    assert (clock.now(), clock.elapsed()) == (NOW + timedelta(hours=2), 7200)
    for bad in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="finite"):
            clock.advance(bad)


# Journals and addresses ---------------------------------------------------------------------------------------------


@pytest.fixture(params=["memory", "sqlite"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[JobJournal]:
    made: JobJournal = MemoryJournal() if request.param == "memory" else SqliteJournal(tmp_path / "jobs.sqlite")
    yield made
    made.close()


def test_a_journal_keeps_the_last_state_of_each_job(journal: JobJournal) -> None:
    assert journal.get("j1") is None
    journal.put(state("accepted", seq=1))
    journal.put(state("running", seq=2))
    assert journal.unfinished() == [state("running", seq=2)]
    journal.put(state("succeeded", seq=3))
    assert journal.get("j1") == state("succeeded", seq=3)
    assert journal.unfinished() == []


def test_a_sqlite_journal_survives_its_process(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite"
    before = SqliteJournal(path)
    before.put(state("running"))
    with pytest.raises(JournalError, match="does another driver of this instrument run"):
        SqliteJournal(path)
    before.close()
    after = SqliteJournal(path)
    assert after.unfinished() == [state("running")]
    after.close()


def test_a_boot_after_the_clock_was_set_back_is_still_the_later_one(journal: JobJournal) -> None:
    first = journal.boot("019ca945-0a00-7001-b358-4f8cd8f16adf")
    second = journal.boot("019ca000-0000-7001-b358-4f8cd8f16adf")
    assert first < second
    assert UUID(second).version == 7
    assert journal.boot("019ca946-0a00-7001-b358-4f8cd8f16adf") == "019ca946-0a00-7001-b358-4f8cd8f16adf"


def test_a_journal_names_the_ends_that_are_too_many(journal: JobJournal) -> None:
    ends = [f"job-{number}" for number in range(5)]
    for job in ends:
        journal.put(state("accepted", job=job))
        journal.put(state("failed", job=job))
    journal.put(state("running", job="runs"))
    journal.put(state("rejected", job="refused"))
    assert [journal.ended(skip=skip, refused=True) for skip in range(2)] == ["refused", None]
    assert [end.job for end in journal.ends(3)] == ends[2:]
    assert [journal.ended(skip=skip) for skip in range(6)] == [*reversed(ends), None]


def test_a_file_that_is_no_journal_is_refused(tmp_path: Path) -> None:
    (tmp_path / "jobs.sqlite").write_text("a shopping list, long enough to be no database header at all" * 20)
    with pytest.raises(JournalError, match="cannot be used"):
        SqliteJournal(tmp_path / "jobs.sqlite")


def test_tls_is_required_beyond_this_machine_and_passwords_stay_out_of_logs() -> None:
    assert "secret" not in repr(BrokerAddress("127.0.0.1", 1883, "me", "secret"))
    assert BrokerAddress("broker.example.org", 8883, tls=TlsOptions()).tls is not None
    with pytest.raises(ConfigError, match="TLS is required"):
        BrokerAddress("broker.example.org", 1883)
    with pytest.raises(ConfigError, match="come together"):
        TlsOptions(certificate=Path("client.pem"))
