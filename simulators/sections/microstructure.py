"""What a section shows and the exact truth about it: the words that the drawing and the microscope share."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from envs.errors import UserError

Labels = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]
Sizes = npt.NDArray[np.float64]


class Kind(StrEnum):
    """Classes of microstructure, as metallographers sort them."""

    EQUIAXED_DENSE = "equiaxed dense"
    BIMODAL = "bimodal"
    POROUS_OPEN = "porous open"
    POROUS_CLOSED = "porous closed"
    TWO_PHASE = "two-phase"
    ELONGATED = "elongated"
    CRACKED = "cracked"
    POWDER = "powder"
    FRACTURE = "fracture"


class Surface(StrEnum):
    """What lies under the beam."""

    POLISHED = "polished"
    FRACTURE = "fracture"
    POWDER = "powder"


@dataclass(frozen=True)
class SectionSpec:
    """What to draw.

    Args:
        grain_size_um: expected mean equivalent circular diameter in the section (of the particles, for a powder), um; a
            field scatters about it. Abnormal grains are not in it.
        pixel_size_um: edge of a pixel, um.
        shape: rows and columns.
        porosity: area fraction of pores, 0 to 0.6; a powder has what its packing leaves.
        open_share: share of the porosity that is an open network, 0 to 1; the rest are closed, rounded pores.
        abnormal: expected area fraction of abnormally grown grains, 0 to 0.8.
        second_phase: area fraction of a second phase, 0 to 0.5.
        phase_at_boundaries: whether it lies at triple points and along boundaries (an additive's residue, a glass), or
            as grains of its own among the others.
        elongation: mean aspect ratio of the grains, 1 to 8.
        direction: angle of the long axis to the rows, rad.
        cracks: length of cracks per area, 1/mm.
        size_sigma: standard deviation of the logarithm of the 3-D grain radius.
        surface: what lies under the beam.

    Raises:
        UserError: a number is outside its limits, or grains would be smaller than 3 pixels.
    """

    grain_size_um: float
    pixel_size_um: float
    shape: tuple[int, int] = (512, 512)
    porosity: float = 0.0
    open_share: float = 0.0
    abnormal: float = 0.0
    second_phase: float = 0.0
    phase_at_boundaries: bool = True
    elongation: float = 1.0
    direction: float = 0.0
    cracks: float = 0.0
    size_sigma: float = 0.35
    surface: Surface = Surface.POLISHED

    def __post_init__(self) -> None:
        size, pixel = self.grain_size_um, self.pixel_size_um
        if not (0.0 < size < np.inf and 0.0 < pixel < np.inf):
            raise UserError(f"grain size {size} um and pixel size {pixel} um must be positive and finite")
        limits = {
            "porosity": 0.6, "open_share": 1.0, "abnormal": 0.8, "second_phase": 0.5, "cracks": 1e6, "size_sigma": 1.0,
        }  # fmt: skip
        for name, most in limits.items():
            if not 0.0 <= getattr(self, name) <= most:
                raise UserError(f"{name} {getattr(self, name)} is outside 0 to {most:g}")
        if not 1.0 <= self.elongation <= 8.0:
            raise UserError(f"elongation {self.elongation} is outside 1 to 8")
        if min(self.shape) < 16:
            raise UserError(f"a field of {self.shape[0]} x {self.shape[1]} pixels is too small: take at least 16 x 16")
        if size < 3.0 * pixel * (1.0 - 1e-9):  # 3 pixels after rounding are 3 pixels
            raise UserError(
                f"grains of {size / pixel:.1f} pixels cannot be drawn: take a pixel of at most {size / 3.0:.3g} um"
            )


@dataclass(frozen=True)
class Microstructure:
    """One field with its exact truth. Maps have shape (H, W); lengths are in um unless a map's are in pixels.

    Args:
        spec: what was asked for.
        kind: its class.
        labels: int32; grains (or a powder's particles, or a fracture's facets) count from 1; pores, cracks and a second
            phase that lies between the grains are 0. Grains of a second phase have labels.
        boundaries: a solid pixel whose right or lower neighbour belongs to another grain.
        pores: pores, open and closed.
        closed: of these, the closed ones.
        phase: pixels of the second phase.
        cracks: pixels of cracks.
        height: float32, pixels; relief of the surface, 0 on average: zero everywhere on a flat section.
        diameters_um: equivalent circular diameters of the grains not cut by the frame, shape (N,); of a powder those of
            the particles of which at least half is seen, of a fracture those that its grains have in a section.
        mean_diameter_um: their number mean, each weighted against the chance of being cut (Miles-Lantuejoul).
        mean_intercept_um: mean lineal intercept of the grains (ASTM E112); of a powder that of what is seen.
        astm_g: the ASTM E112 number of that intercept.
        porosity: area fraction of the pores.
        phase_fraction: area fraction of the second phase in the solid.
        elongation: mean aspect ratio of the grains by their second moments, weighted by area.
        crack_length_mm: length of the cracks per area, 1/mm.
        n_grains: grains that show in the field.
        abnormal: labels of the abnormally grown grains.
    """

    spec: SectionSpec
    kind: Kind
    labels: Labels
    boundaries: Mask
    pores: Mask
    closed: Mask
    phase: Mask
    cracks: Mask
    height: Floats
    diameters_um: Sizes
    mean_diameter_um: float
    mean_intercept_um: float
    astm_g: float
    porosity: float
    phase_fraction: float
    elongation: float
    crack_length_mm: float
    n_grains: int
    abnormal: tuple[int, ...] = ()

    @property
    def pixel_size_um(self) -> float:
        """Edge of a pixel, um."""
        return self.spec.pixel_size_um
