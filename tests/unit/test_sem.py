"""The virtual microscope's images show what the microstructure holds, and follow the settings as a real one's do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage, stats

from envs.errors import UserError
from simulators.optics.beam import electron_range_um
from simulators.optics.contrast import channelling_levels
from simulators.sections.microstructure import Microstructure, SectionSpec, Surface
from simulators.sem import SemSettings, empty_stage, operator_settings, random_settings, render
from simulators.tessellation import draw
from surrogates.quality import sharpness

SHAPE = (192, 256)
PLAIN = replace(SemSettings(), texture=0.0, shading=0.0, line_noise=0.0, read_noise=0.0, bandwidth=0.0, skirt=0.0)


def of(seed: int, **more: object) -> Microstructure:
    spec = SectionSpec(grain_size_um=2.0, pixel_size_um=0.1, shape=SHAPE, **more)  # type: ignore[arg-type]
    return draw(spec, np.random.default_rng(seed))


@pytest.fixture(scope="module")
def section() -> Microstructure:
    return of(0, porosity=0.08)


def frame(ms: Microstructure, settings: SemSettings, seed: int = 1) -> np.ndarray:
    return render(ms, settings, np.random.default_rng(seed)).astype(float)


def test_pores_and_grooves_are_darker_than_grains(section: Microstructure) -> None:
    image = frame(section, SemSettings())
    inside = ~section.pores & ~section.boundaries
    assert image[section.pores].mean() < image[inside].mean() - 40
    assert image[section.boundaries].mean() < image[inside].mean() - 15


def test_the_same_seed_gives_the_same_frame_and_another_seed_another(section: Microstructure) -> None:
    settings = replace(random_settings(np.random.default_rng(8)), charging=0.2, drift=1.5, dust=5.0, scratches=20.0)
    assert (frame(section, settings, 2) == frame(section, settings, 2)).all()
    assert (frame(section, settings, 2) != frame(section, settings, 3)).any()


def test_defocus_takes_away_detail(section: Microstructure) -> None:
    found = [
        sharpness((frame(section, replace(SemSettings(), defocus=blur)) / 255.0).astype(np.float32))
        for blur in (0.5, 1.5, 3.0, 6.0)
    ]
    assert found == sorted(found, reverse=True)
    assert found[0] > 5.0 * found[-1]


@pytest.mark.parametrize("axis", [0, 1])
def test_astigmatism_blurs_one_direction_more(section: Microstructure, axis: int) -> None:
    # Blur along the columns (angle pi/2, positive sense) softens the steps from row to row.
    angle = 0.0 if axis == 0 else 0.5 * np.pi
    settings = replace(PLAIN, defocus=2.0, astigmatism=0.6, astigmatism_angle=angle, dwell_us=5000.0)
    image = ndimage.gaussian_filter(frame(section, settings), 0.5)
    rough = [np.abs(np.diff(image, axis=k)).mean() for k in (0, 1)]
    assert rough[axis] < 0.85 * rough[1 - axis]


def test_noise_falls_as_the_square_root_of_the_dose() -> None:
    flat = replace(of(3), labels=np.ones(SHAPE, np.int32), pores=np.zeros(SHAPE, bool), closed=np.zeros(SHAPE, bool))
    noise = [frame(flat, replace(PLAIN, channelling=0.0, dwell_us=dwell)).std() for dwell in (1.0, 4.0, 16.0)]
    assert noise[0] / noise[1] == pytest.approx(2.0, rel=0.05)
    assert noise[1] / noise[2] == pytest.approx(2.0, rel=0.05)
    # Poisson: the relative spread of the count is one over its root, at half the range for a signal of 1.
    assert noise[0] == pytest.approx(255.0 * 0.5 / np.sqrt(6.2415 * 100.0 * 0.12), rel=0.05)


def test_a_backscatter_detector_shows_the_second_phase_by_its_atomic_number() -> None:
    ms = of(4, second_phase=0.2, phase_at_boundaries=False)
    solid = ~ms.pores & ~ms.boundaries
    for sign in (1.0, -1.0):
        image = frame(ms, replace(PLAIN, detector="BSE", phase_contrast=sign * 0.25, channelling=0.03))
        assert sign * (image[ms.phase & solid].mean() - image[~ms.phase & solid].mean()) > 35


def test_secondary_electrons_light_one_side_of_a_groove_more_than_backscattered_ones_do(
    section: Microstructure,
) -> None:
    quiet = replace(PLAIN, channelling=0.0, dwell_us=2000.0, side_light=0.3, detector_angle=0.5 * np.pi)
    uneven = []
    for detector in ("SE", "BSE"):
        image = frame(section, replace(quiet, detector=detector))
        flat = section.boundaries & ~ndimage.binary_dilation(section.pores, iterations=4)
        level = flat[3:-3] & (section.labels[3:-3] != section.labels[4:-2])
        # The far side, below the groove in the picture, faces a detector that stands at the top.
        uneven.append(float((image[5:-1][level] - image[1:-5][level]).mean()))
    assert uneven[0] > 6.0
    assert uneven[0] > 2.0 * abs(uneven[1])


def test_orientations_give_many_middling_grains_and_a_few_bright_ones() -> None:
    levels = channelling_levels(20_000, 10.0, np.random.default_rng(0))
    assert levels.mean() == pytest.approx(0.0, abs=0.05)
    assert levels.std() == pytest.approx(1.0, abs=0.05)
    assert stats.skew(levels) > 0.4


def test_the_range_of_electrons_is_that_of_kanaya_and_okayama() -> None:
    # Ratio of two voltages is the law's own power; some micrometre at 10 kV in alumina.
    assert electron_range_um(20.0) / electron_range_um(10.0) == pytest.approx(2.0**1.67)
    assert 0.5 < electron_range_um(10.0) < 1.5


def test_brightness_beyond_the_range_clips(section: Microstructure) -> None:
    assert (frame(section, replace(SemSettings(), brightness=2.5)) == 255).mean() > 0.95
    assert (frame(section, replace(SemSettings(), brightness=-1.5)) == 0).mean() > 0.95


@pytest.mark.parametrize("surface", [Surface.POWDER, Surface.FRACTURE])
def test_rough_surfaces_show_slopes_and_dark_gaps(surface: Surface) -> None:
    ms = of(5, surface=surface, porosity=0.05)
    image = frame(ms, SemSettings(dwell_us=100.0))
    assert image.std() > 20
    if ms.pores.any():
        assert image[ms.pores].mean() < image[~ms.pores].mean() - 15
    # Steep places send out more secondary electrons (1/cos of the tilt), but for those in hollows.
    steep = np.hypot(*np.gradient(ndimage.gaussian_filter(ms.height, 1.0)))
    high = (ms.height > np.median(ms.height)) & ~ms.pores
    assert image[high & (steep > np.quantile(steep[high], 0.8))].mean() > image[high].mean()


def test_charging_drift_scratches_and_twins_change_the_frame(section: Microstructure) -> None:
    plain = frame(section, PLAIN)
    for more in ({"charging": 0.3}, {"drift": 3.0}, {"scratches": 100.0}, {"twins": 1.0, "channelling": 0.1}):
        assert np.abs(frame(section, replace(PLAIN, **more)) - plain).mean() > 1.0  # type: ignore[arg-type]


@pytest.mark.parametrize("chosen", [random_settings, operator_settings])
def test_settings_of_people_give_a_usable_exposure(section: Microstructure, chosen: object) -> None:
    rng = np.random.default_rng(3)
    for _ in range(15):
        image = render(section, chosen(rng), rng)  # type: ignore[operator]
        assert np.mean((image == 0) | (image == 255)) < 0.5
        assert image.std() > 3


def test_settings_that_no_microscope_has_are_refused() -> None:
    for wrong in ({"detector": "TLD"}, {"dwell_us": 0.0}, {"bandwidth": 0.9}):
        with pytest.raises(UserError):
            SemSettings(**wrong)


def test_an_empty_stage_is_dark() -> None:
    assert empty_stage((64, 64), SemSettings(), np.random.default_rng(6)).mean() < 60
