"""The virtual scanning electron microscope: a grey image of a microstructure as a detector would show it.

Contrast follows Goldstein et al., Scanning Electron Microscopy and X-Ray Microanalysis (4th ed., 2018), ch. 5 and 29:
channelling contrast for each grain, grooves of thermally etched boundaries with bright shoulders, secondary-electron
edge brightening at pores, dark pore floors, charging, then the beam's blur, drift, and shot, read and scan-line noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from simulators.tessellation import Microstructure, polycrystal
from surrogates.micrograph_fields import LabelledField

Image = npt.NDArray[np.uint8]
Grey = npt.NDArray[np.float32]


@dataclass(frozen=True)
class SemSettings:
    """How the microscope is set. Grey levels are shares of the detector's range, lengths are pixels of the image.

    Args:
        detector: ``SE`` (secondary electrons, topography) or ``BSE`` (backscattered, channelling).
        contrast: gain of the detector; 1 leaves the grey levels.
        brightness: grey level of the mean solid, 0 to 1.
        gamma: exponent of the display curve.
        channelling: standard deviation of the grains' grey levels.
        groove_depth: darkness of the boundary grooves; negative shows bright ridges.
        groove_width: half width of a groove.
        groove_spread: how much boundaries differ among themselves, 0 to 1.
        pore_darkness: how far pore floors lie below the solid.
        edge_brightness: bright rim around pores.
        texture: standard deviation of fine surface relief within grains.
        shading: grey levels of slow unevenness over the field.
        charging: strength of halos and streaks at pores.
        defocus: standard deviation of the beam's blur.
        astigmatism: relative difference of the blur along rows and columns.
        drift: sideways drift over the frame.
        shot_noise: standard deviation of counting noise at mid grey.
        read_noise: standard deviation of additive noise.
        line_noise: standard deviation of each scan line's offset.
    """

    detector: Literal["SE", "BSE"] = "SE"
    contrast: float = 1.0
    brightness: float = 0.55
    gamma: float = 1.0
    channelling: float = 0.06
    groove_depth: float = 0.3
    groove_width: float = 1.1
    groove_spread: float = 0.35
    pore_darkness: float = 0.45
    edge_brightness: float = 0.15
    texture: float = 0.015
    shading: float = 0.03
    charging: float = 0.0
    defocus: float = 0.6
    astigmatism: float = 0.0
    drift: float = 0.0
    shot_noise: float = 0.03
    read_noise: float = 0.01
    line_noise: float = 0.004


def random_settings(rng: np.random.Generator) -> SemSettings:
    """Settings as different operators, samples and days would give: broad on purpose, a reader must not rely on one."""
    backscattered = bool(rng.random() < 0.4)
    # Either grains or boundaries must show, else no reader could count them.
    channelling = rng.uniform(0.07, 0.2) if backscattered else rng.uniform(0.0, 0.1)
    groove = rng.uniform(0.0, 0.25) if backscattered else rng.uniform(0.15, 0.5)
    if not backscattered and rng.random() < 0.12:
        groove = -0.7 * groove
    contrast = rng.uniform(0.6, 1.4)
    visible = contrast * max(abs(groove), 1.5 * channelling)
    # An operator sets the brightness so that most grains stay inside the detector's range.
    brightest = min(0.85, 0.97 - 1.7 * contrast * channelling)
    # A pore is deeper than a groove, and darker than dark grains.
    pore_darkness = max(rng.uniform(0.15, 0.5) + 1.6 * channelling, 0.9 * groove)
    return SemSettings(
        detector="BSE" if backscattered else "SE",
        contrast=float(contrast),
        brightness=float(rng.uniform(0.35, brightest)),
        gamma=float(np.exp(rng.uniform(-0.35, 0.35))),
        channelling=float(channelling),
        groove_depth=float(groove),
        groove_width=float(rng.uniform(0.6, 2.0)),
        groove_spread=float(rng.uniform(0.0, 0.6)),
        pore_darkness=float(pore_darkness),
        edge_brightness=float(rng.uniform(0.0, 0.15 if backscattered else 0.35)),
        texture=float(rng.uniform(0.0, 0.028)),
        shading=float(rng.uniform(0.0, 0.08)),
        charging=float(rng.uniform(0.0, 0.25) if rng.random() < 0.25 else 0.0),
        defocus=float(rng.uniform(0.4, 1.6)),
        astigmatism=float(rng.uniform(-0.3, 0.3)),
        drift=float(rng.uniform(-2.0, 2.0)),
        shot_noise=float(rng.uniform(0.005, min(0.09, 0.35 * visible))),
        read_noise=float(rng.uniform(0.0, min(0.04, 0.2 * visible))),
        line_noise=float(rng.uniform(0.0, 0.012)),
    )


def render(ms: Microstructure, settings: SemSettings, rng: np.random.Generator) -> Image:
    """One frame, uint8 (H, W), aligned with the microstructure's masks (apart from the drift that is asked for)."""
    pores = ms.pores.astype(np.float32)
    grey = _grains(ms, settings, rng)
    grey -= _grooves(ms, settings, rng)
    grey = _with_pores(grey, pores, settings, rng)
    if settings.shading > 0.0:
        grey += settings.shading * _slow(ms.pores.shape, rng)
    if settings.charging > 0.0:
        grey += _charging(pores, settings.charging, rng)
    blur = np.array([1.0 + settings.astigmatism, 1.0 - settings.astigmatism]) * settings.defocus
    grey = ndimage.gaussian_filter(grey, np.maximum(blur, 0.0), truncate=3.0)
    if settings.drift != 0.0:
        grey = _drifted(grey, settings.drift, rng)
    return _detected(grey, settings, rng)


def empty_stage(shape: tuple[int, int], settings: SemSettings, rng: np.random.Generator) -> Image:
    """What the detector shows without a sample, uint8 (H, W): noise on a dark, faintly uneven ground."""
    grey = (0.08 - settings.brightness + 0.02 * _slow(shape, rng)).astype(np.float32)
    return _detected(grey, settings, rng)


def training_sample(
    rng: np.random.Generator, size: int = 128
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """A rendered field with its truth, for training a reader.

    Returns:
        Three float32 arrays (size, size): image in 0 to 1, boundary (both pixels beside it) and pore masks of 0 and 1.
    """
    diameter = float(np.exp(rng.uniform(np.log(8.0), np.log(52.0))))
    porosity = 0.0 if rng.random() < 0.2 else float(0.45 * rng.random() ** 1.7)
    abnormal = 0.3 if rng.random() < 0.08 else 0.0
    ms = polycrystal(
        grain_size_um=diameter,
        porosity=porosity,
        pixel_size_um=1.0,
        shape=(size, size),
        rng=rng,
        abnormal_fraction=abnormal,
    )
    image = render(ms, random_settings(rng), rng)
    boundary = ms.boundaries.copy()
    boundary[1:] |= (ms.labels[1:] != ms.labels[:-1]) & (ms.labels[1:] > 0) & (ms.labels[:-1] > 0)
    boundary[:, 1:] |= (ms.labels[:, 1:] != ms.labels[:, :-1]) & (ms.labels[:, 1:] > 0) & (ms.labels[:, :-1] > 0)
    return image.astype(np.float32) / 255.0, boundary.astype(np.float32), ms.pores.astype(np.float32)


def labelled_field(
    rng: np.random.Generator, shape: tuple[int, int] = (512, 512), settings: SemSettings | None = None
) -> LabelledField:
    """A field as a campaign takes it (grains of 10 to 45 pixels, porosity 0 to 0.4), for calibration and evaluation."""
    diameter = float(np.exp(rng.uniform(np.log(10.0), np.log(45.0))))
    porosity = 0.0 if rng.random() < 0.2 else float(0.4 * rng.random() ** 1.5)
    ms = polycrystal(grain_size_um=diameter, porosity=porosity, pixel_size_um=1.0, shape=shape, rng=rng)
    image = render(ms, random_settings(rng) if settings is None else settings, rng).astype(np.float32) / 255.0
    return LabelledField(image=image, labels=ms.labels, diameter=diameter)


def _grains(ms: Microstructure, settings: SemSettings, rng: np.random.Generator) -> Grey:
    """Grey of the solid about 0: a level for each grain by its orientation, and fine relief."""
    levels = settings.channelling * rng.standard_normal(ms.n_grains + 1)
    grey = levels.astype(np.float32)[ms.labels]
    if settings.texture > 0.0:
        relief = ndimage.gaussian_filter(rng.standard_normal(ms.labels.shape, dtype=np.float32), 1.2, truncate=2.5)
        amount = np.exp(0.5 * rng.standard_normal(ms.n_grains + 1)).astype(np.float32)
        grey += (settings.texture * 4.2) * relief * amount[ms.labels]
    return grey


def _grooves(ms: Microstructure, settings: SemSettings, rng: np.random.Generator) -> Grey:
    """Darkening by boundary grooves with faint bright shoulders; each pair of grains has its own groove energy."""
    if settings.groove_depth == 0.0:
        return np.zeros(ms.labels.shape, dtype=np.float32)
    key = rng.uniform(0.0, 1.0, ms.n_grains + 1)
    neighbour = np.maximum(np.roll(ms.labels, -1, axis=0), np.roll(ms.labels, -1, axis=1))
    pair = (key[ms.labels] + key[neighbour]) % 1.0
    strength = np.where(ms.boundaries, 1.0 - settings.groove_spread * pair, 0.0).astype(np.float32)
    width = settings.groove_width
    groove: Grey = ndimage.gaussian_filter(strength, 0.6 * width, truncate=3.0) * np.float32(1.6 * width + 0.4)
    shoulder: Grey = ndimage.gaussian_filter(groove, 1.6 * width, truncate=2.5)
    relief: Grey = np.float32(settings.groove_depth) * (1.15 * groove - 0.45 * shoulder)
    return relief


def _with_pores(grey: Grey, pores: npt.NDArray[np.float32], settings: SemSettings, rng: np.random.Generator) -> Grey:
    """Dark floors that show some relief, and rims that give more secondary electrons."""
    if not pores.any():
        return grey
    near: Grey = ndimage.gaussian_filter(pores, 1.8, truncate=2.5)
    floor_relief = ndimage.gaussian_filter(rng.standard_normal(pores.shape, dtype=np.float32), 2.0, truncate=2.5)
    floor = -settings.pore_darkness * (0.6 + 0.4 * near) + 0.8 * settings.pore_darkness * floor_relief
    rim = settings.edge_brightness * 1.6 * near * (1.0 - pores)
    soft = ndimage.gaussian_filter(pores, 0.5, truncate=3.0)
    mixed: Grey = ((grey + rim) * (1.0 - soft) + floor * soft).astype(np.float32)
    return mixed


def _slow(shape: tuple[int, ...], rng: np.random.Generator) -> Grey:
    """A smooth ground over the field, shape (H, W), of about unit size: second-degree in both directions."""
    y, x = (np.linspace(-1.0, 1.0, n, dtype=np.float32) for n in shape)
    c = rng.standard_normal(5).astype(np.float32)
    ground: Grey = c[0] * x[None] + c[1] * y[:, None] + c[2] * x[None] ** 2 + c[3] * y[:, None] ** 2
    ground += c[4] * x[None] * y[:, None]
    return ground


def _charging(pores: npt.NDArray[np.float32], strength: float, rng: np.random.Generator) -> Grey:
    """Bright halos around pores that trail along the scan, and a few streaked lines."""
    halo = ndimage.gaussian_filter(pores, (2.0, 7.0), truncate=2.0)
    streaks = np.where(rng.random((pores.shape[0], 1)) < 0.02, rng.standard_normal((pores.shape[0], 1)), 0.0)
    field: Grey = (strength * halo + 0.3 * strength * streaks).astype(np.float32)
    return field


def _drifted(grey: Grey, drift: float, rng: np.random.Generator) -> Grey:
    """Rows shifted sideways, by a slow curve that stays within ``drift`` pixels."""
    rows, columns = grey.shape
    curve = np.sin(np.linspace(0.0, rng.uniform(0.5, 2.0) * np.pi, rows) + rng.uniform(0.0, 2.0 * np.pi))
    at = np.clip(np.arange(columns)[None, :] + 0.5 * drift * curve[:, None], 0, columns - 1.001)
    low = at.astype(np.intp)
    part = (at - low).astype(np.float32)
    left = np.take_along_axis(grey, low, axis=1)
    right = np.take_along_axis(grey, low + 1, axis=1)
    shifted: Grey = left * (1.0 - part) + right * part
    return shifted


def _detected(grey: Grey, settings: SemSettings, rng: np.random.Generator) -> Image:
    """Gain, offset, counting and read noise, display curve, and eight bits."""
    signal = settings.brightness + settings.contrast * grey
    shot = settings.shot_noise * np.sqrt(np.maximum(signal, 0.02) * 2.0)
    noise = rng.standard_normal(signal.shape, dtype=np.float32) * np.hypot(shot, settings.read_noise)
    lines = settings.line_noise * rng.standard_normal((signal.shape[0], 1))
    level = np.clip(signal + noise + lines, 0.0, 1.0) ** settings.gamma
    image: Image = np.rint(255.0 * level).astype(np.uint8)
    return image
