"""One order at an instrument that is scripted: sent once, never again once it was confirmed, its end kept."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from quick_time import LoopClock, in_a_moment
from typing_extensions import override

from agent import core
from agent import events as ev
from agent.daemon.conduct import Patient
from agent.jobs import Jobs
from agent.rules.recipe import Order
from agent.store import ArtefactStore
from instruments.artefacts import ArtefactError
from instruments.bulk import fetch as fetching
from instruments.bulk.fetch import Sources
from instruments.bulk.files import NoSpaceError
from instruments.errors import NoAnswerError
from instruments.messages import ArtefactRef, JobPhase, JobState, Result

JOB, EID, IID = "j1", "hard-E001", "furnace-1"
ORDER = core.SendOrder(EID, "sinter", 0, 0, Order("furnace", "sinter", {}), IID, JOB)


def state(phase: JobPhase, **more: Any) -> JobState:
    return JobState(job=JOB, boot_id="b", seq=1, state=phase, ts=LoopClock().now(), **more)


def silence(seen: bool | None = None) -> NoAnswerError:
    return NoAnswerError(IID, JOB, "scripted", seen=seen)


class Furnace:
    """Stands for the client of instruments.

    Attributes:
        executed: how often it was ordered to act.
        asked: how often it was asked after the job.
        adopted: how often the job was followed without an order.
    """

    def __init__(self) -> None:
        self.executed = self.asked = self.adopted = 0

    async def execute(
        self, *_: Any, on_update: Callable[[JobState], None], check: Callable[[], None], **__: Any
    ) -> JobState:
        check()
        self.executed += 1
        on_update(state("running"))
        return await self.work()

    async def work(self) -> JobState:
        return state("succeeded", result=Result())

    async def query(self, _iid: str, _job: str) -> JobState | None:
        self.asked += 1
        return None

    async def adopt(self, *_: Any, on_update: Callable[[JobState], None], **__: Any) -> JobState:
        self.adopted += 1
        on_update(state("running"))
        return await self.work()


class Desk:
    """Stands for the desk: one job is open until its end is told."""

    def __init__(self) -> None:
        self.experiment = SimpleNamespace(lost="")
        self.state = SimpleNamespace(jobs={JOB: EID}, experiments={EID: self.experiment}, stopped=False)
        self.told: list[Any] = []
        self._wake: list[Any] = []

    def on_change(self, wake: Any) -> None:
        self._wake.append(wake)

    def tell(self, message: Any) -> core.Decided:
        self.told.append(message)
        if isinstance(message, core.Lost):
            self.experiment.lost = message.reason
        else:
            self.close()
        return core.Decided()

    def close(self) -> None:
        self.state.jobs.clear()
        for wake in self._wake:
            wake(())


class Free(Patient):
    """Nothing is in the way of an order."""

    @override
    def _check(self, *_: Any) -> None:
        return


class Bench:
    """One order, and everything around it."""

    def __init__(self, directory: Path, furnace: Furnace, **more: Any) -> None:
        self.desk, self.furnace = Desk(), furnace
        self.jobs = Jobs(
            furnace,  # type: ignore[arg-type]
            store=ArtefactStore(directory, **more), sources=Sources(), clock=LoopClock(), strict=False,
        )  # fmt: skip
        self.conduct = Free(LoopClock(), asyncio.sleep)

    def send(self) -> Awaitable[None]:
        desk: Any = self.desk
        return self.conduct.send(self.jobs, ORDER, desk)

    def play(self, meanwhile: Callable[[], Awaitable[None]] | None = None, *, within_s: float = 7200.0) -> list[Any]:
        """Send it; returns what the desk was told."""

        async def whole() -> None:
            work = asyncio.ensure_future(self.send())
            try:
                if meanwhile is not None:
                    await meanwhile()
                await asyncio.wait([work], timeout=within_s)
                if work.done():
                    work.result()
            finally:
                work.cancel()
                await asyncio.gather(work, return_exceptions=True)

        in_a_moment(whole())
        return self.desk.told


# ---- Once


def test_what_an_instrument_confirmed_and_then_forgot_while_silent_is_a_persons_business(tmp_path: Path) -> None:
    class Wiped(Furnace):
        @override
        async def work(self) -> JobState:
            raise silence()

    bench = Bench(tmp_path, Wiped())
    in_a_moment(_intended(bench))
    told = bench.play()
    assert bench.furnace.executed == 1
    assert [type(m) for m in told] == [core.Lost]


def test_what_was_adopted_and_then_forgotten_is_not_sent(tmp_path: Path) -> None:
    class Running(Furnace):
        @override
        async def query(self, iid: str, job: str) -> JobState | None:
            await super().query(iid, job)
            return state("running") if self.asked == 1 else None

        @override
        async def work(self) -> JobState:
            raise silence(seen=False)

    bench = Bench(tmp_path, Running())
    told = bench.play()
    assert (bench.furnace.executed, bench.furnace.adopted) == (0, 1)
    assert [type(m) for m in told] == [core.Lost]


def test_what_was_never_seen_is_sent(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Furnace())
    told = bench.play()
    assert bench.furnace.executed == 1
    assert [type(m) for m in told] == [ev.StepEnded]


def test_nothing_is_remembered_of_jobs_that_ended(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Furnace())
    bench.play()
    known = (bench.jobs._fresh, bench.jobs._sent, bench.jobs._answered, bench.jobs._confirmed)
    assert not any(known)


async def _intended(bench: Bench) -> None:
    bench.jobs.intend(JOB)


# ---- Silence


class LongWork(Furnace):
    """Works for hours, is silent for five minutes, and then goes on where it was."""

    @override
    async def work(self) -> JobState:
        if self.executed + self.adopted == 1:
            await asyncio.sleep(12 * 3600.0)
            raise NoAnswerError(IID, JOB, "scripted", silent_s=300.0)
        return await super().work()

    @override
    async def query(self, iid: str, job: str) -> JobState | None:
        await super().query(iid, job)
        if self.asked < 4:
            raise silence()
        return state("running")


def test_patience_begins_with_the_last_word_and_not_with_the_order(tmp_path: Path) -> None:
    bench = Bench(tmp_path, LongWork())
    in_a_moment(_intended(bench))
    told = bench.play(within_s=15 * 3600.0)
    assert [type(m) for m in told] == [ev.StepEnded]
    assert (bench.furnace.executed, bench.furnace.adopted) == (1, 1)


class Returning(Furnace):
    """Is away for an hour amid its work, and then is found at work."""

    @override
    async def query(self, iid: str, job: str) -> JobState | None:
        await super().query(iid, job)
        if LoopClock().elapsed() < 3600.0:
            raise silence()
        return state("running")

    @override
    async def work(self) -> JobState:
        await asyncio.sleep(1800.0)
        return await super().work()


def test_a_furnace_that_is_back_is_followed_though_a_person_was_asked(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Returning())
    told = bench.play()
    assert [type(m) for m in told] == [core.Lost, ev.StepEnded]
    assert (bench.furnace.executed, bench.furnace.adopted) == (0, 1)


def test_when_a_person_has_said_what_shall_be_nobody_waits_any_longer(tmp_path: Path) -> None:
    class Forgotten(Furnace):
        @override
        async def query(self, iid: str, job: str) -> JobState | None:
            await super().query(iid, job)
            return state("running") if self.following else None

        @override
        async def work(self) -> JobState:
            await asyncio.sleep(100 * 3600.0)
            raise AssertionError

        following = False

    for following in (False, True):
        bench = Bench(tmp_path, Forgotten())
        bench.furnace.following = following  # type: ignore[attr-defined]
        bench.desk.experiment.lost = "nobody answers"

        async def whole(bench: Bench = bench) -> None:
            work = asyncio.ensure_future(bench.send())
            await asyncio.sleep(90.0)
            bench.desk.close()
            begun = LoopClock().elapsed()
            await work
            assert LoopClock().elapsed() - begun < 1.0

        in_a_moment(whole())
        assert bench.furnace.adopted == following


# ---- What it gives

IMAGE = b"not really a picture"
REF = ArtefactRef(
    uri=f"data:image/tiff;base64,{base64.b64encode(IMAGE).decode()}", sha256=hashlib.sha256(IMAGE).hexdigest(),
    bytes=len(IMAGE), media_type="image/tiff",
)  # fmt: skip


@pytest.fixture
def without_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time that costs nothing does not wait for threads."""

    async def fetch(ref: ArtefactRef, sources: Sources | None = None) -> bytes:
        return fetching.read(ref, sources)

    async def beside(function: Callable[[], Any], *, name: str) -> Any:
        assert name
        return function()

    monkeypatch.setattr("agent.jobs.fetch", fetch)
    monkeypatch.setattr("agent.jobs.beside", beside)


class Camera(Furnace):
    """Gives an image, however often it is asked."""

    ref = REF

    @override
    async def work(self) -> JobState:
        return state("succeeded", result=Result(artefacts={"image": self.ref}))

    @override
    async def query(self, iid: str, job: str) -> JobState | None:
        await super().query(iid, job)
        return await self.work() if self.executed else None


@pytest.mark.usefixtures("without_threads")
@pytest.mark.parametrize("lost", ["", "nobody answers"])
def test_a_store_without_room_is_waited_for(tmp_path: Path, lost: str) -> None:
    bench = Bench(tmp_path, Camera(), reserve=1 << 60)
    bench.desk.experiment.lost = lost
    bench.furnace.executed = bool(lost)

    async def room() -> None:
        await asyncio.sleep(600.0)
        assert not bench.desk.told
        bench.jobs._store.reserve = 0

    (ended,) = bench.play(room)
    assert ended.artefacts["image"].sha256 == REF.sha256
    assert bench.furnace.executed == 1


@pytest.mark.usefixtures("without_threads")
def test_what_is_in_the_own_store_is_not_fetched(tmp_path: Path) -> None:
    moved = Camera()
    moved.ref = REF.model_copy(update={"uri": f"https://an.old.name/{REF.sha256}"})
    bench = Bench(tmp_path, moved)
    bench.jobs._store.put(IMAGE, "image/tiff")
    (ended,) = bench.play()
    assert (ended.state, ended.artefacts["image"].sha256) == ("succeeded", REF.sha256)


@pytest.mark.usefixtures("without_threads")
@pytest.mark.parametrize(("away_s", "state_"), [(10.0, "succeeded"), (1000.0, "failed")])
def test_a_server_that_is_away_for_a_moment_costs_no_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, away_s: float, state_: str
) -> None:
    async def fetch(_ref: ArtefactRef, _sources: Sources) -> bytes:
        if LoopClock().elapsed() < away_s:
            raise ArtefactError("connection refused")
        return IMAGE

    monkeypatch.setattr("agent.jobs.fetch", fetch)
    (ended,) = Bench(tmp_path, Camera()).play()
    assert ended.state == state_
    assert ended.error_kind == ("" if state_ == "succeeded" else "retryable")


# ---- Thinking


def think(conduct: Patient, what: str, answers: list[Exception | str]) -> tuple[int, Any]:
    """How often a mind was asked that fails so and so, and what the desk was told."""
    asked, desk = list(answers), Desk()

    async def mind(*_: Any) -> Any:
        answer = asked.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    some: Any = SimpleNamespace(plan=mind, read_image=mind, directory=Path())
    place: Any = desk
    image = ev.ArtefactRecord(sha256=REF.sha256, media_type="image/tiff", bytes=1)
    if what == "plan":
        in_a_moment(conduct.plan(some, core.PlanRound("hard", 0, 1), place))
    else:
        in_a_moment(conduct.read(some, core.ReadImage(EID, 0, image, 1e-7), some, place))
    (told,) = desk.told
    return len(answers) - len(asked), told


@pytest.mark.parametrize("what", ["plan", "read"])
def test_no_room_is_no_failure_of_who_thinks(what: str) -> None:
    asked, told = think(Patient(LoopClock(), asyncio.sleep), what, [*5 * [NoSpaceError("full")], "an answer"])
    assert (asked, told) == (6, "an answer")


def test_an_image_counts_as_refused_when_it_could_not_be_read_three_times() -> None:
    died = RuntimeError("the worker died")
    conduct = Patient(LoopClock(), asyncio.sleep)
    assert think(conduct, "read", [died, died, "an answer"]) == (3, "an answer")
    asked, told = think(conduct, "read", [died, died, died, "too late"])
    assert (asked, told.accepted, told.reason) == (3, False, "it could not be read: the worker died")
