"""Settings as operators choose them: broad ones to train a reader on, and those of a careful routine."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from simulators.optics.detector import GREY_OF_SIGNAL
from simulators.optics.settings import ELECTRONS_PER_PA_US, SemSettings

SPOTS = ((2.0, 25.0), (2.5, 50.0), (3.0, 100.0), (3.5, 200.0), (4.0, 400.0), (4.5, 800.0))
"""Spot numbers and the currents, pA, that a field-emission column of this kind gives with them."""
VOLTAGES_KV = (3.0, 5.0, 5.0, 10.0, 10.0, 15.0, 20.0)


def random_settings(rng: np.random.Generator) -> SemSettings:
    """Settings as different operators, samples and days would give: broad on purpose, a reader must not rely on one."""
    return _backscattered(rng) if rng.random() < 0.4 else _secondary(rng)


def operator_settings(rng: np.random.Generator) -> SemSettings:
    """Settings of a careful operator on a good day: well exposed, in focus, scanned slowly."""
    backscattered = bool(rng.random() < 0.4)
    spot, current = SPOTS[int(rng.integers(3, 6) if backscattered else rng.integers(1, 4))]
    groove = rng.uniform(0.0, 0.15) if backscattered else rng.uniform(0.25, 0.45)
    phase = _phase(rng, backscattered)
    return SemSettings(
        detector="BSE" if backscattered else "SE",
        voltage_kv=float(rng.choice((10.0, 15.0) if backscattered else (5.0, 10.0))),
        working_distance_mm=float(np.round(rng.uniform(5.0, 10.0), 1)),
        spot=spot,
        current_pa=current,
        dwell_us=float(rng.choice((10.0, 20.0, 30.0))),
        efficiency=0.06 if backscattered else 0.12,
        brightness=float(rng.uniform(0.42, 0.58)),
        channelling=float(rng.uniform(0.1, 0.16) if backscattered else rng.uniform(0.01, 0.05)),
        twins=float(rng.uniform(0.0, 0.3) if rng.random() < 0.2 else 0.0),
        gradient=float(rng.uniform(0.0, 0.008)),
        phase_contrast=phase,
        groove_depth=float(groove),
        groove_width=float(rng.uniform(0.7, 1.4)),
        side_light=float(rng.uniform(0.05, 0.2)),
        terraces=float(rng.uniform(0.05, 0.6)),
        detector_angle=float(rng.uniform(0.8, 2.3)),
        tilt_contrast=float(rng.uniform(0.15, 0.2)),
        pore_darkness=float(rng.uniform(0.32, 0.45) + (0.1 if backscattered else 0.0)),
        edge_brightness=float(rng.uniform(0.0, 0.06) if backscattered else rng.uniform(0.1, 0.22)),
        texture=float(rng.uniform(0.006, 0.018)),
        scratches=float(rng.exponential(5.0)),
        pull_outs=float(rng.exponential(6.0)),
        dust=float(rng.exponential(0.8)),
        shading=float(rng.uniform(0.004, 0.02)),
        defocus=float(rng.uniform(0.45, 0.8)),
        convergence=float(rng.uniform(0.005, 0.02)),
        astigmatism=float(rng.uniform(-0.08, 0.08)),
        astigmatism_angle=float(rng.uniform(0.0, np.pi)),
        drift=float(rng.normal(0.0, 0.5)),
        jitter=float(rng.uniform(0.0, 0.1)),
        read_noise=float(rng.uniform(0.002, 0.01)),
        line_noise=float(rng.uniform(0.0005, 0.003)),
    )


def _secondary(rng: np.random.Generator) -> SemSettings:
    """Secondary electrons of an etched section: boundaries show, grains may."""
    groove = float(rng.uniform(0.15, 0.5))
    if rng.random() < 0.1:
        groove = -0.7 * groove
    channelling = float(rng.uniform(0.0, 0.09))
    common = _common(rng, "SE", channelling, groove, float(rng.uniform(0.0, 0.35)))
    if rng.random() < 0.1:
        # An etched metal as it is often shown: nearly white grains within dark, uneven lines.
        bite, depth = float(rng.uniform(1.0, 3.5)), float(rng.uniform(0.35, 0.6))
        light = float(rng.uniform(0.84, 0.95))
        return replace(
            common, brightness=light, gamma=1.0, channelling=0.3 * channelling, groove_depth=depth, groove_bite=bite
        )
    return common


def _backscattered(rng: np.random.Generator) -> SemSettings:
    """Backscattered electrons of a polished section: grains show by their orientation, boundaries may."""
    # Either grains or boundaries must show, else no reader could count them.
    if rng.random() < 0.25:
        groove, channelling = float(rng.uniform(0.18, 0.35)), float(rng.uniform(0.02, 0.1))
    else:
        groove, channelling = float(max(rng.uniform(-0.08, 0.2), 0.0)), float(rng.uniform(0.09, 0.2))
    return _common(rng, "BSE", channelling, groove, float(rng.uniform(0.0, 0.12)))


def _common(
    rng: np.random.Generator, detector: str, channelling: float, groove: float, edge_brightness: float
) -> SemSettings:
    """Everything else, drawn to fit the contrast that grains and boundaries have."""
    backscattered = detector == "BSE"
    contrast = float(rng.uniform(0.65, 1.4))
    visible = contrast * max(abs(groove), 1.5 * channelling)
    # An operator sets the brightness so that most grains stay inside the detector's range.
    brightest = min(0.85, 0.97 - 1.7 * contrast * channelling)
    spot, current = SPOTS[int(rng.integers(len(SPOTS)))]
    efficiency = 0.06 if backscattered else 0.12
    noise = float(np.exp(rng.uniform(np.log(0.006), np.log(min(0.1, max(0.4 * visible, 0.012))))))
    dwell = (GREY_OF_SIGNAL * contrast / noise) ** 2 / (ELECTRONS_PER_PA_US * current * efficiency)
    # A pore is deeper than a groove, and darker than dark grains and dark phases.
    phase = _phase(rng, backscattered)
    least = max(0.9 * groove, 0.16 - phase)
    pore_darkness = float(np.clip(max(rng.uniform(0.15, 0.45) + 1.4 * channelling, least), 0.15, 0.7))
    settings = SemSettings(
        detector="BSE" if backscattered else "SE",
        voltage_kv=float(rng.choice(VOLTAGES_KV)),
        working_distance_mm=float(np.round(rng.uniform(3.5, 12.0), 1)),
        spot=spot,
        current_pa=current,
        dwell_us=float(dwell),
        efficiency=efficiency,
        contrast=contrast,
        brightness=float(rng.uniform(0.35, brightest)),
        gamma=float(np.exp(rng.uniform(-0.35, 0.35))),
        channelling=channelling,
        twins=_seldom(rng, 0.15, 0.4),
        gradient=_seldom(rng, 0.3, 0.25 * channelling),
        phase_contrast=phase,
        groove_depth=groove,
        pore_darkness=pore_darkness,
        edge_brightness=edge_brightness,
    )
    return _misaligned(_prepared(settings, rng), visible, rng)


def _prepared(settings: SemSettings, rng: np.random.Generator) -> SemSettings:
    """The same with what etching, polishing and charging did to the specimen."""
    return replace(
        settings,
        groove_width=float(rng.uniform(0.6, 2.0)),
        groove_spread=float(rng.uniform(0.1, 0.7)),
        groove_bite=float(rng.uniform(0.0, 1.2) if rng.random() < 0.7 else rng.uniform(1.2, 3.5)),
        side_light=float(rng.uniform(0.0, 0.35)),
        terraces=float(rng.uniform(0.0, 0.9)),
        striations=_seldom(rng, 0.2, 0.35),
        detector_angle=float(rng.uniform(0.0, 2.0 * np.pi)),
        tilt_contrast=float(rng.uniform(0.12, 0.24)),
        texture=float(rng.uniform(0.003, 0.028)),
        scratches=_seldom(rng, 0.4, 90.0),
        pull_outs=_seldom(rng, 0.4, 30.0),
        dust=_seldom(rng, 0.2, 6.0),
        shading=float(rng.uniform(0.0, 0.07)),
        charging=_seldom(rng, 0.25, 0.25),
    )


def _misaligned(settings: SemSettings, visible: float, rng: np.random.Generator) -> SemSettings:
    """The same with what the column and the electronics add, for the contrast that is there to be seen."""
    return replace(
        settings,
        skirt=float(rng.uniform(0.0, 0.3)),
        # Other specimens are denser than alumina, or lighter.
        skirt_px=float(np.exp(rng.uniform(np.log(1.2), np.log(25.0)))) if rng.random() < 0.7 else None,
        defocus=float(rng.uniform(0.4, 1.6)),
        convergence=float(rng.uniform(0.0, 0.03)),
        astigmatism=float(rng.uniform(-0.3, 0.3)),
        astigmatism_angle=float(rng.uniform(0.0, np.pi)),
        drift=float(rng.uniform(-2.0, 2.0)),
        jitter=_seldom(rng, 0.5, 0.35),
        bandwidth=float(rng.uniform(0.0, 0.3)),
        read_noise=float(rng.uniform(0.0, min(0.03, 0.2 * visible))),
        line_noise=float(rng.uniform(0.0, 0.01)),
    )


def _seldom(rng: np.random.Generator, chance: float, most: float) -> float:
    """A number up to ``most``, by the given chance; else 0."""
    return float(rng.uniform(0.0, most)) if rng.random() < chance else 0.0


def _phase(rng: np.random.Generator, backscattered: bool) -> float:
    """A second phase is heavier or lighter than the matrix; secondary electrons show it less, and never as a pore."""
    heavier = rng.random() < 0.5
    amount = rng.uniform(0.12, 0.32 if heavier else 0.2) if backscattered else rng.uniform(0.04, 0.14)
    return float(amount if heavier else -amount)
