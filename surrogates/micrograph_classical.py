"""The classical way to measure a micrograph, as a careful metallographer scripts it: what the network is compared with.

Even out the shading, denoise by non-local means (Buades et al., CVPR 2005), threshold the pores, and flood a map of
edges and ridges from its marked minima (watershed; Vincent and Soille, IEEE PAMI 13, 583, 1991). What is counted
afterwards is counted by the same stereology as with the network.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.filters import sato, threshold_multiotsu, threshold_otsu
from skimage.measure import label, regionprops
from skimage.morphology import disk, local_minima, reconstruction
from skimage.restoration import denoise_nl_means
from skimage.segmentation import watershed

from surrogates.stereology import Labels, Mask, boundary_mask, equivalent_diameters, mean_diameter, mean_intercept

Grey = npt.NDArray[np.float32]

_LAPLACE = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], dtype=np.float32)


class Tone(StrEnum):
    """How a second phase looks: what a person sees, and a threshold does not know."""

    DARK = "dark"
    BRIGHT = "bright"


@dataclass(frozen=True)
class ClassicalSettings:
    """Every number of the script; chosen by hand on 26 virtual fields (384 px) of seeds that nothing is judged on.

    Those are fields(5001, 20) and, with unusual settings, fields(5002, 6), of ``simulators.reader_data``. Tried were
    Gaussian, median and non-local means filters, edges of 1 to 2 pixels, ridges with weights of 0.3 to 0.6, depths of
    0.15 to 0.5; thresholds of pores after Otsu with and without a demand on the share of variance explained, three
    classes after Otsu, and the mirrored histogram; of phases two classes, three, and the mirrored histogram.

    Args:
        shading: standard deviation of the Gaussian that is taken for the shading, pixels.
        denoising: strength of the non-local means filter, in standard deviations of the noise.
        edge: scale of edges and ridges, pixels.
        ridges: weight of ridges and valleys in the map that is flooded; the rest is the gradient.
        depth: a minimum of the map less deep than this share of its 90th percentile is no grain of its own.
        darkness: a pore is darker than the commonest grey by this many half-widths of the histogram's bright side.
        half_way: a pore is darker than this share of the way from the commonest grey to the darkest.
        opening: radius in pixels; what is narrower than twice that is a groove and no pore, if it is no spot by itself.
        compactness: squared length over area of a spot by itself, at most; a disc has 2.5.
        crack_length: least length of a crack in pixels.
        crack_slimness: least length of a crack over its mean width.
    """

    shading: float = 60.0
    denoising: float = 0.8
    edge: float = 1.0
    ridges: float = 0.5
    depth: float = 0.22
    darkness: float = 2.0
    half_way: float = 0.4
    opening: int = 1
    compactness: float = 5.0
    crack_length: float = 40.0
    crack_slimness: float = 10.0


@dataclass(frozen=True)
class ClassicalReading:
    """What the classical way finds, in pixels; it knows no uncertainty and refuses nothing.

    Args:
        labels: int32, shape (H, W); grains from 1, pores 0.
        boundaries: bool, shape (H, W).
        pores: bool, shape (H, W).
        phase: bool, shape (H, W).
        cracks: bool, shape (H, W).
        diameter: number-mean equivalent circular diameter.
        diameters: of each grain that the frame does not cut.
        intercept: mean lineal intercept.
        porosity: area fraction.
    """

    labels: Labels
    boundaries: Mask
    pores: Mask
    phase: Mask
    cracks: Mask
    diameter: float
    diameters: npt.NDArray[np.float64]
    intercept: float
    porosity: float


def classical(
    image: Grey, tone: Tone | None = None, settings: ClassicalSettings = ClassicalSettings()
) -> ClassicalReading:
    """Measure one micrograph by thresholds and a watershed.

    Args:
        image: float32, shape (H, W), 0 to 1.
        tone: of the second phase; None where a person sees none, since no threshold tells whether there is one.
        settings: of the script.
    """
    smooth = _denoised(image, settings)
    pores, cracks = _dark(smooth, settings)
    # Grooves are long, dark and slim, too: what is taken for a crack may be boundaries, and is flooded all the same.
    labels = _grains(smooth, ~pores, settings)
    return ClassicalReading(
        labels=labels,
        boundaries=boundary_mask(labels),
        pores=pores,
        phase=_phase(smooth, labels > 0, tone),
        cracks=cracks,
        diameter=mean_diameter(labels),
        diameters=equivalent_diameters(labels)[0],
        intercept=mean_intercept(labels),
        porosity=float(pores.mean()),
    )


def otsu_porosity(image: Grey) -> float:
    """Area fraction below the threshold of Otsu (IEEE SMC 9, 62, 1979): the simplest that is done, right or wrong."""
    smooth = ndimage.gaussian_filter(image, 1.0)
    return float((smooth < threshold_otsu(smooth)).mean()) if np.ptp(smooth) > 0.0 else 0.0


def _denoised(image: Grey, settings: ClassicalSettings) -> Grey:
    shading = ndimage.gaussian_filter(image, settings.shading)
    even = image - shading + shading.mean()
    # Immerkaer, CVIU 64, 300, 1996.
    noise = float(np.median(np.abs(ndimage.convolve(image, _LAPLACE)))) / 0.6745 / 6.0
    smooth: Grey = denoise_nl_means(
        even, patch_size=5, patch_distance=5, h=settings.denoising * noise + 1e-4, sigma=noise, fast_mode=True
    ).astype(np.float32)
    return smooth


def _dark(smooth: Grey, settings: ClassicalSettings) -> tuple[Mask, Mask]:
    """Pores and cracks: what is darker than the histogram's bright side, mirrored about its mode, reaches."""
    counts, edges = np.histogram(smooth, 256)
    mode = float(edges[int(ndimage.gaussian_filter1d(counts.astype(np.float64), 3.0).argmax())])
    above = smooth[smooth >= mode] - mode
    width = float(np.sqrt(np.mean(np.minimum(above, np.quantile(above, 0.98)) ** 2)))
    # Grooves are mostly less deep than pores: half way down is where a pore's rim is seen.
    depth = max(settings.darkness * max(width, 1e-3), settings.half_way * (mode - float(np.quantile(smooth, 0.005))))
    dark = smooth < mode - depth
    compact, slim, cracks = (np.zeros(dark.shape, dtype=np.bool_) for _ in range(3))
    for piece in regionprops(label(dark, connectivity=2)):
        rows, columns = piece.bbox[2] - piece.bbox[0], piece.bbox[3] - piece.bbox[1]
        length = float(np.hypot(rows, columns))
        slimness = length * length / piece.area
        if length >= settings.crack_length and slimness >= settings.crack_slimness:
            cracks[piece.slice] |= piece.image
        elif slimness < settings.compactness:
            compact[piece.slice] |= piece.image
        else:
            slim[piece.slice] |= piece.image
    pores = ndimage.binary_opening(compact, disk(1)) | ndimage.binary_opening(slim, disk(settings.opening))
    return pores, cracks


def _grains(smooth: Grey, solid: Mask, settings: ClassicalSettings) -> Labels:
    """Basins (H, W) of the edge map in the solid that are at least ``settings.depth`` deep."""
    scale = settings.edge
    steps = ndimage.gaussian_gradient_magnitude(smooth, scale)
    lines = np.maximum(sato(smooth, [scale], black_ridges=True), sato(smooth, [scale], black_ridges=False))
    edge = (1.0 - settings.ridges) * _per_strong(steps) + settings.ridges * _per_strong(lines)
    depth = settings.depth * float(np.quantile(edge, 0.9))
    if depth <= 0.0:
        return solid.astype(np.int32)
    filled = reconstruction(edge + depth, edge, method="erosion")
    markers, _ = ndimage.label(local_minima(filled), structure=np.ones((3, 3)))
    basins: Labels = watershed(edge, markers, mask=solid).astype(np.int32)
    return basins


def _per_strong(values: Grey) -> npt.NDArray[np.float64]:
    return np.asarray(values, dtype=np.float64) / max(float(np.quantile(values, 0.9)), 1e-9)


def _phase(smooth: Grey, solid: Mask, tone: Tone | None) -> Mask:
    """The darkest or brightest of three classes of grey in the solid (multi-level threshold after Otsu)."""
    grey = smooth[solid]
    if tone is None or len(grey) < 3 or np.ptp(grey) <= 0.0:
        return np.zeros(solid.shape, dtype=np.bool_)
    low, high = threshold_multiotsu(grey, classes=3)
    phase = solid & ((smooth < low) if tone is Tone.DARK else (smooth >= high))
    kept: Mask = ndimage.binary_opening(phase, disk(1))
    return kept
