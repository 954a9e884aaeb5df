"""What the beam does to the picture: spot, astigmatism, depth of field, the skirt of backscattered electrons, drift.

The range of electrons is that of Kanaya and Okayama (J. Phys. D 5, 43, 1972), R = 0.0276 A E**1.67 / (Z**0.89 rho) um
with E in keV and rho in g/cm3; here for alumina (mean A 20.4, mean Z 10, 3.95 g/cm3).
"""

from __future__ import annotations

import math

import numpy as np
from scipy import fft

from simulators.optics.filters import Grey, blur, shift_rows
from simulators.optics.settings import SemSettings

SKIRT_OF_RANGE = 0.25
"""Standard deviation of the skirt over the range of the electrons: most leave the surface well within it."""
WIDEST_SPOT = 0.3
"""Of a spot, in long sides of the frame: nothing is left to be seen under it, and a wider one takes gigabytes."""


def electron_range_um(voltage_kv: float) -> float:
    """How far electrons travel in alumina, um (Kanaya and Okayama, 1972)."""
    return 0.0276 * 20.4 * math.pow(voltage_kv, 1.67) / (math.pow(10.0, 0.89) * 3.95)


def through_beam(grey: Grey, height: Grey | None, pixel_size_um: float, settings: SemSettings) -> Grey:
    """The picture as the beam resolves it, shape (H, W).

    Args:
        grey: what the surface would send out under an ideal beam.
        height: relief in pixels where it is large enough to leave the depth of field; else None.
        pixel_size_um: edge of a pixel.
        settings: of the microscope.
    """
    reach = settings.skirt_px
    if reach is None:
        reach = SKIRT_OF_RANGE * electron_range_um(settings.voltage_kv) / pixel_size_um
    if settings.skirt > 0.0 and reach > 1.0:
        grey = np.float32(1.0 - settings.skirt) * grey + np.float32(settings.skirt) * blur(grey, min(reach, 60.0))
    if height is not None and settings.convergence > 0.0:
        return _in_depth(grey, height, settings)
    return _spot(grey, settings.defocus, settings)


def _spot(grey: Grey, size: float, settings: SemSettings) -> Grey:
    """Blurred by a spot that astigmatism makes an ellipse."""
    size = min(size, WIDEST_SPOT * max(grey.shape))
    if abs(settings.astigmatism) < 0.03:
        return blur(grey, size)
    wide, narrow = size * (1.0 + abs(settings.astigmatism)), size * max(1.0 - abs(settings.astigmatism), 0.2)
    turned = 0.5 * np.pi if settings.astigmatism > 0.0 else 0.0
    return _elliptic(grey, wide, narrow, settings.astigmatism_angle + turned)


def _elliptic(grey: Grey, wide: float, narrow: float, angle: float) -> Grey:
    """Gaussian blur of standard deviations ``wide`` along ``angle`` and ``narrow`` across, by its transfer function."""
    edge = int(3.0 * wide) + 1
    padded = np.pad(grey, edge, mode="reflect" if min(grey.shape) > edge else "edge")
    shape = tuple(fft.next_fast_len(n, real=True) for n in padded.shape)
    up, right = fft.fftfreq(shape[0]).astype(np.float32)[:, None], fft.rfftfreq(shape[1]).astype(np.float32)[None, :]
    # Rows count downwards, angles upwards.
    along = np.float32(np.cos(angle)) * right - np.float32(np.sin(angle)) * up
    across = np.float32(np.sin(angle)) * right + np.float32(np.cos(angle)) * up
    transfer = np.exp(
        np.float32(-2.0 * np.pi**2) * (np.float32(wide**2) * along**2 + np.float32(narrow**2) * across**2)
    )
    passed = fft.irfft2(fft.rfft2(padded, shape) * transfer, shape)
    return np.ascontiguousarray(passed[edge : edge + grey.shape[0], edge : edge + grey.shape[1]], dtype=np.float32)


def _in_depth(grey: Grey, height: Grey, settings: SemSettings) -> Grey:
    """Sharp at the plane of focus, less so above and below: a mixture of two blurs of the right variance."""
    out = np.float32(settings.convergence) * np.abs(height - np.float32(np.median(height[::4, ::4])))
    most = float(out.max())
    if most < 0.3:
        return _spot(grey, settings.defocus, settings)
    sharp = _spot(grey, settings.defocus, settings)
    soft = _spot(grey, float(np.hypot(settings.defocus, most)), settings)
    share = blur((out / np.float32(most)) ** 2, 1.0)
    mixed: Grey = sharp + share * (soft - sharp)
    return mixed


def scanned(grey: Grey, settings: SemSettings, rng: np.random.Generator) -> Grey:
    """Rows as the scan lays them down: the specimen drifts, and each line starts a little off its place."""
    if settings.drift == 0.0 and settings.jitter == 0.0:
        return grey
    rows = grey.shape[0]
    down = np.linspace(-0.5, 0.5, rows)
    settling = np.exp(-(down + 0.5) / rng.uniform(0.1, 0.6))
    lean = rng.uniform(0.4, 1.0)
    offset = settings.drift * (lean * down + (1.0 - lean) * (settling - settling.mean()))
    hum = 0.7 * np.sin(np.arange(rows) * rng.uniform(0.3, 1.5) + rng.uniform(0.0, 2.0 * np.pi))
    offset += settings.jitter * (0.8 * rng.standard_normal(rows) + hum)
    return shift_rows(grey, offset)
