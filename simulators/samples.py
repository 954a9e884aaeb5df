"""The shelf: samples that the furnace made, for the microscope and the indenter to find, also after a restart."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from envs.design import Design
from envs.errors import JournalError
from instruments.artefacts import write_durably
from simulators.body import Body
from simulators.sintering import Outcome

DFT = "elastic tensor by density functional theory"
"""Origin of the moduli of a real compound."""
_NAME = re.compile(r"[A-Za-z0-9_\-](?:[A-Za-z0-9_.\-]{0,62}[A-Za-z0-9_\-])?")


def stream(seed: int, *parts: str | float) -> np.random.Generator:
    """The random numbers of one act, from what it is and never from when it happens.

    So a campaign gives the same data in one process, over a broker, with other samples in between, and after a restart.

    Args:
        seed: the laboratory's seed.
        parts: names the act: sample, command, field or load.
    """
    digest = hashlib.sha256(json.dumps([seed, *parts]).encode()).digest()
    return np.random.default_rng(np.frombuffer(digest, dtype=np.uint32))


def is_name(sample: str) -> bool:
    """Whether a sample's name is fit for a label and a file: 1 to 64 letters, digits, ``_``, ``-`` and inner dots."""
    return _NAME.fullmatch(sample) is not None


@dataclass(frozen=True)
class Sample:
    """One body that came out of the furnace, with the truth about it.

    Args:
        id: its label.
        design: what it was made to.
        body: what is inside; of a lost one it means nothing.
        outcome: whether there is a body to measure.
        origin: what the truth about its crystal was taken from, as the record names it.
    """

    id: str
    design: Design
    body: Body
    outcome: Outcome
    origin: str = DFT

    def to_json(self) -> bytes:
        """UTF-8 JSON; ``from_json`` is its exact inverse. The body is packed: who looks at the file does not see it."""
        data = {
            "id": self.id,
            "design": self.design.to_dict(),
            "outcome": str(self.outcome),
            "origin": self.origin,
            "sealed": _sealed(self.body),
        }
        return json.dumps(data, sort_keys=True).encode()

    @staticmethod
    def from_json(text: bytes) -> Sample:
        """Read what ``to_json`` wrote.

        Raises:
            ValueError: when the text is not JSON, an outcome is unknown, or the seal is damaged.
            KeyError: when a field is missing.
        """
        data = json.loads(text)
        return Sample(
            id=data["id"],
            design=Design.from_dict(data["design"]),
            body=_opened(data["sealed"]),
            outcome=Outcome(data["outcome"]),
            origin=str(data["origin"]),
        )


def _sealed(body: Body) -> str:
    """A body as text that nobody reads in passing.

    It is kept, and not made again from its design: a later version of the physics would make another one.
    """
    return base64.b64encode(zlib.compress(json.dumps(body.to_dict(), sort_keys=True).encode(), 9)).decode()


def _opened(text: str) -> Body:
    try:
        return Body(**json.loads(zlib.decompress(base64.b64decode(text, validate=True))))
    except zlib.error as error:
        raise ValueError(f"its seal is damaged: {error}") from error


class SampleStore:
    """Samples by label, in memory, and in a directory when one is given.

    Args:
        directory: one file a sample is kept here; made when it does not exist.
        reference: a body that is always on the shelf, and no sample of the laboratory's own.

    Raises:
        JournalError: when the directory cannot be used or holds a damaged sample.
    """

    def __init__(self, directory: Path | None = None, *, reference: Sample | None = None) -> None:
        self._directory = directory
        self._reference = reference
        self._samples: dict[str, Sample] = {}
        if directory is None:
            return
        try:
            directory.mkdir(parents=True, exist_ok=True)
            paths = sorted(directory.glob("*.json"))
        except OSError as error:
            raise JournalError(f"{directory} cannot hold samples: {error}") from error
        for path in paths:
            try:
                sample = Sample.from_json(path.read_bytes())
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise JournalError(f"{path} is not a sample's record: {error}") from error
            self._samples[sample.id] = sample

    def __len__(self) -> int:
        return len(self._samples)

    def get(self, sample_id: str) -> Sample | None:
        """A sample, None when there is none of that name."""
        found = self._samples.get(sample_id)
        if found is None and self._reference is not None and self._reference.id == sample_id:
            return self._reference
        return found

    def put(self, sample: Sample) -> None:
        """Keep a sample; it is durable when this returns.

        Raises:
            JournalError: when it cannot be written.
            ValueError: when its label is not fit for a file.
        """
        if not is_name(sample.id):
            raise ValueError(f"{sample.id!r} is no sample label: 1 to 64 letters, digits, '_', '-' and inner dots")
        if self._directory is not None:
            path = self._directory / f"{sample.id}.json"
            try:
                write_durably(path, sample.to_json())
            except OSError as error:
                raise JournalError(f"{path} cannot be written: {error}") from error
        self._samples[sample.id] = sample
