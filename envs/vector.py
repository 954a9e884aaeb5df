"""Stable-Baselines3 adapters of the batched cores. The only module here that needs torch (through SB3)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from stable_baselines3.common.vec_env import VecEnv
from typing_extensions import override

from envs.design_batch import BatchedDesign, BatchStep


class DesignVecEnv(VecEnv):  # type: ignore[misc,unused-ignore]
    """MaterialDesign as an SB3 ``VecEnv``: one numpy step for all episodes, finished ones restart at once.

    ``infos[i]`` of a finished episode holds ``terminal_observation``, ``TimeLimit.truncated``, ``episode`` (``r``,
    ``l``) and ``design`` (a ``Design``) or ``invalid_action``; otherwise it is empty.

    Args:
        batch: the episodes.
    """

    def __init__(self, batch: BatchedDesign) -> None:
        self.batch = batch
        self._actions = np.zeros(batch.n, dtype=np.int64)
        self.render_mode = None
        box = spaces.Box(-1.0, 1.0, (batch.observation_size,), np.float32)
        super().__init__(batch.n, box, spaces.Discrete(batch.n_actions))

    @override
    def reset(self) -> npt.NDArray[np.float32]:
        self._reset_seeds()
        self._reset_options()
        return self.batch.reset()

    @override
    def step_async(self, actions: npt.NDArray[np.int64]) -> None:
        self._actions = np.asarray(actions, dtype=np.int64)

    @override
    def step_wait(self) -> tuple[Any, Any, Any, list[dict[str, Any]]]:
        lengths = self.batch.steps + 1
        outcome = self.batch.step(self._actions)
        done = outcome.terminated | outcome.truncated
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        observations = outcome.observations
        if done.any():
            for i in np.flatnonzero(done).tolist():
                infos[i] = _final_info(outcome, i, int(lengths[i]))
            observations = self.batch.reset(done)
        return observations, outcome.rewards.astype(np.float32), done, infos

    @override
    def close(self) -> None:
        """Nothing is held open."""

    def action_masks(self) -> npt.NDArray[np.bool_]:
        """Masks of all episodes, shape ``(n, n_actions)``."""
        return self.batch.masks()

    @override
    def has_attr(self, attr_name: str) -> bool:
        return attr_name == "action_masks" or hasattr(self.batch, attr_name)

    @override
    def get_attr(self, attr_name: str, indices: int | Iterable[int] | None = None) -> list[Any]:
        value = None if attr_name == "render_mode" else getattr(self.batch, attr_name)
        return [value] * len(list(self._get_indices(indices)))

    @override
    def set_attr(self, attr_name: str, value: Any, indices: int | Iterable[int] | None = None) -> None:
        setattr(self.batch, attr_name, value)

    @override
    def env_method(
        self, method_name: str, *method_args: Any, indices: int | Iterable[int] | None = None, **method_kwargs: Any
    ) -> Sequence[Any]:
        if method_name != "action_masks":
            raise AttributeError(f"MaterialDesign has no method {method_name!r}; only 'action_masks'")
        masks = self.batch.masks()
        return masks if indices is None else [masks[i] for i in self._get_indices(indices)]  # type: ignore[return-value]

    @override
    def env_is_wrapped(self, wrapper_class: type, indices: int | Iterable[int] | None = None) -> list[bool]:
        return [False] * len(list(self._get_indices(indices)))


def _final_info(outcome: BatchStep, i: int, length: int) -> dict[str, Any]:
    info: dict[str, Any] = {
        "terminal_observation": outcome.observations[i],
        "TimeLimit.truncated": bool(outcome.truncated[i] and not outcome.terminated[i]),
        "episode": {"r": float(outcome.rewards[i]), "l": length},
    }
    if outcome.designs[i] is not None:
        info["design"] = outcome.designs[i]
    else:
        info["invalid_action"] = True
    return info
