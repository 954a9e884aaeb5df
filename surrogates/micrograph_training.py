"""Trains the segmentation network on a stream of rendered or labelled images; stops and resumes at any checkpoint."""

from __future__ import annotations

import itertools
import json
import multiprocessing
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from envs.errors import ConfigError, UserError
from surrogates.micrograph_cnn import CHANNELS, MicrographNet, NetworkShape, channels_last, shape_from, standardised

Array = npt.NDArray[np.float32]
Stream = Callable[[np.random.Generator], Array]
"""Draws one sample, float32 (1 + C, H, W): image in 0 to 1, and a mask of 0 and 1 for each channel of the network, NaN
where the truth is unknown. The caller decides where from; with worker processes it must be picklable."""
Drawn = TypeVar("Drawn")
Progress = Callable[[int, int, float], None]
"""Told after each step: steps done, steps in all, smoothed loss."""

CHECKPOINT = "checkpoint.pt"
WEIGHTS = {"boundary": 2.5, "crack": 3.0}
"""Weight in the cross entropy of the pixels of thin things: boundaries are about one in six, cracks far fewer."""
AVERAGING = 0.995
"""Decay of the running mean of the weights that is shipped (Polyak and Juditsky, SIAM J. Control 30, 838, 1992)."""


@dataclass(frozen=True)
class TrainingConfig:
    """How to train.

    Args:
        steps: optimiser steps in all.
        batch: images a step.
        fresh: of these, how many are new draws of the stream; the rest are recent ones turned and mirrored.
        learning_rate: peak of the one-cycle schedule (Smith and Topin, arXiv:1708.07120).
        weight_decay: AdamW's.
        seed: of the weights and of the stream's generator.
        checkpoint_every: steps between checkpoints.
        bfloat16: mixed precision, about twice as fast on processors that have it and slower on others.
        head_rate: the last layer learns this much faster than the rest.
        frozen_statistics: keep the means and variances of batch normalisation as they were at the start.
        network: widths of the network.
    """

    steps: int = 5000
    batch: int = 8
    fresh: int = 4
    learning_rate: float = 3e-3
    weight_decay: float = 1e-3
    seed: int = 0
    checkpoint_every: int = 200
    bfloat16: bool = True
    head_rate: float = 1.0
    frozen_statistics: bool = False
    network: NetworkShape = field(default_factory=NetworkShape)

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "fresh", "checkpoint_every"):
            if getattr(self, name) < 1:
                raise ConfigError(f"train.sem.{name}", getattr(self, name), "a whole number of at least 1")
        if self.fresh > self.batch:
            raise ConfigError("train.sem.fresh", self.fresh, f"at most the batch, {self.batch}")
        if not 0.0 < self.learning_rate < 1.0:
            raise ConfigError("train.sem.learning_rate", self.learning_rate, "a number between 0 and 1")
        if not 0.0 < self.head_rate <= 100.0:
            raise ConfigError("train.sem.head_rate", self.head_rate, "a number above 0 and at most 100")


@dataclass(frozen=True)
class TrainingReport:
    """What came out: the averaged network in evaluation mode, the steps taken, whether all are done, and the loss."""

    network: MicrographNet
    steps: int
    finished: bool
    loss: float


class _Run:
    """State of one training: everything that a checkpoint has to hold."""

    def __init__(self, config: TrainingConfig, start: MicrographNet | None) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.net = channels_last(MicrographNet(config.network))
        if start is not None:
            self.net.load_state_dict(start.state_dict())
        self.average = MicrographNet(config.network)
        self.average.load_state_dict(self.net.state_dict())
        groups, rates = _groups(self.net, config)
        self.optimiser = torch.optim.AdamW(groups, lr=config.learning_rate, weight_decay=config.weight_decay)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimiser, max_lr=rates, total_steps=config.steps + 1, pct_start=0.15
        )
        self.rng = np.random.default_rng(config.seed)
        self.recent: deque[Array] = deque(maxlen=64 * config.batch)
        self.step, self.loss = 0, 0.0

    def save(self, path: Path, config: TrainingConfig) -> None:
        """Write to a part file and rename, so that a kill leaves the last whole checkpoint."""
        state = {
            "config": json.dumps(asdict(config), sort_keys=True),
            "net": self.net.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "rng": json.dumps(self.rng.bit_generator.state),
            "step": self.step,
            "loss": self.loss,
        }
        saved(state, path)

    def load(self, path: Path, config: TrainingConfig) -> None:
        """Continue from a checkpoint of the same configuration.

        Raises:
            UserError: when the checkpoint is damaged or belongs to another configuration.
        """
        try:
            state = torch.load(path, weights_only=True)
            other = json.loads(state["config"])
        except Exception as error:
            raise UserError(f"{path}: the checkpoint cannot be read ({error}); delete it to start again") from error
        mine = json.loads(json.dumps(asdict(config)))
        # A setting that came later was at its default before.
        other = json.loads(json.dumps(asdict(TrainingConfig()))) | other
        changed = [each.name for each in fields(config) if other.get(each.name) != mine[each.name]]
        if changed:
            raise UserError(f"{path}: made with another {', '.join(changed)}; take another folder or the same settings")
        self.net.load_state_dict(state["net"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        self.rng.bit_generator.state = json.loads(state["rng"])
        self.step, self.loss = int(state["step"]), float(state["loss"])


def train(
    stream: Stream,
    config: TrainingConfig,
    checkpoint_dir: Path,
    progress: Progress = lambda *_: None,
    should_stop: Callable[[], bool] = lambda: False,
    workers: int = 0,
    start: MicrographNet | None = None,
) -> TrainingReport:
    """Train, or continue from the checkpoint in ``checkpoint_dir``; the memory of recent samples is filled anew.

    Args:
        stream: source of samples; each is drawn with a generator of its own, by seed and number.
        config: settings and seed.
        checkpoint_dir: made when missing; holds one checkpoint, replaced atomically.
        progress: called after each step.
        should_stop: asked after each step; True ends with a checkpoint (Ctrl-C, a time limit of the caller's clock).
        workers: processes that draw samples ahead; the samples are the same with any number of them.
        start: weights to begin with, of the configured shape; None draws them. A checkpoint wins.

    Raises:
        UserError: when the folder holds a checkpoint of another configuration.
    """
    checkpoint_dir.mkdir(parents=True, exist_ok=True)
    path = checkpoint_dir / CHECKPOINT
    run = _Run(config, start)
    if path.exists():
        run.load(path, config)
    _set_training(run.net, config)
    with drawn(stream, config.seed, run.step * config.fresh, workers) as samples:
        while run.step < config.steps:
            _step(run, samples, config)
            progress(run.step, config.steps, run.loss)
            stop = should_stop()
            if stop or run.step % config.checkpoint_every == 0 or run.step == config.steps:
                run.save(path, config)
            if stop:
                break
    network = channels_last(run.average.eval())
    return TrainingReport(network, run.step, run.step >= config.steps, run.loss)


def _groups(net: MicrographNet, config: TrainingConfig) -> tuple[list[dict[str, list[nn.Parameter]]], list[float]]:
    """The last layer apart where it learns faster; one group otherwise, as checkpoints have had it from the first."""
    if config.head_rate == 1.0:
        return [{"params": list(net.parameters())}], [config.learning_rate]
    last = list(net.leave[2].parameters())
    rest = [each for each in net.parameters() if all(each is not other for other in last)]
    return [{"params": rest}, {"params": last}], [config.learning_rate, config.learning_rate * config.head_rate]


def _set_training(net: MicrographNet, config: TrainingConfig) -> None:
    net.train()
    if config.frozen_statistics:
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()


def saved(state: dict[str, object], path: Path) -> None:
    """Write a checkpoint to a part file and rename it, so that a kill leaves the last whole one."""
    part = path.with_suffix(".part")
    torch.save(state, part)
    part.replace(path)


@contextmanager
def drawn(
    stream: Callable[[np.random.Generator], Drawn], seed: int, first: int, workers: int
) -> Iterator[Iterator[Drawn]]:
    """The samples from number ``first`` on, without end, drawn here or ahead of need in processes of their own."""
    if workers == 0:
        yield (_sample(stream, seed, number) for number in itertools.count(first))
        return
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:

        def ahead() -> Iterator[Drawn]:
            waiting = deque(pool.submit(_sample, stream, seed, first + k) for k in range(16 * workers))
            for number in itertools.count(first + len(waiting)):
                yield waiting.popleft().result()
                waiting.append(pool.submit(_sample, stream, seed, number))

        try:
            yield ahead()
        finally:
            pool.shutdown(cancel_futures=True)


def _sample(stream: Callable[[np.random.Generator], Drawn], seed: int, number: int) -> Drawn:
    return stream(np.random.default_rng([seed, 1, number]))


def loss_of(logits: Tensor, truth: Tensor, channels: Sequence[str] = CHANNELS) -> Tensor:
    """Weighted cross entropy plus soft Dice over the channels; logits and truth are (N, C, H, W), unknown truth NaN."""
    weight = torch.tensor([WEIGHTS.get(name, 1.0) for name in channels]).view(1, -1, 1, 1)
    known = ~truth.isnan()
    truth = truth.nan_to_num(0.0)
    entropy = functional.binary_cross_entropy_with_logits(logits, truth, pos_weight=weight, reduction="none")
    entropy = (entropy * known).sum(dim=(0, 2, 3)) / known.sum(dim=(0, 2, 3)).clamp_min(1)
    probability = torch.sigmoid(logits) * known
    both = (probability * truth).sum(dim=(0, 2, 3))
    dice = 1.0 - (2.0 * both + 1.0) / (probability.sum(dim=(0, 2, 3)) + truth.sum(dim=(0, 2, 3)) + 1.0)
    return entropy.mean() + 0.5 * dice.mean()


def _step(run: _Run, samples: Iterator[Array], config: TrainingConfig) -> None:
    images, truth = _batch(run, samples, config)
    run.optimiser.zero_grad(set_to_none=True)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=config.bfloat16):
        logits = run.net(images)
    loss = loss_of(logits.float(), truth, config.network.channels)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(run.net.parameters(), 1.0)
    run.optimiser.step()
    run.schedule.step()
    run.step += 1
    run.loss += (loss.item() - run.loss) * max(0.02, 1.0 / run.step)
    follow(run.average, run.net, run.step)


def follow(average: MicrographNet, net: MicrographNet, step: int) -> None:
    """Draw the running mean of the weights towards what they are after so many steps."""
    decay = min(AVERAGING, step / (step + 10.0))
    with torch.no_grad():
        for mine, new in zip(average.state_dict().values(), net.state_dict().values(), strict=True):
            mine.lerp_(new, 1.0 - decay) if mine.is_floating_point() else mine.copy_(new)


def _batch(run: _Run, samples: Iterator[Array], config: TrainingConfig) -> tuple[Tensor, Tensor]:
    """Standardised images (N, 1, H, W) and masks (N, C, H, W): fresh draws, and recent ones in another orientation."""
    batch = list(itertools.islice(samples, config.fresh))
    old = len(run.recent)
    batch += [
        (run.recent if old else batch)[int(run.rng.integers(old or config.fresh))]
        for _ in range(config.batch - config.fresh)
    ]
    run.recent.extend(batch[: config.fresh])
    stack = torch.from_numpy(np.stack([turned(sample, int(run.rng.integers(8))) for sample in batch]))
    images = standardised(stack[:, :1]).contiguous(memory_format=torch.channels_last)
    return images, stack[:, 1:].contiguous(memory_format=torch.channels_last)


def turned(sample: Array, which: int) -> Array:
    """One of the eight orientations of (C, H, W)."""
    rotated = np.rot90(sample, which % 4, axes=(1, 2))
    return np.ascontiguousarray(rotated[:, :, ::-1] if which >= 4 else rotated)


def checkpointed(checkpoint_dir: Path) -> tuple[MicrographNet, dict[str, object]]:
    """The averaged network of a run's checkpoint in evaluation mode, and a JSON-ready account of the training so far.

    Raises:
        UserError: when there is no readable checkpoint.
    """
    path = checkpoint_dir / CHECKPOINT
    try:
        state = torch.load(path, weights_only=True)
        config = dict(json.loads(state["config"]))
        network = MicrographNet(shape_from(config["network"]))
        network.load_state_dict(state["average"])
    except Exception as error:
        raise UserError(f"{path}: no checkpoint that can be read ({error}); train first") from error
    account: dict[str, object] = {"config": config, "steps": int(state["step"]), "loss": round(float(state["loss"]), 4)}
    return channels_last(network.eval()), account
