"""What the virtual instruments of one laboratory share: its truth, its shelf, its pace, and what goes wrong."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from instruments.artefacts import file_artefact, write_durably
from instruments.device import Device, DeviceFault, InfeasibleFault, JobContext
from instruments.messages import ArtefactRef
from instruments.transport import Transport
from simulators.devices.pace import Pace
from simulators.samples import Sample, SampleStore
from simulators.sintering import REASONS, Outcome
from simulators.stock import Stock
from simulators.truth import LabTruth

SHAPE = (512, 512)
"""Rows and columns of the microscope's frames, where nobody chooses others."""


class Mishaps(Protocol):
    """What goes wrong inside an instrument; what goes wrong between it and the agent is the transport's."""

    def spoiled(self, sample: str) -> str | None:
        """Why this synthesis fails through no fault of the design; None where it does not."""
        ...

    def blur(self, sample: str, field: int) -> float:
        """By how many pixels a frame is out of focus beyond what the operator does; 0 where it is not.

        Args:
            sample: its label.
            field: the place on it.
        """
        ...

    def drift(self, iid: str) -> float:
        """Factor on what an instrument reads now; 1 where it is right."""
        ...


class Faultless:
    """Nothing goes wrong."""

    def spoiled(self, sample: str) -> str | None:  # noqa: ARG002
        """No synthesis fails by mishap."""
        return None

    def blur(self, sample: str, field: int) -> float:  # noqa: ARG002
        """No frame is blurred by mishap."""
        return 0.0

    def drift(self, iid: str) -> float:  # noqa: ARG002
        """Every reading is right."""
        return 1.0


@dataclass(frozen=True)
class Bench:
    """What the instruments of one laboratory stand on.

    Args:
        truth: what this laboratory hides.
        samples: the shelf.
        images: directory of bulk data, named by their SHA-256.
        speed: seconds of lab time in a real one; 0 does everything at once.
        image_shape: rows and columns of the microscope's frames, without the info bar.
        mishaps: what goes wrong inside the instruments.
        stock: powders, and the compacts that wait to be fired.
    """

    truth: LabTruth
    samples: SampleStore
    images: Path
    speed: float = 0.0
    image_shape: tuple[int, int] = SHAPE
    mishaps: Mishaps = field(default_factory=Faultless)
    stock: Stock = field(default_factory=Stock)


class BenchDevice(Device):
    """A virtual instrument.

    Args:
        iid: the instrument's id.
        transport: its own connection.
        bench: what it stands on.
        base: what ``Device`` takes.
    """

    def __init__(self, iid: str, transport: Transport, *, bench: Bench, **base: Any) -> None:
        super().__init__(iid, transport, **{"artefacts": bench.images, **base})
        self.bench = bench
        self.pace = Pace(bench.speed, self.clock)

    def sample(self, label: str) -> Sample:
        """A sample that can be measured.

        Raises:
            DeviceFault: there is none of that label.
            InfeasibleFault: it did not survive its synthesis.
        """
        found = self.bench.samples.get(label)
        if found is None:
            raise DeviceFault("unknown_sample", f"no sample {label!r} is on the shelf: sinter it first")
        if found.outcome is not Outcome.SINTERED:
            raise InfeasibleFault("no_body", f"sample {label} cannot be measured: {REASONS[found.outcome]}")
        return found

    async def kept(self, job: JobContext, data: bytes, media_type: str, suffix: str) -> ArtefactRef:
        """Keep bulk data where the agent that ordered them has its files; else where this laboratory has its own.

        Args:
            job: for which they were made.
            data: the content.
            media_type: what it is.
            suffix: of the file's name here, with its dot; the name is the content's SHA-256.
        """
        if job.may_upload:
            return await job.keep(data, media_type)
        directory = self.bench.images
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / f"{hashlib.sha256(data).hexdigest()}{suffix}"
        if not path.exists():
            write_durably(path, data)
        return file_artefact(path, media_type)
