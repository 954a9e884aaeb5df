"""The synthesis robot takes from stock what a compact needs, once, and what it says of a compact is what is fired."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import pytest

from envs.crystals import CrystalLibrary, ceramics
from envs.errors import JournalError
from instruments.bulk.fetch import read as read_artefact
from instruments.client import InstrumentClient
from instruments.clock import SimClock, wait_forever
from instruments.ids import SeededIds
from instruments.journal import MemoryJournal
from instruments.local import LocalBus
from instruments.messages import JobState, Quantity, Value
from simulators.devices.bench import Bench
from simulators.devices.furnace import Furnace
from simulators.devices.robot import Robot, recipe
from simulators.reference import REFERENCE, reference_body, reference_order
from simulators.samples import Sample, SampleStore
from simulators.stock import Compact, Delivery, LabelTakenError, OutOfStockError, Stock
from simulators.truth import LabTruth
from surrogates.datasets.elastic import load

LIBRARY = ceramics(CrystalLibrary.builtin())
TIB2, ALUMINA = "mp-1145", "mp-1143"
SEED = 5
T = TypeVar("T")


@cache
def truth() -> LabTruth:
    return LabTruth(SEED, LIBRARY, load())


class Session:
    """One robot on a bus of its own, and who orders from it."""

    def __init__(self, directory: Path) -> None:
        clock = SimClock(datetime(2026, 1, 1, tzinfo=UTC))
        self.ids = SeededIds(clock, random.Random(1))
        self.bus = LocalBus()
        self.bench = Bench(
            truth(), SampleStore(reference=reference_body()), directory / "bulk",
            stock=Stock(directory / "stock", seed=SEED),
        )  # fmt: skip
        base: dict[str, Any] = {"clock": clock, "ids": self.ids, "lab": "virtual"}
        self.robot = Robot("robot-1", self.bus.transport(), bench=self.bench, journal=MemoryJournal(), **base)
        self.furnace = Furnace("furnace-1", self.bus.transport(), bench=self.bench, journal=MemoryJournal(), **base)
        self.client = InstrumentClient(self.bus.transport(), agent="agent-1", sleeper=wait_forever, **base)

    async def order(self, command: str, **parameters: Value) -> JobState:
        return await self.client.execute("robot-1", command, parameters, job=self.ids.new())

    async def fire(self, sample: str, **changes: Value) -> JobState:
        order = {**reference_order(), "sample": sample, **changes}
        return await self.client.execute("furnace-1", "sinter", order, job=self.ids.new())

    async def prepare(self, sample: str, crystal: str = ALUMINA, **changes: Value) -> JobState:
        order: dict[str, Value] = {"powder_size": um(0.4), "additive": "MgO", "mass": grams(8.0)}
        return await self.order("prepare", sample=sample, crystal=crystal, **{**order, **changes})


def um(size: float) -> Quantity:
    return Quantity(value=size, unit="um")


def grams(mass: float) -> Quantity:
    return Quantity(value=mass, unit="g")


def use(directory: Path, work: Callable[[Session], Awaitable[T]]) -> T:
    async def whole() -> T:
        session = Session(directory)
        await session.robot.start()
        await session.furnace.start()
        await session.client.start()
        await session.client.wait_for(("robot-1", "furnace-1"))
        try:
            return await work(session)
        finally:
            await session.client.close()
            await session.furnace.stop()
            await session.robot.stop()

    return asyncio.run(whole())


def value(state: JobState, name: str) -> float:
    assert state.result is not None, state.error
    found = state.result.values[name]
    assert isinstance(found, Quantity)
    return found.value


def fault(state: JobState) -> tuple[str, str]:
    assert state.error is not None
    return state.error.code, state.error.message


def test_a_compact_takes_its_powders_once_also_after_a_restart(tmp_path: Path) -> None:
    before = Stock(seed=SEED)

    async def twice(session: Session) -> list[JobState]:
        return [await session.prepare("A-1"), await session.prepare("A-1")]

    first, second = use(tmp_path, twice)
    (third,) = use(tmp_path, lambda session: asyncio.gather(session.prepare("A-1")))
    assert first.result == second.result == third.result
    needed = recipe(ALUMINA, truth().theoretical_density(ALUMINA), "MgO", 8.0 * 1.02)
    assert value(third, "left") == pytest.approx(before.left(ALUMINA) - needed[ALUMINA], abs=1e-3)
    assert value(third, "additive_left") == pytest.approx(before.left("MgO") - needed["MgO"], abs=1e-3)
    assert first.elapsed_s == pytest.approx(45 * 60)


def test_the_additive_is_two_per_cent_of_the_volume() -> None:
    mixed = recipe(TIB2, 4520.0, "B4C", 10.0)
    volume = {"B4C": mixed["B4C"] / 2.52, TIB2: mixed[TIB2] / 4.52}
    assert sum(mixed.values()) == pytest.approx(10.0)
    assert volume["B4C"] / sum(volume.values()) == pytest.approx(0.02)
    assert recipe(TIB2, 4520.0, "none", 10.0) == {TIB2: 10.0}


def test_fine_powders_press_to_a_lower_density(tmp_path: Path) -> None:
    async def work(session: Session) -> list[float]:
        sizes = [0.1, 0.1, 0.1, 3.0, 3.0, 3.0]
        made = [await session.prepare(f"B-{n}", powder_size=um(size)) for n, size in enumerate(sizes)]
        return [value(state, "green_density") for state in made]

    found = use(tmp_path, work)
    assert all(0.42 < green < 0.68 for green in found)
    assert len(set(found)) == len(found)  # no two batches are alike
    assert max(found[:3]) < min(found[3:])


def test_what_cannot_be_prepared_is_said_with_its_reason(tmp_path: Path) -> None:
    async def work(session: Session) -> dict[str, tuple[str, str]]:
        await session.prepare("C-1")
        return {
            "other": fault(await session.prepare("C-1", powder_size=um(0.8))),
            "fine": fault(await session.prepare("C-2", powder_size=um(0.05))),
            "coarse": fault(await session.prepare("C-3", powder_size=um(9.9))),
            "crystal": fault(await session.prepare("C-4", crystal="mp-0")),
            "label": fault(await session.prepare("../C-5")),
            "reference": fault(await session.prepare(REFERENCE, crystal=TIB2)),
        }

    found = use(tmp_path, work)
    assert {name: code for name, (code, _) in found.items()} == {
        "other": "compact_exists", "fine": "powder_size", "coarse": "powder_size", "crystal": "unknown_crystal",
        "label": "bad_label", "reference": "compact_exists",
    }  # fmt: skip
    assert "grinds to 0.08 um" in found["fine"][1]


def test_out_of_stock_says_what_is_missing_until_it_is_restocked(tmp_path: Path) -> None:
    stock = Stock(tmp_path / "stock", seed=SEED)
    rest = stock.left(ALUMINA) - 3.0
    stock.shelve(Compact("D-0", ALUMINA, 0.4, "none", rest, {ALUMINA: rest}))

    async def work(session: Session) -> None:
        code, message = fault(await session.prepare("D-1"))
        assert code == "out_of_stock"
        assert f"3 g of {ALUMINA} are in stock and 8.0" in message
        assert session.bench.stock.green("D-1") is None
        for _ in range(2):  # a delivery whose order is repeated came once
            came = await session.order("restock", powder=ALUMINA, mass=grams(100.0), delivery="lot-7")
            assert value(came, "mass") == pytest.approx(103.0)
        other = await session.order("restock", powder=ALUMINA, mass=grams(50.0), delivery="lot-7")
        assert fault(other)[0] == "delivery_exists"
        assert fault(await session.order("restock", powder="salt", mass=grams(50.0)))[0] == "unknown_powder"
        assert (await session.prepare("D-1")).state == "succeeded"

    use(tmp_path, work)


def test_the_inventory_lists_every_powder(tmp_path: Path) -> None:
    async def work(session: Session) -> None:
        state = await session.order("inventory", powder="Y2O3")
        assert state.result is not None
        listed = json.loads(read_artefact(state.result.artefacts["stock"]))
        assert set(listed["compounds"]) == set(LIBRARY.ids)
        assert listed["additives"]["Y2O3"] == value(state, "mass") > 250.0
        assert value(state, "powders") == len(LIBRARY) + 3
        assert fault(await session.order("inventory", powder="salt"))[0] == "unknown_powder"

    use(tmp_path, work)


def test_the_reference_is_pressed_at_any_time_and_takes_nothing(tmp_path: Path) -> None:
    async def work(session: Session) -> None:
        example = session.client.instruments["robot-1"].commands["prepare"].example
        assert example is not None
        left = session.bench.stock.left(ALUMINA)
        state = await session.order("prepare", **example)
        assert value(state, "left") == left
        assert len(session.bench.stock) == 0

    use(tmp_path, work)


def test_a_prepared_sample_is_the_one_that_the_furnace_would_have_prepared(tmp_path: Path) -> None:
    async def by_robot(session: Session) -> tuple[JobState, Sample | None]:
        await session.prepare("P-1")
        return await session.fire("P-1"), session.bench.samples.get("P-1")

    async def by_hand(session: Session) -> tuple[JobState, Sample | None]:
        return await session.fire("P-1"), session.bench.samples.get("P-1")

    quick, body = use(tmp_path / "robot", by_robot)
    slow, same = use(tmp_path / "hand", by_hand)
    assert body is not None
    assert body == same
    assert slow.elapsed_s is not None
    assert quick.elapsed_s is not None
    assert slow.elapsed_s - quick.elapsed_s == pytest.approx(45 * 60)


def test_what_was_pressed_is_what_is_fired(tmp_path: Path) -> None:
    async def work(session: Session) -> None:
        await session.prepare("Q-1")
        assert fault(await session.fire("Q-1", additive="Y2O3"))[0] == "compact_exists"
        assert (await session.fire("Q-2")).state == "succeeded"
        assert fault(await session.prepare("Q-2"))[0] == "sample_exists"  # there is a body of that label

    use(tmp_path, work)


def test_each_laboratory_has_other_amounts() -> None:
    amounts = [Stock(seed=seed).left(ALUMINA) for seed in range(20)]
    assert len(set(amounts)) == 20
    assert all(250.0 <= mass <= 2500.0 for mass in amounts)


def test_a_compact_is_fired_to_its_own_order_alone() -> None:
    compact = Compact("E-1", ALUMINA, 0.4, "MgO", 5.0, {ALUMINA: 5.0})
    assert compact.agrees(ALUMINA, 0.4, "MgO")
    assert not compact.agrees(ALUMINA, 0.8, "MgO")
    assert not compact.agrees(TIB2, 0.4, "MgO")


def test_a_stock_keeps_its_records_and_refuses_damaged_ones(tmp_path: Path) -> None:
    stock = Stock(tmp_path, seed=SEED)
    compact = Compact("F-1", ALUMINA, 0.4, "MgO", 5.0, {ALUMINA: 5.0, "MgO": 0.1})
    stock.shelve(compact)
    stock.deliver(Delivery("lot-1", "MgO", 20.0))
    again = Stock(tmp_path, seed=SEED)
    assert again.green("F-1") == compact
    assert again.left("MgO") == stock.left("MgO") == pytest.approx(Stock(seed=SEED).left("MgO") + 19.9)
    with pytest.raises(LabelTakenError):
        again.shelve(Compact("F-1", TIB2, 0.4, "MgO", 5.0, {TIB2: 5.0}))
    with pytest.raises(OutOfStockError) as missing:
        again.shelve(Compact("F-2", TIB2, 0.4, "none", 1e6, {TIB2: 1e6}))
    assert (missing.value.powder, missing.value.needed) == (TIB2, 1e6)
    (tmp_path / "green" / "F-1.json").write_text("{}")
    with pytest.raises(JournalError, match="no record of a stock"):
        Stock(tmp_path, seed=SEED)
