"""The composition root of the reader of micrographs: what it is trained, calibrated and judged on.

Like ``agent.wiring`` it may import the simulators: it hands out rendered images with their masks, and nothing of a
laboratory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from agent.evaluate_exam import Examination
    from surrogates.micrograph_fields import LabelledField

TrainingSample = npt.NDArray[np.float32]


def micrograph_stream(size: int) -> Callable[[np.random.Generator], TrainingSample]:
    """Rendered training images with their exact masks; picklable, for processes that draw them ahead."""
    from functools import partial

    from simulators.reader_data import training_sample

    return partial(training_sample, size=size)


def calibration_fields(n: int) -> tuple[Iterator[LabelledField], int]:
    """Labelled micrographs for calibration, and the seed that they are drawn from; training never sees them."""
    from simulators.reader_data import CALIBRATION_SEED, fields

    return fields(CALIBRATION_SEED, n), CALIBRATION_SEED


def class_stream() -> Callable[[np.random.Generator], tuple[npt.NDArray[np.float32], int]]:
    """Pictures of every class with their masks, one at a time; picklable, for processes that draw them ahead."""
    from simulators.odd_pictures.stream import class_sample

    return class_sample


def class_pictures(n: int) -> tuple[Iterator[tuple[npt.NDArray[np.float32], str]], int]:
    """Pictures of every class, and such as are no section, to fit a class head on; and the seed they are drawn from."""
    from simulators.odd_pictures.stream import FIT_SEED
    from simulators.odd_pictures.stream import class_pictures as drawn

    return drawn(FIT_SEED, n), FIT_SEED


def micrograph_examination() -> Examination:
    """What a reader of micrographs is judged with: fields, faults and odd pictures of seeds kept for it alone."""
    from simulators.reader_examination import examination

    return examination()
