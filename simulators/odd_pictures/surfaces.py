"""What else people put under a microscope: fibres, loose particles, chips, foams, cells, films, tips; no sections."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw
from scipy import ndimage

Grey = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
Shape = tuple[int, int]


def fibres(rng: np.random.Generator, shape: Shape) -> Grey:
    """A felt of fibres or nanowires, lit at their rims, the upper ones over the lower."""
    size = float(max(shape))
    width = float(np.exp(rng.uniform(np.log(2.0), np.log(24.0))))
    number = int(np.clip(rng.uniform(0.4, 2.2) * shape[0] * shape[1] / (width * 0.8 * size), 6, 400))
    main, spread = rng.uniform(0.0, np.pi), rng.choice((0.15, 0.5, 3.0))
    picture = np.full(shape, rng.uniform(0.0, 0.15))
    for depth in np.linspace(0.35, 1.0, 4):
        line = Image.new("L", (shape[1], shape[0]), 0)
        draw = ImageDraw.Draw(line)
        for _ in range(max(number // 4, 2)):
            angle, bend = main + spread * rng.normal(), rng.normal(0.0, 0.6)
            t = np.linspace(-0.7, 0.7, 16)
            turn = angle + bend * t
            x = rng.random() * shape[1] + size * t * np.cos(turn)
            y = rng.random() * shape[0] + size * t * np.sin(turn)
            thick = max(round(width * rng.uniform(0.6, 1.4)), 1)
            draw.line([(float(a), float(b)) for a, b in zip(x, y, strict=True)], fill=255, width=thick, joint="curve")
        mask = np.asarray(line) > 127
        inside = ndimage.distance_transform_edt(mask)
        # Rims shine: more secondary electrons leave where the surface is steep.
        lit = depth * (0.35 + 0.5 * np.exp(-inside / max(0.18 * width, 0.7)))
        picture = np.where(mask, lit, picture * 0.85)
    return _taken(picture, rng)


def particles(rng: np.random.Generator, shape: Shape) -> Grey:
    """Loose particles, single or in clumps, on a flat support: round, faceted or plates."""
    picture = np.full(shape, rng.uniform(0.05, 0.45))
    radius = float(np.exp(rng.uniform(np.log(4.0), np.log(30.0))))
    number = int(np.clip(rng.uniform(0.05, 0.5) * shape[0] * shape[1] / (np.pi * radius**2), 4, 500))
    centres = rng.random((number, 2)) * shape
    if rng.random() < 0.4:
        hubs = rng.random((5, 2)) * shape
        centres = hubs[rng.integers(0, 5, number)] + rng.normal(0.0, 0.12 * min(shape), (number, 2))
    corners = int(rng.choice((3, 4, 6, 40, 40)))
    shade = rng.uniform(0.4, 1.0)
    for row, column in centres:
        r = radius * float(np.exp(rng.normal(0.0, rng.choice((0.05, 0.35)))))
        turn, squeeze = rng.uniform(0.0, 2.0 * np.pi), rng.uniform(0.6, 1.0)
        (top, bottom), (left, right) = (
            (int(np.clip(c - r - 2, 0, n)), int(np.clip(c + r + 3, 0, n)))
            for c, n in ((row, shape[0]), (column, shape[1]))
        )
        if top >= bottom or left >= right:
            continue
        y, x = np.mgrid[top:bottom, left:right]
        dy, dx = y - row, (x - column) / squeeze
        angle = np.arctan2(dy, dx) + turn
        sector = np.pi / corners
        edge = r * np.cos(sector) / np.cos(np.mod(angle, 2.0 * sector) - sector)
        inside = np.hypot(dy, dx) / np.maximum(edge, 1e-6)
        body = shade * (0.55 + 0.4 * np.clip(inside, 0.0, 1.0) ** 4 + 0.1 * np.cos(angle - 1.0))
        window = picture[top:bottom, left:right]
        np.copyto(window, body, where=inside < 1.0)
    return _taken(picture, rng)


def pattern(rng: np.random.Generator, shape: Shape) -> Grey:
    """A chip or a mould: lines, posts, holes or pads in rows, with bright edges."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float64)
    angle = rng.choice((0.0, 0.0, rng.uniform(0.0, np.pi)))
    u, v = x * np.cos(angle) + y * np.sin(angle), -x * np.sin(angle) + y * np.cos(angle)
    pitch = float(np.exp(rng.uniform(np.log(12.0), np.log(90.0))))
    duty, kind = rng.uniform(0.25, 0.7), rng.random()
    if kind < 0.35:
        raised = (u % pitch) < duty * pitch
    elif kind < 0.75:
        shifted = u + (np.floor(v / pitch) % 2.0) * (0.5 * pitch if rng.random() < 0.5 else 0.0)
        raised = np.hypot(shifted % pitch - 0.5 * pitch, v % pitch - 0.5 * pitch) < 0.5 * duty * pitch
    else:
        raised = ((u % pitch) < duty * pitch) & ((v % (1.7 * pitch)) < 1.2 * pitch)
        if rng.random() < 0.5:
            raised |= np.abs(v - rng.random() * shape[0]) < 0.3 * pitch
    raised = raised if rng.random() < 0.5 else ~raised
    rim = np.exp(-ndimage.distance_transform_edt(raised) / rng.uniform(1.0, 3.0)) * raised
    floor, top = rng.uniform(0.0, 0.4), rng.uniform(0.3, 0.8)
    return _taken(np.where(raised, top, floor) + rng.uniform(0.1, 0.5) * rim, rng)


def foam(rng: np.random.Generator, shape: Shape) -> Grey:
    """A sponge or open foam seen from outside: struts over struts, the deeper the darker."""
    length = float(np.exp(rng.uniform(np.log(6.0), np.log(40.0))))
    picture = np.zeros(shape)
    for depth in np.linspace(0.2, 1.0, 4):
        field = ndimage.gaussian_filter(rng.normal(size=shape), length * (0.6 + 0.4 * depth), mode="wrap")
        field /= field.std()
        half = rng.uniform(0.2, 0.5)
        strut = np.clip(1.0 - np.abs(field) / half, 0.0, 1.0)
        picture = np.where(strut > 0.0, depth * (0.35 + 0.65 * np.sqrt(1.0 - strut)), 0.8 * picture)
    return _taken(picture, rng)


def cells(rng: np.random.Generator, shape: Shape) -> Grey:
    """Cells, pollen or bacteria: soft bodies with nuclei or hulls on an even ground."""
    picture = np.full(shape, rng.uniform(0.1, 0.8))
    ground = picture[0, 0]
    radius = float(np.exp(rng.uniform(np.log(8.0), np.log(70.0))))
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float64)
    rod = rng.random() < 0.3
    for _ in range(int(np.clip(0.4 * shape[0] * shape[1] / (np.pi * radius**2), 3, 120))):
        row, column = rng.random(2) * shape
        turn, stretch = rng.uniform(0.0, np.pi), rng.uniform(2.0, 4.0) if rod else rng.uniform(1.0, 1.5)
        dy, dx = y - row, x - column
        u, v = (dx * np.cos(turn) + dy * np.sin(turn)) / stretch, -dx * np.sin(turn) + dy * np.cos(turn)
        phase = rng.uniform(0.0, 6.0)
        r = np.hypot(u, v) / (radius * (1.0 + 0.12 * np.sin(3.0 * np.arctan2(v, u) + phase)) / np.sqrt(stretch))
        body = 1.0 / (1.0 + np.exp(np.clip((r - 1.0) / 0.04, -40.0, 40.0)))
        rim = np.exp(-(((r - 1.0) / 0.08) ** 2))
        core = np.exp(-((r / 0.35) ** 2))
        sign = 1.0 if ground < 0.45 else -1.0
        picture += sign * (0.18 * body + 0.15 * rim + 0.2 * core * (not rod))
    picture += 0.03 * ndimage.gaussian_filter(rng.normal(size=shape), 6.0) * 12.0
    return _taken(picture, rng)


def film(rng: np.random.Generator, shape: Shape) -> Grey:
    """A film that has wrinkled, or dried mud of large plates with wide open gaps."""
    if rng.random() < 0.5:
        length, angle = rng.uniform(6.0, 30.0), rng.uniform(0.0, np.pi)
        y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float64)
        wander = ndimage.gaussian_filter(rng.normal(size=shape), 2.0 * length, mode="wrap")
        wander /= wander.std()
        fold = np.sin(2.0 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / length + 2.5 * wander)
        return _taken(0.4 + 0.25 * fold**3 + 0.08 * wander, rng)
    number = int(rng.integers(4, 22))
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float64)
    bent = [ndimage.gaussian_filter(rng.normal(size=shape), 10.0) * 10.0 * rng.uniform(4.0, 14.0) for _ in range(2)]
    seeds = rng.random((number, 2)) * shape
    near = np.sort([np.hypot(y + bent[0] - a, x + bent[1] - b) for a, b in seeds], axis=0)[:2]
    gap = near[1] - near[0] < rng.uniform(6.0, 24.0)
    curl = np.exp(-ndimage.distance_transform_edt(~gap) / rng.uniform(4.0, 15.0))
    rough = ndimage.gaussian_filter(rng.normal(size=shape), 1.5)
    return _taken(np.where(gap, 0.06, 0.4 + 0.4 * curl + 0.12 * rough), rng)


def tip(rng: np.random.Generator, shape: Shape) -> Grey:
    """A needle, a wire's end or an instrument's tip against an empty ground."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float64)
    angle = rng.uniform(0.0, 2.0 * np.pi)
    row, column = (n * rng.uniform(0.3, 0.7) for n in shape)
    along = (x - column) * np.cos(angle) + (y - row) * np.sin(angle)
    across = -(x - column) * np.sin(angle) + (y - row) * np.cos(angle)
    half = rng.uniform(2.0, 30.0) + np.tan(rng.uniform(0.03, 0.6)) * np.clip(along, 0.0, None)
    inside = (along > 0.0) & (np.abs(across) < half)
    body = 0.3 + 0.5 * (np.abs(across) / half) ** 4 + 0.1 * across / half
    return _taken(np.where(inside, body, rng.uniform(0.0, 0.2)), rng)


def _taken(picture: Floats, rng: np.random.Generator) -> Grey:
    """As a detector shows it: blurred, unevenly bright, noisy, toned."""
    shape = picture.shape
    blurred = ndimage.gaussian_filter(picture, float(rng.uniform(0.4, 1.6)))
    uneven = ndimage.zoom(rng.normal(0.0, float(rng.uniform(0.0, 0.05)), (3, 3)), 1.0 + np.array(shape) / 3.0, order=3)
    shown = blurred + uneven[: shape[0], : shape[1]]
    texture = ndimage.gaussian_filter(rng.normal(size=shape), 1.2) * float(rng.uniform(0.0, 0.08))
    gain = float(rng.uniform(0.5, 1.1))
    shown = float(rng.uniform(-0.02, 0.3)) + gain * (shown + texture) + rng.normal(0.0, rng.uniform(0.005, 0.07), shape)
    if rng.random() < 0.15:
        shown = 1.0 - shown
    toned: Grey = np.clip(shown, 0.0, 1.0).astype(np.float32) ** np.float32(np.exp(rng.uniform(-0.4, 0.4)))
    return toned
