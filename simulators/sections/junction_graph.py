"""The ways that a crack may take: along boundaries from one junction of grains to the next, or across a grain."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy import ndimage, sparse

from simulators.sections.pores import junctions

Cells = npt.NDArray[np.int32]
Whole = npt.NDArray[np.intp]
Doubles = npt.NDArray[np.float64]

CROSSING = 1.9
"""Energy of a crack across a grain over that along a boundary: most of the path follows boundaries, some does not."""
WEAKER = 0.25
"""Spread of the logarithm of the boundaries' energy."""


@dataclass(frozen=True)
class JunctionGraph:
    """Junctions of a field and the ways between them.

    Args:
        cells: owner of each pixel, shape (H, W).
        nodes: junctions as row, column, shape (N, 2).
        start: first node of each way, shape (M,).
        end: its last node.
        cell: the grain that it runs along or across.
        along: whether it follows the grain's boundary.
        cost: its length in pixels, dearer across grains.
    """

    cells: Cells
    nodes: Doubles
    start: Whole
    end: Whole
    cell: Whole
    along: npt.NDArray[np.bool_]
    cost: Doubles

    @cached_property
    def _pairs(self) -> tuple[Whole, Whole, Whole]:
        """Ways sorted by the two nodes that they join, where each pair begins, and a number for each pair."""
        low, high = np.minimum(self.start, self.end), np.maximum(self.start, self.end)
        key = low * len(self.nodes) + high
        order = np.argsort(key, kind="stable")
        first = np.flatnonzero(np.diff(key[order], prepend=-1))
        return order, first, key[order][first]

    def matrix(self, cost: Doubles) -> sparse.csr_matrix:
        """Ways as a symmetric sparse matrix of costs, shape (N, N); the cheapest of those between the same nodes."""
        order, first, key = self._pairs
        least = np.minimum.reduceat(cost[order], first) if len(first) else cost[:0]
        low, high = np.divmod(key, max(len(self.nodes), 1))
        both = np.concatenate((low, high)), np.concatenate((high, low))
        return sparse.csr_matrix((np.concatenate((least, least)), both), shape=(len(self.nodes),) * 2)

    def between(self, a: int, b: int) -> Whole:
        """Ways that join two nodes, in either direction."""
        order, first, key = self._pairs
        at = int(np.searchsorted(key, min(a, b) * len(self.nodes) + max(a, b)))
        end = int(first[at + 1]) if at + 1 < len(first) else len(order)
        return order[int(first[at]) : end]

    def course(self, way: int) -> Doubles:
        """Points of a way as row, column, shape (K, 2), from its start to its end."""
        a, b = self.nodes[self.start[way]], self.nodes[self.end[way]]
        ends = np.stack((a, b))
        length = float(np.linalg.norm(b - a))
        if not self.along[way] or length < 4.0:
            return ends
        pad = 0.3 * length + 2.0
        low = np.maximum((np.minimum(a, b) - pad).astype(np.intp), 0)
        high = np.minimum((np.maximum(a, b) + pad).astype(np.intp) + 2, self.cells.shape)
        inside = self.cells[low[0] : high[0], low[1] : high[1]] == self.cell[way]
        rim = np.argwhere(inside & ~ndimage.binary_erosion(inside, border_value=1)) + low
        unit = (b - a) / length
        apart = rim - a
        forward, sideways = apart @ unit, apart @ np.array([-unit[1], unit[0]])
        near = (forward > 1.0) & (forward < length - 1.0) & (np.abs(sideways) < 0.3 * length)
        if np.count_nonzero(near) < 3:
            return ends
        # A grain has two sides; the way runs along the one that is nearer to the chord.
        nearer = near & (np.abs(sideways) <= 2.0 + 1.6 * np.abs(sideways[near]).min() + 0.18 * length)
        bins = np.arange(2.0, length - 1.0, 2.0)
        which = np.digitize(forward[nearer], bins)
        count = np.bincount(which, minlength=len(bins) + 1)
        mean = np.bincount(which, weights=sideways[nearer], minlength=len(bins) + 1)[count > 0] / count[count > 0]
        at = np.bincount(which, weights=forward[nearer], minlength=len(bins) + 1)[count > 0] / count[count > 0]
        middle = a + at[:, None] * unit + mean[:, None] * np.array([-unit[1], unit[0]])
        return np.concatenate((a[None], middle, b[None]))


def junction_graph(cells: Cells, cell_px: float, rng: np.random.Generator) -> JunctionGraph:
    """The graph of a field with mean cells of ``cell_px`` pixels; boundaries and grains differ in strength at random.

    Places on the frame are nodes as well: a crack may come in through a grain, and leave so.
    """
    nodes, cell, at = _corners(cells)
    frame = _frame(cells.shape, cell_px)
    on_frame = np.concatenate((np.zeros(len(nodes), dtype=np.bool_), np.ones(len(frame), dtype=np.bool_)))
    cell = np.concatenate((cell, cells[frame[:, 0], frame[:, 1]].astype(np.intp)))
    at = np.concatenate((at, np.arange(len(frame)) + len(nodes)))
    nodes = np.concatenate((nodes, frame.astype(np.float64)))
    cell, at, corners = _around(nodes, cell, at)
    ways = []
    for k in range(1, int(corners.max(initial=1))):
        same = np.flatnonzero(cell[:-k] == cell[k:])
        beside = (k == 1) | (corners[cell[same]] == k + 1)
        ways.append(np.stack((at[same], at[same + k], cell[same], np.broadcast_to(beside, same.shape))))
    start, end, owner, side = np.concatenate([np.empty((4, 0), dtype=np.intp), *ways], axis=1)
    along = side.astype(np.bool_) & ~on_frame[start] & ~on_frame[end]
    length = np.linalg.norm(nodes[start] - nodes[end], axis=1) + 1e-3
    cost = length * np.where(along, 1.0, CROSSING) * np.exp(WEAKER * rng.standard_normal(len(start)))
    return JunctionGraph(cells, nodes, start, end, owner, along, cost)


def _corners(cells: Cells) -> tuple[Doubles, Whole, Whole]:
    """Junctions (N, 2), and which cell (M,) has which junction (M,) at a corner."""
    points = junctions(cells)[0]
    marked = np.zeros(cells.shape, dtype=np.bool_)
    marked[points[:, 0], points[:, 1]] = True
    clusters, n = ndimage.label(marked, structure=np.ones((3, 3)))
    node = clusters[points[:, 0], points[:, 1]].astype(np.intp) - 1
    count = np.maximum(np.bincount(node, minlength=n), 1)
    nodes = np.stack([np.bincount(node, weights=points[:, k], minlength=n) / count for k in (0, 1)], axis=1) + 0.5
    around = np.concatenate([cells[points[:, 0] + i, points[:, 1] + j] for i in (0, 1) for j in (0, 1)]).astype(np.intp)
    member = np.unique(np.stack((around, np.tile(node, 4)), axis=1), axis=0)
    return nodes, member[:, 0], member[:, 1]


def _frame(shape: tuple[int, ...], step: float) -> Whole:
    """Places about ``step`` pixels apart along the frame, shape (N, 2)."""
    height, width = shape
    rows = np.linspace(0, height - 1, max(int(height / step), 1) + 1).astype(np.intp)
    columns = np.linspace(0, width - 1, max(int(width / step), 1) + 1).astype(np.intp)
    sides = [np.stack((rows, np.full_like(rows, edge)), axis=1) for edge in (0, width - 1)]
    sides += [np.stack((np.full_like(columns, edge), columns), axis=1) for edge in (0, height - 1)]
    return np.unique(np.concatenate(sides), axis=0)


def _around(nodes: Doubles, cell: Whole, at: Whole) -> tuple[Whole, Whole, Whole]:
    """Cells and their nodes, in the order in which these lie around each cell, and how many each cell has."""
    corners = np.bincount(cell)
    centre = (
        np.stack([np.bincount(cell, weights=nodes[at, k]) for k in (0, 1)], axis=1) / np.maximum(corners, 1)[:, None]
    )
    spoke = nodes[at] - centre[cell]
    order = np.lexsort((np.arctan2(spoke[:, 0], spoke[:, 1]), cell))
    return cell[order], at[order], corners
