"""Pictures that a program drew: plots, pages, slides, screens, bar codes, grids, maps, the bar of an SEM file alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from simulators.optics.info_bar import bar_height, info_bar

Grey = npt.NDArray[np.float32]
Shape = tuple[int, int]

WORDS = (
    "sample", "grain", "size", "powder", "sintering", "temperature", "density", "furnace", "holding", "time",
    "alumina", "spark", "plasma", "relative", "fracture", "hardness", "toughness", "we", "measured", "and", "found",
    "that", "the", "with", "of", "in", "for", "results", "figure", "table", "section", "method", "error", "mean",
    "heating", "rate", "pressure", "die", "vacuum", "argon", "report", "protocol", "signature", "date", "page",
    "total", "column", "1450", "0.98", "12.4", "HV10", "99.2%",
)  # fmt: skip


def plot(rng: np.random.Generator, shape: Shape) -> Grey:
    """Axes with curves, points, bars or a histogram, ticks and numbers."""
    canvas, draw = _canvas(shape, rng)
    ink = _ink(canvas)
    height, width = shape
    left, right = int(width * rng.uniform(0.08, 0.18)), int(width * rng.uniform(0.9, 0.98))
    top, bottom = int(height * rng.uniform(0.03, 0.12)), int(height * rng.uniform(0.82, 0.92))
    font = _font(rng, height, 0.022, 0.04)
    for n in range(int(rng.integers(4, 9))):
        share = n / 8.0
        x, y = left + int(share * (right - left)), bottom - int(share * (bottom - top))
        if rng.random() < 0.4:
            draw.line([(left, y), (right, y)], fill=_between(ink, 0.25))
            draw.line([(x, top), (x, bottom)], fill=_between(ink, 0.25))
        draw.line([(x, bottom), (x, bottom + 4)], fill=ink)
        draw.line([(left - 4, y), (left, y)], fill=ink)
        draw.text((x, bottom + 6), f"{n * 10}", fill=ink, font=font)
        draw.text((4, y), f"{n * 0.2:.1f}", fill=ink, font=font)
    for _ in range(int(rng.integers(1, 5))):
        _series(draw, rng, (left, top, right, bottom), _between(ink, float(rng.uniform(0.3, 1.0))))
    draw.rectangle([left, top, right, bottom], outline=ink)
    return _grey(canvas)


def page(rng: np.random.Generator, shape: Shape) -> Grey:
    """A page of text, in one or two columns."""
    canvas, draw = _canvas(shape, rng)
    ink, (height, width) = _ink(canvas), shape
    font = _font(rng, height, 0.018, 0.06)
    columns = int(rng.integers(1, 3))
    step = int(font.size * rng.uniform(1.2, 1.8)) if isinstance(font, ImageFont.FreeTypeFont) else 14
    for column in range(columns):
        left = int(width * (0.05 + column / columns))
        room = int(width * (1.0 / columns - 0.08))
        y = int(height * rng.uniform(0.0, 0.08))
        while y < height:
            if rng.random() < 0.9:
                draw.text((left, y), _line(draw, rng, font, room * (1.0 if rng.random() < 0.85 else 0.5)), ink, font)
            y += step
    return _grey(canvas)


def slide(rng: np.random.Generator, shape: Shape) -> Grey:
    """A slide or a screen: a title, boxes, lines of text, a table."""
    canvas, draw = _canvas(shape, rng)
    ink, (height, width) = _ink(canvas), shape
    draw.rectangle([0, 0, width, int(height * rng.uniform(0.05, 0.2))], fill=int(rng.integers(0, 256)))
    draw.text((width // 20, height // 40), _line(draw, rng, _font(rng, height, 0.05, 0.09), width * 0.8), ink,
              _font(rng, height, 0.05, 0.09))  # fmt: skip
    font = _font(rng, height, 0.02, 0.045)
    for _ in range(int(rng.integers(3, 14))):
        x, y = int(rng.uniform(0.0, 0.8) * width), int(rng.uniform(0.15, 0.9) * height)
        w, h = int(rng.uniform(0.05, 0.5) * width), int(rng.uniform(0.04, 0.35) * height)
        kind = rng.random()
        if kind < 0.4:
            draw.rectangle([x, y, x + w, y + h], fill=int(rng.integers(0, 256)), outline=ink)
        elif kind < 0.6:
            draw.ellipse([x, y, x + w, y + h], fill=int(rng.integers(0, 256)), outline=ink)
        elif kind < 0.75:
            for n in range(6):
                draw.line([(x, y + n * h // 5), (x + w, y + n * h // 5)], fill=ink)
                draw.line([(x + n * w // 5, y), (x + n * w // 5, y + h)], fill=ink)
        draw.text((x + 4, y + 4), _line(draw, rng, font, w), ink, font)
    return _grey(canvas)


def bar_code(rng: np.random.Generator, shape: Shape) -> Grey:
    """Bars or squares of two greys, as on labels, and test patterns."""
    cell = int(rng.integers(2, max(min(shape) // 12, 4)))
    rows, columns = -(-shape[0] // cell), -(-shape[1] // cell)
    style = rng.random()
    if style < 0.35:
        cells = np.tile(rng.random(columns) < 0.5, (rows, 1))
    elif style < 0.75:
        cells = rng.random((rows, columns)) < rng.uniform(0.3, 0.6)
    else:
        cells = np.add.outer(np.arange(rows), np.arange(columns)) % 2 == 0
    full = np.kron(cells, np.ones((cell, cell)))[: shape[0], : shape[1]]
    return _two_greys(full.T if style < 0.35 and rng.random() < 0.5 and shape[0] == shape[1] else full, rng)


def grid(rng: np.random.Generator, shape: Shape) -> Grey:
    """Ruled lines at right angles or slanted: graph paper, a calibration grid."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float64)
    angle, pitch = rng.uniform(0.0, np.pi), rng.uniform(8.0, 60.0)
    if rng.random() < 0.5:
        angle = 0.0
    thick = rng.uniform(1.0, 0.2 * pitch + 1.0)
    u, v = x * np.cos(angle) + y * np.sin(angle), -x * np.sin(angle) + y * np.cos(angle)
    return _two_greys(((u % pitch) < thick) | ((v % (pitch * rng.choice((1.0, 1.0, 2.0)))) < thick), rng)


def orientation_map(rng: np.random.Generator, shape: Shape) -> Grey:
    """A coloured map of orientations turned to grey: plain cells, stepped edges, points without an answer."""
    step = int(rng.integers(2, 6))
    rows, columns = -(-shape[0] // step), -(-shape[1] // step)
    number = int(rng.integers(20, 200))
    seeds = rng.uniform(0.0, 1.0, (number, 2)) * (rows, columns)
    y, x = np.mgrid[:rows, :columns]
    nearest = np.full((rows, columns), np.inf)
    owner = np.zeros((rows, columns), dtype=np.int64)
    for index, (sy, sx) in enumerate(seeds):
        distance = (y - sy) ** 2 + (x - sx) ** 2
        owner[distance < nearest] = index
        np.minimum(nearest, distance, out=nearest)
    map_ = (rng.random((number, 3)) @ np.array([0.299, 0.587, 0.114]))[owner]
    map_[rng.random((rows, columns)) < rng.uniform(0.01, 0.15)] = 0.0
    return np.kron(map_, np.ones((step, step)))[: shape[0], : shape[1]].astype(np.float32)


def bar_alone(rng: np.random.Generator, shape: Shape) -> Grey:
    """The bar below an SEM frame without the frame, cut out or left in an otherwise empty picture."""
    cells = [("HV", f"{rng.integers(2, 31)} kV"), ("mag", f"{rng.integers(5, 900) * 100} x"), ("det", "ETD"),
             ("WD", f"{rng.uniform(3, 15):.1f} mm"), ("HFW", f"{rng.uniform(1, 300):.1f} um")]  # fmt: skip
    cells = cells[: int(rng.integers(2, 6))]
    height, width = shape
    tall = height if rng.random() < 0.5 else bar_height(height)
    bar = info_bar(width, tall, float(10.0 ** rng.uniform(-2.5, 0.5)), cells, str(rng.choice(WORDS)))
    below = np.zeros((height - tall, width), dtype=np.uint8)
    found = np.vstack((below, bar) if rng.random() < 0.7 else (bar, below)).astype(np.float32) / np.float32(255.0)
    return np.float32(1.0) - found if rng.random() < 0.3 else found


def _series(draw: ImageDraw.ImageDraw, rng: np.random.Generator, box: tuple[int, int, int, int], ink: int) -> None:
    """One curve, cloud of points or row of bars inside a box."""
    left, top, right, bottom = box
    x = np.linspace(left + 4, right - 4, int(rng.integers(8, 120)))
    style, u = rng.random(), np.linspace(0.0, 1.0, len(x))
    y = rng.uniform(0.1, 0.5) + 0.4 * np.sin(u * rng.uniform(1.0, 12.0) + rng.uniform(0.0, 6.0)) * rng.uniform(0.2, 1.0)
    y = np.clip(y + rng.normal(0.0, rng.choice((0.0, 0.03, 0.1)), len(x)), 0.02, 0.98)
    points = [(float(a), float(bottom - b * (bottom - top))) for a, b in zip(x, y, strict=True)]
    if style < 0.5:
        draw.line(points, fill=ink, width=int(rng.integers(1, 4)))
    if 0.35 < style < 0.8:
        size = float(rng.uniform(1.0, 5.0))
        for a, b in points:
            draw.ellipse([a - size, b - size, a + size, b + size], fill=ink)
    if style >= 0.8:
        wide = 0.35 * (right - left) / len(x)
        for a, b in points:
            draw.rectangle([a - wide, b, a + wide, bottom], fill=ink)


def _canvas(shape: Shape, rng: np.random.Generator) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    light = rng.random() < 0.75
    canvas = Image.new("L", (shape[1], shape[0]), int(rng.integers(225, 256) if light else rng.integers(0, 60)))
    return canvas, ImageDraw.Draw(canvas)


def _ink(canvas: Image.Image) -> int:
    return 0 if int(np.asarray(canvas)[0, 0]) > 127 else 240


def _between(ink: int, share: float) -> int:
    return round(share * ink + (1.0 - share) * (255 - ink))


def _font(
    rng: np.random.Generator, height: int, low: float, high: float
) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=max(8.0, float(rng.uniform(low, high)) * height))


def _line(
    draw: ImageDraw.ImageDraw,
    rng: np.random.Generator,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    room: float,
) -> str:
    """Words that fit into ``room`` pixels, at least one."""
    line = str(rng.choice(WORDS))
    while len(line) < 200:
        longer = f"{line} {rng.choice(WORDS)}"
        if draw.textlength(longer, font=font) > room:
            break
        line = longer
    return line


def _two_greys(mask: npt.NDArray[np.generic], rng: np.random.Generator) -> Grey:
    low, high = rng.uniform(0.0, 0.4), rng.uniform(0.6, 1.0)
    share = mask.astype(np.float32) if rng.random() < 0.5 else 1.0 - mask.astype(np.float32)
    return (low + (high - low) * share).astype(np.float32)


def _grey(canvas: Image.Image) -> Grey:
    return np.asarray(canvas, dtype=np.float32) / np.float32(255.0)
