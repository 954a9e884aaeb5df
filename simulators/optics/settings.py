"""How the microscope is set, and how the specimen was prepared: everything that decides a frame but its sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from envs.errors import UserError

ELECTRONS_PER_PA_US = 6.241509
"""Electrons that a picoampere carries in a microsecond."""


@dataclass(frozen=True)
class SemSettings:
    """How the microscope is set. Grey levels are shares of the detector's range, lengths are pixels of the image.

    Args:
        detector: ``SE`` (Everhart-Thornley, topography) or ``BSE`` (backscattered, composition and channelling).
        voltage_kv: acceleration voltage; sets how wide the signal's skirt around the spot is.
        working_distance_mm: from the lens to the specimen.
        spot: the column's spot number, as the operator sees it.
        current_pa: beam current.
        dwell_us: time on each pixel; with the current and ``efficiency`` it is the dose, and so the noise.
        efficiency: quanta counted for each primary electron at the grey of the mean solid, after the black level.
        contrast: gain of the detector; 1 leaves the grey levels.
        brightness: grey level of the mean solid, 0 to 1.
        gamma: exponent of the display curve.
        channelling: standard deviation of the grains' grey levels.
        twins: share of the grains that hold twin lamellae of another grey.
        gradient: grey that changes across a grain, as after deformation.
        phase_contrast: grey of the second phase above the matrix.
        groove_depth: darkness of the boundary grooves; negative shows bright ridges.
        groove_width: half width of a groove.
        groove_spread: how much boundaries differ among themselves, 0 to 1.
        groove_bite: how far the etch has gone: strong boundaries grow wide instead of deeper, 0 to 4.
        side_light: how much brighter a slope towards the detector is than one away from it.
        terraces: heights to which grains are etched or polished apart, in pixels.
        striations: height of facet lines within some grains, in pixels.
        detector_angle: where the Everhart-Thornley detector stands, rad: 0 right, pi/2 top of the image.
        tilt_contrast: standard deviation of grey that a rough surface (powder, fracture) has.
        pore_darkness: how far pore floors lie below the solid.
        edge_brightness: bright rim around pores and cracks.
        texture: standard deviation of fine surface relief within grains.
        scratches: polishing scratches in a field of a megapixel.
        pull_outs: small pits of torn-out material in a megapixel.
        dust: particles lying on the surface in a megapixel.
        shading: grey levels of slow unevenness over the field.
        charging: strength of halos and streaks at pores.
        skirt: share of the signal that comes from the wide range of backscattered electrons.
        skirt_px: how wide that range is; None takes it from voltage and pixel size, for alumina.
        defocus: standard deviation of the beam's blur.
        convergence: blur in pixels for each pixel of height away from the plane of focus.
        astigmatism: relative difference of the blur in two directions at right angles.
        astigmatism_angle: direction of the wider blur, rad.
        drift: pixels by which the specimen moves sideways over the frame.
        jitter: standard deviation of each scan line's sideways error.
        bandwidth: share of a pixel's signal that the slow amplifier carries into the next pixel, 0 to 0.5.
        read_noise: standard deviation of additive noise.
        line_noise: standard deviation of each scan line's offset.

    Raises:
        UserError: the detector is unknown, or dose, display curve or lag lie outside their limits.
    """

    detector: Literal["SE", "BSE"] = "SE"
    voltage_kv: float = 10.0
    working_distance_mm: float = 8.0
    spot: float = 3.0
    current_pa: float = 100.0
    dwell_us: float = 10.0
    efficiency: float = 0.12
    contrast: float = 1.0
    brightness: float = 0.55
    gamma: float = 1.0
    channelling: float = 0.06
    twins: float = 0.0
    gradient: float = 0.0
    phase_contrast: float = -0.1
    groove_depth: float = 0.3
    groove_width: float = 1.1
    groove_spread: float = 0.35
    groove_bite: float = 0.5
    side_light: float = 0.15
    terraces: float = 0.3
    striations: float = 0.0
    detector_angle: float = 1.2
    tilt_contrast: float = 0.18
    pore_darkness: float = 0.4
    edge_brightness: float = 0.15
    texture: float = 0.015
    scratches: float = 0.0
    pull_outs: float = 0.0
    dust: float = 0.0
    shading: float = 0.03
    charging: float = 0.0
    skirt: float = 0.15
    skirt_px: float | None = None
    defocus: float = 0.6
    convergence: float = 0.01
    astigmatism: float = 0.0
    astigmatism_angle: float = 0.0
    drift: float = 0.0
    jitter: float = 0.0
    bandwidth: float = 0.1
    read_noise: float = 0.008
    line_noise: float = 0.003

    def __post_init__(self) -> None:
        if self.detector not in ("SE", "BSE"):
            raise UserError(f"detector {self.detector!r} is unknown: take SE or BSE")
        for name in ("voltage_kv", "current_pa", "dwell_us", "efficiency", "gamma"):
            if not getattr(self, name) > 0.0:
                raise UserError(f"{name} {getattr(self, name)} must be positive")
        if not 0.0 <= self.bandwidth <= 0.5:
            raise UserError(f"bandwidth {self.bandwidth} is outside 0 to 0.5")

    @property
    def primaries(self) -> float:
        """Primary electrons on each pixel."""
        return ELECTRONS_PER_PA_US * self.current_pa * self.dwell_us

    @property
    def quanta(self) -> float:
        """Quanta counted for each pixel at the grey of the mean solid."""
        return self.primaries * self.efficiency
