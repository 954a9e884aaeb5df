"""Basins of a watershed that belong together: joined where no boundary runs between them, and specks given away."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from surrogates.stereology import Labels

Maps = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]

BOUNDARY_LEVEL = 0.3
"""Mean boundary probability along the line between two basins above which they are two grains."""
SMALLEST_GRAIN = 4.0
"""Pixels: smaller basins are the noise of the boundary map, not grains."""
SPECK_SHARE = 0.05
"""Of the median area of a grain: smaller basins are islands in a thick boundary, or dust."""
ROUNDS = 40


@dataclass(frozen=True)
class _Contacts:
    """Pairs of neighbouring basins, lower label first: length of their line, and boundary probability summed on it."""

    first: Numbers
    second: Numbers
    length: Floats
    strength: Floats

    def renamed(self, names: Numbers) -> _Contacts:
        """After basins were joined: ``names`` holds the new label of each."""
        a, b = names[self.first], names[self.second]
        differ = a != b
        low, high = np.minimum(a, b)[differ], np.maximum(a, b)[differ]
        keys, where = np.unique(low * len(names) + high, return_inverse=True)
        return _Contacts(
            keys // len(names),
            keys % len(names),
            _sums(where, self.length[differ], len(keys)),
            _sums(where, self.strength[differ], len(keys)),
        )


def joined(basins: Labels, edge: Maps) -> Labels:
    """Grains, int32 (H, W), counted from 1 without gaps.

    The weakest line of a basin goes first, where it is the weakest of both that it parts, and the lines between what
    remains are averaged anew: a gap in a boundary joins two basins, but not two grains.

    Args:
        basins: int32 (H, W), from 1; 0 is no solid.
        edge: probability of a boundary, (H, W).
    """
    size = int(basins.max()) + 1
    names = np.arange(size, dtype=np.int64)
    contacts = _contacts(basins, edge, size)
    for _ in range(ROUNDS):
        strength = contacts.strength / np.maximum(contacts.length, 1.0)
        links = _mutual(contacts, strength, np.flatnonzero(strength < BOUNDARY_LEVEL), size)
        if not len(links):
            break
        step = _components(contacts, links, size)
        names = step[names]
        contacts = contacts.renamed(step)
    areas = np.bincount(basins.ravel(), minlength=size).astype(np.float64)
    areas[0] = 0.0
    names = _without_specks(names, areas, contacts)
    return _renumbered(names)[basins]


def _contacts(basins: Labels, edge: Maps, size: int) -> _Contacts:
    keys, strength = [], []
    for a, b, p, q in (
        (basins[:, :-1], basins[:, 1:], edge[:, :-1], edge[:, 1:]),
        (basins[:-1], basins[1:], edge[:-1], edge[1:]),
    ):
        meets = np.flatnonzero((a != b) & (a > 0) & (b > 0))
        left, right = a.ravel()[meets].astype(np.int64), b.ravel()[meets].astype(np.int64)
        keys.append(np.minimum(left, right) * size + np.maximum(left, right))
        strength.append(np.maximum(p.ravel()[meets], q.ravel()[meets]).astype(np.float64))
    pairs, where = np.unique(np.concatenate(keys), return_inverse=True)
    weights = np.concatenate(strength)
    return _Contacts(
        pairs // size,
        pairs % size,
        np.bincount(where, minlength=len(pairs)).astype(np.float64),
        _sums(where, weights, len(pairs)),
    )


def _sums(where: npt.NDArray[np.integer], weights: Floats, size: int) -> Floats:
    """Sum of the weights in each place, shape (size,)."""
    return np.bincount(where, weights=weights, minlength=size).astype(np.float64)


def _mutual(contacts: _Contacts, cost: Floats, among: Numbers, size: int) -> Numbers:
    """Of the pairs ``among``, those whose cost is the least of all for both basins."""
    least = np.full(size, np.inf)
    np.minimum.at(least, contacts.first[among], cost[among])
    np.minimum.at(least, contacts.second[among], cost[among])
    best = (cost[among] <= least[contacts.first[among]]) & (cost[among] <= least[contacts.second[among]])
    return among[best]


def _components(contacts: _Contacts, links: Numbers, size: int) -> Numbers:
    """New label of each basin when the pairs ``links`` become one."""
    pairs = (contacts.first[links], contacts.second[links])
    graph = sparse.coo_matrix((np.ones(len(links)), pairs), shape=(size, size))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


def _without_specks(names: Numbers, areas: Floats, contacts: _Contacts) -> Numbers:
    """Each basin too small to be a grain given to the neighbour with which it shares the longest line."""
    for _ in range(ROUNDS):
        size = len(areas)
        area = np.bincount(names, weights=areas, minlength=size)
        present = area[area > 0.0]
        if len(present) < 2:
            return names
        limit = max(SMALLEST_GRAIN, SPECK_SHARE * float(np.median(present)))
        small = (area > 0.0) & (area < limit)
        among = np.flatnonzero(small[contacts.first] | small[contacts.second])
        links = _longest(contacts, among, small)
        if not len(links):
            return names
        step = _components(contacts, links, size)
        names = step[names]
        contacts = contacts.renamed(step)
    return names


def _longest(contacts: _Contacts, among: Numbers, small: npt.NDArray[np.bool_]) -> Numbers:
    """Of the pairs ``among``, for each small basin the one with the longest line."""
    ends = np.concatenate((contacts.first[among], contacts.second[among]))
    lengths, pairs = np.tile(contacts.length[among], 2), np.tile(among, 2)
    order = np.lexsort((-lengths, ends))
    ends, pairs = ends[order], pairs[order]
    leading = np.ones(len(ends), dtype=np.bool_)
    leading[1:] = ends[1:] != ends[:-1]
    return np.unique(pairs[leading & small[ends]])


def _renumbered(names: Numbers) -> Labels:
    """For each basin its grain, counted from 1 without gaps; basin 0, which is no solid, stays 0."""
    table = np.zeros(len(names), dtype=np.int32)
    present = np.unique(names[1:])
    table[1:] = np.searchsorted(present, names[1:]) + 1
    return table
