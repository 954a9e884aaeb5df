"""Goes on training a network with a few labelled images of the user's, without forgetting what it could before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage

from envs.errors import UserError
from surrogates.micrograph_cnn import CHANNELS, MicrographNet, channels_last
from surrogates.micrograph_labels.vocabulary import UNKNOWN, LabelledImage
from surrogates.micrograph_training import Array, TrainingConfig

FINE_TUNING = TrainingConfig(
    steps=300, batch=8, fresh=8, learning_rate=3e-3, checkpoint_every=100, head_rate=3.0, frozen_statistics=False
)
"""Settings of a fine-tuning; under a minute on one core. Tried on one image of a superalloy, judged with 17 others:
overlap 0.952 with the statistics of batch normalisation adapted, 0.936 with them frozen; 0.85 with 120 steps."""
CROP = 128
"""Pixels: edge of the pieces that are learned from."""
SMALLEST_SCALE, LARGEST_SCALE = 0.75, 1.33
REHEARSED = 0.25
"""Share of the virtual images among those that are learned from."""
APART = ("pore", "phase", "crack")
"""Channels of which a pixel has one at most: what is labelled as one of them is known to be none of the others."""
STARTING_LOGIT = -2.0
"""Of a channel that is new: a pixel is not of it unless the image says so."""


def extended(base: MicrographNet, names: Sequence[str]) -> MicrographNet:
    """The same network with channels for the names that it does not tell yet.

    What it told before it tells just so. The package's own channels come first, in their order, for all that reads
    maps by number; one that the base lacked is never seen anywhere until it is trained.
    """
    known = base.shape.channels
    own = [each for each in (*known, *names) if each not in CHANNELS]
    channels = (*CHANNELS, *dict.fromkeys(own))
    if channels == known:
        return base
    net = MicrographNet(replace(base.shape, channels=channels))
    state = base.state_dict()
    weight, bias = state["leave.2.weight"], state["leave.2.bias"]
    # pixel_shuffle gives each channel four neighbouring outputs.
    new_weight = torch.zeros((4 * len(channels), *weight.shape[1:]))
    new_bias = torch.full((4 * len(channels),), STARTING_LOGIT)
    for to, name in enumerate(channels):
        if name in known:
            at = known.index(name)
            new_weight[4 * to : 4 * to + 4] = weight[4 * at : 4 * at + 4]
            new_bias[4 * to : 4 * to + 4] = bias[4 * at : 4 * at + 4]
    net.load_state_dict({**state, "leave.2.weight": new_weight, "leave.2.bias": new_bias})
    return channels_last(net.eval())


@dataclass(frozen=True)
class LabelledCrops:
    """A training stream: random pieces of labelled images, turned, stretched and lit differently, and virtual ones.

    Args:
        images: labelled, truth in the order of ``told``.
        told: channels that the labels tell of.
        channels: of the network.
        rehearsal: virtual samples (1 + len(CHANNELS), H, W) with H and W of ``size`` at least; may be empty.
        size: edge of a piece, pixels.
        rehearsed: share of virtual samples, where there are any.
    """

    images: Sequence[LabelledImage]
    told: tuple[str, ...]
    channels: tuple[str, ...]
    rehearsal: Sequence[Array] = ()
    size: int = CROP
    rehearsed: float = REHEARSED

    def __post_init__(self) -> None:
        for each in self.images:
            if min(each.image.shape) < 32:
                raise UserError(
                    f"{each.name}: {each.image.shape[1]} x {each.image.shape[0]} pixels are too few to learn from; "
                    "take 32 at least"
                )

    def __call__(self, rng: np.random.Generator) -> Array:
        """One sample, float32 (1 + C, size, size); truth that nobody told is NaN."""
        if self.rehearsal and rng.random() < self.rehearsed:
            return self._virtual(rng)
        return self._piece(rng)

    def _virtual(self, rng: np.random.Generator) -> Array:
        sample = self.rehearsal[int(rng.integers(len(self.rehearsal)))]
        result = np.full((1 + len(self.channels), self.size, self.size), np.nan, dtype=np.float32)
        result[: sample.shape[0]] = sample[:, : self.size, : self.size]
        return result

    def _piece(self, rng: np.random.Generator) -> Array:
        source = self.images[int(rng.integers(len(self.images)))]
        scale = float(np.exp(rng.uniform(np.log(SMALLEST_SCALE), np.log(LARGEST_SCALE))))
        edge = min(max(round(self.size / scale), 16), *source.image.shape)
        top, left = self._place(source, edge, rng)
        window = (slice(top, top + edge), slice(left, left + edge))
        image = _lit(_stretched(source.image[window], self.size), rng)
        at = np.arange(self.size) * edge // self.size
        truth = source.truth[:, *window][:, at[:, None], at[None, :]].astype(np.float32)
        truth[truth == UNKNOWN] = np.nan
        result = np.full((1 + len(self.channels), self.size, self.size), np.nan, dtype=np.float32)
        result[0] = image
        for name, mask in zip(self.told, truth, strict=True):
            result[1 + self.channels.index(name)] = mask
        self._tell_apart(result)
        return result

    def _tell_apart(self, sample: Array) -> None:
        """Fill in what follows from the labels of a sample for the channels that nobody labelled."""
        for name in (each for each in self.told if each in APART):
            labelled = sample[1 + self.channels.index(name)] == 1.0
            for other in (each for each in APART if each not in self.told and each in self.channels):
                sample[1 + self.channels.index(other), labelled] = 0.0

    def _place(self, source: LabelledImage, edge: int, rng: np.random.Generator) -> tuple[int, int]:
        """Top left corner: anywhere, or half of the time around a pixel of a channel, so that rare ones are seen."""
        height, width = source.image.shape
        if rng.random() < 0.5:
            rows, columns = np.nonzero(source.truth[int(rng.integers(len(self.told)))] == 1)
            if len(rows):
                k = int(rng.integers(len(rows)))
                top, left = int(rows[k]) - edge // 2, int(columns[k]) - edge // 2
                return min(max(top, 0), height - edge), min(max(left, 0), width - edge)
        return int(rng.integers(height - edge + 1)), int(rng.integers(width - edge + 1))


def _stretched(image: npt.NDArray[np.float32], size: int) -> npt.NDArray[np.float32]:
    """A square piece in another number of pixels, smoothed first where it shrinks."""
    edge = image.shape[0]
    if edge == size:
        return image
    if edge > size:
        image = ndimage.gaussian_filter(image, 0.4 * (edge / size - 1.0))
    at = (np.arange(size) + 0.5) * edge / size - 0.5
    rows, columns = np.meshgrid(at, at, indexing="ij")
    return ndimage.map_coordinates(image, [rows, columns], order=1, mode="nearest").astype(np.float32)


def _lit(image: npt.NDArray[np.float32], rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """The same piece as another operator would take it: gamma, a drift of brightness, a softer beam, noise."""
    low, high = float(image.min()), float(image.max())
    span = max(high - low, 1e-3)
    image = ((image - low) / span) ** np.float32(np.exp(rng.uniform(-0.4, 0.4)))
    across = np.linspace(-0.5, 0.5, image.shape[0], dtype=np.float32)
    slope = rng.normal(0.0, 0.15, 2)
    image = image + slope[0] * across[:, None] + slope[1] * across[None, :]
    if rng.random() < 0.5:
        image = ndimage.gaussian_filter(image, rng.uniform(0.0, 1.0))
    noise = float(np.exp(rng.uniform(np.log(0.005), np.log(0.08))))
    return (image + rng.normal(0.0, noise, image.shape)).astype(np.float32)
