"""Looks at a picture at the scale at which the network knows grains, and once more at another, to see if it agrees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch.nn import functional

from surrogates.micrograph_cnn import MicrographNet, Seen, see
from surrogates.micrograph_descriptors import Descriptors
from surrogates.micrograph_measure import Maps, Segmentation, measure
from surrogates.stereology import Mask

SMALL, LARGE, WANTED = 11.0, 42.0, 26.0
"""Mean intercepts in pixels: smaller grains are enlarged and larger ones reduced, towards the wanted size."""
MOST_ENLARGED, LARGEST_ENLARGED = 2.0, 420_000
"""Factor, and pixels of the enlarged picture: larger ones take too long."""
SMALLEST_SIDE = 128
"""Pixels: no picture is reduced further."""
OTHER, SAY = 0.5, 0.35
"""The second scale, relative to the first: a quarter of its work; and its most weight."""
THIN = frozenset({"boundary", "crack"})
"""Channels of lines."""
FEWEST_CROSSINGS = 8
"""Crossings of boundaries on all rows and columns below which there is no size to speak of."""


@dataclass(frozen=True)
class Look:
    """What the network sees in a picture, and what is measured on it.

    Args:
        seen: at the picture's own pixels.
        found: at the best scale, in the picture's own pixels.
    """

    seen: Seen
    found: Segmentation


def look(network: MicrographNet, image: npt.NDArray[np.float32], taught: Sequence[str] = ()) -> Look:
    """See one image (H, W), 0 to 1, at the scale that fits its grains, and measure it.

    Args:
        network: in evaluation mode.
        image: float32.
        taught: channels that were learned from a user's images; these count as they look in the image's own pixels.
            Lines do not survive in a reduced map: with such, all is measured in the image's own pixels.
    """
    seen = see(network, image)
    size = rough_intercept(seen.maps)
    own = [network.shape.channels.index(name) for name in taught]
    factor = 1.0 if THIN & set(taught) else fitting(size, image.shape)
    if factor == 1.0:
        if min(image.shape) * OTHER < SMALLEST_SIDE:
            return Look(seen, measure(seen.maps))
        other = see(network, resized(image, OTHER)).maps
        apart = float(np.log(rough_intercept(other) / (OTHER * size)))
        maps = blended(seen.maps, other, size)
        for channel in own:
            maps[channel] = seen.maps[channel]
        return Look(seen, replace(measure(maps), disagreement=apart))
    again = see(network, resized(image, factor)).maps
    for channel in own:
        again[channel] = np.clip(resized(seen.maps[channel], factor), 0.0, 1.0)
    rough = rough_intercept(again) / factor
    found = measure(again)
    return Look(seen, replace(in_pixels_of(found, factor, image.shape), disagreement=float(np.log(rough / size))))


def fitting(size: float, shape: tuple[int, ...]) -> float:
    """By what the picture's sides should be multiplied, where its mean intercept is roughly ``size`` pixels."""
    if size > LARGE:
        return min(max(WANTED / size, SMALLEST_SIDE / min(shape)), 1.0)
    if size < SMALL:
        most = min(MOST_ENLARGED, float(np.sqrt(LARGEST_ENLARGED / (shape[0] * shape[1]))))
        factor = min(WANTED / max(size, 1.0), most)
        return factor if factor > 1.2 else 1.0
    return 1.0


def rough_intercept(maps: Maps) -> float:
    """Mean intercept in pixels without grains: length of solid over the boundaries crossed on rows and columns."""
    solid = maps[1] < 0.5
    edge = (maps[0] > 0.5) & solid
    crossings = np.count_nonzero(edge[:, 1:] & ~edge[:, :-1]) + np.count_nonzero(edge[1:] & ~edge[:-1])
    length = max(int(np.count_nonzero(solid)), 1)
    return 2.0 * length / max(int(crossings), FEWEST_CROSSINGS)


def resized(image: npt.NDArray[np.float32], factor: float) -> npt.NDArray[np.float32]:
    """The image at ``factor`` times its sides, smoothed before when it becomes smaller."""
    if factor < 1.0:
        image = ndimage.gaussian_filter(image, 0.5 * (1.0 / factor - 1.0))
    return _zoomed(image[None], (round(image.shape[0] * factor), round(image.shape[1] * factor)))[0]


def in_pixels_of(found: Segmentation, factor: float, shape: tuple[int, ...]) -> Segmentation:
    """What was measured on a picture of ``factor`` times the sides, in the pixels of the one of ``shape``."""
    pores, phase, cracks = (_spread(mask, shape) for mask in (found.pores, found.phase, found.cracks))
    rows, columns = _indices(found.labels.shape, shape)
    return replace(
        found,
        labels=found.labels[np.ix_(rows, columns)],
        boundaries=_lines(found.boundaries, shape),
        pores=pores,
        phase=phase,
        cracks=cracks,
        diameter=found.diameter / factor,
        intercept=found.intercept / factor,
        diameters=found.diameters / factor,
        descriptors=None if found.descriptors is None else _rescaled(found.descriptors, factor),
        factor=factor,
    )


def blended(maps: Maps, other: Maps, size: float) -> Maps:
    """Probabilities of two scales in one, shape (C, H, W): the coarser look has a say where grains are large enough.

    Args:
        maps: of the picture, (C, H, W).
        other: of the reduced one, (C, h, w).
        size: rough mean intercept in pixels of the picture.
    """
    weight = SAY * float(np.clip((size - SMALL) / (WANTED - SMALL), 0.0, 1.0))
    if weight == 0.0:
        return maps
    coarse = _zoomed(other, maps.shape[1:])
    return np.asarray(np.float32(1.0 - weight) * maps + np.float32(weight) * coarse, dtype=np.float32)


def _zoomed(maps: Maps, shape: tuple[int, ...]) -> Maps:
    """Maps (C, h, w) between whose pixels lines are drawn, corners on corners, shape (C, H, W)."""
    given = torch.from_numpy(np.ascontiguousarray(maps, dtype=np.float32))[None]
    return np.asarray(functional.interpolate(given, size=tuple(shape), mode="bilinear", align_corners=True)[0].numpy())


def _rescaled(found: Descriptors, factor: float) -> Descriptors:
    def length(value: float | None) -> float | None:
        return None if value is None else value / factor

    return replace(
        found,
        diameter=found.diameter / factor,
        intercept=found.intercept / factor,
        d10=length(found.d10),
        d50=length(found.d50),
        d90=length(found.d90),
        boundary_length=found.boundary_length * factor,
        pore_size=length(found.pore_size),
        crack_length=found.crack_length * factor,
        diameters=found.diameters / factor,
    )


def _indices(small: tuple[int, ...], shape: tuple[int, ...]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    rows, columns = ((np.arange(n) * 2 + 1) * m // (2 * n) for n, m in zip(shape, small, strict=True))
    return rows, columns


def _spread(mask: Mask, shape: tuple[int, ...]) -> Mask:
    """The mask on another grid, each pixel from the one that lies there."""
    return mask[np.ix_(*_indices(mask.shape, shape))]


def _lines(mask: Mask, shape: tuple[int, ...]) -> Mask:
    """Thin lines on another grid: each pixel of a line to where it lies, so that none is lost in a smaller picture."""
    if shape[0] > mask.shape[0]:
        return _spread(mask, shape)
    found = np.zeros(shape, dtype=np.bool_)
    rows, columns = np.nonzero(mask)
    found[rows * shape[0] // mask.shape[0], columns * shape[1] // mask.shape[1]] = True
    return found
