"""What an interatomic potential says about one crystal: its cell and positions at rest, and its elastic tensor.

The cell is relaxed with its symmetry kept. The tensor comes from finite strains about it, both ways, with the ions
relaxed in each strained cell and free of the symmetry, as in de Jong et al., Sci. Data 2, 150009 (2015). An elastic
tensor tells of homogeneous strain and of what the ions of one cell do; a crystal that passes may still be unstable
against a modulation of longer wavelength, or decompose into others.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from envs.crystals import Crystal
from simulators.potential_elasticity import BASIS, allowed_tensors, components, fit_tensor, needed_strains

FloatArray = npt.NDArray[np.float64]

FORCE = 0.003
"""Largest force left on an ion, eV/angstrom; also of the cell's virial per atom, eV."""
STRAIN = 0.01
STEPS = 300
SYMMETRY_TOLERANCE = 0.01
"""Angstrom within which atoms count as equivalent."""
SWELLING = 1.6
"""Factor on the volume, either way, beyond which what is at rest is not the crystal that was meant."""
JUMP = 0.25
"""Angstrom that an ion may move in a strained cell, beyond what the strain itself moves it: ten times what is usual."""


class NoCrystalError(Exception):
    """The potential has no stable crystal here; the message says why."""


def relax(crystal: Crystal, calculator: Any) -> Crystal:
    """The crystal at rest, in its conventional cell; the symmetry is kept.

    Args:
        crystal: where to start.
        calculator: an ASE calculator of energy, forces and stress.

    Raises:
        NoCrystalError: it comes not to rest, or falls together or apart.
    """
    from ase.constraints import FixSymmetry
    from ase.filters import FrechetCellFilter
    from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

    atoms = _atoms(_primitive(crystal), calculator)
    before = atoms.get_volume()
    atoms.set_constraint(FixSymmetry(atoms, symprec=SYMMETRY_TOLERANCE))
    _rest(FrechetCellFilter(atoms), "the relaxation")
    change = atoms.get_volume() / before
    if not 1.0 / SWELLING < change < SWELLING:
        raise NoCrystalError(f"its volume changes by a factor of {change:.2f}: it falls {_way(change)}")
    structure = _structure(atoms)
    refined = SpacegroupAnalyzer(structure, symprec=SYMMETRY_TOLERANCE)
    conventional = refined.get_conventional_standard_structure()
    return Crystal(
        id=crystal.id,
        formula=crystal.formula,
        lattice=np.array(conventional.lattice.matrix, dtype=np.float64),
        numbers=np.array(conventional.atomic_numbers, dtype=np.int64),
        frac_coords=np.array(conventional.frac_coords, dtype=np.float64),
        space_group=int(refined.get_space_group_number()),
    )


def elastic_tensor(crystal: Crystal, calculator: Any) -> FloatArray:
    """Elastic tensor with relaxed ions, ``(6, 6)`` in GPa, Kelvin-Mandel basis.

    Args:
        crystal: at rest.
        calculator: an ASE calculator of energy, forces and stress.

    Raises:
        NoCrystalError: the ions come not to rest in a strained cell, or jump into another arrangement.
    """
    from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

    structure = _primitive(crystal)
    analyzer = SpacegroupAnalyzer(structure, symprec=SYMMETRY_TOLERANCE)
    operations = analyzer.get_point_group_operations(cartesian=True)
    allowed = allowed_tensors(np.array([op.rotation_matrix for op in operations]))
    strains = needed_strains(allowed)
    responses = []
    for strain in strains:
        up, down = (_stress(_atoms(structure, calculator), sign * STRAIN * BASIS[strain]) for sign in (1.0, -1.0))
        responses.append((up - down) / (2.0 * STRAIN))
    return fit_tensor(allowed, strains, np.array(responses))


def _stress(atoms: Any, strain: FloatArray) -> FloatArray:
    """Stress in the basis, GPa, with the ions at rest in the strained cell."""
    from ase.units import GPa

    atoms.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
    before = atoms.get_positions()
    _rest(atoms, "the relaxation of the ions under strain")
    steps = atoms.get_positions() - before
    moved = float(np.linalg.norm(steps - steps.mean(axis=0), axis=1).max())
    if moved > JUMP:
        raise NoCrystalError(f"an ion moves by {moved:.2f} angstrom under a strain of {STRAIN:.0%}")
    return components(np.asarray(atoms.get_stress(voigt=False), dtype=np.float64) / GPa)


def _rest(movable: Any, what: str) -> None:
    from ase.optimize import BFGS

    if not BFGS(movable, logfile=None).run(fmax=FORCE, steps=STEPS):
        raise NoCrystalError(f"{what} does not end within {STEPS} steps")


def _primitive(crystal: Crystal) -> Any:
    from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

    return SpacegroupAnalyzer(crystal.structure(), symprec=SYMMETRY_TOLERANCE).get_primitive_standard_structure()


def _atoms(structure: Any, calculator: Any) -> Any:
    from ase import Atoms

    return Atoms(
        numbers=structure.atomic_numbers,
        scaled_positions=structure.frac_coords,
        cell=structure.lattice.matrix,
        pbc=True,
        calculator=calculator,
    )


def _structure(atoms: Any) -> Any:
    from pymatgen.core import Lattice, Structure

    return Structure(Lattice(atoms.cell.array), atoms.numbers.tolist(), atoms.get_scaled_positions())


def _way(change: float) -> str:
    return "apart" if change > 1.0 else "together"
