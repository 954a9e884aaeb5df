"""Which sections a reader of micrographs learns from and is judged on, and how they are taken."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage
from skimage import exposure

from simulators.optics.settings import SemSettings
from simulators.sections.microstructure import Kind, SectionSpec, Surface
from simulators.sem import operator_settings, random_settings

Grey = npt.NDArray[np.float32]

ROUTINE_SHARE = 0.3
"""Share of the images that a careful operator took; the others are as broad as operators, samples and days differ."""
UNETCHED_SHARE = 0.08
"""Share of the polished sections in which no boundary shows, only pores, cracks and second phases."""
KIND_SHARES = {
    Kind.EQUIAXED_DENSE: 0.11, Kind.BIMODAL: 0.07, Kind.POROUS_OPEN: 0.15, Kind.POROUS_CLOSED: 0.13,
    Kind.TWO_PHASE: 0.26, Kind.ELONGATED: 0.06, Kind.CRACKED: 0.14, Kind.POWDER: 0.04, Kind.FRACTURE: 0.04,
}  # fmt: skip
"""How often each class is learned from."""
RESIDUE_SHARE, MOST_RESIDUE = 0.25, 0.035
"""Share of the sections of other classes that hold a little of an additive, and the most of it."""
SMALLEST_OF = {Kind.CRACKED: 20.0, Kind.TWO_PHASE: 16.0}
"""Pixels: cracks and residues are as wide as a share of a grain, and between smaller ones none is seen."""
SPREADS = (0.2, 0.25, 0.3, 0.35, 0.35, 0.35, 0.4, 0.45, 0.5)
"""Spreads of the grains' sizes; few, since the packing of each is kept."""


def kind_drawn(rng: np.random.Generator) -> Kind:
    """A class, as often as ``KIND_SHARES`` says."""
    kinds = list(KIND_SHARES)
    return kinds[int(rng.choice(len(kinds), p=list(KIND_SHARES.values())))]


def section(kind: Kind, diameter: float, shape: tuple[int, int], rng: np.random.Generator) -> SectionSpec:
    """What to draw for one class, lengths in pixels (a pixel is 1 um); its other contents vary, too."""
    diameter = max(diameter, SMALLEST_OF.get(kind, 0.0))
    base = SectionSpec(diameter, 1.0, shape, size_sigma=float(rng.choice(SPREADS)))
    if kind is Kind.POWDER:
        return replace(base, surface=Surface.POWDER)
    if kind is Kind.FRACTURE:
        return replace(base, surface=Surface.FRACTURE, porosity=_porosity(rng, 0.25), open_share=float(rng.random()))
    return _marked(kind, _porous(kind, base, rng), rng)


def _porous(kind: Kind, base: SectionSpec, rng: np.random.Generator) -> SectionSpec:
    """The same with pores as its class has them."""
    if kind in {Kind.POROUS_OPEN, Kind.POROUS_CLOSED}:
        is_open = kind is Kind.POROUS_OPEN
        return replace(
            base,
            porosity=0.045 + (0.39 if is_open else 0.19) * float(rng.random() ** 1.5),
            open_share=float(rng.uniform(0.5, 1.0) if is_open else rng.uniform(0.0, 0.45)),
        )
    if kind in {Kind.EQUIAXED_DENSE, Kind.BIMODAL, Kind.ELONGATED}:
        return replace(base, porosity=0.0 if rng.random() < 0.4 else 0.018 * float(rng.random()))
    return replace(base, porosity=_porosity(rng, 0.2), open_share=float(rng.random()))


def _marked(kind: Kind, base: SectionSpec, rng: np.random.Generator) -> SectionSpec:
    """The same with what else its class is known by, and in some of the others a little residue."""
    if kind is Kind.TWO_PHASE:
        between = bool(rng.random() < 0.5)
        most = 0.22 if between else 0.35
        return replace(base, second_phase=0.07 + (most - 0.07) * float(rng.random()), phase_at_boundaries=between)
    base = replace(base, second_phase=MOST_RESIDUE * float(rng.random()) if rng.random() < RESIDUE_SHARE else 0.0)
    if kind is Kind.BIMODAL:
        return replace(base, abnormal=float(rng.uniform(0.16, 0.55)))
    if kind is Kind.ELONGATED:
        return replace(base, elongation=float(rng.uniform(1.8, 4.0)), direction=float(rng.uniform(0.0, np.pi)))
    if kind is Kind.CRACKED:
        # At least half a side long, whatever the frame: shorter ones are flaws of the polishing.
        return replace(base, cracks=1000.0 * float(rng.uniform(0.6, 2.5)) / max(base.shape))
    return base


def settings_drawn(rng: np.random.Generator) -> SemSettings:
    """Settings of the microscope and of the preparation, from the careful to the broad."""
    return operator_settings(rng) if rng.random() < ROUTINE_SHARE else random_settings(rng)


def shown(settings: SemSettings, spec: SectionSpec, rng: np.random.Generator) -> SemSettings:
    """The same with a second phase set off from all else: what does not show cannot be counted.

    Grains of a second phase must differ by more than the matrix's greys spread, a residue between grains less so, since
    its place tells it, too. A dark phase is lighter than pores and darker than grooves, and a bright one stays below
    white.
    """
    if spec.second_phase == 0.0:
        return settings
    apart, most = (1.5, 0.1) if spec.phase_at_boundaries else (2.5, 0.06)
    channelling = min(settings.channelling, most)
    least = apart * channelling + 0.1
    amount = float(rng.uniform(least, max(least, 0.32)))
    set_off = replace(settings, channelling=channelling, defocus=min(settings.defocus, 1.2))
    if settings.phase_contrast >= 0.0:
        brightest = max(0.94 - settings.contrast * amount, 0.3)
        return replace(set_off, phase_contrast=amount, brightness=min(settings.brightness, brightest))
    return replace(
        set_off,
        phase_contrast=-amount,
        pore_darkness=max(settings.pore_darkness, amount + 0.25),
        groove_depth=min(settings.groove_depth, max(0.7 * amount, 0.1)),
    )


def unetched(settings: SemSettings, rng: np.random.Generator) -> SemSettings:
    """The same where nothing shows the matrix's grains: polished without etching, and without orientation contrast."""
    return replace(
        settings, groove_depth=0.0, channelling=0.0, twins=0.0, gradient=0.0, terraces=0.0, striations=0.0,
        pore_darkness=float(rng.uniform(0.2, 0.5)), texture=float(rng.uniform(0.003, 0.03)),
    )  # fmt: skip


def unusual_settings(rng: np.random.Generator) -> SemSettings:
    """Settings beyond any that ``random_settings`` and ``operator_settings`` give, for judging on unseen appearances.

    The display curve, the width of the grooves and the shading lie outside the ranges that are learned from, and the
    noise is at their upper end.
    """
    settings = random_settings(rng)
    gamma = float(np.exp(rng.uniform(0.36, 0.55) * rng.choice((-1.0, 1.0))))
    return replace(
        settings,
        gamma=gamma,
        groove_width=float(rng.uniform(2.05, 2.5)),
        shading=float(rng.uniform(0.075, 0.11)),
        detector_angle=float(rng.uniform(0.0, 2.0 * np.pi)),
        texture=float(rng.uniform(0.029, 0.036)),
        bandwidth=float(rng.uniform(0.31, 0.36)),
    )


def exported(image: Grey, rng: np.random.Generator) -> Grey:
    """The picture as it may come out of other people's software: resampled, compressed, equalised, clipped.

    Args:
        image: float32 (H, W), 0 to 1; the geometry stays.
        rng: most pictures are left as they are.
    """
    if rng.random() < 0.2:
        image = _resampled(image, float(rng.uniform(0.55, 0.9)))
    if rng.random() < 0.08:
        image = exposure.equalize_adapthist(image, kernel_size=32, clip_limit=float(rng.uniform(0.003, 0.02)))
    if rng.random() < 0.15:
        low, high = np.quantile(image, [rng.uniform(0.0, 0.02), rng.uniform(0.98, 1.0)])
        image = (image - low) / max(float(high - low), 0.05)
    image = np.clip(image, 0.0, 1.0).astype(np.float32)
    if rng.random() < 0.15:
        buffer = io.BytesIO()
        picture = Image.fromarray(np.round(image * 255.0).astype(np.uint8))
        picture.save(buffer, format="JPEG", quality=int(rng.integers(40, 95)))
        image = np.asarray(Image.open(buffer), dtype=np.float32) / np.float32(255.0)
    return image


def _resampled(image: Grey, factor: float) -> Grey:
    """Made smaller and larger again, as pictures for reports are."""
    small = ndimage.zoom(image, factor, order=1)
    back: Grey = ndimage.zoom(small, np.array(image.shape) / np.array(small.shape), order=1)
    return back


def _porosity(rng: np.random.Generator, most: float) -> float:
    return 0.0 if rng.random() < 0.3 else most * float(rng.random() ** 1.5)
