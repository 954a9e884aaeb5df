"""A drawn cell is the crystal: pymatgen recognises it as the same structure."""

from __future__ import annotations

import numpy as np
import pytest
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Structure
from pymatgen.symmetry.groups import SpaceGroup

from agent.cells import conventional_cell
from envs.crystals import Crystal, CrystalLibrary
from instruments.profile.model_messages import MAX_SITES

LIBRARY = CrystalLibrary.builtin()


@pytest.mark.parametrize("place", [0, 57, 300, 611, 900, 1180])
def test_it_is_the_same_crystal_in_its_conventional_cell(place: int) -> None:
    crystal = list(LIBRARY)[place]
    told = conventional_cell(crystal)
    assert told is not None
    drawn = Structure(Lattice(told.lattice), [s.element for s in told.sites], [s.at for s in told.sites])
    assert StructureMatcher(primitive_cell=True).fit(drawn, crystal.structure())
    assert SpaceGroup(told.space_group).int_number == crystal.space_group
    assert len(told.sites) % crystal.n_atoms == 0
    assert all(0.0 <= x < 1.0 for s in told.sites for x in s.at)


def test_corundum_is_hexagonal_with_thirty_atoms() -> None:
    told = conventional_cell(LIBRARY["mp-1143"])
    assert told is not None
    assert (told.space_group, len(told.sites)) == ("R-3c", 30)
    lengths = [np.linalg.norm(v) for v in told.lattice]
    assert lengths == pytest.approx([4.76, 4.76, 12.99], rel=0.02)


def test_a_cell_of_too_many_atoms_is_not_drawn() -> None:
    rng, n = np.random.default_rng(0), MAX_SITES + 1
    many = Crystal("big", "Si", 20.0 * np.eye(3), np.full(n, 14), rng.random((n, 3)), 1)
    assert conventional_cell(many) is None
