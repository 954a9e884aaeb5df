"""Each kind of fault alone, at every order: a careful agent has every job done once, or knows what it does not know."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
from typing_extensions import override

from envs.crystals import CrystalLibrary, ceramics
from instruments.client import InstrumentClient
from instruments.errors import NoAnswerError
from instruments.ids import SeededIds
from instruments.local import LocalBus
from instruments.messages import JobState, Quantity, Value
from simulators.devices.pace import Pace
from simulators.faulting import troubles
from simulators.faulting.troubles import Post, Trouble
from simulators.faulting.virtual_time import VirtualTime, run
from simulators.faults import Faults, Kind
from simulators.lab import FURNACE, INDENTER, INSTRUMENTS, MICROSCOPE, VirtualLab
from surrogates.datasets.elastic import load

LIBRARY = ceramics(CrystalLibrary.builtin())
TIB2 = "mp-1145"
UNITS = {"powder_size": "um", "temperature": "Cel", "hold": "h", "heating_rate": "K/min", "pressure": "MPa"}
GOOD = {"powder_size": 0.4, "temperature": 1900.0, "hold": 2.0, "heating_rate": 10.0, "pressure": 40.0}
PROCESS: dict[str, Value] = {
    "additive": "none", **{name: Quantity(value=value, unit=UNITS[name]) for name, value in GOOD.items()}
}  # fmt: skip
LOAD, COUNT = Quantity(value=9.81, unit="N"), Quantity(value=5, unit="1")
PIXEL, FIELD = Quantity(value=0.1, unit="um"), Quantity(value=0, unit="1")
SPEED = 60.0
PATIENCE_S = 1_500.0


class Room:
    """A laboratory with faults, and an agent's client that goes on asking."""

    def __init__(self, clock: VirtualTime, faults: Faults | None) -> None:
        self.clock, self.faults = clock, faults
        self.ids = SeededIds(clock, random.Random(1))
        self.bus = LocalBus()
        self.lab = VirtualLab(
            1, LIBRARY, load(), directory=None, clock=clock, ids=self.ids, image_shape=(64, 64), speed=SPEED,
            faults=faults,
        )  # fmt: skip
        self.client = InstrumentClient(
            self.bus.transport(), lab="virtual", agent="a", clock=clock, ids=self.ids, judge_clocks=False
        )

    async def order(self, iid: str, command: str, **parameters: Value) -> JobState | str:
        """The end of a job; ``forgotten`` or ``silent`` where nobody can know it."""
        job, begun, heard = self.ids.new(), self.clock.elapsed(), False

        def note(_state: JobState) -> None:
            nonlocal heard
            heard = True

        while self.clock.elapsed() - begun < PATIENCE_S:
            try:
                if heard or await self.client.query(iid, job) is not None:
                    return await self.client.adopt(iid, job, on_update=note)
                late = self.clock.now() + timedelta(hours=10)
                return await self.client.execute(iid, command, parameters, job=job, not_after=late, on_update=note)
            except NoAnswerError as error:
                if error.seen is False and heard:
                    return "forgotten"
                await asyncio.sleep(10.0)
        return "silent"

    async def one(self, sample: str = "s1") -> list[JobState | str]:
        """One sample: fired, imaged, indented."""
        return [
            await self.order(FURNACE, "sinter", sample=sample, crystal=TIB2, **PROCESS),
            await self.order(MICROSCOPE, "acquire", sample=sample, pixel_size=PIXEL, field=FIELD),
            await self.order(INDENTER, "indent", sample=sample, load=LOAD, count=COUNT),
        ]


async def _used(room: Room, work: Callable[[Room], Awaitable[list[JobState | str]]]) -> list[JobState | str]:
    await room.lab.start(lambda _iid: room.bus.transport())
    await room.client.start()
    await room.client.wait_for(INSTRUMENTS)
    beats = asyncio.create_task(room.lab.run())
    try:
        return await work(room)
    finally:
        beats.cancel()
        await asyncio.gather(beats, return_exceptions=True)
        await room.client.close()
        await room.lab.close()


def use(kind: Kind | None, seed: int = 1, rate: float = 1.0) -> tuple[list[JobState | str], Faults | None]:
    clock = VirtualTime(datetime(2026, 1, 1, tzinfo=UTC), SPEED)
    faults = None if kind is None else Faults(rate, seed, kinds=[kind])
    return run(_used(Room(clock, faults), lambda room: room.one()), clock), faults


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each job was begun in an instrument."""
    found: Counter[str] = Counter()
    whole = Pace.take

    async def counted(pace: Pace, job: object, *given: object, **more: object) -> None:
        found[str(getattr(job, "job", ""))] += 1
        await whole(pace, job, *given, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Pace, "take", counted)
    return found


def values(state: JobState | str) -> dict[str, Value]:
    assert isinstance(state, JobState)
    assert state.result is not None, state.error
    return dict(state.result.values)


def image_of(state: JobState | str) -> str:
    assert isinstance(state, JobState)
    assert state.result is not None
    return state.result.artefacts["image"].sha256


Ends = list[JobState | str]


@pytest.fixture(scope="module")
def faultless() -> Ends:
    """What the same orders give where nothing goes wrong."""
    return use(None)[0]


def made_safe(end: JobState | str) -> bool:
    """Whether a furnace ended its job because nothing was heard of the agent for a minute: as it should."""
    return isinstance(end, JobState) and end.error is not None and end.error.code == "lease_lost"


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(
    "kind", [Kind.NO_ANSWER, Kind.LATE, Kind.DUPLICATE, Kind.REORDERED, Kind.DISCONNECT, Kind.STALE]
)
def test_what_happens_to_messages_costs_time_and_no_result(
    kind: Kind, seed: int, begun: Counter[str], faultless: Ends
) -> None:
    ends, faults = use(kind, seed)
    assert faults is not None
    if made_safe(ends[0]):
        assert kind in {Kind.LATE, Kind.DISCONNECT, Kind.NO_ANSWER}
    else:
        assert [values(end) for end in ends] == [values(end) for end in faultless]
    assert faults.ledger.injected == {kind: 3}
    assert set(begun.values()) <= {1}


@pytest.mark.parametrize("seed", [1, 2])
def test_an_instrument_that_forgets_never_does_a_job_twice(seed: int, begun: Counter[str]) -> None:
    ends, faults = use(Kind.RESTART, seed)
    assert faults is not None
    assert faults.ledger.injected["restart"] >= 1
    for end in ends:  # done, known to be forgotten, or without the sample that was forgotten
        assert end == "forgotten" or isinstance(end, JobState)
    told = [fault for fault in faults.ledger.faults if "accepted" not in fault.detail]
    assert ends.count("forgotten") == len(told)
    again = {fault.job for fault in faults.ledger.faults} - {fault.job for fault in told}
    # What it forgot before it had told anybody was never taken up, as far as anybody knows: it is begun anew.
    assert all(n == 1 or job in again for job, n in begun.items())


def test_a_result_in_another_unit_says_so(faultless: Ends) -> None:
    seen = set()
    for seed in range(1, 6):
        ends, faults = use(Kind.WRONG_UNIT, seed)
        assert faults is not None
        for end, fault, right in zip(ends, faults.ledger.faults, faultless, strict=True):
            if "without its unit" in fault.detail:
                # What says no unit is no message of the profile: the instrument is asked, and says it again.
                assert values(end) == values(right)
                seen.add("none")
            else:
                name, told = fault.detail.split(" in ", 1)
                found = values(end)[name]
                assert isinstance(found, Quantity)
                assert told.split(",")[0].split(" ")[0] == found.unit
                assert {k: v for k, v in values(end).items() if k != name} == {
                    k: v for k, v in values(right).items() if k != name
                }
                seen.add("other" if "in place of" in told else "foreign")
    assert seen == {"none", "other", "foreign"}


def test_a_spoiled_synthesis_is_no_fault_of_the_design() -> None:
    ends, faults = use(Kind.FAILED_SYNTHESIS)
    assert faults is not None
    assert isinstance(ends[0], JobState)
    assert ends[0].error is not None
    assert ends[0].error.kind != "infeasible"  # of which the models would learn
    assert faults.ledger.injected == {"failed_synthesis": 1}


def test_a_blurred_image_is_another_file_and_nothing_else_changes(faultless: Ends) -> None:
    ends, faults = use(Kind.BLUR)
    assert faults is not None
    assert faults.ledger.injected == {"blur": 1}
    assert image_of(ends[1]) != image_of(faultless[1])
    assert values(ends[2]) == values(faultless[2])


def test_a_drifting_indenter_reads_wrong_by_some_per_cent(faultless: Ends) -> None:
    ends, faults = use(Kind.DRIFT)
    assert faults is not None
    found, true = (values(end[2])["hardness"] for end in (ends, faultless))
    assert isinstance(found, Quantity)
    assert isinstance(true, Quantity)
    assert 0.0 < abs(found.value / true.value - 1.0) < 0.1
    assert faults.ledger.injected == {"drift": 1}


def test_a_mishap_of_an_order_that_came_to_nothing_happens_to_no_other_one() -> None:
    clock = VirtualTime(datetime(2026, 1, 1, tzinfo=UTC), SPEED)
    faults = Faults(1.0, 1, kinds=[Kind.DRIFT])
    room = Room(clock, faults)
    seen: list[str] = []

    async def orders(room: Room) -> Ends:
        end = await room.order(INDENTER, "indent", sample="nobody", load=LOAD, count=COUNT)
        assert isinstance(end, JobState)
        assert end.state == "failed"
        seen.append(str(faults.mishaps.drift(INDENTER)))
        return []

    run(_used(room, orders), clock)
    assert seen == ["1.0"]
    assert len(faults.ledger) == 0


class NeverAUnit(Trouble):
    """An instrument whose driver is wrong: however often it is asked, its results have no units."""

    @override
    async def answer(self, post: Post) -> None:
        await post.send(post.payload.replace(b'"unit"', b'"untold"'))


def test_what_an_instrument_says_illegibly_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(troubles._TROUBLES, Kind.WRONG_UNIT, NeverAUnit)
    clock = VirtualTime(datetime(2026, 1, 1, tzinfo=UTC), SPEED)
    room = Room(clock, Faults(1.0, 1, kinds=[Kind.WRONG_UNIT]))
    told: list[str] = []

    async def orders(room: Room) -> Ends:
        late, job = clock.now() + timedelta(hours=10), room.ids.new()
        values: dict[str, Value] = {"sample": "reference", "load": LOAD, "count": Quantity(value=2, unit="1")}
        with pytest.raises(NoAnswerError) as silent:
            await room.client.execute(INDENTER, "indent", values, job=job, not_after=late)
        with pytest.raises(NoAnswerError) as deaf:
            await room.client.query(INDENTER, job)
        told.extend([str(silent.value), str(deaf.value)])
        return []

    run(_used(room, orders), clock)
    assert "nothing that can be understood was heard of it for" in told[0]
    assert "no answer to a query that can be understood" in told[1]
    assert all("unit: Field required" in words for words in told)
