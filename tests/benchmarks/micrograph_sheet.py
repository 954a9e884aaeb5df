"""Virtual micrographs to look at: beside real ones, with their statistics, or with their exact truth.

Usage::

    python -m tests.benchmarks.micrograph_sheet --real DIR --out FILE.png [--json]
    python -m tests.benchmarks.micrograph_sheet --truth --out docs/micrographs.png

``--real`` takes every picture below DIR (masks are left out), cuts a field of 384 x 384 pixels from it, puts a virtual
field of the same grain size beside it and prints how alike they are: spread and skew of the grey levels, share of
clipped pixels, noise, slope of the radial power spectrum, correlation length, steepness and width of the edges. Real
pictures belong to others: that sheet is for the eye, and is never committed.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont
from scipy import ndimage, stats

from simulators.optics.presets import operator_settings, random_settings
from simulators.optics.settings import SemSettings
from simulators.sections.microstructure import Kind, Microstructure, SectionSpec, Surface
from simulators.sem import render
from simulators.tessellation import draw

Picture = npt.NDArray[np.uint8]
EDGE = 384
GAP, CAPTION = 8, 40
LAPLACE = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], dtype=np.float32)
COLOURS = {"boundary": (255, 140, 0), "pore": (40, 120, 255), "phase": (60, 200, 90), "crack": (255, 40, 90)}


def statistics(image: npt.NDArray[np.float64]) -> dict[str, float]:
    """What tells a picture from another kind of picture, of grey levels from 0 to 1.

    The noise is that of the finest differences (Immerkaer, Comput. Vis. Image Underst. 64, 300, 1996).
    """
    noise = float(np.median(np.abs(ndimage.convolve(image, LAPLACE))) / 0.6745 / 6.0)
    smooth = ndimage.gaussian_filter(image, 1.0)
    steepness = np.hypot(*np.gradient(smooth))
    radius, power = spectrum(image)
    band = (radius > 0.02) & (radius < 0.2)
    slope = float(np.polyfit(np.log(radius[band]), np.log(power[band] + 1e-12), 1)[0])
    return {
        "mean": float(image.mean()),
        "std": float(image.std()),
        "skew": float(stats.skew(image, axis=None)),
        "clipped": float(((image <= 0.004) | (image >= 0.996)).mean()),
        "noise": noise,
        "slope": slope,
        "corr_px": correlation_length(image),
        "edge": float(np.quantile(steepness, 0.98) / max(float(smooth.std()), 1e-6)),
        "edge_px": edge_width(image),
        "uneven": float(ndimage.gaussian_filter(image, EDGE / 8).std() / max(float(image.std()), 1e-6)),
    }


def spectrum(image: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Radial power spectrum: frequencies in cycles a pixel (N,), and the mean power at each (N,)."""
    window = np.hanning(image.shape[0])[:, None] * np.hanning(image.shape[1])[None, :]
    power = np.abs(np.fft.fft2((image - image.mean()) * window)) ** 2
    far = np.hypot(np.fft.fftfreq(image.shape[0])[:, None], np.fft.fftfreq(image.shape[1])[None, :])
    ring = np.minimum((far * EDGE).astype(int), EDGE // 2)
    count = np.maximum(np.bincount(ring.ravel()), 1)
    return (np.arange(len(count)) + 0.5) / EDGE, np.bincount(ring.ravel(), power.ravel()) / count


def edge_profile(image: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Mean grey across the steepest two per cent of the picture, from 0, the dark side, to 1, shape (13,)."""
    smooth = ndimage.gaussian_filter(image, 1.0)
    down, right = np.gradient(smooth)
    steepness = np.maximum(np.hypot(down, right), 1e-9)
    rows, columns = np.nonzero(steepness > np.quantile(steepness, 0.98))
    steps = np.arange(-6, 7)[:, None]
    where = rows + steps * (down / steepness)[rows, columns], columns + steps * (right / steepness)[rows, columns]
    profile = ndimage.map_coordinates(image, where, order=1, mode="nearest").mean(axis=1)
    scaled: npt.NDArray[np.float64] = (profile - profile.min()) / max(float(np.ptp(profile)), 1e-9)
    return scaled


def edge_width(image: npt.NDArray[np.float64]) -> float:
    """Pixels over which the mean edge rises from a quarter to three quarters of its height."""
    profile = edge_profile(image)
    low, high = int(profile.argmin()), int(profile.argmax())
    rise = np.maximum.accumulate(profile[min(low, high) : max(low, high) + 1])
    return float(np.interp(0.75, rise, np.arange(len(rise))) - np.interp(0.25, rise, np.arange(len(rise))))


def correlation_length(image: npt.NDArray[np.float64]) -> float:
    """Distance in pixels at which the correlation of grey levels falls to a half."""
    flat = image - ndimage.gaussian_filter(image, EDGE / 6)
    power = np.abs(np.fft.fft2(flat)) ** 2
    along = np.fft.ifft2(power).real
    curve = (along[0, : EDGE // 2] + along[: EDGE // 2, 0]) / (2.0 * along[0, 0])
    below = np.flatnonzero(curve < 0.5)
    return float(below[0]) if len(below) else float(EDGE)


def real_pictures(directory: Path) -> list[tuple[str, Picture]]:
    """The middle field of each real picture, with its name; masks and pictures that are too small are left out."""
    found = []
    for path in sorted(directory.rglob("*.png")):
        if path.stem.endswith(("_mask", "_segmented")):
            continue
        pixels = np.asarray(Pillow.open(path).convert("L"))
        if min(pixels.shape) < 256:
            continue
        edge = min(EDGE, *pixels.shape)
        top, left = (n // 2 - edge // 2 for n in pixels.shape)
        crop = pixels[top : top + edge, left : left + edge]
        if edge < EDGE:
            crop = np.asarray(Pillow.fromarray(crop).resize((EDGE, EDGE), Pillow.Resampling.BICUBIC))
        found.append((f"{path.parent.name}/{path.stem}", crop))
    return found


@dataclass(frozen=True)
class Likeness:
    """What kind of material and which preparation a directory of real pictures shows.

    Args:
        section: of the specification, beside grain size, pixel and shape.
        settings: of the microscope, beside exposure, contrast and noise, which are taken from each picture.
        grain_px: mean grain in the pictures, by eye; else it is taken from the correlation of the grey levels.
    """

    section: dict[str, object]
    settings: dict[str, object]
    grain_px: float | None = None


LIKE = {
    # Superalloys etched so that one phase lies lower within bright rims.
    "nasa_super1": Likeness(
        {"second_phase": 0.45, "phase_at_boundaries": False},
        {"detector": "SE", "channelling": 0.0, "groove_depth": 0.04, "phase_contrast": -0.09, "edge_brightness": 0.25,
         "terraces": 0.0, "side_light": 0.06, "scratches": 25.0, "defocus": 1.3},
        48.0,
    ),
    # Plasma-sprayed coatings: bright, porous and cracked.
    "nasa_ebc1": Likeness(
        {"porosity": 0.15, "open_share": 0.4, "cracks": 40.0},
        {"detector": "BSE", "channelling": 0.02, "groove_depth": 0.0, "pore_darkness": 0.7, "texture": 0.008},
    ),
    "nist_gsat/grain": Likeness(
        {"porosity": 0.002, "size_sigma": 0.5},
        {"detector": "SE", "channelling": 0.01, "groove_depth": 0.6, "groove_spread": 0.6, "groove_bite": 3.0,
         "pull_outs": 60.0, "texture": 0.004, "terraces": 0.1, "side_light": 0.05},
        42.0,
    ),
    "nist_gsat/sem": Likeness(
        {"elongation": 4.0, "direction": 1.5},
        {"detector": "SE", "channelling": 0.03, "groove_depth": -0.4, "groove_spread": 0.5, "groove_bite": 1.0,
         "texture": 0.02, "scratches": 120.0, "side_light": 0.2, "terraces": 0.5},
        34.0,
    ),
    # Martensite and bainite by orientation: no lines, blotches within blotches.
    "tbm_metallography": Likeness(
        {"porosity": 0.003, "size_sigma": 0.6, "elongation": 1.6, "direction": 0.6},
        {"detector": "BSE", "channelling": 0.07, "gradient": 0.02, "groove_depth": 0.0, "texture": 0.03,
         "defocus": 1.0, "shading": 0.01, "scratches": 60.0},
    ),
}  # fmt: skip


def twin(name: str, picture: Picture, seed: int) -> Picture:
    """A virtual field of the kind, the grain size, the exposure, the contrast and the noise of a real one."""
    grey = picture.astype(float) / 255.0
    wanted = statistics(grey)
    like = next((like for start, like in LIKE.items() if name.startswith(start)), Likeness({}, {}))
    grain = like.grain_px or float(np.clip(3.2 * wanted["corr_px"], 14.0, 70.0))
    more = {"porosity": 0.01, **like.section}
    spec = SectionSpec(grain_size_um=grain * 0.1, pixel_size_um=0.1, shape=picture.shape, **more)  # type: ignore[arg-type]
    rng = np.random.default_rng([seed, 5])
    median = float(np.clip(np.median(grey), 0.1, 0.97))
    settings = replace(operator_settings(rng), brightness=median, **like.settings)  # type: ignore[arg-type]
    ms = draw(spec, rng)
    # The operator turns the contrast until the picture is as lively as the real one.
    first = render(ms, settings, np.random.default_rng(seed)).std() / 255.0
    contrast = settings.contrast * float(np.clip(wanted["std"] / first, 0.3, 3.0))
    dose = (0.5 * contrast / max(wanted["noise"], 0.004)) ** 2
    settings = replace(settings, contrast=contrast, dwell_us=settings.dwell_us * dose / settings.quanta)
    return render(ms, settings, np.random.default_rng(seed))


def compare(directory: Path, out: Path, seed: int) -> dict[str, dict[str, list[float]]]:
    """The sheet of real pictures beside virtual ones, and the table of their statistics: 10%, median, 90% of each."""
    pairs = [(name, real, twin(name, real, seed + k)) for k, (name, real) in enumerate(real_pictures(directory))]
    across = 3
    rows = -(-len(pairs) // across)
    width, height = across * (2 * EDGE + 2 * GAP), rows * (EDGE + CAPTION)
    sheet = Pillow.new("L", (width, height), 255)
    pen = ImageDraw.Draw(sheet)
    table: dict[str, list[dict[str, float]]] = {"real": [], "virtual": []}
    for k, (name, real, virtual) in enumerate(pairs):
        left, top = (k % across) * (2 * EDGE + 2 * GAP), (k // across) * (EDGE + CAPTION)
        sheet.paste(Pillow.fromarray(real), (left, top))
        sheet.paste(Pillow.fromarray(virtual), (left + EDGE, top))
        pen.text((left + 4, top + EDGE + 8), f"{name} | virtual", fill=0, font=ImageFont.load_default(size=18))
        for kind, picture in (("real", real), ("virtual", virtual)):
            table[kind].append(statistics(picture.astype(float) / 255.0))
    sheet.save(out)
    heads = "".join(f"{head:>9}" for head in ("10%", "median", "90%"))
    print(f"{'':10} {heads}    {heads}    (real, virtual)")
    figures: dict[str, dict[str, list[float]]] = {}
    for name in table["real"][0]:
        found = {
            kind: [round(float(v), 4) for v in np.quantile([each[name] for each in rows_of], [0.1, 0.5, 0.9])]
            for kind, rows_of in table.items()
        }
        figures[name] = found
        real_, virtual_ = ("".join(f"{v:9.3f}" for v in found[kind]) for kind in ("real", "virtual"))
        print(f"{name:10} {real_}    {virtual_}")
    return figures


def showcase() -> list[tuple[Kind, SectionSpec, str]]:
    """Twenty-four fields of all kinds: what to draw, and with which detector."""

    def spec(size: float, **more: object) -> SectionSpec:
        return SectionSpec(grain_size_um=size, pixel_size_um=0.1, shape=(EDGE, EDGE), **more)  # type: ignore[arg-type]

    powder, fracture = Surface.POWDER, Surface.FRACTURE
    return [
        (Kind.EQUIAXED_DENSE, spec(2.6, porosity=0.01), "SE"),
        (Kind.EQUIAXED_DENSE, spec(2.6, porosity=0.005), "BSE"),
        (Kind.EQUIAXED_DENSE, spec(1.5, porosity=0.015), "SE"),
        (Kind.EQUIAXED_DENSE, spec(4.0, porosity=0.005), "BSE"),
        (Kind.BIMODAL, spec(1.8, porosity=0.01, abnormal=0.35), "SE"),
        (Kind.BIMODAL, spec(1.8, porosity=0.01, abnormal=0.25), "BSE"),
        (Kind.POROUS_OPEN, spec(2.2, porosity=0.3, open_share=0.95), "SE"),
        (Kind.POROUS_OPEN, spec(2.0, porosity=0.25, open_share=0.9), "BSE"),
        (Kind.POROUS_OPEN, spec(1.6, porosity=0.4, open_share=1.0), "SE"),
        (Kind.POROUS_CLOSED, spec(2.6, porosity=0.08), "SE"),
        (Kind.POROUS_CLOSED, spec(2.6, porosity=0.06), "BSE"),
        (Kind.POROUS_CLOSED, spec(3.5, porosity=0.1, open_share=0.1), "SE"),
        (Kind.TWO_PHASE, spec(2.2, porosity=0.01, second_phase=0.15, phase_at_boundaries=False), "BSE"),
        (Kind.TWO_PHASE, spec(2.4, porosity=0.02, second_phase=0.07), "SE"),
        (Kind.TWO_PHASE, spec(2.0, porosity=0.01, second_phase=0.3, phase_at_boundaries=False), "SE"),
        (Kind.ELONGATED, spec(2.4, porosity=0.01, elongation=2.5, direction=0.4), "SE"),
        (Kind.ELONGATED, spec(2.2, porosity=0.01, elongation=4.0), "BSE"),
        (Kind.CRACKED, spec(2.4, porosity=0.02, cracks=60.0), "SE"),
        (Kind.CRACKED, spec(2.6, porosity=0.03, cracks=90.0), "BSE"),
        (Kind.POWDER, spec(3.0, surface=powder), "SE"),
        (Kind.POWDER, spec(1.6, surface=powder), "SE"),
        (Kind.POWDER, spec(2.4, surface=powder), "BSE"),
        (Kind.FRACTURE, spec(2.6, porosity=0.03, surface=fracture), "SE"),
        (Kind.FRACTURE, spec(2.6, porosity=0.3, open_share=1.0, surface=fracture), "SE"),
    ]


def chosen(detector: str, rng: np.random.Generator, plain: bool) -> SemSettings:
    """Settings of the wanted detector: a routine, or one of the many of other days."""
    while True:
        settings = operator_settings(rng) if plain else random_settings(rng)
        if settings.detector == detector:
            return settings


def overlaid(image: Picture, ms: Microstructure) -> Picture:
    """The micrograph with its truth in colours, uint8 (H, W, 3)."""
    picture = np.repeat(0.75 * image.astype(np.float64)[:, :, None], 3, axis=2)
    for name, mask, share in (
        ("phase", ms.phase, 0.35),
        ("pore", ms.pores, 0.6),
        ("boundary", ms.boundaries, 0.9),
        ("crack", ndimage.binary_dilation(ms.cracks) if ms.cracks.any() else ms.cracks, 0.9),
    ):
        picture[mask] = (1.0 - share) * picture[mask] + share * np.array(COLOURS[name])
    return picture.astype(np.uint8)


def truth_words(ms: Microstructure) -> str:
    """The numbers that stand below a field."""
    words = [f"d {ms.mean_diameter_um:.2f} um", f"n {ms.n_grains}", f"pores {100 * ms.porosity:.1f}%"]
    if ms.spec.surface is Surface.POLISHED:
        words.insert(1, f"G {ms.astm_g:.1f}")
    if ms.phase_fraction > 0.0:
        words.append(f"phase {100 * ms.phase_fraction:.0f}%")
    if ms.crack_length_mm > 0.0:
        words.append(f"cracks {ms.crack_length_mm:.0f}/mm")
    if ms.spec.elongation > 1.0:
        words.append(f"aspect {ms.elongation:.1f}")
    return ", ".join(words)


def _palette() -> Pillow.Image:
    """Greys, and the colours of the overlay on them: rare ones would be lost from a palette of the most frequent."""
    greys = [[grey] * 3 for grey in (*range(0, 256, 6), 255)]
    blends = [
        [int((1.0 - share) * level + share * part) for part in COLOURS[name]]
        for name, share, levels in (("pore", 0.6, 7), ("phase", 0.35, 12), ("boundary", 0.9, 2), ("crack", 0.9, 2))
        for level in np.linspace(0.0, 0.75 * 255.0, levels)
    ]
    palette = Pillow.new("P", (1, 1))
    palette.putpalette([part for colour in greys + blends for part in colour])
    return palette


def truth_sheet(out: Path, seed: int, across: int = 4) -> None:
    """All kinds with their truth beside them and its numbers below."""
    fields = showcase()
    shown = EDGE * 7 // 12
    width = across * (2 * shown + GAP) + GAP
    height = -(-len(fields) // across) * (shown + CAPTION) + GAP
    sheet = Pillow.new("RGB", (width, height), (255, 255, 255))
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=14)
    for k, (kind, spec, detector) in enumerate(fields):
        rng = np.random.default_rng([seed, k])
        ms = draw(spec, rng)
        image = render(ms, chosen(detector, rng, plain=k % 4 != 2), rng)
        left, top = GAP + (k % across) * (2 * shown + GAP), GAP + (k // across) * (shown + CAPTION)
        # A part of the field at full resolution, not all of it made small.
        for step, picture in enumerate((np.repeat(image[:, :, None], 3, axis=2), overlaid(image, ms))):
            sheet.paste(Pillow.fromarray(picture[:shown, :shown]), (left + step * shown, top))
        pen.text((left, top + shown + 2), f"{kind.value}, {detector}", fill=(0, 0, 0), font=font)
        pen.text((left, top + shown + 18), truth_words(ms), fill=(70, 70, 70), font=font)
    sheet.quantize(palette=_palette(), dither=Pillow.Dither.NONE).save(out, optimize=True)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--real", type=Path, help="directory of real micrographs")
    what.add_argument("--truth", action="store_true", help="24 virtual ones with their truth")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=24)
    parser.add_argument("--json", action="store_true", help="end in one line of JSON, with --real")
    wanted = parser.parse_args()
    if wanted.truth:
        truth_sheet(wanted.out, wanted.seed)
    else:
        figures = compare(wanted.real, wanted.out, wanted.seed)
        if wanted.json:
            print(json.dumps(figures))


if __name__ == "__main__":
    main()
