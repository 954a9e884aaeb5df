"""The furnace fires what is ordered, of library crystals and generated ones, and says why nothing came out."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TypeVar

import numpy as np
from typing_extensions import override

from envs.crystals import Crystal, CrystalLibrary, ceramics
from envs.design import Design
from envs.moduli import Moduli
from instruments.client import InstrumentClient
from instruments.clock import SimClock, wait_forever
from instruments.ids import SeededIds
from instruments.journal import MemoryJournal
from instruments.local import LocalBus
from instruments.messages import JobState, Quantity, Value
from simulators.devices.bench import Bench, Faultless
from simulators.devices.firing import Firing
from simulators.devices.furnace import PREPARATION_H, Furnace
from simulators.samples import DFT, Sample, SampleStore
from simulators.sintering import Loss
from simulators.stock import Compact, Stock
from simulators.truth import Batch, LabTruth
from surrogates.datasets.elastic import load

TIB2, ALUMINA = "mp-1145", "mp-1143"
LIBRARY = ceramics(CrystalLibrary.builtin()).subset([TIB2, ALUMINA])
T = TypeVar("T")


class Potential:
    """Two generated crystals: one that holds together, one that does not."""

    origin = "interatomic potential X (simulated)"

    def crystal(self, crystal_id: str) -> Crystal:
        if crystal_id not in {"gen:hard", "gen:soft"}:
            raise KeyError(crystal_id)
        return replace(CrystalLibrary.builtin()[TIB2], id=crystal_id, formula="ZrB2", numbers=np.array([40, 5, 5]))

    def moduli(self, crystal: Crystal) -> Moduli | None:
        return Moduli(bulk=240.0, shear=230.0) if crystal.id == "gen:hard" else None

    def reason(self, crystal: Crystal) -> str:
        return "" if crystal.id == "gen:hard" else "its softest strain has -12 GPa"


class Spoiling(Faultless):
    @override
    def spoiled(self, sample: str) -> str | None:
        return "the crucible broke" if sample == "S-bad" else None


@cache
def truth() -> LabTruth:
    moduli = load()
    return LabTruth(7, LIBRARY, {c.id: moduli[c.id] for c in LIBRARY}, Potential())


class Session:
    def __init__(self) -> None:
        clock = SimClock(datetime(2026, 1, 1, tzinfo=UTC))
        self.ids, bus = SeededIds(clock, random.Random(1)), LocalBus()
        self.bench = Bench(truth(), SampleStore(), Path(), mishaps=Spoiling(), stock=Stock(seed=7))
        self.furnace = Furnace(
            "furnace-1", bus.transport(), bench=self.bench, journal=MemoryJournal(), clock=clock, ids=self.ids,
            lab="virtual",
        )  # fmt: skip
        self.client = InstrumentClient(
            bus.transport(), agent="agent-1", sleeper=wait_forever, clock=clock, ids=self.ids, lab="virtual"
        )

    async def sinter(self, sample: str, crystal: str = TIB2, **changes: Value) -> JobState:
        order: dict[str, Value] = {
            "powder_size": q(0.4, "um"), "additive": "none", "temperature": q(1750.0, "Cel"), "hold": q(1.0, "h"),
            "heating_rate": q(10.0, "K/min"), "pressure": q(40.0, "MPa"), **changes,
        }  # fmt: skip
        return await self.client.execute(
            "furnace-1", "sinter", {"sample": sample, "crystal": crystal, **order}, job=self.ids.new()
        )

    def shelved(self, sample: str) -> Sample:
        found = self.bench.samples.get(sample)
        assert found is not None
        return found


def q(value: float, unit: str) -> Quantity:
    return Quantity(value=value, unit=unit)


def use(work: Callable[[Session], Awaitable[T]]) -> T:
    async def whole() -> T:
        session = Session()
        await session.furnace.start()
        await session.client.start()
        await session.client.wait_for(("furnace-1",))
        try:
            return await work(session)
        finally:
            await session.client.close()
            await session.furnace.stop()

    return asyncio.run(whole())


def values(state: JobState) -> dict[str, Value]:
    assert state.result is not None, state.error
    return dict(state.result.values)


def fault(state: JobState) -> tuple[str, str]:
    assert state.error is not None
    return state.error.code, state.error.message


def test_the_record_says_which_truth_it_was() -> None:
    async def work(session: Session) -> tuple[JobState, JobState, str]:
        real, made = await session.sinter("S-1"), await session.sinter("S-2", "gen:hard")
        return real, made, session.shelved("S-2").origin

    real, made, kept = use(work)
    assert values(real)["origin"] == DFT
    assert values(made)["origin"] == kept == "interatomic potential X (simulated)"


def test_what_does_not_hold_together_gives_nothing_and_says_why() -> None:
    code, message = fault(use(lambda session: session.sinter("S-3", "gen:soft")))
    assert code == "unstable"
    assert "no such phase forms" in message
    assert "-12 GPa" not in message, "no furnace measures by how much a phase is unstable"
    assert fault(use(lambda session: session.sinter("S-4", "gen:other")))[0] == "unknown_crystal"


def test_cooling_too_fast_breaks_the_body_and_takes_less_time() -> None:
    async def work(session: Session) -> list[JobState]:
        rates = {"S-5": 40.0, "S-6": 100.0}
        quick = [await session.sinter(name, cooling_rate=q(rate, "K/min")) for name, rate in rates.items()]
        plain, same = await session.sinter("S-7"), await session.sinter("S-8", cooling_rate=q(15.0, "K/min"))
        assert session.shelved("S-7").design == session.shelved("S-8").design
        assert session.shelved("S-5").design.process["cooling_rate"] == 40.0
        return [*quick, plain, same]

    fast, broken, plain, same = use(work)
    hours = [v.value for v in (values(s)["furnace_time"] for s in (fast, plain, same)) if isinstance(v, Quantity)]
    assert hours[0] < hours[1] == hours[2]
    assert fault(broken)[0] == "cracked"
    assert "cooled faster than it survives, it came out in pieces" in fault(broken)[1]
    assert "heated" not in fault(broken)[1]


def test_a_mishap_leaves_nothing_and_is_no_fault_of_the_design() -> None:
    async def work(session: Session) -> JobState:
        state = await session.sinter("S-bad")
        assert session.bench.samples.get("S-bad") is None
        return state

    state = use(work)
    assert fault(state) == ("spoiled", "sample S-bad: the crucible broke")
    assert state.state == "failed"


def test_what_the_robot_pressed_is_fired_without_preparing_it_again() -> None:
    async def work(session: Session) -> list[float | str]:
        session.bench.stock.shelve(Compact("S-9", TIB2, 0.4, "none", 5.0, {}))
        session.bench.stock.shelve(Compact("S-0", TIB2, 0.8, "none", 5.0, {}))
        found: list[float | str] = []
        for name in ("S-9", "S-10"):
            before = session.bench.samples.get(name)
            assert before is None
            state = await session.sinter(name)
            found.append(state.elapsed_s or 0.0)
        found.append(fault(await session.sinter("S-0"))[0])
        return found

    pressed, loose, other = use(work)
    assert isinstance(pressed, float)
    assert isinstance(loose, float)
    assert abs(loose - pressed - 3600.0 * PREPARATION_H) < 60.0
    assert other == "compact_exists"


def test_the_gauges_follow_the_firing() -> None:
    hours, densities = np.array([0.0, 2.0, 3.0, 4.0]), np.array([0.56, 0.60, 0.95, 0.96])
    firing = Firing(1500.0, 1.0, 12.0, 30.0, (hours, densities), np.random.default_rng(0))
    assert abs(firing.temperature(1.0) - 745.0) < 10.0
    assert abs(firing.temperature(2.5) - 1500.0) < 10.0
    assert firing.temperature(20.0) < 40.0
    density = firing.density(3.0)
    assert density is not None
    assert abs(density - 0.95) < 0.01
    assert abs(firing.shrinkage(0.95) - (1.0 - (0.56 / 0.95) ** (1.0 / 3.0))) < 1e-3
    assert firing.shrinkage(0.56) == 0.0


def test_a_lost_body_tells_nothing_before_it_is_lost() -> None:
    """The same compact fired in the same way but for what comes later: the gauges are the same until it happens."""
    curve = (np.array([0.0, 2.0, 3.0, 4.0]), np.array([0.56, 0.60, 0.95, 0.96]))
    doomed, sound = (Firing(1500.0, 1.0, 12.0, 30.0, curve, np.random.default_rng(0), at) for at in (2.5, np.inf))
    hours = np.linspace(0.0, 2.49, 20)
    shown = [[(f.temperature(t), f.density(t)) for t in hours] for f in (doomed, sound)]
    assert shown[0] == shown[1]
    assert doomed.density(2.5) is None
    assert sound.density(2.5) is not None


def lost(crystal: str, **changes: float) -> Loss | None:
    process: dict[str, float | str] = {
        "powder_size": 0.4, "additive": "none", "temperature": 1750.0, "hold": 1.0, "heating_rate": 10.0,
        "pressure": 0.0, **changes,
    }  # fmt: skip
    return truth().loss(Design(crystal, process), Batch())


def test_a_compact_is_lost_when_it_happens_to_it() -> None:
    assert lost(TIB2) is None
    melted, heated = lost(ALUMINA, temperature=2190.0), lost(TIB2, heating_rate=100.0)
    cooled, soft = lost(TIB2, cooling_rate=100.0), lost("gen:soft")
    assert melted is not None
    assert heated is not None
    assert cooled is not None
    assert soft is not None
    # Up at 10 K/min: alumina is above its limit before the hold, and long after the first hour.
    assert 2.0 < melted.hours < 2170.0 / 600.0
    assert "melted" in melted.why
    assert heated.hours < 1730.0 / 6000.0
    assert "cracked: heated faster" in heated.why
    assert cooled.hours > 1730.0 / 600.0 + 1.0
    assert "cracked: cooled faster" in cooled.why
    assert 0.0 < soft.hours < 1730.0 / 600.0
    assert "no such phase forms" in soft.why
