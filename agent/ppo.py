"""MaskablePPO as a source of proposals: a policy that builds feasible designs step by step under lookahead masks."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import safetensors.torch
import torch
from sb3_contrib import MaskablePPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger
from torch import Tensor
from typing_extensions import override

from envs.design import Design
from envs.design_batch import BatchedDesign, CampaignContext
from envs.errors import ConfigError
from envs.ports import RewardModel
from envs.reward import Rereferenced
from envs.space import DesignSpace
from envs.vector import DesignVecEnv

Progress = Callable[[int, float], None]
"""Called after every rollout with the steps made so far and the mean shaped reward of the last episodes."""

N_REFERENCE = 256
"""Random feasible designs that a training call scores to find its reference and scale."""
TEMPERATURE_STEP = 1.25
"""How much the sampling temperature rises when a round of proposing finds too few new designs."""


@dataclass(frozen=True)
class PolicySettings:
    """Settings of MaskablePPO, measured to be fast on one core.

    Args:
        episodes: episodes per environment between two updates.
        batch_size: transitions per gradient step, about: a rollout is cut into even parts.
        n_epochs: passes over a rollout.
        learning_rate: Adam's step size.
        entropy: weight of the entropy bonus, which keeps proposals diverse.
        width: units of each of the two hidden layers.
    """

    episodes: int = 2
    batch_size: int = 576
    n_epochs: int = 4
    learning_rate: float = 2e-3
    entropy: float = 0.01
    width: int = 64


@dataclass(frozen=True)
class TrainingResult:
    """What a training call did: transitions made, and the mean shaped reward of its last 100 episodes."""

    steps: int
    mean_reward: float


class PolicyProposer:
    """A masked PPO policy over one design space.

    Everything random comes from the seed and the generators given; the global generators of Python, numpy and
    torch, torch's thread count and its default dtype are as before after every call.

    Args:
        space: the design space.
        seed: seeds the weights and the training.
        n_envs: episodes side by side.
        settings: of the algorithm.
    """

    def __init__(
        self, space: DesignSpace, seed: int = 0, n_envs: int = 64, settings: PolicySettings | None = None
    ) -> None:
        self.space = space
        self.settings = settings or PolicySettings()
        self.context = CampaignContext()
        self.n_steps_trained = 0
        self._batch = BatchedDesign(space, _Unscored(), n_envs)
        self._rng_state = torch.Generator().manual_seed(seed).get_state()
        with self._private():
            self._model = self._build(seed)

    def _build(self, seed: int) -> MaskablePPO:
        s = self.settings
        rollout = s.episodes * self._batch.n_steps * self._batch.n
        n_batches = max(1, round(rollout / s.batch_size))
        model = MaskablePPO(
            "MlpPolicy",
            DesignVecEnv(self._batch),
            learning_rate=s.learning_rate,
            n_steps=s.episodes * self._batch.n_steps,
            batch_size=math.ceil(rollout / n_batches),
            n_epochs=s.n_epochs,
            gamma=1.0,
            gae_lambda=0.95,
            ent_coef=s.entropy,
            policy_kwargs={"net_arch": [s.width, s.width]},
            seed=seed,
            device="cpu",
        )
        # SB3's own logger would make a folder under the system's temporary directory.
        model.set_logger(Logger(folder=None, output_formats=[]))
        return model

    @contextmanager
    def _private(self) -> Iterator[None]:
        """Run with this policy's own random state, then put the process-wide settings back."""
        threads, validate = torch.get_num_threads(), torch.distributions.Distribution._validate_args  # noqa: SLF001
        # SB3 seeds Python's global generator and shuffles with numpy's.
        plain, legacy = random.getstate(), np.random.get_state()  # noqa: NPY002
        with torch.random.fork_rng(devices=[]):
            torch.set_num_threads(1)
            # The check costs a third of a step and its simplex test fails on float32 rounding of masked logits.
            torch.distributions.Distribution.set_default_validate_args(False)
            torch.set_rng_state(self._rng_state)
            np.random.seed(int(torch.randint(2**31 - 1, (1,))))  # noqa: NPY002
            try:
                yield
            finally:
                self._rng_state = torch.get_rng_state()
                random.setstate(plain)
                np.random.set_state(legacy)  # noqa: NPY002
                torch.distributions.Distribution.set_default_validate_args(validate)
                torch.set_num_threads(threads)

    def train(
        self,
        reward_model: RewardModel,
        steps: int,
        callback: Progress | None = None,
        *,
        context: CampaignContext | None = None,
        shape: bool = True,
    ) -> TrainingResult:
        """Train for about ``steps`` transitions (whole rollouts) on a reward model.

        Args:
            reward_model: scores complete designs.
            steps: transitions to make.
            callback: told about progress after every rollout.
            context: what the campaign tells the policy from now on.
            shape: re-reference the reward against random designs of this call (``Rereferenced``); the scale of the
                reward model then does not matter.
        """
        self.context = context or self.context
        self._batch.set_context(self.context)
        with self._private():
            if shape:
                rng = np.random.default_rng(int(torch.randint(2**31 - 1, (1,))))
                reward_model = Rereferenced.against(reward_model, self.space.sample(rng, N_REFERENCE))
            self._batch.reward_model = reward_model
            try:
                self._model.learn(steps, callback=_Report(callback), log_interval=None)
            finally:
                self._batch.reward_model = _Unscored()
        self.n_steps_trained += int(self._model.num_timesteps)
        return TrainingResult(int(self._model.num_timesteps), _mean_reward(self._model))

    def propose(self, n: int, rng: np.random.Generator, *, max_rounds: int = 24) -> list[Design]:
        """Up to ``n`` distinct feasible designs sampled from the policy, in the order found.

        A policy that has narrowed is sampled at a rising temperature until enough are found; fewer than ``n`` come
        back only when the rounds run out, as in a space with hardly more designs than ``n``.
        """
        found: dict[Design, None] = {}
        temperature = 1.0
        for _ in range(max_rounds):
            before = len(found)
            with self._private():
                drawn = self._rollout(max(n, 1), rng, temperature)
            found.update(dict.fromkeys(drawn))
            if len(found) >= n:
                break
            if len(found) - before < (n - before) / 2:
                temperature *= TEMPERATURE_STEP
        return list(found)[:n]

    def _rollout(self, n: int, rng: np.random.Generator, temperature: float) -> list[Design]:
        batch = BatchedDesign(self.space, _Unscored(), n, self.context)
        observations = batch.reset()
        for _ in range(batch.n_steps):
            masks = batch.masks()
            with torch.no_grad():
                logits = self._model.policy.get_distribution(torch.from_numpy(observations)).distribution.logits
            # Gumbel-max: the largest of logits plus Gumbel noise is a draw from their softmax.
            noisy = logits.numpy() / temperature + rng.gumbel(size=masks.shape)
            observations = batch.step(np.where(masks, noisy, -np.inf).argmax(axis=1)).observations
        return self.space.designs(batch.indices)

    def state(self) -> dict[str, Tensor]:
        """Everything that training continues from: weights, Adam's moments, random state, the space's version."""
        tensors = {f"policy.{k}": v.detach().clone() for k, v in self._model.policy.state_dict().items()}
        for index, moments in self._model.policy.optimizer.state_dict()["state"].items():
            tensors.update({f"adam.{index}.{k}": torch.as_tensor(v).clone() for k, v in moments.items()})
        tensors["rng"] = self._rng_state.clone()
        tensors["n_steps_trained"] = torch.tensor(self.n_steps_trained)
        tensors["space_version"] = _text_tensor(self.space.version)
        return tensors

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Continue from what ``state`` returned.

        Raises:
            ConfigError: the state is of another design space or of a network of another shape.
        """
        version = bytes(state["space_version"].tolist()).decode()
        if version != self.space.version:
            raise ConfigError("policy.space_version", version, f"{self.space.version} (of {self.space.name!r})")
        weights = {k.removeprefix("policy."): v for k, v in state.items() if k.startswith("policy.")}
        try:
            self._model.policy.load_state_dict(weights)
        except RuntimeError as error:
            raise ConfigError("policy.width", "the checkpoint's", f"{self.settings.width}") from error
        optimizer = self._model.policy.optimizer
        loaded = optimizer.state_dict()
        loaded["state"] = _moments(state)
        optimizer.load_state_dict(loaded)
        self._rng_state = state["rng"].clone()
        self.n_steps_trained = int(state["n_steps_trained"])

    def to_bytes(self) -> bytes:
        """The state as safetensors."""
        return bytes(safetensors.torch.save({k: v.contiguous() for k, v in self.state().items()}))

    @staticmethod
    def from_bytes(
        space: DesignSpace, data: bytes, n_envs: int = 64, settings: PolicySettings | None = None
    ) -> PolicyProposer:
        """A policy that continues from ``to_bytes``, exactly when ``n_envs`` and ``settings`` are the same.

        Raises:
            ConfigError: the bytes are no checkpoint, or one of another space or network.
        """
        try:
            state = safetensors.torch.load(data)
        except safetensors.SafetensorError as error:
            raise ConfigError("policy.checkpoint", f"{len(data)} bytes", "a safetensors file") from error
        if "space_version" not in state:
            raise ConfigError("policy.checkpoint", sorted(state)[:3], "a checkpoint written by PolicyProposer.to_bytes")
        proposer = PolicyProposer(space, 0, n_envs, settings)
        proposer.load_state(state)
        return proposer


class _Unscored:
    """Stands in where no reward is wanted."""

    def score(self, designs: Sequence[Design]) -> npt.NDArray[np.float64]:
        return np.zeros(len(designs))


class _Report(BaseCallback):
    def __init__(self, progress: Progress | None) -> None:
        super().__init__()
        self._progress = progress

    @override
    def _on_step(self) -> bool:
        return True

    @override
    def _on_rollout_end(self) -> None:
        if self._progress is not None:
            self._progress(int(self.num_timesteps), _mean_reward(self.model))


def _mean_reward(model: MaskablePPO) -> float:
    rewards = [episode["r"] for episode in model.ep_info_buffer or ()]
    return float(np.mean(rewards)) if rewards else math.nan


def _text_tensor(text: str) -> Tensor:
    return torch.tensor(list(text.encode()), dtype=torch.uint8)


def _moments(state: dict[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    moments: dict[int, dict[str, Tensor]] = {}
    for key, value in state.items():
        if key.startswith("adam."):
            _, index, name = key.split(".", 2)
            moments.setdefault(int(index), {})[name] = value.clone()
    return moments
