"""Sorts pictures into the user's own classes, by what the network's features are over the whole picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from envs.errors import UserError
from surrogates.micrograph_cnn import Seen

Floats = npt.NDArray[np.float64]
PREFIX = "own_class."
"""Of the names of this head's tensors in a weights file; the classes' names are in its metadata, ``own_classes``."""
INVERSE_PENALTY = 0.1
"""Of the weights of standardised features: some hundreds of features, often fewer images."""
FARTHEST = 6.0
"""Standard deviations at which a feature is cut off."""


@dataclass(frozen=True)
class OwnClasses:
    """Multinomial logistic regression on standardised features; all arrays float64.

    Args:
        names: of the K classes.
        mean: of the features, (F,).
        scale: their standard deviations, (F,).
        weights: (F, K).
        bias: (K,).
    """

    names: tuple[str, ...]
    mean: Floats
    scale: Floats
    weights: Floats
    bias: Floats

    def judge(self, seen: Seen) -> dict[str, float]:
        """The probability of each class, from the network's look at a picture.

        Raises:
            UserError: when the features are of another network.
        """
        features = picture_features(seen)
        if features.shape != self.mean.shape:
            raise UserError(
                "the classes were learned with another network: train them again with 'labwright train sem'"
            )
        logits = standardised(features, self.mean, self.scale) @ self.weights + self.bias
        shares = np.exp(logits - logits.max())
        return dict(zip(self.names, (shares / shares.sum()).tolist(), strict=True))

    def likeliest(self, features: Floats) -> list[int]:
        """Numbers of the classes of pictures with these features (N, F)."""
        logits = standardised(features, self.mean, self.scale) @ self.weights + self.bias
        return [int(k) for k in logits.argmax(axis=1)]

    def to_tensors(self) -> dict[str, Tensor]:
        """For ``save_network(..., heads=)``."""
        arrays = {"mean": self.mean, "scale": self.scale, "weights": self.weights, "bias": self.bias}
        return {PREFIX + key: torch.from_numpy(np.array(value)) for key, value in arrays.items()}

    @staticmethod
    def from_file(tensors: Mapping[str, Tensor], metadata: Mapping[str, object]) -> OwnClasses | None:
        """The head among a file's tensors (``load_heads``) with the names of its metadata; None where there is none.

        Raises:
            UserError: when a part of it is missing.
        """
        own = {key.removeprefix(PREFIX): value.numpy() for key, value in tensors.items() if key.startswith(PREFIX)}
        if not own:
            return None
        names = metadata.get("own_classes")
        if set(own) != {"mean", "scale", "weights", "bias"} or not isinstance(names, list):
            raise UserError("the file's own classes are not whole: train them again with 'labwright train sem'")
        return OwnClasses(tuple(map(str, names)), own["mean"], own["scale"], own["weights"], own["bias"])


def picture_features(seen: Seen) -> Floats:
    """Mean and spread over the picture of all that the network's coarse and fine layers tell, (F,)."""
    return np.concatenate((seen.coarse, seen.fine)).astype(np.float64)


def standardised(features: Floats, mean: Floats, scale: Floats) -> Floats:
    """Features (..., F) about 0, cut off at ``FARTHEST``."""
    return np.clip((features - mean) / scale, -FARTHEST, FARTHEST)


def fit_own_classes(features: Floats, members: Sequence[int], names: Sequence[str]) -> OwnClasses:
    """Fit the head; rare classes weigh as much as frequent ones.

    Args:
        features: of each picture, (N, F).
        members: the number of its class, (N,).
        names: of the classes.
    """
    from sklearn.linear_model import LogisticRegression

    mean, scale = features.mean(axis=0), features.std(axis=0) + 1e-6
    model = LogisticRegression(C=INVERSE_PENALTY, class_weight="balanced", max_iter=2000)
    model.fit(standardised(features, mean, scale), np.asarray(members))
    weights, bias = model.coef_.T, model.intercept_
    if len(names) == 2:
        # Of two classes only the logit of the second is fitted.
        weights, bias = np.hstack((np.zeros_like(weights), weights)), np.array([0.0, bias[0]])
    return OwnClasses(tuple(names), mean, scale, weights, bias)


def confusion(true: Sequence[int], found: Sequence[int], names: Sequence[str]) -> dict[str, dict[str, int]]:
    """How many pictures of each class were taken for each, by name: rows are what is true."""
    table = {name: dict.fromkeys(names, 0) for name in names}
    for a, b in zip(true, found, strict=True):
        table[names[a]][names[b]] += 1
    return table
