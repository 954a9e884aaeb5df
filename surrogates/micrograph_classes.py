"""Classes of what a micrograph shows, as metallographers sort them, and what judges a picture's class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from envs.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from surrogates.micrograph_cnn import Seen
    from surrogates.micrograph_measure import Segmentation

Floats = npt.NDArray[np.float64]

CLASSES = (
    "equiaxed dense", "bimodal", "porous open", "porous closed", "two-phase", "elongated", "cracked", "powder",
    "fracture", "not a micrograph",
)  # fmt: skip
SECTIONS = CLASSES[:7]
"""Classes that are measured; the others are told from them and refused."""
PREFIX = "class."
"""Of the names of this head's tensors in a weights file."""
FARTHEST = 6.0
"""Standard deviations at which a feature is cut off, so that no single one decides."""


@dataclass(frozen=True)
class Verdict:
    """What a picture is.

    Args:
        probabilities: of each of ``CLASSES``.
        strangeness: how far the picture lies from the good sections that were fitted on; about 1 for one of them.
        limit: strangeness from which nothing that was learned holds.
        wrong_from: probability of all classes that are no section from which the picture is refused.
    """

    probabilities: Mapping[str, float]
    strangeness: float
    limit: float
    wrong_from: float

    @property
    def likeliest(self) -> str:
        """The class with the highest probability."""
        return max(self.probabilities, key=lambda name: self.probabilities[name])


@dataclass(frozen=True)
class ClassHead:
    """A small network on standardised features, fitted after the large one; all arrays float64.

    Args:
        mean: of the features, shape (F,).
        scale: their standard deviations, (F,).
        hidden: weights (F, H).
        hidden_bias: (H,).
        out: weights (H, 10).
        out_bias: (10,).
        temperature: what the logits are divided by, fitted on held-out pictures (Guo et al., ICML 2017); shape ().
        axes: principal axes of the good sections' features, each divided by its standard deviation, (F, K).
        centre: mean of the good sections' standardised features, (F,).
        limit: strangeness that is too much, ().
        wrong_from: see ``Verdict``, ().
    """

    mean: Floats
    scale: Floats
    hidden: Floats
    hidden_bias: Floats
    out: Floats
    out_bias: Floats
    temperature: Floats
    axes: Floats
    centre: Floats
    limit: Floats
    wrong_from: Floats

    def judge(self, features: Floats) -> Verdict:
        """The class of a picture, from ``class_features`` of it, shape (F,).

        Raises:
            UserError: the features are of another network than the head.
        """
        if features.shape != self.mean.shape:
            raise UserError(
                f"the class head was fitted on {len(self.mean)} features, the network gives {len(features)}: "
                "fit it again with 'labwright train sem'"
            )
        logits = self.logits(features[None])[0] / float(self.temperature)
        shares = np.exp(logits - logits.max())
        shares /= shares.sum()
        return Verdict(
            probabilities={name: float(share) for name, share in zip(CLASSES, shares, strict=True)},
            strangeness=float(self.strangeness(features[None])[0]),
            limit=float(self.limit),
            wrong_from=float(self.wrong_from),
        )

    def logits(self, features: Floats) -> Floats:
        """Before the temperature, shape (N, 10), of features (N, F)."""
        shown = np.maximum(self.standardised(features) @ self.hidden + self.hidden_bias, 0.0)
        logits: Floats = shown @ self.out + self.out_bias
        return logits

    def standardised(self, features: Floats) -> Floats:
        """Features (N, F) about 0, cut off at ``FARTHEST``."""
        return np.clip((features - self.mean) / self.scale, -FARTHEST, FARTHEST)

    def strangeness(self, features: Floats) -> Floats:
        """Root mean square of the distances along the principal axes, shape (N,), of features (N, F)."""
        along = (self.standardised(features) - self.centre) @ self.axes
        distance: Floats = np.sqrt((along**2).mean(axis=1))
        return distance

    def to_tensors(self) -> dict[str, Tensor]:
        """For ``save_network(..., heads=)``; ``from_tensors`` is its inverse."""
        import torch

        return {PREFIX + each.name: torch.from_numpy(np.array(getattr(self, each.name))) for each in fields(self)}

    @staticmethod
    def from_tensors(tensors: Mapping[str, Tensor]) -> ClassHead | None:
        """The head among a file's tensors (``load_heads``), None where there is none.

        Raises:
            UserError: a part of it is missing.
        """
        own = {key.removeprefix(PREFIX): value.numpy().astype(np.float64) for key, value in tensors.items()
               if key.startswith(PREFIX)}  # fmt: skip
        if not own:
            return None
        missing = {each.name for each in fields(ClassHead)} - set(own)
        if missing:
            raise UserError(f"the class head lacks {', '.join(sorted(missing))}: fit it with 'labwright train sem'")
        return ClassHead(**{each.name: own[each.name] for each in fields(ClassHead)})


def class_features(seen: Seen, found: Segmentation) -> Floats:
    """Numbers that the classes are told apart by; see ``surrogates.micrograph_class_features``."""
    from surrogates import micrograph_class_features

    return micrograph_class_features.class_features(seen, found)
