"""Where the models know something: how far a design is from what they learned from.

A design is judged twice, and the worse verdict counts, because the models extrapolate in two ways:

- its process and material, against what this campaign has measured. The distance is that of the Gaussian processes
  themselves: the difference in each column they see over that column's lengthscale (the shortest that any of the
  latents has), Euclidean; a design that is near in it is near for each of them (Rasmussen and Williams, 2006, sections
  4.2 and 5.1).
- its crystal, against the crystals whose moduli the crystal surrogate was trained on, in the surrogate's own features
  over its own lengthscale. A crystal that was measured in this campaign is known: its hardness was seen.

How far is too far is told by the known things themselves, as in nearest-neighbour domains of applicability (Sahigara et
al., "Defining a novel k-nearest neighbours approach to assess the applicability domain of a QSAR model for reliable
predictions", J. Cheminf. 5, 27, 2013, here with k = 1): each known thing's distance to the nearest other known one is
what the models would have faced had that one been left out. Up to the 90% quantile of these distances a design is
``inside``. From Tukey's upper fence, the third quartile and one and a half interquartile ranges, beyond which no known
thing has neighbours so far away but for outliers, it is ``outside``; between the two it is at the ``edge``. Both are of
the sample: with four designs measured they are rough, and become sharp as designs are added.

The score is the distance over the fence, so that 1 is where leaving one out says nothing any more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from surrogates.composite import CompositeModel
from surrogates.design_features import DesignFeatures
from surrogates.reach import Reach, apart

Verdict = Literal["inside", "edge", "outside"]


@dataclass(frozen=True)
class Standing:
    """How a design stands to what is known.

    Args:
        verdict: inside what was measured and trained on, at its edge, or outside.
        score: the larger of both distances, each over its fence.
        text: the same for people.
    """

    verdict: Verdict
    score: float
    text: str


class Applicability:
    """Judges designs by the models of one round.

    Args:
        features: of the designs; knows how far crystals are from those with labels.
        model: fitted to what was measured.
    """

    def __init__(self, features: DesignFeatures, model: CompositeModel) -> None:
        self._features = features
        self._scale = model.lengthscales
        self._columns = features.process_columns
        self._known = torch.unique(self._scaled(model.rows), dim=0)
        self._reach = Reach.of(apart(self._known.numpy()))
        self._measured = {int(crystal) for crystal in model.rows[:, 2]}

    def judge(self, rows: Tensor) -> list[Standing]:
        """One standing a row of ``DesignFeatures``."""
        process = self.distances(rows)
        return [self._standing(float(d), int(crystal)) for d, crystal in zip(process, rows[:, 2], strict=True)]

    def distances(self, rows: Tensor) -> Tensor:
        """To the nearest design that was measured, in lengthscales, ``n``."""
        return torch.cdist(self._scaled(rows), self._known).amin(dim=1)

    def _standing(self, process: float, crystal: int) -> Standing:
        known = crystal in self._measured
        compound = 0.0 if known else float(self._features.crystal_distance[crystal])
        limits = self._features.crystal_reach
        verdict = max(self._reach.verdict(process), limits.verdict(compound), key=_WORSE.index)
        words = f"{process:.2g} lengthscales from the nearest measured design ({self._reach.words}); crystal "
        if known:
            words += "measured before"
        elif compound > 0.0:
            words += f"{compound:.2g} from the nearest of known moduli ({limits.words})"
        else:
            words += "of known moduli"
        return Standing(verdict, max(self._reach.score(process), limits.score(compound)), words)

    def _scaled(self, rows: Tensor) -> Tensor:
        return rows[:, self._columns] / self._scale


_WORSE: tuple[Verdict, ...] = ("inside", "edge", "outside")
