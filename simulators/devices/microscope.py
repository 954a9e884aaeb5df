"""The virtual scanning electron microscope as an instrument: a fresh field of a sample at each order."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np

from instruments.device import Choice, DeviceFault, JobContext, JobResult, Parameter, Quantity, Returns, Text, command
from simulators.devices.bench import BenchDevice
from simulators.field_of_view import powder_of, section_of
from simulators.optics.operator import OperatorFault, mistaken
from simulators.optics.unresolved import Unresolved
from simulators.reference import REFERENCE
from simulators.samples import Sample, stream
from simulators.sections.microstructure import SectionSpec, Surface
from simulators.sem import Image, SemSettings, empty_stage, operator_settings, random_settings, render
from simulators.sem_tiff import write_tiff
from simulators.tessellation import draw

ACQUIRE_S = 600.0
"""Mounting, pumping down, focusing and one slow scan, s."""
SURVEY_S = 300.0
DEFOCUSED_SHARE = 0.05
"""Share of fields that the operator leaves out of focus."""
CAREFUL_SHARE = 0.5
"""Share of samples that are looked at as the routine says; the others as the operator of the day thinks best."""
WHOLE_PARTICLE = 0.6
"""Diameter of the largest particles whose heap is imaged, in long sides of the field."""
SURVEY_GRAIN_PX = 25.0
SURVEY_SCATTER = 0.15
MAGNIFICATIONS = (1.0, 1.5, 2.0, 3.0, 5.0, 7.0, 10.0)
"""Mantissas of the pixel sizes to which the magnification knob clicks."""
AS_SET, STANDARD, NO_MISTAKE = "as set", "standard", "none"
FORMATS = {"256x256": (256, 256), "512x512": (512, 512), "1024x768": (768, 1024)}
"""Width by height to rows and columns."""


class Microscope(BenchDevice):
    """A field-emission microscope with an Everhart-Thornley and a backscatter detector."""

    kind = "sem"
    driver = "labwright virtual sem"

    @command(
        summary="Look at a sample in live mode and find a pixel size at which its grains can be measured",
        parameters={"sample": Text(max_length=64)},
        results={"pixel_size": Returns(unit="um", summary="at which grains are some 25 pixels wide")},
        duration_s=SURVEY_S,
        example={"sample": REFERENCE},
    )
    async def survey(self, job: JobContext, *, sample: str) -> JobResult:
        """A pixel size for ``acquire``: grains are some 15 to 40 pixels wide, by eye.

        Raises:
            InfeasibleFault: the sample did not survive its synthesis.
            DeviceFault: there is no such sample.
        """
        made = self.sample(sample)
        guess = made.body.grain_size * stream(self.bench.truth.seed, "survey", sample).lognormal(0.0, SURVEY_SCATTER)
        await self.pace.take(job, SURVEY_S)
        return JobResult(values={"pixel_size": Quantity(value=_click(guess / SURVEY_GRAIN_PX), unit="um")})

    @command(
        summary="Acquire one frame of a field of a sample",
        parameters={
            "sample": Text(max_length=64),
            "pixel_size": Parameter(unit="um", low=0.001, high=20.0, summary="edge of a pixel"),
            "field": Parameter(
                unit="1",
                low=0,
                high=9999,
                whole=True,
                summary="which place on the sample, a whole number; each is a fresh field",
            ),
            "surface": Choice(
                tuple(Surface),
                summary="polished and etched section, broken face, or the powder before it was fired",
                default=Surface.POLISHED,
            ),
            "detector": Choice((AS_SET, "SE", "BSE"), summary="secondary or backscattered electrons", default=AS_SET),
            "format": Choice((STANDARD, *FORMATS), summary="width by height of the frame, pixels", default=STANDARD),
            "dwell_time": Parameter(
                unit="us", low=0.0, high=1000.0, summary="on each pixel; 0 as the microscope is set", default=0.0
            ),
            "mistake": Choice(
                (NO_MISTAKE, *OperatorFault),
                summary="an operator's mistake, to see what becomes of it",
                default=NO_MISTAKE,
            ),
        },
        results={
            "pixel_size": Returns(unit="um", summary="edge of a pixel"),
            "field": Returns(unit="1", summary="which place on the sample"),
            "detector": Returns(summary="by its short name"),
            "image": Returns(media_type="image/tiff", summary="the frame with its info bar"),
        },
        duration_s=ACQUIRE_S,
        example={
            "sample": REFERENCE,
            "pixel_size": Quantity(value=0.1, unit="um"),
            "field": Quantity(value=0, unit="1"),
        },
    )
    async def acquire(
        self,
        job: JobContext,
        *,
        sample: str,
        pixel_size: float,
        field: float,
        surface: str,
        detector: str,
        format: str,  # noqa: A002 - what operators call it
        dwell_time: float,
        mistake: str,
    ) -> JobResult:
        """Image one field; the same order gives the same frame.

        Raises:
            InfeasibleFault: the sample did not survive its synthesis.
            DeviceFault: there is no such sample, or its powder's particles are larger than the field.
        """
        made, place = self.sample(sample), int(field)
        rng = stream(self.bench.truth.seed, "acquire", sample, place, pixel_size)
        settings = self._settings(sample, place, rng, detector, dwell_time)
        shape = FORMATS.get(format, self.bench.image_shape)
        fault = None if mistake == NO_MISTAKE else OperatorFault(mistake)
        frame, pixel = _frame(made, pixel_size, settings, shape, Surface(surface), fault, rng)
        buffer = io.BytesIO()
        write_tiff(frame, pixel, buffer, settings=settings, label=f"{sample} field {place}")
        # Nobody has a frame before it has been scanned, nor one of a job that was cancelled.
        await self.pace.take(job, ACQUIRE_S)
        kept = await self.kept(job, buffer.getvalue(), "image/tiff", ".tiff")
        values = {
            "pixel_size": Quantity(value=pixel, unit="um"),
            "field": Quantity(value=place, unit="1"),
            "detector": settings.detector,
        }
        return JobResult(values=values, artefacts={"image": kept})

    def _settings(
        self, sample: str, place: int, rng: np.random.Generator, detector: str, dwell_us: float
    ) -> SemSettings:
        """Detector and contrast stay with a sample; focus is found anew for each field, and now and then it is not."""
        settings = self._routine(sample, detector)
        defocus = rng.uniform(7.0, 12.0) if rng.random() < DEFOCUSED_SHARE else rng.uniform(0.4, 1.2)
        defocus += self.bench.mishaps.blur(sample, place)
        return replace(settings, defocus=float(defocus), dwell_us=dwell_us or settings.dwell_us)

    def _routine(self, sample: str, detector: str) -> SemSettings:
        """How the operator of the day sets the microscope for a sample; with a detector asked for, until it is that."""
        rng = stream(self.bench.truth.seed, "settings", sample)
        choose = operator_settings if rng.random() < CAREFUL_SHARE else random_settings
        settings = choose(rng)
        while detector not in (AS_SET, settings.detector):
            settings = choose(rng)
        return settings


def _frame(
    made: Sample,
    pixel_size: float,
    settings: SemSettings,
    shape: tuple[int, int],
    surface: Surface,
    fault: OperatorFault | None,
    rng: np.random.Generator,
) -> tuple[Image, float]:
    """One field, drawn and rendered, and the pixel size at which it really was taken, um."""
    spec, fine = _view(made, pixel_size, shape, surface, rng)
    if fault is None:
        return render(draw(spec, rng), settings, rng, fine), pixel_size
    seen, settings, finer = mistaken(fault, spec, settings, rng)
    if seen is None:
        return empty_stage(shape, settings, rng), pixel_size
    if fine is not None and seen.pixel_size_um != pixel_size:
        seen, fine = _view(made, seen.pixel_size_um, shape, surface, rng)
    return render(draw(seen, rng), settings, rng, fine or finer), seen.pixel_size_um


def _view(
    made: Sample, pixel_size: float, shape: tuple[int, int], surface: Surface, rng: np.random.Generator
) -> tuple[SectionSpec, Unresolved | None]:
    """What lies under the beam, and what of it is finer than the pixels."""
    if surface is not Surface.POWDER:
        return section_of(made.body, pixel_size, shape, rng, surface)
    size, widest = float(made.design.process["powder_size"]), WHOLE_PARTICLE * max(shape)
    if size > widest * pixel_size:
        raise DeviceFault(
            "field_too_small",
            f"a field {max(shape) * pixel_size:.3g} um wide shows no whole particle of a powder of {size:g} um: "
            f"take a pixel of at least {size / widest:.2g} um",
        )
    return powder_of(size, pixel_size, shape)


def _click(pixel_size: float) -> float:
    """The nearest pixel size that the magnification knob has, by ratio."""
    decade = 10.0 ** np.floor(np.log10(pixel_size))
    nearest = min(MAGNIFICATIONS, key=lambda m: abs(np.log(m * decade / pixel_size)))
    return float(np.clip(float(f"{nearest * decade:.6g}"), 0.001, 20.0))
