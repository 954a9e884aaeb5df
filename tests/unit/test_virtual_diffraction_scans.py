"""The diffractometer as an instrument: its files, its noise, and what a learner reads of phases and grains in them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt
import pytest
from pymatgen.analysis.diffraction.xrd import XRDCalculator
from pymatgen.core import Structure
from scipy.optimize import curve_fit, least_squares
from scipy.special import voigt_profile

from envs.crystals import Crystal, CrystalLibrary, ceramics
from envs.design import Design
from envs.moduli import Moduli
from envs.prototypes import generate, parse
from instruments.bulk.fetch import read as read_artefact
from instruments.client import InstrumentClient
from instruments.clock import SimClock, wait_forever
from instruments.device import JobContext
from instruments.ids import SeededIds
from instruments.journal import MemoryJournal
from instruments.local import LocalBus
from instruments.messages import JobState, Quantity, Value
from simulators.body import Body
from simulators.devices.bench import Bench
from simulators.devices.diffractometer import Diffractometer
from simulators.reference import REFERENCE, REFERENCE_DESIGN, reference_body
from simulators.samples import Sample, SampleStore
from simulators.second_phases import published
from simulators.sintering import Outcome
from simulators.truth import LabTruth
from surrogates.datasets.elastic import load

Array = npt.NDArray[np.float64]
LIBRARY = ceramics(CrystalLibrary.builtin())
ALUMINA, TIB2 = "mp-1143", "mp-1145"
T = TypeVar("T")


class Generated:
    """Crystals as they were generated, each as stiff as steel."""

    origin = "a test's"

    def crystal(self, crystal_id: str) -> Crystal:
        return generate(*parse(crystal_id))

    def moduli(self, crystal: Crystal) -> Moduli:
        return Moduli(170.0, 80.0)

    def reason(self, crystal: Crystal) -> str:
        return ""


@cache
def truth() -> LabTruth:
    return LabTruth(5, LIBRARY, load(), Generated())


def sample(label: str, crystal: str, additive: str, **inside: float) -> Sample:
    design = Design(crystal, {**REFERENCE_DESIGN.process, "additive": additive})
    body = Body(**{"density": 0.98, "grain_size": 1.5, **inside})
    return Sample(label, design, body, Outcome.SINTERED)


class Session:
    """One diffractometer on a bus of its own, and who orders from it."""

    def __init__(self, directory: Path) -> None:
        clock = SimClock(datetime(2026, 1, 1, tzinfo=UTC))
        self.ids = SeededIds(clock, random.Random(1))
        bus = LocalBus()
        self.samples = SampleStore(reference=reference_body())
        bench = Bench(truth(), self.samples, directory / "bulk")
        base: dict[str, Any] = {"clock": clock, "ids": self.ids, "lab": "virtual"}
        self.device = Diffractometer("xrd", bus.transport(), bench=bench, journal=MemoryJournal(), **base)
        self.client = InstrumentClient(bus.transport(), agent="agent-1", sleeper=wait_forever, **base)

    async def scan(self, label: str, **changes: float) -> JobState:
        units = {"start": "deg", "stop": "deg", "step": "deg", "time": "s"}
        given: dict[str, Value] = {n: Quantity(value=v, unit=units[n]) for n, v in changes.items()}
        return await self.client.execute("xrd", "scan", {"sample": label, **given}, job=self.ids.new())


def use(directory: Path, work: Callable[[Session], Awaitable[T]], *samples: Sample) -> T:
    async def whole() -> T:
        session = Session(directory)
        for each in samples:
            session.samples.put(each)
        await session.device.start()
        await session.client.start()
        await session.client.wait_for(("xrd",))
        try:
            return await work(session)
        finally:
            await session.client.close()
            await session.device.stop()

    return asyncio.run(whole())


def pattern(state: JobState) -> tuple[Array, Array]:
    """Two columns, as any program reads them."""
    assert state.result is not None, state.error
    text = read_artefact(state.result.artefacts["pattern"]).decode()
    table = np.loadtxt(text.splitlines())
    return table[:, 0], table[:, 1]


def value(state: JobState, name: str) -> Quantity:
    assert state.result is not None, state.error
    found = state.result.values[name]
    assert isinstance(found, Quantity)
    return found


def scanned(directory: Path, made: Sample, **changes: float) -> JobState:
    return use(directory, lambda session: session.scan(made.id, **changes), made)


def test_a_scan_is_a_file_of_two_columns_and_says_what_it_is(tmp_path: Path) -> None:
    state = use(tmp_path, lambda session: session.scan(REFERENCE))
    two_theta, counts = pattern(state)
    assert (two_theta[0], two_theta[-1], len(two_theta)) == (20.0, 80.0, 3001)
    assert value(state, "points").value == 3001
    assert value(state, "max_counts").value == counts.max() > 2000
    assert value(state, "wavelength") == Quantity(value=1.5405929, unit="Ao")
    strongest = value(state, "strongest")
    assert strongest.std is not None
    assert 0.005 < strongest.std < 0.05
    assert abs(strongest.value - two_theta[counts.argmax()]) < 0.05
    assert state.elapsed_s == pytest.approx(600.0 + 3001.0)
    (file,) = (tmp_path / "bulk").iterdir()
    assert file.suffix == ".xy"
    assert "K-alpha1 1.5405929" in file.read_text()
    assert all(word not in file.read_text() for word in ("density", "second", "grain_size"))


def test_the_same_order_counts_the_same_and_another_one_is_mounted_anew(tmp_path: Path) -> None:
    first, again = (use(tmp_path / name, lambda session: session.scan(REFERENCE, time=0.5)) for name in "ab")
    assert first.result is not None
    assert again.result is not None
    assert first.result.values == again.result.values
    assert first.result.artefacts["pattern"].sha256 == again.result.artefacts["pattern"].sha256
    other = use(tmp_path / "c", lambda session: session.scan(REFERENCE, time=0.6))
    assert value(other, "strongest") != value(first, "strongest")


def test_the_strongest_line_moves_from_mounting_to_mounting_by_what_its_uncertainty_says(tmp_path: Path) -> None:
    async def work(session: Session) -> list[JobState]:
        return [await session.scan(REFERENCE, start=33.0 + 0.01 * i, stop=37.0, step=0.05) for i in range(40)]

    lines = [value(state, "strongest") for state in use(tmp_path, work)]
    stated = np.mean([line.std for line in lines if line.std is not None])
    assert np.std([line.value for line in lines], ddof=1) == pytest.approx(stated, rel=0.35)


def test_counting_for_longer_lowers_the_noise_by_its_square_root(tmp_path: Path) -> None:
    def noise(time: float) -> float:
        _, counts = pattern(use(tmp_path, lambda session: session.scan(REFERENCE, time=time)))
        # Differences from angle to angle on the background, where the expectation hardly changes.
        quiet = counts[counts < 1.5 * np.median(counts)]
        return float(np.diff(quiet).std() / np.sqrt(2.0) / quiet.mean())

    ratios = [noise(t) / noise(16.0 * t) for t in (0.5, 1.0)]
    assert np.mean(ratios) == pytest.approx(4.0, rel=0.15)


class Mixture:
    """Two phases fitted to a scan by somebody who knows their structures and no more.

    Args:
        two_theta: degrees.
        counts: at each.
        structures: of the phases.
    """

    def __init__(self, two_theta: Array, counts: Array, *structures: Structure) -> None:
        self._x, self._y = two_theta, counts
        self._weight = 1.0 / np.sqrt(np.maximum(counts, 10.0))
        calculator = XRDCalculator(wavelength=1.5406, debye_waller_factors={})
        found = [calculator.get_pattern(s, scaled=False, two_theta_range=(10.0, 90.0)) for s in structures]
        self._lines = [
            (1.5406 / 2.0 / np.sin(np.radians(p.x) / 2.0), p.y / s.volume**2)
            for p, s in zip(found, structures, strict=True)
        ]
        span = (two_theta - two_theta.mean()) / np.ptp(two_theta) * 2.0
        self._background = np.polynomial.chebyshev.chebvander(span, 6)
        begin = [0.0, *[0.1] * len(structures), *[0.0] * len(structures)]
        self.fit = least_squares(lambda p: self._solved(p)[1], begin, x_scale=0.02, max_nfev=30)
        share = self._solved(self.fit.x)[0][: len(structures)]
        self.volumes = share / share.sum()

    def _solved(self, p: Array) -> tuple[Array, Array]:
        """Volumes with the background's terms, and what is left over of the scan."""
        n = len(self._lines)
        columns = [
            self._column(d * (1.0 + stretch * 0.1), area, p[0], abs(width))
            for (d, area), width, stretch in zip(self._lines, p[1 : 1 + n], p[1 + n :], strict=True)
        ]
        table = np.column_stack([*columns, self._background]) * self._weight[:, None]
        found = np.linalg.lstsq(table, self._y * self._weight, rcond=None)[0]
        return np.asarray(found, dtype=np.float64), table @ found - self._y * self._weight

    def _column(self, spacing: Array, area: Array, shift: float, width: float) -> Array:
        total = np.zeros(len(self._x))
        for wavelength, share in ((1.5406, 1.0), (1.5444, 0.5)):
            place = np.degrees(2.0 * np.arcsin(wavelength / 2.0 / spacing)) + shift
            wide = width * np.cos(np.radians(20.0)) / np.cos(np.radians(place) / 2.0)
            off = ((self._x[:, None] - place) / wide) ** 2
            lorentz = 2.0 / np.pi / (1.0 + 4.0 * off)
            gauss = 2.0 * np.sqrt(np.log(2.0) / np.pi) * np.exp(-4.0 * np.log(2.0) * off)
            total += (0.5 * lorentz + 0.5 * gauss) @ (share * area / wide)
        return total


@pytest.mark.parametrize("share", [0.03, 0.10, 0.25])
def test_a_mixture_of_reference_patterns_gives_the_second_phases_share(tmp_path: Path, share: float) -> None:
    made = sample("M-1", ALUMINA, "MgO", second_phase=share)
    two_theta, counts = pattern(scanned(tmp_path, made, stop=65.0, step=0.05, time=3.0))
    fitted = Mixture(two_theta, counts, LIBRARY[ALUMINA].structure(), published("MgAl2O4"))
    crystalline = 0.9 * share / (1.0 - 0.1 * share)
    assert fitted.volumes[1] == pytest.approx(crystalline, abs=0.01 + 0.1 * share)


def test_the_phases_that_are_there_explain_a_scan_better_than_others(tmp_path: Path) -> None:
    made = sample("M-2", ALUMINA, "Y2O3", second_phase=0.08)
    two_theta, counts = pattern(scanned(tmp_path, made, stop=65.0, step=0.05, time=3.0))
    host = LIBRARY[ALUMINA].structure()
    cost = {n: Mixture(two_theta, counts, host, published(n)).fit.cost for n in ("Y3Al5O12", "Y2O3", "MgAl2O4")}
    assert min(cost, key=lambda name: cost[name]) == "Y3Al5O12"
    assert cost["Y3Al5O12"] < 0.8 * min(cost["Y2O3"], cost["MgAl2O4"])


def lorentz_width(two_theta: Array, counts: Array, place: float) -> float:
    """What a line is wider by than a coarse standard's Gaussian of 0.062 degrees: a doublet of Voigt profiles."""
    part = np.abs(two_theta - place) < 1.1
    x, y = two_theta[part], counts[part]

    def model(at: Array, p: float, area: float, w: float, b: float, slope: float) -> Array:
        second = 2.0 * np.degrees(np.arcsin(1.5444 / 1.5406 * np.sin(np.radians(p) / 2.0)))
        lines = [
            share * area * voigt_profile(at - q, 0.062 / 2.3548, w / 2.0) for q, share in ((p, 1.0), (second, 0.5))
        ]
        return np.asarray(sum(lines) + b + slope * (at - p))

    begin = (x[y.argmax()], 0.3 * float(y.max()), 0.2, float(y.min()), 0.0)
    found = curve_fit(
        model, x, y, begin, np.sqrt(np.maximum(y, 10.0)), bounds=([0, 0, 0, 0, -1e5], [150, 1e7, 3, 1e6, 1e5])
    )
    return float(found[0][2])


@pytest.mark.parametrize("grain", [0.03, 0.06, 0.12])
def test_fine_grains_are_measured_by_the_breadth_of_lines(tmp_path: Path, grain: float) -> None:
    """Williamson and Hall's plot over corundum's lines 012, 113, 024 and 300: its intercept is the size."""
    two_theta, counts = pattern(scanned(tmp_path, sample("G-1", ALUMINA, "none", grain_size=grain), time=4.0))
    places = np.array([25.33, 42.92, 52.01, 67.5])
    half = np.radians(places) / 2.0
    natural = np.degrees(2.0 * 2.9e-4 * np.tan(half))
    widths = np.array([lorentz_width(two_theta, counts, at) for at in places]) - natural
    slope, intercept = np.polyfit(4.0 * np.sin(half), np.radians(widths) * np.cos(half), 1)
    assert 0.9 * 1.5406e-4 / intercept == pytest.approx(grain, rel=0.2)
    assert 0.0 < slope < 2e-3


def test_few_coarse_grains_scatter_what_lines_show(tmp_path: Path) -> None:
    def heights(label: str, **inside: float) -> Array:
        """Of corundum's five strongest lines, over their sum."""
        _, counts = pattern(scanned(tmp_path, sample(label, ALUMINA, "none", **inside), time=4.0))
        two_theta = 20.0 + 0.02 * np.arange(3001)
        found = np.array([counts[np.abs(two_theta - at) < 0.4].sum() for at in (25.33, 34.8, 42.92, 52.01, 57.0)])
        return np.asarray(found / found.sum())

    def scatter(**inside: float) -> float:
        return float(np.std([heights(f"C-{n}", **inside) for n in range(4)], axis=0).mean())

    assert scatter(grain_size=40.0) > 4.0 * scatter(grain_size=1.0)
    assert scatter(grain_size=2.0, abnormal=0.5) > 2.0 * scatter(grain_size=2.0)


def test_what_cannot_be_scanned_is_said(tmp_path: Path) -> None:
    lost = Sample("L-1", REFERENCE_DESIGN, Body(0.5, 1.0), Outcome.MELTED)
    heavy = sample("L-2", "gen:rocksalt:Pu-N", "none")

    async def work(session: Session) -> list[tuple[str, str]]:
        states = [
            await session.scan("L-1"),
            await session.scan("nowhere"),
            await session.scan(REFERENCE, start=60.0, stop=40.0),
            await session.scan("L-2"),
        ]
        return [(s.error.code, s.error.kind) for s in states if s.error is not None]

    found = use(tmp_path, work, lost, heavy)
    assert found == [
        ("no_body", "infeasible"), ("unknown_sample", "other"), ("range", "other"), ("unknown_element", "other"),
    ]  # fmt: skip


def test_the_shortest_scan_is_carried_out(tmp_path: Path) -> None:
    state = use(tmp_path, lambda session: session.scan(REFERENCE, start=20.0, stop=20.5, step=0.5, time=0.01))
    assert len(pattern(state)[0]) == 2
    assert state.result is not None
    assert "strongest" not in state.result.values


class Interrupted:
    """A job that is ended while time passes."""

    may_upload = False

    async def progress(self, *_: Any, **__: Any) -> None:
        """Nobody listens."""

    def spend(self, seconds: float) -> None:
        raise asyncio.CancelledError


def test_of_an_interrupted_scan_there_is_no_file(tmp_path: Path) -> None:
    async def work(session: Session) -> None:
        job = cast("JobContext", Interrupted())
        with pytest.raises(asyncio.CancelledError):
            await session.device.scan(job, sample=REFERENCE, start=20.0, stop=30.0, step=0.1, time=1.0)

    use(tmp_path, work)
    assert not list(tmp_path.rglob("*.xy"))
