"""Crystals and the library of real compounds: structures only, never their measured or computed properties."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from typing import TYPE_CHECKING

from typing_extensions import override

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from pymatgen.core import Structure

    FloatArray = npt.NDArray[np.float64]

LIBRARY_FILE = "library/structures_2015.npz"
AVOGADRO = 6.02214076e23


@dataclass(frozen=True, eq=False)
class Crystal:
    """One periodic structure.

    Args:
        id: identifier in its source (``mp-...`` for the Materials Project).
        formula: reduced formula.
        lattice: 3 x 3, row vectors, in angstrom.
        numbers: n_atoms atomic numbers.
        frac_coords: n_atoms x 3 fractional coordinates.
        space_group: international number.
    """

    id: str
    formula: str
    lattice: FloatArray
    numbers: npt.NDArray[np.int64]
    frac_coords: FloatArray
    space_group: int

    @override
    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def n_atoms(self) -> int:
        """Atoms in the cell."""
        return len(self.numbers)

    @cached_property
    def volume(self) -> float:
        """Cell volume in cubic angstrom."""
        import numpy as np

        return float(abs(np.linalg.det(self.lattice)))

    @cached_property
    def elements(self) -> tuple[str, ...]:
        """Element symbols in the order of the formula."""
        return tuple(re.findall(r"[A-Z][a-z]?", self.formula))

    @cached_property
    def name(self) -> str:
        """Formula as chemists write it, elements in the IUPAC order: ``WSi2`` where ``formula`` says ``Si2W``."""
        from pymatgen.core import Composition

        return str(Composition(self.formula).get_reduced_formula_and_factor(iupac_ordering=True)[0])

    @cached_property
    def fractions(self) -> dict[int, float]:
        """Atomic number to atomic fraction."""
        import numpy as np

        numbers, counts = np.unique(self.numbers, return_counts=True)
        return {int(z): float(c) / self.n_atoms for z, c in zip(numbers, counts, strict=True)}

    def structure(self) -> Structure:
        """The same crystal as a pymatgen ``Structure``."""
        from pymatgen.core import Lattice, Structure

        return Structure(Lattice(self.lattice), [int(z) for z in self.numbers], self.frac_coords)


class CrystalLibrary:
    """An ordered, immutable set of crystals, found by identifier."""

    def __init__(self, crystals: Iterable[Crystal]) -> None:
        self._crystals = tuple(crystals)
        self._index = {c.id: i for i, c in enumerate(self._crystals)}
        if len(self._index) != len(self._crystals):
            raise ValueError("crystal identifiers in a library must be unique")

    def __len__(self) -> int:
        return len(self._crystals)

    def __iter__(self) -> Iterator[Crystal]:
        return iter(self._crystals)

    def __getitem__(self, crystal_id: str) -> Crystal:
        return self._crystals[self._index[crystal_id]]

    def __contains__(self, crystal_id: object) -> bool:
        return crystal_id in self._index

    @property
    def ids(self) -> tuple[str, ...]:
        """Identifiers in library order."""
        return tuple(self._index)

    def index(self, crystal_id: str) -> int:
        """Position of a crystal in the library."""
        return self._index[crystal_id]

    def subset(self, ids: Iterable[str]) -> CrystalLibrary:
        """The named crystals, in the order given."""
        return CrystalLibrary(self[i] for i in ids)

    @staticmethod
    def builtin() -> CrystalLibrary:
        """The 1,181 compounds whose elastic tensors were computed by de Jong et al., Sci. Data 2, 150009 (2015)."""
        import numpy as np

        with resources.as_file(resources.files("envs") / LIBRARY_FILE) as path, np.load(path) as archive:
            data = {name: archive[name] for name in archive.files}
            ends = np.cumsum(data["n_atoms"])
            starts = ends - data["n_atoms"]
            return CrystalLibrary(
                Crystal(
                    id=str(data["id"][i]),
                    formula=str(data["formula"][i]),
                    lattice=data["lattice"][i].astype(np.float64),
                    numbers=data["numbers"][starts[i] : ends[i]].astype(np.int64),
                    frac_coords=data["frac_coords"][starts[i] : ends[i]].astype(np.float64),
                    space_group=int(data["space_group"][i]),
                )
                for i in range(len(ends))
            )


ANION_FAMILIES: tuple[tuple[str, str], ...] = (
    ("N", "nitride"), ("B", "boride"), ("C", "carbide"), ("O", "oxide"), ("Si", "silicide"),
)  # fmt: skip
"""Defining element to ceramic family, the first match wins (carbonitrides count as nitrides)."""

HAZARDOUS = frozenset({"Be", "Cd", "Hg", "Pb", "Tl", "As", "Tc", "Th", "U", "Pu", "F", "Cl", "Br", "I", "H", "Os"})
"""Elements that the default campaign leaves out: toxic or radioactive powders, halides, hydrides, OsO4 on heating."""


def family(crystal: Crystal) -> str:
    """Ceramic family of a compound, or ``""`` for elements and intermetallics."""
    if len(crystal.elements) < 2:
        return ""
    return next((name for symbol, name in ANION_FAMILIES if symbol in crystal.elements), "")


def ceramics(library: CrystalLibrary, *, exclude: frozenset[str] = HAZARDOUS) -> CrystalLibrary:
    """The borides, carbides, nitrides, oxides and silicides of a library, without the excluded elements."""
    return CrystalLibrary(c for c in library if family(c) and not exclude.intersection(c.elements))
