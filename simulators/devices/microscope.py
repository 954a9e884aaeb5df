"""The virtual scanning electron microscope as an instrument: a fresh field of a sample's section at each order."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace
from pathlib import Path

import numpy as np

from instruments.artefacts import file_artefact, write_durably
from instruments.device import JobContext, JobResult, Parameter, Quantity, Returns, Text, command
from instruments.messages import ArtefactRef
from simulators.body import Body
from simulators.devices.bench import BenchDevice
from simulators.reference import REFERENCE
from simulators.samples import stream
from simulators.sem import Image, SemSettings, random_settings, render
from simulators.sem_tiff import write_tiff
from simulators.tessellation import polycrystal

ACQUIRE_S = 600.0
"""Mounting, pumping down, focusing and one slow scan, s."""
SURVEY_S = 300.0
DEFOCUSED_SHARE = 0.05
"""Share of fields that the operator leaves out of focus."""
POROSITY_SCATTER = 0.06
"""Relative standard deviation of the porosity from field to field, beyond what the counting of pores gives."""
SURVEY_GRAIN_PX = 25.0
SURVEY_SCATTER = 0.15
SMALLEST_GRAIN_PX = 3.0
"""Finer grains merge into a blurred texture, as they do on a real screen."""
MAGNIFICATIONS = (1.0, 1.5, 2.0, 3.0, 5.0, 7.0, 10.0)
"""Mantissas of the pixel sizes to which the magnification knob clicks."""


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
        summary="Acquire one frame of a field of a sample's polished and etched section",
        parameters={
            "sample": Text(max_length=64),
            "pixel_size": Parameter(unit="um", low=0.001, high=20.0, summary="edge of a pixel"),
            "field": Parameter(
                unit="1", low=0, high=9999, summary="which place on the sample; others are fresh fields"
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
    async def acquire(self, job: JobContext, *, sample: str, pixel_size: float, field: float) -> JobResult:
        """Image one field; the same order gives the same frame.

        Raises:
            InfeasibleFault: the sample did not survive its synthesis.
            DeviceFault: there is no such sample.
        """
        made = self.sample(sample)
        place = int(field)
        rng = stream(self.bench.truth.seed, "acquire", sample, place, pixel_size)
        settings = self._settings(sample, rng)
        frame = _frame(made.body, pixel_size, settings, self.bench.image_shape, rng)
        buffer = io.BytesIO()
        write_tiff(frame, pixel_size, buffer, detector=settings.detector, label=f"{sample} field {place}")
        frame_of = await self._kept(job, buffer.getvalue())
        await self.pace.take(job, ACQUIRE_S)
        values = {
            "pixel_size": Quantity(value=pixel_size, unit="um"),
            "field": Quantity(value=place, unit="1"),
            "detector": settings.detector,
        }
        return JobResult(values=values, artefacts={"image": frame_of})

    async def _kept(self, job: JobContext, data: bytes) -> ArtefactRef:
        """Where the agent that ordered it has its files; else where this microscope has its own."""
        if job.may_upload:
            return await job.keep(data, "image/tiff")
        return file_artefact(self._keep(data), "image/tiff")

    def _settings(self, sample: str, rng: np.random.Generator) -> SemSettings:
        """Detector and contrast stay with a sample; focus is found anew for each field, and now and then it is not."""
        settings = random_settings(stream(self.bench.truth.seed, "settings", sample))
        defocus = rng.uniform(7.0, 12.0) if rng.random() < DEFOCUSED_SHARE else rng.uniform(0.4, 1.2)
        return replace(settings, defocus=float(defocus))

    def _keep(self, data: bytes) -> Path:
        self.bench.images.mkdir(parents=True, exist_ok=True)
        path = self.bench.images / f"{hashlib.sha256(data).hexdigest()}.tiff"
        if not path.exists():
            write_durably(path, data)
        return path


def _frame(
    body: Body, pixel_size: float, settings: SemSettings, shape: tuple[int, int], rng: np.random.Generator
) -> Image:
    """Draw and render one field of a body."""
    drawn = max(body.grain_size, SMALLEST_GRAIN_PX * pixel_size)
    section = polycrystal(
        grain_size_um=drawn,
        porosity=min((1.0 - body.density) * float(rng.lognormal(0.0, POROSITY_SCATTER)), 0.6),
        pixel_size_um=pixel_size,
        shape=shape,
        rng=rng,
    )
    if drawn > body.grain_size:
        # What the beam cannot resolve it averages: the blur spans the width of the drawn grains.
        settings = replace(settings, defocus=settings.defocus + SMALLEST_GRAIN_PX)
    return render(section, settings, rng)


def _click(pixel_size: float) -> float:
    """The nearest pixel size that the magnification knob has, by ratio."""
    decade = 10.0 ** np.floor(np.log10(pixel_size))
    nearest = min(MAGNIFICATIONS, key=lambda m: abs(np.log(m * decade / pixel_size)))
    return float(np.clip(float(f"{nearest * decade:.6g}"), 0.001, 20.0))
