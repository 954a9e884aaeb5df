"""The branch of the network that looks at a whole picture: which of the ten classes it shows.

It stands on the encoder of the segmentation network. It is begun with that network held as it is, and then both learn
on, together, from fresh pictures of every class with their masks where these are known.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from envs.errors import UserError
from surrogates.micrograph_classes import CLASSES, SECTIONS
from surrogates.micrograph_cnn import MicrographNet, channels_last, standardised
from surrogates.micrograph_training import drawn, follow, loss_of, saved, turned

Picture = tuple[npt.NDArray[np.float32], int]
"""Image and masks as in ``micrograph_training.Stream``, square and all of one size, and the number of the class in
``CLASSES``; -1 is a section of any class."""
CHECKPOINT = "kinds.pt"
ANY_SECTION = -1
KIND_WEIGHT = 0.3
"""Of the class in the loss, against the masks."""


@dataclass(frozen=True)
class KindTraining:
    """How to fit the branch.

    Args:
        steps: optimiser steps.
        batch: pictures a step.
        learning_rate: peak of the one-cycle schedule.
        seed: of first weights and of the stream.
        frozen: whether the rest of the network stays as it is.
        checkpoint_every: steps between checkpoints.
        bfloat16: mixed precision.
    """

    steps: int = 1000
    batch: int = 16
    learning_rate: float = 2e-3
    seed: int = 0
    frozen: bool = True
    checkpoint_every: int = 100
    bfloat16: bool = True


def with_kinds(net: MicrographNet, seed: int = 0) -> MicrographNet:
    """The same network with a fresh branch for classes, in evaluation mode; one that has a branch as it is."""
    if net.shape.kinds:
        return channels_last(copy.deepcopy(net).eval())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        grown = MicrographNet(replace(net.shape, kinds=len(CLASSES)))
    grown.load_state_dict(net.state_dict(), strict=False)
    return channels_last(grown.eval())


def train_kinds(
    net: MicrographNet,
    stream: Callable[[np.random.Generator], Picture],
    config: KindTraining,
    folder: Path,
    progress: Callable[[int, int, float], None] = lambda *_: None,
    workers: int = 0,
) -> MicrographNet:
    """Fit the branch, and with it the whole network where it is not frozen; or go on from the checkpoint in ``folder``.

    Args:
        net: trained; stays as it is, a copy is given back.
        stream: draws one picture; picklable where there are workers.
        config: settings.
        folder: of the checkpoint; made when missing.
        progress: told steps done, steps in all and the smoothed loss.
        workers: processes that draw ahead; the result is the same with any number.

    Raises:
        UserError: when the checkpoint is damaged, or of other settings.
    """
    folder.mkdir(parents=True, exist_ok=True)
    run, path = _Run(with_kinds(net, config.seed), config), folder / CHECKPOINT
    if path.exists():
        run.load(path)
    with drawn(stream, config.seed, run.done * config.batch, workers) as pictures:
        while run.done < config.steps:
            run.step(pictures)
            progress(run.done, config.steps, run.loss)
            if run.done % config.checkpoint_every == 0 or run.done == config.steps:
                run.save(path)
    return channels_last(run.average.eval())


class _Run:
    """State of one fit: what a checkpoint holds."""

    def __init__(self, net: MicrographNet, config: KindTraining) -> None:
        self.config, self.net, self.average = config, net, copy.deepcopy(net)
        for part in net.parameters():
            part.requires_grad_(not config.frozen)
        for part in _branch(net).parameters():
            part.requires_grad_(True)
        learned = [part for part in net.parameters() if part.requires_grad]
        self.optimiser = torch.optim.AdamW(
            learned, lr=config.learning_rate, weight_decay=1e-2 if config.frozen else 1e-3
        )
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimiser, config.learning_rate, total_steps=config.steps + 1, pct_start=0.1
        )
        self.done, self.loss = 0, 0.0
        net.eval()
        if config.frozen:
            _branch(net).train()
        # Later, batches are small and their pictures unlike each other: statistics of normalisation stay as they are.

    def step(self, pictures: Iterator[Picture]) -> None:
        """Learn from the next batch."""
        rng = np.random.default_rng([self.config.seed, 3, self.done])
        samples, kinds = zip(*itertools.islice(pictures, self.config.batch), strict=True)
        stack = torch.from_numpy(np.stack([turned(sample, int(rng.integers(8))) for sample in samples]))
        images = standardised(stack[:, :1].float()).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.config.bfloat16):
            logits, _, coarse = self.net.features(images)
        loss = _loss(_branch(self.net)(coarse.float()), torch.tensor(kinds))
        if not self.config.frozen:
            loss = loss_of(logits.float(), stack[:, 1:].float(), self.net.shape.channels) + KIND_WEIGHT * loss
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.optimiser.step()
        self.schedule.step()
        self.done += 1
        self.loss += (loss.item() - self.loss) * max(0.03, 1.0 / self.done)
        follow(self.average, self.net, self.done)

    def save(self, path: Path) -> None:
        """Write to a part file and rename."""
        state = {
            "config": repr(self.config), "net": self.net.state_dict(), "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(), "schedule": self.schedule.state_dict(),
            "done": self.done, "loss": self.loss,
        }  # fmt: skip
        saved(state, path)

    def load(self, path: Path) -> None:
        """Continue from a checkpoint of the same settings."""
        try:
            state = torch.load(path, weights_only=True)
            same = state["config"] == repr(self.config)
        except Exception as error:
            raise UserError(f"{path}: the checkpoint cannot be read ({error}); delete it to start again") from error
        if not same:
            raise UserError(f"{path}: made with other settings; take another folder, or delete it to start again")
        self.net.load_state_dict(state["net"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        self.done, self.loss = int(state["done"]), float(state["loss"])


def _branch(net: MicrographNet) -> torch.nn.Module:
    if net.kinds is None:
        raise UserError("the network has no branch for classes of pictures")
    return net.kinds


def _loss(logits: Tensor, kinds: Tensor) -> Tensor:
    """Negative log-likelihood of the class; of ``ANY_SECTION``, that it is one of the sections."""
    logs = functional.log_softmax(logits, dim=1)
    section = torch.logsumexp(logs[:, : len(SECTIONS)], dim=1)
    own = logs.gather(1, kinds.clamp_min(0)[:, None])[:, 0]
    return -torch.where(kinds < 0, section, own).mean()
