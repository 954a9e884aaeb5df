"""Composition descriptors of a library: public knowledge of the elements, computed once, never a measured property."""

from __future__ import annotations

from functools import cache, cached_property

import numpy as np
import numpy.typing as npt

from envs.crystals import ANION_FAMILIES, AVOGADRO, Crystal, CrystalLibrary, family
from envs.laws import melting_estimate

FloatArray = npt.NDArray[np.float64]
DESCRIPTORS = (
    "atomic_number", "electronegativity", "electronegativity_range", "radius", "radius_range", "mass", "melting",
    "density", "volume_per_atom", "n_elements", "group",
)  # fmt: skip


@cache
def element_table() -> dict[int, tuple[float, float, float, float, float]]:
    """Atomic number to (melting point K, Pauling electronegativity, radius angstrom, mass u, group), 1 to 94.

    From pymatgen's periodic table; a missing electronegativity or radius counts as the mean of the others.
    """
    from pymatgen.core import Element

    rows = {}
    for z in range(1, 95):
        element = Element.from_Z(z)
        data = element.data
        rows[z] = [
            _number(data.get("Melting point")), _number(data.get("X")), _number(data.get("Atomic radius")),
            float(element.atomic_mass), float(element.group),
        ]  # fmt: skip
    table = np.array(list(rows.values()))
    table = np.where(np.isnan(table), np.nanmean(table, axis=0), table)
    return {z: (row[0], row[1], row[2], row[3], row[4]) for z, row in zip(rows, table.tolist(), strict=True)}


def _number(value: object) -> float:
    try:
        return float(str(value).split()[0])
    except (ValueError, IndexError):
        return float("nan")


def melting_estimates(library: CrystalLibrary) -> FloatArray:
    """``laws.melting_estimate`` of every crystal in K, shape ``(n_crystals,)``."""
    table = element_table() if len(library) else {}
    elemental, chi = ({z: row[i] for z, row in table.items()} for i in (0, 1))
    return np.array([melting_estimate(c.fractions, elemental, chi) for c in library], dtype=np.float64)


class CompositionTable:
    """What composition and cell alone say about every crystal of a library.

    Args:
        library: the crystals, in the order of the rows.
    """

    def __init__(self, library: CrystalLibrary) -> None:
        self.library = library
        self.elements = tuple(frozenset(c.elements) for c in library)
        self.formulas = tuple(c.formula for c in library)
        self.families = tuple(family(c) or "other" for c in library)

    @cached_property
    def melting(self) -> FloatArray:
        """Estimated melting temperature in K, shape ``(n_crystals,)`` (``laws.melting_estimate``)."""
        return melting_estimates(self.library)

    @cached_property
    def values(self) -> FloatArray:
        """Descriptors in their own units, shape ``(n_crystals, len(DESCRIPTORS))``."""
        rows = [_describe(c, t) for c, t in zip(self.library, self.melting, strict=True)]
        return np.array(rows, dtype=np.float64).reshape(len(rows), len(DESCRIPTORS))

    @cached_property
    def scaled(self) -> FloatArray:
        """Descriptors scaled to [0, 1] over the library, same shape as ``values``."""
        if not len(self.library):
            return self.values
        low, high = self.values.min(axis=0), self.values.max(axis=0)
        return np.asarray((self.values - low) / np.where(high > low, high - low, 1.0))

    @cached_property
    def partners(self) -> tuple[str, ...]:
        """The partner of every crystal: its least electronegative element besides the one that names the family."""
        from pymatgen.core import Element

        negativity = {s: element_table()[Element(s).Z][1] for c in self.library for s in c.elements}
        named = {name: symbol for symbol, name in ANION_FAMILIES}
        return tuple(
            min((s for s in c.elements if s != named.get(f)), key=lambda s: (negativity[s], s), default=c.elements[0])
            for c, f in zip(self.library, self.families, strict=True)
        )


def _describe(crystal: Crystal, melting: float) -> list[float]:
    table = element_table()
    share = crystal.fractions
    data = np.array([table[z] for z in share])
    weight = np.array(list(share.values()))
    mean = weight @ data
    spread = data.max(axis=0) - data.min(axis=0)
    per_atom = crystal.volume / crystal.n_atoms
    # u per cubic angstrom to kg/m3.
    density = mean[3] / per_atom * 1e27 / AVOGADRO
    number = float(sum(z * x for z, x in share.items()))
    return [
        number, mean[1], spread[1], mean[2], spread[2], mean[3], melting, density, per_atom, float(len(share)), mean[4],
    ]  # fmt: skip
