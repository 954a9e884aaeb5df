"""CHGNet itself: one small crystal, and samples of generated crystals out of the virtual furnace."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from envs.crystals import CrystalLibrary
from envs.prototypes import generate
from instruments.client import InstrumentClient
from instruments.clock import SimClock, wait_forever
from instruments.ids import SeededIds
from instruments.local import LocalBus
from instruments.messages import JobState, Quantity, Value
from simulators.lab import VirtualLab
from simulators.potential import PotentialTruth
from simulators.potential_chgnet import Chgnet
from simulators.potential_relax import NoCrystalError, relax
from simulators.samples import DFT, SampleStore
from surrogates.datasets.elastic import load

LIBRARY = CrystalLibrary.builtin().subset(["mp-631", "mp-1143", "mp-1265", "mp-1145"])


@cache
def chgnet() -> Chgnet:
    return Chgnet()


@pytest.fixture(autouse=True)
def quiet(capsys: pytest.CaptureFixture[str]) -> Iterator[None]:
    yield
    assert not capsys.readouterr().out, "the potential writes where a command's answer stands"


def test_magnesia_is_near_what_is_measured_and_twice_the_same(tmp_path: Path) -> None:
    """Measured: a = 4.212 angstrom, K = 162 GPa, G = 131 GPa (Anderson and Andreatch, see the tensors' tests)."""
    one, two = (PotentialTruth(tmp_path / name, chgnet()) for name in ("one", "two"))
    crystal = one.crystal("gen:rocksalt:Mg-O")
    moduli = one.moduli(crystal)
    assert moduli is not None
    assert crystal.lattice[0, 0] == pytest.approx(4.212, rel=0.02)
    assert moduli.bulk == pytest.approx(162.0, rel=0.25)
    assert moduli.shear == pytest.approx(131.0, rel=0.4)
    assert two.moduli(two.crystal("gen:rocksalt:Mg-O")) == moduli


def test_what_chgnet_knows_nothing_of_is_told_from_accidents() -> None:
    import torch

    copper = generate("fcc", ("Cu",))
    before = torch.get_num_threads()
    with chgnet().calculator() as calculator:
        assert torch.get_num_threads() == 1
        with pytest.raises(NoCrystalError, match="1 of 1 atoms have no neighbour within 6 angstrom"):
            relax(replace(copper, lattice=4.0 * copper.lattice), calculator)
        with pytest.raises(NoCrystalError, match="it does not know Am"):
            relax(replace(copper, numbers=np.full(4, 95)), calculator)
    assert torch.get_num_threads() == before


def fired(directory: Path, crystal: str, *, order_number: int = 1) -> JobState:
    """What the furnace of the virtual laboratory in this directory answers to an order of this crystal."""

    async def whole() -> JobState:
        clock = SimClock(datetime(2026, 1, 1, tzinfo=UTC))
        ids, bus = SeededIds(clock, random.Random(order_number)), LocalBus()
        lab = VirtualLab(3, LIBRARY, load(), directory=directory, clock=clock, ids=ids, instruments=("furnace-1",))
        client = InstrumentClient(
            bus.transport(), agent="agent-1", sleeper=wait_forever, clock=clock, ids=ids, lab="virtual"
        )
        await lab.start(lambda _: bus.transport())
        await client.start()
        await client.wait_for(("furnace-1",))
        order: dict[str, Value] = {
            "sample": "s-1",
            "crystal": crystal,
            "powder_size": Quantity(value=0.3, unit="um"),
            "additive": "none",
            "temperature": Quantity(value=2000.0, unit="Cel"),
            "hold": Quantity(value=2.0, unit="h"),
            "heating_rate": Quantity(value=10.0, unit="K/min"),
            "pressure": Quantity(value=40.0, unit="MPa"),
        }
        try:
            return await client.execute("furnace-1", "sinter", order, job=ids.new())
        finally:
            await client.close()
            await lab.close()

    return asyncio.run(whole())


def test_a_generated_crystal_is_sintered_and_its_origin_is_told(tmp_path: Path) -> None:
    state = fired(tmp_path, "gen:rocksalt:Hf-C")
    assert state.result is not None
    assert state.result.values["origin"] == "interatomic potential CHGNet 0.3.0, moduli corrected (simulated)"
    sample = SampleStore(tmp_path / "samples").get("s-1")
    assert sample is not None
    assert sample.origin == state.result.values["origin"]
    (kept,) = (tmp_path / "potential").glob("*.json")
    assert json.loads(kept.read_bytes())["id"] == "gen:rocksalt:Hf-C"
    assert fired(tmp_path, "gen:rocksalt:Hf-C", order_number=2).result == state.result


def test_a_real_compound_has_another_origin(tmp_path: Path) -> None:
    state = fired(tmp_path, "mp-631")
    assert state.result is not None
    assert state.result.values["origin"] == DFT


def test_a_crystal_that_does_not_hold_together_fails_with_its_reason(tmp_path: Path) -> None:
    """Titanium is body-centred only when hot (Petry et al., Phys. Rev. B 43, 10933, 1991).

    At rest DFT has C11 < C12, too (Ikehata et al., Phys. Rev. B 70, 174113, 2004).
    """
    state = fired(tmp_path, "gen:bcc:Ti")
    assert state.result is None
    assert state.error is not None
    assert state.error.code == "unstable"
    assert "elastically unstable" in state.error.message
    (kept,) = (tmp_path / "potential").glob("*.json")
    said = json.loads(kept.read_bytes())["reason"]
    assert said.startswith("CHGNet 0.3.0, moduli corrected: elastically unstable, its softest strain has -")


@pytest.mark.parametrize(
    ("crystal", "said"),
    [("gen:rocksalt:Ti", "2 species"), ("gen:garnet:Y-Al-O", "prototypes a15"), ("mp-1", "no powder of 'mp-1'")],
)
def test_what_cannot_be_made_is_refused_with_the_reason(tmp_path: Path, crystal: str, said: str) -> None:
    state = fired(tmp_path, crystal)
    assert state.error is not None
    assert state.error.code == "unknown_crystal"
    assert said in state.error.message
