"""The truth about generated crystals: potentials whose crystals are known from elsewhere, and how it is kept."""

import asyncio
import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones
from ase.eos import EquationOfState
from ase.units import GPa
from typing_extensions import override

from envs.crystals import CrystalLibrary
from envs.errors import JournalError, MissingExtraError
from envs.moduli import Moduli
from envs.prototypes import generate
from instruments.device import DeviceFault
from simulators.potential import PotentialTruth
from simulators.potential_beside import known
from simulators.potential_cache import RecordStore
from simulators.potential_chgnet import SOFTENING, Chgnet
from simulators.potential_relax import NoCrystalError
from simulators.potential_softening import Softening


class Fake:
    """A potential of ASE's, which counts how often it is lent."""

    def __init__(self, calculator: Any, name: str = "fake 1") -> None:
        self._calculator = calculator
        self.name = name
        self.softening: Softening | None = None
        self.n_lent = 0

    @contextmanager
    def calculator(self) -> Iterator[Any]:
        self.n_lent += 1
        yield self._calculator


def spheres() -> Fake:
    """Lennard-Jones atoms a little smaller than Slater's copper."""
    return Fake(LennardJones(sigma=2.3, epsilon=0.4, rc=6.0, smooth=True), "Lennard-Jones")


def test_the_bulk_modulus_is_the_curvature_of_the_equation_of_state() -> None:
    truth = PotentialTruth(None, Fake(EMT()))
    crystal = truth.crystal("gen:fcc:Cu")
    atoms = bulk("Cu")
    atoms.calc = EMT()
    volumes, energies = [], []
    for stretch in np.linspace(0.98, 1.02, 9):
        strained = atoms.copy()
        strained.calc = EMT()
        strained.set_cell(atoms.cell * stretch, scale_atoms=True)
        volumes.append(strained.get_volume())
        energies.append(strained.get_potential_energy())
    volume, _, modulus = EquationOfState(volumes, energies).fit()
    moduli = truth.moduli(crystal)
    assert moduli is not None
    assert crystal.volume / crystal.n_atoms == pytest.approx(volume, rel=1e-3)
    assert moduli.bulk == pytest.approx(modulus / GPa, rel=0.02)


def test_central_forces_keep_cauchys_relation() -> None:
    """C12 = C44 where forces are central and every atom is a centre of symmetry (Born and Huang, 1954)."""
    truth = PotentialTruth(None, spheres())
    tensor = np.array(truth.record(generate("fcc", ("Cu",))).tensor)
    assert tensor[0, 1] == pytest.approx(tensor[3, 3], rel=0.02)
    assert tensor[0, 0] == pytest.approx(tensor[1, 1], rel=1e-6)


def test_a_body_centred_crystal_of_spheres_is_unstable_and_says_so() -> None:
    """Milstein, Phys. Rev. B 2, 512 (1970): pair potentials as short as this hold no body-centred crystal."""
    truth = PotentialTruth(None, spheres())
    crystal = truth.crystal("gen:bcc:Cu")
    assert truth.moduli(crystal) is None
    assert truth.reason(crystal).startswith("Lennard-Jones: elastically unstable, its softest strain has -")


def test_what_falls_apart_is_no_crystal() -> None:
    truth = PotentialTruth(None, Fake(LennardJones(sigma=4.5, epsilon=1.0, rc=12.0)))
    crystal = truth.crystal("gen:fcc:Cu")
    assert truth.moduli(crystal) is None
    assert "apart" in truth.reason(crystal)
    assert np.array_equal(crystal.lattice, generate("fcc", ("Cu",)).lattice)


class Failing(Fake):
    """A potential that cannot be lent."""

    def __init__(self, error: Exception) -> None:
        super().__init__(None)
        self._error = error

    @override
    @contextmanager
    def calculator(self) -> Iterator[Any]:
        self.n_lent += 1
        raise self._error
        yield


def test_what_the_potential_does_not_know_is_no_crystal(tmp_path: Path) -> None:
    potential = Failing(NoCrystalError("it does not know W"))
    truth = PotentialTruth(tmp_path, potential)
    assert truth.moduli(truth.crystal("gen:bcc:W")) is None
    assert truth.reason(truth.crystal("gen:bcc:W")) == "fake 1: it does not know W"
    assert potential.n_lent == 1


@pytest.mark.parametrize("accident", [np.linalg.LinAlgError("singular"), MemoryError(), ValueError("a shape")])
def test_an_accident_is_no_word_on_the_crystal_and_the_next_order_tries_again(
    tmp_path: Path, accident: Exception
) -> None:
    with pytest.raises(type(accident)):
        PotentialTruth(tmp_path, Failing(accident)).crystal("gen:fcc:Cu")
    assert not list(tmp_path.iterdir())
    again = PotentialTruth(tmp_path, Fake(EMT()))
    assert again.moduli(again.crystal("gen:fcc:Cu")) is not None


def test_the_crystal_is_at_rest_and_keeps_its_symmetry_and_its_name() -> None:
    truth = PotentialTruth(None, Fake(EMT()))
    crystal = truth.crystal("gen:l1_2:Au-Cu")
    assert (crystal.id, crystal.formula, crystal.space_group, crystal.n_atoms) == ("gen:l1_2:Au-Cu", "Cu3Au", 221, 4)
    atoms = generate("l1_2", ("Au", "Cu")).structure().to_ase_atoms()
    atoms.set_cell(crystal.lattice, scale_atoms=True)
    atoms.calc = EMT()
    assert np.abs(atoms.get_stress() / GPa).max() < 0.2


def test_it_is_computed_once_and_found_again_after_a_restart(tmp_path: Path) -> None:
    first = Fake(EMT())
    truth = PotentialTruth(tmp_path / "potential", first)
    crystal = truth.crystal("gen:fcc:Cu")
    moduli = truth.moduli(crystal)
    assert first.n_lent == 1
    later = Fake(EMT())
    again = PotentialTruth(tmp_path / "potential", later)
    assert again.moduli(again.crystal("gen:fcc:Cu")) == moduli
    assert np.array_equal(again.crystal("gen:fcc:Cu").lattice, crystal.lattice)
    assert later.n_lent == 0
    assert not list((tmp_path / "potential").glob("*.tmp"))


def test_another_version_of_the_potential_computes_anew(tmp_path: Path) -> None:
    PotentialTruth(tmp_path, Fake(EMT())).crystal("gen:fcc:Cu")
    newer, corrected = Fake(EMT(), "fake 2"), Fake(EMT(), "fake 2")
    PotentialTruth(tmp_path, newer).crystal("gen:fcc:Cu")
    corrected.softening = Softening(stiffening=0.1, offset=0.0, exponent=1.0)
    PotentialTruth(tmp_path, corrected).crystal("gen:fcc:Cu")
    assert (newer.n_lent, corrected.n_lent) == (1, 1)
    (path,) = tmp_path.glob("*.json")
    assert "fake 2" in (method := json.loads(path.read_bytes())["method"])
    assert "0.1" in method


def test_a_damaged_file_is_made_again(tmp_path: Path) -> None:
    moduli = (truth := PotentialTruth(tmp_path, Fake(EMT()))).moduli(truth.crystal("gen:fcc:Cu"))
    (path,) = tmp_path.glob("*.json")
    sound = path.read_bytes()
    method = json.loads(sound)["method"]
    assert RecordStore(tmp_path).get(path.stem, method) is not None
    for damage in (b"", b"{}", sound[:-20], sound.replace(b'"format": 2', b'"format": 1'), b"[]", b"\xff\xfe"):
        path.write_bytes(damage)
        assert RecordStore(tmp_path).get(path.stem, method) is None, damage
    again = PotentialTruth(tmp_path, Fake(EMT()))
    assert again.moduli(again.crystal("gen:fcc:Cu")) == moduli
    assert path.read_bytes() == sound


def test_a_directory_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    truth = PotentialTruth(tmp_path / "taken", Fake(EMT()))
    with pytest.raises(JournalError, match="cannot be written"):
        truth.crystal("gen:fcc:Cu")


@pytest.mark.parametrize("written", ["mp-631", "gen:rocksalt:Ti", "gen:garnet:Y-Al-O", ""])
def test_what_is_no_generated_crystal_has_no_entry(written: str) -> None:
    with pytest.raises(KeyError, match="crystal"):
        PotentialTruth(None, Fake(None)).crystal(written)


def test_a_crystal_of_the_library_has_moduli_by_the_potential_too() -> None:
    truth = PotentialTruth(None, Fake(EMT()))
    copper = CrystalLibrary.builtin()["mp-30"]
    generated = truth.moduli(truth.crystal("gen:fcc:Cu"))
    assert generated is not None
    assert truth.moduli(copper) is not None
    assert truth.moduli(copper).bulk == pytest.approx(generated.bulk, rel=0.01)  # type: ignore[union-attr]


def test_the_softening_is_taken_back() -> None:
    truth = [Moduli(k, g) for k, g in ((200.0, 150.0), (100.0, 70.0), (250.0, 120.0), (300.0, 200.0))]
    soft = [Moduli(0.9 * m.bulk, 0.9 * m.bulk * (m.shear / m.bulk / 0.8) ** 2) for m in truth]
    softening = Softening.fitted(soft, truth)
    fitted = softening.stiffening, softening.offset, softening.exponent
    assert fitted == pytest.approx((-np.log10(0.9), np.log10(0.8), 0.5))
    for own, true in zip(soft, truth, strict=True):
        assert softening.corrected(own).bulk == pytest.approx(true.bulk)
        assert softening.corrected(own).shear == pytest.approx(true.shear)


def test_a_potential_that_is_corrected_says_so_and_keeps_its_own_tensor() -> None:
    halved, own = Fake(EMT()), PotentialTruth(None, Fake(EMT()))
    halved.softening = Softening(stiffening=0.0, offset=float(np.log10(2.0)), exponent=1.0)
    stiffer = PotentialTruth(None, halved).record(generate("fcc", ("Cu",)))
    plain = own.record(generate("fcc", ("Cu",)))
    assert stiffer.moduli is not None
    assert plain.moduli is not None
    assert stiffer.moduli.shear == pytest.approx(2.0 * plain.moduli.shear)
    assert stiffer.tensor == plain.tensor
    assert "moduli corrected" in Chgnet().name
    assert "corrected" not in Chgnet(softening=None).name


def test_the_correction_is_the_one_that_was_fitted_and_kept() -> None:
    kept = json.loads((Path(__file__).parents[2] / "docs/results/potential.json").read_text())["softening"]
    assert Softening(kept["stiffening"], kept["offset"], kept["exponent"]) == SOFTENING


def test_nothing_of_chgnet_is_loaded_before_it_is_needed() -> None:
    loaded = "chgnet" in sys.modules
    truth = PotentialTruth(None)
    assert truth.origin.startswith("interatomic potential CHGNet 0.3.0")
    assert truth.origin.endswith("(simulated)")
    assert ("chgnet" in sys.modules) == loaded


def test_a_new_crystal_is_computed_beside_the_loop() -> None:
    began, may_end = threading.Event(), threading.Event()

    def slow(crystal_id: str) -> str:
        began.set()
        assert may_end.wait(10.0), "the loop stood still"
        return crystal_id

    async def heart() -> int:
        order = asyncio.ensure_future(known(slow, "gen:fcc:Cu"))
        beats = 0
        while not began.is_set() or beats < 3:
            await asyncio.sleep(0)
            beats += 1
        assert not order.done()
        may_end.set()
        await order
        return beats

    assert asyncio.run(heart()) >= 3


@pytest.mark.parametrize(
    ("crystal", "said"),
    [
        ("gen:garnet:Y-Al-O", "'garnet' is not valid; allowed: one of the prototypes a15, "),
        ("gen:rocksalt:Xx-N", "'Xx' is not valid; allowed: symbols of chemical elements"),
        ("gen:rocksalt:N-Ti", "'gen:rocksalt:Ti-N', which is the same material"),
    ],
)
def test_what_is_wrong_with_an_id_is_said_by_the_instruments_fault(crystal: str, said: str) -> None:
    truth = PotentialTruth(None, Fake(None))
    with pytest.raises(DeviceFault, match=said) as caught:
        asyncio.run(known(truth.crystal, crystal, fault="unknown_powder"))
    assert caught.value.code == "unknown_powder"


def test_a_compound_of_the_library_is_not_looked_up() -> None:
    asyncio.run(known(PotentialTruth(None, Fake(None)).crystal, "mp-631"))


def test_a_laboratory_without_the_potential_says_what_to_install() -> None:
    def missing(crystal_id: str) -> str:
        raise MissingExtraError("a generated crystal", "lab", "chgnet")

    with pytest.raises(DeviceFault, match="pip install") as caught:
        asyncio.run(known(missing, "gen:fcc:Cu"))
    assert caught.value.code == "no_potential"


def test_two_orders_of_a_new_crystal_compute_it_once() -> None:
    began, may_end = threading.Event(), threading.Event()

    class Slow(Fake):
        @override
        @contextmanager
        def calculator(self) -> Iterator[Any]:
            with super().calculator() as calculator:
                began.set()
                assert may_end.wait(10.0)
                yield calculator

    potential = Slow(EMT())
    truth = PotentialTruth(None, potential)
    orders = [threading.Thread(target=truth.crystal, args=("gen:fcc:Cu",)) for _ in range(2)]
    for order in orders:
        order.start()
    assert began.wait(10.0)
    may_end.set()
    for order in orders:
        order.join()
    assert potential.n_lent == 1
