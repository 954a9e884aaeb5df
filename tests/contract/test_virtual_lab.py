"""The virtual laboratory keeps the instrument profile, and its data depend on what was ordered alone."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import pytest

from envs.crystals import CrystalLibrary, ceramics
from envs.design import Design
from envs.errors import JournalError
from instruments.bulk.fetch import read as read_artefact
from instruments.client import InstrumentClient
from instruments.clock import SimClock, wait_forever
from instruments.ids import SeededIds
from instruments.local import LocalBus
from instruments.messages import JobState, Quantity, Value
from simulators.lab import FURNACE, INDENTER, INSTRUMENTS, MICROSCOPE, VirtualLab
from simulators.truth import LabTruth
from surrogates.datasets.elastic import load
from surrogates.micrograph_io import read_micrograph

LIBRARY = ceramics(CrystalLibrary.builtin())
MODULI = load()
TIB2, ALUMINA = "mp-1145", "mp-1143"
GOOD: dict[str, float | str] = {
    "powder_size": 0.4, "additive": "none", "temperature": 1900.0, "hold": 2.0, "heating_rate": 10.0, "pressure": 40.0
}  # fmt: skip
UNITS = {"powder_size": "um", "temperature": "Cel", "hold": "h", "heating_rate": "K/min", "pressure": "MPa"}
T = TypeVar("T")


class Session:
    """An agent's view of one laboratory on a bus of its own."""

    def __init__(self, directory: Path | None, seed: int = 1) -> None:
        clock = SimClock(datetime(2026, 1, 1, tzinfo=UTC))
        self.ids = SeededIds(clock, random.Random(seed))
        self.bus = LocalBus()
        self.lab = VirtualLab(
            seed, LIBRARY, MODULI, directory=directory, clock=clock, ids=self.ids, image_shape=(128, 128)
        )
        self.client = InstrumentClient(
            self.bus.transport(), lab="virtual", agent="agent-1", clock=clock, ids=self.ids, sleeper=wait_forever
        )

    async def order(self, iid: str, command: str, **parameters: Value) -> JobState:
        return await self.client.execute(iid, command, parameters, job=self.ids.new())

    async def sinter(self, sample: str, crystal: str = TIB2, **changes: float | str) -> JobState:
        process = {**GOOD, **changes}
        values: dict[str, Value] = {
            name: v if isinstance(v, str) else Quantity(value=v, unit=UNITS[name]) for name, v in process.items()
        }
        return await self.order(FURNACE, "sinter", sample=sample, crystal=crystal, **values)

    async def indent(self, sample: str, count: int = 8) -> JobState:
        load_n, n = Quantity(value=9.81, unit="N"), Quantity(value=count, unit="1")
        return await self.order(INDENTER, "indent", sample=sample, load=load_n, count=n)

    async def acquire(self, sample: str, field: int = 0, pixel_size: float | None = None) -> JobState:
        size: Value = Quantity(value=pixel_size or 0.1, unit="um")
        if pixel_size is None:
            size = value(await self.order(MICROSCOPE, "survey", sample=sample), "pixel_size")
        return await self.order(
            MICROSCOPE, "acquire", sample=sample, pixel_size=size, field=Quantity(value=field, unit="1")
        )


def use(work: Callable[[Session], Awaitable[T]], directory: Path | None = None, seed: int = 1) -> T:
    async def whole() -> T:
        session = Session(directory, seed)
        await session.lab.start(lambda _iid: session.bus.transport())
        await session.client.start()
        await session.client.wait_for(INSTRUMENTS)
        try:
            return await work(session)
        finally:
            await session.client.close()
            await session.lab.close()

    return asyncio.run(whole())


def value(state: JobState, name: str) -> Quantity:
    assert state.result is not None, state.error
    found = state.result.values[name]
    assert isinstance(found, Quantity)
    return found


def code(state: JobState) -> tuple[str, str]:
    assert state.error is not None
    return state.error.code, state.error.kind


def test_instruments_describe_themselves() -> None:
    async def work(session: Session) -> None:
        found = session.client.instruments
        assert {iid: d.kind for iid, d in found.items()} == {
            FURNACE: "furnace", MICROSCOPE: "sem", INDENTER: "indenter"
        }  # fmt: skip
        schema = found[FURNACE].commands["sinter"].parameters["properties"]["temperature"]["properties"]
        assert schema["unit"] == {"const": "Cel"}
        assert schema["value"]["maximum"] == 2200.0
        leases = {iid: (d.safe_state, d.lease_s) for iid, d in found.items()}
        assert leases == {FURNACE: ("heater off", 60.0), MICROSCOPE: ("", None), INDENTER: ("", None)}

    use(work)


def test_a_frame_from_as_near_or_as_far_as_the_microscope_goes() -> None:
    async def image(session: Session, sample: str, pixel_um: float, **others: Value) -> JobState:
        place = {"pixel_size": Quantity(value=pixel_um, unit="um"), "field": Quantity(value=0, unit="1")}
        return await session.order(MICROSCOPE, "acquire", sample=sample, **place, **others)

    async def work(session: Session) -> None:
        await session.sinter("s1")
        near = await image(session, "s1", 0.001, mistake="out of focus", format="256x256")
        # A pixel whose triple, divided by it, is not quite 3.
        far = [await image(session, "s1", 15.135717311711513, surface=s) for s in ("polished", "fracture", "powder")]
        assert [state.state for state in (near, *far)] == ["succeeded"] * 4
        too_near = await image(session, "s1", 0.001, surface="powder")
        assert code(too_near) == ("field_too_small", "other")

    use(work)


def test_one_experiment() -> None:
    async def work(session: Session) -> None:
        made = await session.sinter("s1")
        assert made.state == "succeeded"
        assert 5 * 3600 < made.elapsed_s < 20 * 3600
        image = await session.acquire("s1")
        assert image.state == "succeeded"
        assert image.elapsed_s == pytest.approx(600)
        assert image.result is not None
        micrograph = read_micrograph(read_artefact(image.result.artefacts["image"]))
        assert micrograph.image.shape == (128, 128)
        assert micrograph.pixel_size_um == pytest.approx(value(image, "pixel_size").value)
        hardness = value(await session.indent("s1"), "hardness")
        truth = LabTruth(1, LIBRARY, MODULI).true_hardness(Design(TIB2, GOOD))
        assert hardness.unit == "GPa"
        assert hardness.std is not None
        assert 0.01 < hardness.std / hardness.value < 0.06
        assert hardness.value == pytest.approx(truth, rel=0.15)

    use(work)


def test_failed_syntheses_say_why_and_leave_nothing_to_measure() -> None:
    async def work(session: Session) -> None:
        melted = await session.sinter("s1", ALUMINA, temperature=2200.0, pressure=0.0)
        cracked = await session.sinter("s2", powder_size=0.1, heating_rate=50.0, pressure=0.0)
        assert melted.state == cracked.state == "failed"
        assert code(melted) == ("melted", "infeasible")
        assert code(cracked) == ("cracked", "infeasible")
        assert melted.elapsed_s > 3600
        assert code(await session.indent("s1")) == ("no_body", "infeasible")
        assert code(await session.acquire("s2", pixel_size=0.1)) == ("no_body", "infeasible")

    use(work)


def test_wrong_orders_are_refused() -> None:
    async def work(session: Session) -> None:
        too_hot = await session.sinter("s1", temperature=2500.0)
        assert too_hot.state == "rejected"
        assert code(too_hot)[0] == "limits"
        assert code(await session.indent("nothing"))[0] == "unknown_sample"
        assert code(await session.sinter("s1", "mp-0"))[0] == "unknown_crystal"
        assert code(await session.sinter("../s1"))[0] == "bad_label"
        await session.sinter("s1")
        assert code(await session.sinter("s1", hold=4.0))[0] == "sample_exists"
        assert (await session.sinter("s1")).state == "succeeded"

    use(work)


def test_fields_differ_and_repeat() -> None:
    async def work(session: Session) -> list[str]:
        await session.sinter("s1")
        states = [await session.acquire("s1", field=f, pixel_size=0.1) for f in (0, 1, 0)]
        return [s.result.artefacts["image"].sha256 for s in states if s.result is not None]

    first, second, again = use(work)
    assert first == again != second


def test_data_depend_on_the_orders_and_the_seed_alone(tmp_path: Path) -> None:
    async def measure(session: Session) -> tuple[float, str]:
        await session.sinter("s1")
        image = await session.acquire("s1")
        assert image.result is not None
        return value(await session.indent("s1"), "hardness").value, image.result.artefacts["image"].sha256

    async def after_others(session: Session) -> tuple[float, str]:
        await session.sinter("s0", ALUMINA, temperature=1500.0)
        await session.indent("s0")
        return await measure(session)

    alone = use(measure)
    assert use(after_others, tmp_path) == alone
    assert use(measure, seed=2) != alone


def test_a_restarted_laboratory_finds_its_samples_and_jobs(tmp_path: Path) -> None:
    async def before(session: Session) -> tuple[str, str, float]:
        made = await session.sinter("s1")
        return made.job, made.digest, value(await session.indent("s1"), "hardness").value

    async def after(session: Session) -> float:
        known = await session.client.query(FURNACE, job)
        assert known is not None
        assert known.state == "succeeded"
        assert known.digest == digest
        return value(await session.indent("s1"), "hardness").value

    job, digest, hardness = use(before, tmp_path)
    assert use(after, tmp_path) == hardness


def test_a_directory_belongs_to_one_laboratory(tmp_path: Path) -> None:
    async def nothing(_session: Session) -> None:
        return

    use(nothing, tmp_path)
    with pytest.raises(JournalError, match="made with the seed 1, and the seed is 2"):
        use(nothing, tmp_path, seed=2)


def test_a_damaged_sample_is_reported(tmp_path: Path) -> None:
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples" / "s1.json").write_text('{"id": "s1"')
    with pytest.raises(JournalError, match=r"s1\.json"):
        Session(tmp_path)


def test_few_fields_are_out_of_focus() -> None:
    async def work(session: Session) -> list[float]:
        await session.sinter("s1")
        spread = []
        for field in range(60):
            state = await session.acquire("s1", field=field, pixel_size=0.05)
            assert state.result is not None
            image = read_micrograph(read_artefact(state.result.artefacts["image"])).image
            # A sharp frame has detail at the scale of a few pixels; block means keep noise out.
            blocks = image[:128, :128].reshape(32, 4, 32, 4).mean(axis=(1, 3))
            spread.append(float((blocks[1:] - blocks[:-1]).std()))
        return sorted(spread)

    spread = use(work)
    blurred = [s for s in spread if s < 0.6 * spread[len(spread) // 2]]
    assert 0 < len(blurred) <= 9
