"""Good polished sections that the laboratory's own drawing does not give: other people's alloys, coatings, microscopes.

A detector of wrong pictures that has met one laboratory's sections alone takes every other's for wrong. These are
drawn to be as different as sections are: no grain size is measured on them and none is known.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from simulators.reader_data import labelled_field
from simulators.reader_sections import exported, section, settings_drawn, unetched
from simulators.sections.microstructure import Kind
from simulators.sem import render
from simulators.tessellation import draw

Grey = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
Shape = tuple[int, int]
POLISHED = (
    Kind.EQUIAXED_DENSE, Kind.BIMODAL, Kind.POROUS_OPEN, Kind.POROUS_CLOSED, Kind.TWO_PHASE, Kind.ELONGATED,
)  # fmt: skip


def precipitates(rng: np.random.Generator, shape: Shape) -> Grey:
    """Rounded or squarish precipitates of two sizes in a matrix, with rims that the etch left standing."""
    length = float(np.exp(rng.uniform(np.log(8.0), np.log(45.0))))
    coarse = _smooth(rng, shape, length)
    if rng.random() < 0.4:
        coarse += 0.5 * np.sign(rng.normal()) * (_waves(rng, shape, 4.0 * length) - 0.5)
    level = float(np.quantile(coarse, rng.uniform(0.35, 0.75)))
    large = coarse > level
    grey = _edges(large, rng) * rng.uniform(0.05, 0.3) * rng.choice((-1.0, 1.0))
    inner = ndimage.distance_transform_edt(large) - ndimage.distance_transform_edt(~large)
    rim = np.exp(-((inner / rng.uniform(1.0, 0.2 * length + 1.0)) ** 2))
    grey += rng.uniform(0.0, 0.25) * rng.choice((-1.0, 1.0, 1.0)) * rim
    if rng.random() < 0.6:
        fine = (_smooth(rng, shape, 0.2 * length + 0.8) > rng.uniform(1.0, 1.8)) & (inner < -0.15 * length)
        grey += _edges(fine, rng) * rng.uniform(0.05, 0.2) * rng.choice((-1.0, 1.0))
    return _taken(grey, rng)


def layers(rng: np.random.Generator, shape: Shape) -> Grey:
    """A coating on its bond coat and substrate: bands of different sections, with a rough line between them."""
    number = int(rng.integers(2, 4))
    y = np.mgrid[: shape[0], : shape[1]][0].astype(np.float64)
    picture = np.zeros(shape)
    above = np.sort(rng.uniform(0.15, 0.85, number - 1)) * shape[0]
    for index in range(number):
        part = splats(rng, shape) if rng.random() < 0.4 else _bare(rng, shape)
        grey = rng.uniform(0.15, 0.9) + rng.uniform(0.3, 0.9) * (part.astype(np.float64) - float(np.median(part)))
        if index == 0:
            picture = grey
            continue
        rough = _smooth(rng, (1, shape[1]), rng.uniform(8.0, 40.0))[0] * rng.uniform(2.0, 0.06 * shape[0])
        share = 1.0 / (1.0 + np.exp(-np.clip(y - above[index - 1] - rough, -40.0, 40.0)))
        picture = picture * (1.0 - share) + grey * share
    turned = picture if rng.random() < 0.7 else picture[::-1]
    return np.clip(turned, 0.0, 1.0).astype(np.float32)


def splats(rng: np.random.Generator, shape: Shape) -> Grey:
    """A sprayed coating: flat splats, lamellar pores and cracks along them, round holes."""
    flat = rng.uniform(2.0, 8.0)
    length = rng.uniform(2.0, 9.0)
    field = ndimage.gaussian_filter(rng.normal(size=shape), (length / np.sqrt(flat), length * np.sqrt(flat)))
    field /= field.std()
    pores = field > rng.uniform(1.1, 2.2)
    if rng.random() < 0.6:
        pores |= _smooth(rng, shape, rng.uniform(3.0, 15.0)) > rng.uniform(2.0, 3.0)
    tone = ndimage.gaussian_filter(rng.normal(size=shape), (2.0 * length, 6.0 * length))
    grey = -_edges(pores, rng) * rng.uniform(0.25, 0.7) + rng.uniform(0.0, 0.08) * tone / tone.std()
    return _taken(grey, rng)


def lamellae(rng: np.random.Generator, shape: Shape) -> Grey:
    """Colonies of parallel lamellae, as of pearlite, eutectics or alpha-beta titanium."""
    number = int(rng.integers(4, 24))
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float64)
    seeds = rng.random((number, 2)) * shape
    bend = [_smooth(rng, shape, 14.0) * rng.uniform(0.0, 5.0) for _ in range(2)]
    owner = np.argmin([np.hypot(y + bend[0] - a, x + bend[1] - b) for a, b in seeds], axis=0)
    pitch = np.exp(rng.normal(np.log(rng.uniform(4.0, 18.0)), 0.25, number))[owner]
    angle = rng.uniform(0.0, np.pi, number)[owner]
    u = x * np.cos(angle) + y * np.sin(angle) + bend[0]
    lines = np.clip(rng.uniform(1.0, 4.0) * (np.cos(2.0 * np.pi * u / pitch) + rng.uniform(-0.6, 0.6)), -1.0, 1.0)
    broken = np.where(_smooth(rng, shape, 5.0) > rng.uniform(0.8, 3.0), 0.3, 1.0)
    grey = rng.uniform(0.06, 0.3) * lines * broken + rng.normal(0.0, rng.uniform(0.0, 0.1), number)[owner]
    return _taken(grey, rng)


def stained(rng: np.random.Generator, shape: Shape) -> Grey:
    """A stained metal in the light microscope: blotches of grey that run into each other, specks, faint scratches."""
    big = _bare(rng, shape, float(np.exp(rng.uniform(np.log(25.0), np.log(90.0))))).astype(np.float64)
    big = ndimage.gaussian_filter(big, rng.uniform(1.0, 3.5))
    cloud = _smooth(rng, shape, rng.uniform(10.0, 50.0)) * rng.uniform(0.2, 0.8) * big.std()
    fine = _smooth(rng, shape, rng.uniform(0.8, 3.0)) * rng.uniform(0.05, 0.35) * big.std()
    specks = _smooth(rng, shape, rng.uniform(0.8, 1.6)) > rng.uniform(3.0, 3.8)
    field = big + cloud + fine
    field = (field - field.mean()) / max(float(field.std()), 1e-6) * rng.uniform(0.04, 0.16)
    return _taken(field - 0.2 * ndimage.gaussian_filter(specks.astype(np.float64), 0.7), rng)


def bare(rng: np.random.Generator, shape: Shape) -> Grey:
    """A section of the laboratory's kinds that nobody etched: pores, cracks and phases show, grains do not."""
    return exported(_bare(rng, shape), rng)


def closer(rng: np.random.Generator, shape: Shape) -> Grey:
    """A section of the laboratory's kinds, enlarged: a soft picture of few, large grains or pores."""
    factor = float(rng.uniform(1.3, 2.5))
    small = (int(np.ceil(shape[0] / factor)) + 1, int(np.ceil(shape[1] / factor)) + 1)
    large = ndimage.zoom(labelled_field(rng, small).image, factor, order=3)[: shape[0], : shape[1]]
    return exported(np.clip(large + rng.normal(0.0, rng.uniform(0.0, 0.03), shape), 0.0, 1.0).astype(np.float32), rng)


FOREIGN: dict[str, Callable[[np.random.Generator, Shape], Grey]] = {
    "precipitates": precipitates, "layers": layers, "splats": splats, "lamellae": lamellae, "stained": stained,
    "bare": bare, "closer": closer,
}  # fmt: skip
"""How each kind is drawn."""


def _bare(rng: np.random.Generator, shape: Shape, diameter: float | None = None) -> Grey:
    kind = (*POLISHED, Kind.CRACKED)[int(rng.integers(len(POLISHED) + 1))]
    if diameter is not None:
        ms = draw(section(POLISHED[0], diameter, shape, rng), rng)
        settings = settings_drawn(rng)
    else:
        size = float(np.exp(rng.uniform(np.log(10.0), np.log(60.0))))
        ms = draw(section(kind, size, shape, rng), rng)
        settings = unetched(settings_drawn(rng), rng)
    return render(ms, settings, rng).astype(np.float32) / np.float32(255.0)


def _smooth(rng: np.random.Generator, shape: Shape, length: float) -> Floats:
    """Noise of one length, mean 0 and standard deviation 1; long ones are drawn on a coarser grid."""
    step = max(length / 4.0, 1.0) if min(shape) > 8 else 1.0
    small = tuple(max(int(np.ceil(n / step)), 4) + 3 for n in shape) if step > 1.0 else shape
    field: Floats = ndimage.gaussian_filter(rng.normal(size=small), length / step, mode="wrap")
    if step > 1.0:
        field = ndimage.zoom(field, [(n + 1) / m for n, m in zip(shape, small, strict=True)], order=1)
        field = field[: shape[0], : shape[1]]
    even: Floats = (field - field.mean()) / max(float(field.std()), 1e-9)
    return even


def _waves(rng: np.random.Generator, shape: Shape, length: float) -> Floats:
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float64)
    angle = rng.uniform(0.0, np.pi)
    u, v = x * np.cos(angle) + y * np.sin(angle), -x * np.sin(angle) + y * np.cos(angle)
    waves: Floats = 0.5 + 0.25 * (np.cos(2.0 * np.pi * u / length) + np.cos(2.0 * np.pi * v / length))
    return waves


def _edges(mask: npt.NDArray[np.bool_], rng: np.random.Generator) -> Floats:
    """A mask with edges as sharp as a beam makes them."""
    soft: Floats = ndimage.gaussian_filter(mask.astype(np.float64), float(rng.uniform(0.5, 1.4)))
    return soft


def _taken(grey: Floats, rng: np.random.Generator) -> Grey:
    """Contrast about 0 as a microscope shows it: texture, scan noise, a slow run of brightness, anyone's export."""
    shape = (grey.shape[0], grey.shape[1])
    texture = _smooth(rng, shape, float(rng.uniform(0.6, 2.0))) * float(rng.uniform(0.0, 0.03))
    slow = _smooth(rng, shape, 0.4 * max(shape)) * float(rng.uniform(0.0, 0.03))
    noise = rng.normal(0.0, float(np.exp(rng.uniform(np.log(0.003), np.log(0.06)))), shape)
    shown = ndimage.gaussian_filter(grey + texture, float(rng.uniform(0.3, 1.2))) + slow + noise
    shown = rng.uniform(0.3, 0.75) + rng.uniform(0.5, 1.2) * shown
    return exported(np.clip(shown, 0.0, 1.0).astype(np.float32), rng)
