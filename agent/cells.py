"""A crystal as people draw it: the atoms of its conventional cell."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from functools import lru_cache

from envs.crystals import Crystal
from instruments.profile.model_messages import MAX_SITES, Site, Structure

TOLERANCE = 0.1
"""Å by which an atom may miss its symmetric place: that of the Materials Project, whose relaxed cells these are."""
DECIMALS = 5
"""Of coordinates: enough to draw, and a cell of many atoms stays a small message."""


@lru_cache(maxsize=256)
def conventional_cell(crystal: Crystal) -> Structure | None:
    """The conventional standard cell (Setyawan and Curtarolo, Comput. Mater. Sci. 49, 299, 2010), as pymatgen makes it.

    None where it has more atoms than can be drawn, or where nobody can say what its symmetry is.
    """
    from pymatgen.symmetry.analyzer import SpacegroupAnalyzer, SymmetryUndeterminedError

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about versions of spglib's interface, not about the crystal
        try:
            analyzer = SpacegroupAnalyzer(crystal.structure(), symprec=TOLERANCE)
            cell, symbol = analyzer.get_conventional_standard_structure(), analyzer.get_space_group_symbol()
        except SymmetryUndeterminedError:
            return None
    if len(cell) > MAX_SITES:
        return None
    a, b, c = (_rounded(vector) for vector in cell.lattice.matrix)
    sites = tuple(Site(element=site.specie.symbol, at=_place(site.frac_coords)) for site in cell)
    return Structure(lattice=(a, b, c), sites=sites, space_group=symbol)


def _rounded(vector: Iterable[float]) -> tuple[float, float, float]:
    x, y, z = (round(float(value), DECIMALS) for value in vector)
    return x, y, z


def _place(vector: Iterable[float]) -> tuple[float, float, float]:
    """Fractional coordinates from 0 up to, and without, 1."""
    x, y, z = (round(float(value) % 1.0, DECIMALS) % 1.0 for value in vector)
    return x, y, z
