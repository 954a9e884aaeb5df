"""The virtual scanning electron microscope: a grey image of a microstructure as a detector would show it.

The steps are those of the signal: what the surface sends out (``optics.contrast``, ``grooves``, ``topography``,
``cavities``), what the beam resolves of it (``optics.beam``), what the detector makes of that (``optics.detector``).
Sources stand with each; the whole follows Goldstein et al., Scanning Electron Microscopy and X-Ray
Microanalysis (4th ed., 2018).
"""

from __future__ import annotations

import numpy as np

from simulators.optics.beam import scanned, through_beam
from simulators.optics.cavities import specks, with_cavities
from simulators.optics.contrast import solid_grey
from simulators.optics.detector import Image, charged, detected, uneven
from simulators.optics.filters import Grey, blur, smooth_noise
from simulators.optics.grooves import grooves
from simulators.optics.presets import operator_settings, random_settings
from simulators.optics.settings import SemSettings
from simulators.optics.topography import lit_sides, polished_relief, rough_grey, scratches
from simulators.optics.unresolved import Unresolved, averaged, without_grains
from simulators.sections.microstructure import Microstructure, Surface

__all__ = [
    "Image",
    "SemSettings",
    "empty_stage",
    "operator_settings",
    "random_settings",
    "render",
]

SCRATCH_GREY, PIT_GREY, DUST_GREY = 0.16, 0.3, 0.5
LARGEST_PIT, LARGEST_DUST = 2.2, 9.0


def render(
    ms: Microstructure, settings: SemSettings, rng: np.random.Generator, fine: Unresolved | None = None
) -> Image:
    """One frame, uint8 (H, W), aligned with the microstructure's masks apart from the drift that is asked for.

    Args:
        ms: the field under the beam.
        settings: of the microscope and of the preparation.
        rng: source of every random choice: the same generator state gives the same frame.
        fine: what of the field is finer than its pixels, if anything is.
    """
    polished = ms.spec.surface is Surface.POLISHED
    if fine is None:
        grey = _polished(ms, settings, rng) if polished else _rough(ms, settings, rng)
    else:
        polished = not fine.rough
        shown, plain = without_grains(ms, fine, settings, rng) if fine.merged else (ms, settings)
        grey = _polished(shown, plain, rng) if polished else _rough(shown, plain, rng)
        grey = averaged(grey, ms.cracks.astype(np.float32), fine, settings, rng)
    if settings.dust > 0.0:
        grey = _dusty(grey, settings, rng)
    grey = through_beam(grey, None if polished else ms.height, ms.pixel_size_um, settings)
    if settings.charging > 0.0:
        grey = charged(grey, ms.pores.astype(np.float32), settings.charging, rng)
    if settings.shading > 0.0:
        grey += np.float32(settings.shading) * uneven(ms.labels.shape, rng)
    return detected(scanned(grey, settings, rng), settings, rng)


def empty_stage(shape: tuple[int, int], settings: SemSettings, rng: np.random.Generator) -> Image:
    """What the detector shows without a sample, uint8 (H, W): noise on a dark, faintly uneven ground."""
    grey = np.float32(0.1 - settings.brightness) + np.float32(0.008) * uneven(shape, rng)
    return detected(grey, settings, rng)


def _polished(ms: Microstructure, settings: SemSettings, rng: np.random.Generator) -> Grey:
    """Grey about 0 of a polished and etched section, shape (H, W)."""
    grey = solid_grey(ms.labels, ms.phase, settings, rng)
    relief = polished_relief(ms.labels, settings, rng)
    if settings.groove_depth != 0.0:
        found = grooves(ms.labels, settings, rng)
        grey -= np.float32(settings.groove_depth) * found.depth
        relief -= np.float32(4.0 * settings.groove_depth) * found.strength
    if settings.scratches > 0.0:
        scored = scratches(ms.labels.shape, settings.scratches, rng)
        grey -= np.float32(SCRATCH_GREY) * scored
        relief -= scored
    if ms.phase.any():
        # The second phase polishes and etches unlike the matrix: it stands off, and its rim shows.
        relief += np.float32(1.2 * np.sign(settings.phase_contrast)) * ms.phase
        share = blur(ms.phase.astype(np.float32), 1.2)
        grey += (
            np.float32((2.0 if settings.detector == "SE" else 0.4) * settings.edge_brightness) * share * (1.0 - share)
        )
    grey += lit_sides(blur(relief, 0.7), settings)
    if settings.pull_outs > 0.0:
        grey -= np.float32(PIT_GREY) * specks(grey.shape, settings.pull_outs, LARGEST_PIT, rng)
    return with_cavities(grey, ms.pores, ms.closed, ms.cracks, settings, rng)


def _rough(ms: Microstructure, settings: SemSettings, rng: np.random.Generator) -> Grey:
    """Grey about 0 of a powder or a fracture surface, shape (H, W)."""
    grey = rough_grey(ms.height, settings, rng)
    # Orientation hardly shows on a rough surface; composition does.
    own = solid_grey(ms.labels, ms.phase, settings, rng)
    grey += np.float32(0.25 if settings.detector == "SE" else 0.4) * own
    if ms.phase.any():
        grey += np.float32(settings.phase_contrast) * ms.phase
    # Closed pores are bowls whose walls are seen; less of what they send out is lost than from a gap.
    gaps = (ms.pores | ms.cracks).astype(np.float32)
    gaps[ms.closed] = 0.4
    gaps = blur(gaps, 0.7)
    # Between particles the support shows, or what lies deeper: dim, and never quite even.
    below = np.float32(0.12) * smooth_noise((grey.shape[0], grey.shape[1]), 9.0, rng) - np.float32(0.6)
    result: Grey = grey * (np.float32(1.0) - np.float32(0.6) * gaps) + np.float32(settings.pore_darkness) * below * gaps
    return result


def _dusty(grey: Grey, settings: SemSettings, rng: np.random.Generator) -> Grey:
    """Particles that lie on the surface: lit on top, with a shadow around them."""
    cover = specks(grey.shape, settings.dust, LARGEST_DUST, rng)
    shadow = blur(cover, 4.0)
    lit = np.float32(DUST_GREY if settings.detector == "SE" else -0.15)
    rim = np.float32(0.5) + np.float32(0.5) * (blur(1.0 - cover, 1.5)) * 2.0
    result: Grey = grey * (1.0 - cover) + cover * lit * rim - np.float32(0.3) * shadow * (1.0 - cover)
    return result
