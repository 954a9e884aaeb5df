"""The branch of the network that looks at a whole picture: which of the ten classes it shows.

It stands on the encoder of the trained segmentation network, which it leaves as it is, and is fitted afterwards on a
stream of fresh pictures, each seen once.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from envs.errors import UserError
from surrogates.micrograph_classes import CLASSES, SECTIONS
from surrogates.micrograph_cnn import MicrographNet, channels_last, fast_bfloat16, standardised
from surrogates.micrograph_training import drawn, saved

Picture = tuple[npt.NDArray[np.float32], str]
"""An image (H, W) in 0 to 1, all of one stream of the same shape, and its class; "" is a section of any class."""
CHECKPOINT = "kinds.pt"


@dataclass(frozen=True)
class KindTraining:
    """How to fit the branch.

    Args:
        steps: optimiser steps.
        batch: pictures a step.
        learning_rate: peak of the one-cycle schedule.
        seed: of first weights and of the stream.
        checkpoint_every: steps between checkpoints.
    """

    steps: int = 1200
    batch: int = 16
    learning_rate: float = 2e-3
    seed: int = 0
    checkpoint_every: int = 100


def with_kinds(net: MicrographNet, seed: int = 0) -> MicrographNet:
    """The same network with a fresh branch for classes, in evaluation mode."""
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
    """Fit the branch, or go on from the checkpoint in ``folder``.

    Args:
        net: trained; its own weights stay as they are.
        stream: draws one picture; picklable where there are workers.
        config: settings.
        folder: of the checkpoint; made when missing.
        progress: told steps done, steps in all and the smoothed loss.
        workers: processes that draw ahead; the result is the same with any number.

    Raises:
        UserError: when the checkpoint is damaged.
    """
    folder.mkdir(parents=True, exist_ok=True)
    grown = with_kinds(net, config.seed)
    branch = grown.kinds
    assert branch is not None  # noqa: S101 - for the type checker
    optimiser = torch.optim.AdamW(branch.parameters(), lr=config.learning_rate, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, config.learning_rate, total_steps=config.steps + 1, pct_start=0.1
    )
    done, loss, path = 0, 0.0, folder / CHECKPOINT
    if path.exists():
        done, loss = _loaded(path, config, branch, optimiser, schedule)
    branch.train()
    turn = np.random.default_rng([config.seed, 3, done])
    with drawn(stream, config.seed, done * config.batch, workers) as pictures:
        while done < config.steps:
            images, kinds = _batch(itertools.islice(pictures, config.batch), turn)
            with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=fast_bfloat16()):
                coarse = grown.features(images)[2].float()
            found = _loss(branch(coarse.clone()), kinds)
            optimiser.zero_grad(set_to_none=True)
            found.backward()
            optimiser.step()
            schedule.step()
            done += 1
            loss += (found.item() - loss) * max(0.03, 1.0 / done)
            progress(done, config.steps, loss)
            if done % config.checkpoint_every == 0 or done == config.steps:
                state = {
                    "config": repr(config), "branch": branch.state_dict(), "optimiser": optimiser.state_dict(),
                    "schedule": schedule.state_dict(), "done": done, "loss": loss,
                }  # fmt: skip
                saved(state, path)
    return channels_last(grown.eval())


def _batch(pictures: itertools.islice[Picture], rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Standardised images (N, 1, H, W) in any orientation, and numbers of their classes (N,), -1 for any section."""
    images, kinds = [], []
    for image, name in pictures:
        side = min(image.shape)
        square = np.rot90(image[:side, :side], int(rng.integers(4)))
        images.append(np.ascontiguousarray(square[:, :: int(rng.choice((-1, 1)))]))
        kinds.append(CLASSES.index(name) if name else -1)
    batch = standardised(torch.from_numpy(np.stack(images).astype(np.float32))[:, None])
    return batch.contiguous(memory_format=torch.channels_last), torch.tensor(kinds)


def _loss(logits: Tensor, kinds: Tensor) -> Tensor:
    """Negative log-likelihood of the class; of -1, that it is any of the sections."""
    logs = functional.log_softmax(logits, dim=1)
    section = torch.logsumexp(logs[:, : len(SECTIONS)], dim=1)
    own = logs.gather(1, kinds.clamp_min(0)[:, None])[:, 0]
    return -torch.where(kinds < 0, section, own).mean()


def _loaded(
    path: Path,
    config: KindTraining,
    branch: torch.nn.Module,
    optimiser: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
) -> tuple[int, float]:
    try:
        state = torch.load(path, weights_only=True)
        same = state["config"] == repr(config)
    except Exception as error:
        raise UserError(f"{path}: the checkpoint cannot be read ({error}); delete it to start again") from error
    if not same:
        raise UserError(f"{path}: made with other settings; take another folder, or delete it to start again")
    branch.load_state_dict(state["branch"])
    optimiser.load_state_dict(state["optimiser"])
    schedule.load_state_dict(state["schedule"])
    return int(state["done"]), float(state["loss"])
