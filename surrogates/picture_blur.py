"""How blurred a picture is, in pixels, whatever it shows: from the fall of its power spectrum.

A picture of bodies with sharp edges has a power that falls with the frequency k as k^-3 in the plane, as the edges'
length per area tells (Porod's law; Debye, Anderson and Brumberger, J. Appl. Phys. 28, 679, 1957, for scattering). A
Gaussian blur of standard deviation s multiplies it by exp(-(2 pi k s)^2), and noise adds a floor. So s is read where
the power falls away from k^-3, and neither contrast nor noise nor the size of the bodies enters. Lines, as grooves are,
fall less steeply and only make s smaller.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import fft

Grey = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]

WINDOW, MOST_WINDOWS = 128, 24
"""Pixels of a window's side; with fewer windows than this beside each other they overlap by half."""
SECTORS = 4
"""Directions that are looked at apart: astigmatism and motion blur one of them."""
TRIED = np.concatenate([np.arange(0.0, 4.0, 0.25), np.arange(4.0, 12.1, 0.5)])
"""Standard deviations of the blur, pixels."""
BODIES = (0.0, 0.012, 0.03)
"""Frequencies, 1/px, below which bodies of one size no longer follow k^-3."""
FLOOR = 3e-3
"""Share of the strongest power below which nothing counts: streaks of charging and the scan's own noise lie there."""
LOW, HIGH = (0.014, 0.03), (0.06, 0.1)
"""Bands, 1/px, whose ratio tells a strong blur where nothing is left to be fitted."""
_ROUNDS, _MOST_COUNTED = 5, 30


class _Spectrum(NamedTuple):
    """Of one sector, all (K,): mean frequency, mean power, and of how many points."""

    frequency: Floats
    power: Floats
    points: Floats


def blur_px(image: Grey) -> float:
    """Standard deviation of the blur in pixels along the direction in which it is largest.

    Args:
        image: float32 (H, W), 0 to 1; at least 16 pixels wide and high.

    Returns:
        0 to 12; 0 also where there is nothing but noise.
    """
    sectors = _spectra(image)
    return max(*(_fitted(sector) for sector in sectors), _from_bands(sectors))


def _spectra(image: Grey) -> list[_Spectrum]:
    """Mean power of Hann-weighted windows, by ring and sector."""
    height, width = image.shape
    side = min(WINDOW, 2 ** int(np.log2(min(height, width))))
    step = side // 2 if (height // side) * (width // side) < MOST_WINDOWS else side
    ramp = np.hanning(side).astype(np.float32)
    weight = ramp[:, None] * ramp[None, :]
    windows = np.stack(
        [
            image[top : top + side, left : left + side]
            for top in range(0, height - side + 1, step)
            for left in range(0, width - side + 1, step)
        ]
    ).astype(np.float32)
    windows = (windows - windows.mean(axis=(1, 2), keepdims=True)) * weight
    power = (np.abs(fft.rfft2(windows)) ** 2).mean(axis=0).astype(np.float64) / float((weight**2).sum())
    ky, kx = fft.fftfreq(side)[:, None], fft.rfftfreq(side)[None, :]
    k = np.hypot(ky, kx)
    turn = np.mod(np.broadcast_to(np.arctan2(ky, kx), k.shape), np.pi)
    # Offsets of whole scan lines lie on the axis of the rows' frequencies: they are no structure.
    used = (k > 1.4 / side) & (k < 0.5) & ((kx > 1.5 / side) | (k < 2.5 / side))
    ring = np.round(k * side).astype(np.intp)
    found = []
    for sector in range(SECTORS):
        off = np.abs(np.mod(turn - np.pi * sector / SECTORS + 0.5 * np.pi, np.pi) - 0.5 * np.pi)
        part = used & (off <= 0.5 * np.pi / SECTORS + 1e-9)
        count, total, sum_k = (
            np.bincount(ring[part], weights=w, minlength=side)
            for w in (np.ones(np.count_nonzero(part)), power[part], k[part])
        )
        some = count > 0
        found.append(_Spectrum(sum_k[some] / count[some], total[some] / count[some], count[some].astype(np.float64)))
    return found


def _fitted(sector: _Spectrum) -> float:
    """The blur whose spectrum fits best: each tried one with the amplitude and the floor that suit it."""
    k, power, count = sector
    floor = FLOOR * float(power[:6].mean()) + 1e-15
    weight = np.sqrt(np.minimum(count, _MOST_COUNTED))
    shape = np.stack(
        [(k**2 + body**2) ** -1.5 * np.exp(-((2.0 * np.pi * k * s) ** 2)) for body in BODIES for s in TRIED]
    )
    model = np.broadcast_to(power, shape.shape)
    for _ in range(_ROUNDS):
        # Relative errors count, so the weights follow the model.
        w = (weight / (model + floor)) ** 2
        ss, s1, n = (shape**2 * w).sum(axis=1), (shape * w).sum(axis=1), w.sum(axis=1)
        sp, p1 = (shape * power * w).sum(axis=1), (power * w).sum(axis=1)
        det = np.maximum(ss * n - s1**2, 1e-30)
        amplitude, noise = (sp * n - p1 * s1) / det, (ss * p1 - s1 * sp) / det
        amplitude = np.where(noise < 0.0, sp / np.maximum(ss, 1e-30), amplitude)
        noise = np.where(amplitude < 0.0, p1 / n, np.maximum(noise, 0.0))
        model = np.maximum(amplitude, 0.0)[:, None] * shape + noise[:, None]
    error = ((np.log((power + floor) / (model + floor)) * weight) ** 2).sum(axis=1)
    return float(TRIED[int(np.argmin(error)) % len(TRIED)])


def _from_bands(sectors: list[_Spectrum]) -> float:
    """The blur from two bands' ratio, all directions together; too small where there is noise or small structure."""
    k, power, count = (np.concatenate(parts) for parts in zip(*sectors, strict=True))

    def mean_of(values: Floats, band: tuple[float, float]) -> float:
        inside = (k >= band[0]) & (k < band[1])
        return float((values * count)[inside].sum() / max(float(count[inside].sum()), 1.0))

    low, high = mean_of(k, LOW), mean_of(k, HIGH)
    below, above = mean_of(power, LOW), mean_of(power, HIGH)
    if not (below > 0.0 and above > 0.0 and high > low > 0.0):
        return 0.0
    steeper = -float(np.log(above / below * (high / low) ** 3))
    return float(np.sqrt(max(steeper, 0.0) / (high**2 - low**2)) / (2.0 * np.pi))
