"""Reads a micrograph: what a metallographer would note, with honest uncertainties, or a refusal with advice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from envs.errors import UserError
from surrogates.micrograph_calibration import Calibration
from surrogates.micrograph_classes import ClassHead, Verdict, class_features
from surrogates.micrograph_cnn import MicrographNet, folded, load_heads, load_network
from surrogates.micrograph_estimates import estimates_of
from surrogates.micrograph_io import Micrograph
from surrogates.micrograph_measure import Segmentation
from surrogates.micrograph_own_classes import OwnClasses
from surrogates.micrograph_reading import Estimate, MicrographReading
from surrogates.micrograph_scales import look
from surrogates.micrograph_shows import GRAIN_QUANTITIES, empty_problem, grain_problem, hidden_grains, solid_problem
from surrogates.micrograph_taught import further, taught
from surrogates.quality import Problem, exposure_problem, focus_problem, kind_problem

SHIPPED = Path(__file__).parent / "models" / "micrograph.safetensors"


class MicrographReader:
    """The network with its calibration.

    Args:
        network: in evaluation mode.
        calibration: fitted for it.
        metadata: of its file.
        head: tells the class; None tells none, and refuses no picture for what it shows.
        own_classes: what sorts pictures into the user's own classes, where they were taught.
    """

    def __init__(
        self,
        network: MicrographNet,
        calibration: Calibration,
        metadata: Mapping[str, object],
        head: ClassHead | None = None,
        own_classes: OwnClasses | None = None,
    ) -> None:
        self.network = network
        self._quick = folded(network)
        self.calibration = calibration
        self.metadata = metadata
        self.head = head
        self.own_classes = own_classes

    @staticmethod
    def load(path: Path = SHIPPED) -> MicrographReader:
        """The shipped reader, or one of the user's own training.

        Raises:
            UserError: when the file is missing or is not a network with its calibration.
        """
        network, metadata = load_network(path)
        try:
            calibration = Calibration.from_dict(cast("dict[str, Any]", metadata["calibration"]))
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"{path}: no calibration in it ({error}); train one with 'labwright train sem'") from error
        heads = load_heads(path)
        own_classes = OwnClasses.from_file(heads, metadata)
        return MicrographReader(network, calibration, metadata, ClassHead.from_tensors(heads), own_classes)

    def read(self, micrograph: Micrograph) -> MicrographReading:
        """Measure one micrograph, or refuse it with a reason and advice.

        What is wrong with the picture itself is said before what is wrong with its numbers.
        """
        image = micrograph.image
        problem = exposure_problem(image)
        if problem is not None:
            return self._reading(micrograph, nothing(image.shape), {}, problem, None)
        known = taught(self.metadata)
        taken = look(self._quick, image, known)
        shares = further(taken.seen, self.network.shape.channels)
        hidden = hidden_grains(taken.found, self.calibration)
        doubts = None if hidden else grain_problem(image, taken.found)
        if doubts is not None and known and "boundary" not in known:
            # Labels that tell of no boundaries are not there for the grains: only these are withheld.
            hidden, doubts = dict.fromkeys(GRAIN_QUANTITIES, doubts.reason), None
        verdict = None if self.head is None else self.head.judge(class_features(taken.seen, taken.found))
        problem = (
            focus_problem(image, self.calibration.sharpness_limit, taken.found)
            or (None if verdict is None else kind_problem(verdict))
            or solid_problem(taken.found)
            or (self._empty_problem(micrograph, taken.found, hidden, shares) if hidden else doubts)
        )
        reading = self._reading(micrograph, taken.found, hidden, problem, verdict)
        reading = replace(reading, further=shares)
        if self.own_classes is None:
            return reading
        own = self.own_classes.judge(taken.seen)
        return replace(reading, microstructure=max(own, key=lambda name: own[name]), class_probabilities=own)

    def _empty_problem(
        self, micrograph: Micrograph, found: Segmentation, hidden: Mapping[str, str], shares: Mapping[str, Estimate]
    ) -> Problem | None:
        own = {name: share.value for name, share in shares.items()}
        return empty_problem(micrograph.image, found, own, hidden["grain_size"])

    def _reading(
        self,
        micrograph: Micrograph,
        found: Segmentation,
        hidden: Mapping[str, str],
        problem: Problem | None,
        verdict: Verdict | None,
    ) -> MicrographReading:
        estimates = estimates_of(found, self.calibration, micrograph.pixel_size_um)
        withheld = {**hidden, **estimates.missing}
        shown = estimates.without(withheld)
        grain_size = shown["grain_size"]
        scale = 0.0
        if grain_size is not None and found.diameter > 0.0:
            scale = grain_size.value / found.diameter
        return MicrographReading(
            accepted=problem is None,
            reason="" if problem is None else problem.reason,
            advice="" if problem is None else problem.advice,
            pixel_factor=1.0 if problem is None else problem.pixel_factor,
            microstructure="" if verdict is None else verdict.likeliest,
            class_probabilities={} if verdict is None else verdict.probabilities,
            grain_size=grain_size,
            intercept=shown["intercept"],
            astm_g=shown["astm_g"],
            d10=shown["d10"],
            d50=shown["d50"],
            d90=shown["d90"],
            boundary_length=shown["boundary_length"],
            elongation=shown["elongation"],
            porosity=estimates.porosity,
            pore_size=shown["pore_size"],
            phase_fraction=estimates.phase_fraction,
            crack_length=estimates.crack_length,
            n_grains=0 if hidden else found.n_grains,
            boundary_mask=found.boundaries,
            pore_mask=found.pores,
            phase_mask=found.phase,
            crack_mask=found.cracks,
            diameters=found.diameters * scale if scale > 0.0 else np.empty(0),
            withheld=withheld,
        )


def nothing(shape: tuple[int, ...]) -> Segmentation:
    """The segmentation of a picture that shows nothing."""
    empty = np.zeros(shape, dtype=np.bool_)
    labels = np.zeros(shape, dtype=np.int32)
    return Segmentation(labels, empty, empty, empty, empty, 0.0, 0.0, 0.0, 0, 1.0, 1.0)
