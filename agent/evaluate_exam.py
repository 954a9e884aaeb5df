"""What a reader of micrographs is examined with, as the evaluation sees it; who draws the pictures is wired."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

import numpy as np
import numpy.typing as npt

from surrogates.micrograph_fields import LabelledField

Named = Iterator[tuple[str, npt.NDArray[np.float32]]]
"""Pictures, float32 (H, W) from 0 to 1, each with the name of what it is."""


class Examination(Protocol):
    """Pictures of seeds that nothing was trained, calibrated or fitted on."""

    @property
    def seeds(self) -> Mapping[str, int]:
        """What each sort is drawn from."""
        ...

    def fields(self, number: int, *, unusual: bool) -> Iterator[LabelledField]:
        """Labelled fields; ``unusual`` ones are taken with settings beyond any that are learned from."""
        ...

    def classes(self, number: int) -> Named:
        """Good pictures of each class, ``number`` of each."""
        ...

    def faults(self, number: int) -> Named:
        """Pictures that an operator spoiled, ``number`` of each fault."""
        ...

    def odd(self, number: int) -> Named:
        """Pictures that are no section to be measured, ``number`` of each kind."""
        ...
