"""SinterControl-v0: steer a furnace through hidden variability. Importing this module registers it."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from typing_extensions import override

from envs.errors import ConfigError
from envs.sinter_batch import OBSERVATION, BatchedSinter, SinterTask, Variability

ENV_ID = "SinterControl-v0"

Observation = npt.NDArray[np.float32]
Action = npt.NDArray[np.float32]


class SinterControlEnv(gymnasium.Env[Observation, Action]):
    """One sintering run an episode, at most ten segments of half an hour.

    - Action: ``Box(-1, 1, (2,))``: setpoint change over ``SinterTask.largest_change``, and stop when positive.
    - Observation: ``Box(-1, 1, (8,))``, named in ``sinter_batch.OBSERVATION``: elapsed share of the schedule, setpoint
      now and before, thermocouple temperature, noisy density and shrinkage, shrinkage in the last segment, energy.
    - Hidden, drawn at reset: activation energies and rates of this powder, its green density and size, the furnace's
      offset. Grain size is never observed.
    - Reward: minus the energy of the segment; at the end +1 inside the specification, else minus the distance from it.
    - ``terminated``: stopped, or the schedule is used up (its end is part of the task: elapsed time is observed).
      ``truncated``: never.
    - ``info``: empty until the end, then ``density``, ``grain_size`` (um) and ``in_spec``.
    - ``reset(options=...)``: none are known.

    Args:
        task: what is asked of the furnace.
        variability: how powders and furnaces differ.
        render_mode: only ``None`` yet.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 - gymnasium declares it an instance variable

    def __init__(
        self, task: SinterTask | None = None, variability: Variability | None = None, render_mode: str | None = None
    ) -> None:
        self.render_mode = render_mode
        self.action_space = spaces.Box(-1.0, 1.0, (2,), np.float32)
        self.observation_space = spaces.Box(-1.0, 1.0, (len(OBSERVATION),), np.float32)
        self._batch = BatchedSinter(self.np_random, 1, task, variability)

    @override
    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        super().reset(seed=seed)
        if options:
            key, value = next(iter(options.items()))
            raise ConfigError(f"options.{key}", value, "SinterControl-v0 takes no reset options")
        self._batch.rng = self.np_random
        return self._batch.reset()[0], {}

    @override
    def step(self, action: Action) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        outcome = self._batch.step(np.asarray(action, dtype=np.float64).reshape(1, 2))
        info: dict[str, Any] = {}
        if outcome.terminated[0]:
            density, grain = self._batch.outcome
            info = {"density": float(density[0]), "grain_size": float(grain[0]), "in_spec": bool(outcome.in_spec[0])}
        return outcome.observations[0], float(outcome.rewards[0]), bool(outcome.terminated[0]), False, info


if ENV_ID not in gymnasium.registry:
    gymnasium.register(ENV_ID, entry_point="envs.sinter_control:SinterControlEnv")
