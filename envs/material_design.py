"""MaterialDesign-v0: build one feasible design step by step under masks. Importing this module registers it."""

from __future__ import annotations

from functools import cache
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from typing_extensions import override

from envs.design_batch import BatchedDesign, CampaignContext
from envs.errors import ConfigError
from envs.ports import RewardModel
from envs.reward import PhysicsGuess
from envs.space import DesignSpace, flagship

ENV_ID = "MaterialDesign-v0"

Observation = npt.NDArray[np.float32]


@cache
def _default_space() -> DesignSpace:
    return flagship()


class MaterialDesignEnv(gymnasium.Env[Observation, np.int64]):
    """One design an episode: family, partner element, compound, then each process factor's level.

    - Action: ``Discrete(n)``, n the largest number of options of any step. ``action_masks()`` tells which leave a
      feasible completion: an episode that keeps to the masks always ends in a feasible design.
    - Observation: ``Box(-1, 1)``, laid out in ``BatchedDesign``.
    - Reward: zero until the design is complete, then the reward model's score. An action outside the mask ends the
      episode with ``INVALID_PENALTY``.
    - ``terminated``: the design is complete or the action was invalid. ``truncated``: never, as the length is fixed.
    - ``info``: ``design`` (a plain dict) when complete, ``invalid_action`` (true) after an invalid action, else empty.
    - ``reset(options=...)``: ``budget_left``, ``best_so_far``, ``trust``, the campaign context from then on.

    The environment itself is deterministic; the seed only feeds ``np_random`` for wrappers that ask for it.

    Args:
        space: the design space; the flagship when not given.
        reward_model: scores complete designs; ``PhysicsGuess`` when not given.
        context: what the campaign tells the policy.
        render_mode: only ``None`` yet.

    Raises:
        ConfigError: the space has no default reward and none was injected.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 - gymnasium declares it an instance variable

    def __init__(
        self,
        space: DesignSpace | None = None,
        reward_model: RewardModel | None = None,
        context: CampaignContext | None = None,
        render_mode: str | None = None,
    ) -> None:
        space = _default_space() if space is None else space
        self.render_mode = render_mode
        self._context = context or CampaignContext()
        self._batch = BatchedDesign(space, reward_model or PhysicsGuess(space), 1, self._context)
        self.action_space = spaces.Discrete(self._batch.n_actions)
        self.observation_space = spaces.Box(-1.0, 1.0, (self._batch.observation_size,), np.float32)

    @property
    def space(self) -> DesignSpace:
        """The design space."""
        return self._batch.space

    @override
    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        super().reset(seed=seed)
        if options:
            for key, value in options.items():
                if key not in CampaignContext.LIMITS:
                    raise ConfigError(f"options.{key}", value, f"one of {', '.join(CampaignContext.LIMITS)}")
            known = {k: float(options.get(k, getattr(self._context, k))) for k in CampaignContext.LIMITS}
            self._context = CampaignContext(**known)
            self._batch.set_context(self._context)
        return self._batch.reset()[0], {}

    @override
    def step(self, action: np.int64) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        if not self.action_space.contains(np.int64(action)):
            raise ConfigError("action", action, f"an integer from 0 to {self._batch.n_actions - 1}")
        outcome = self._batch.step(np.array([action], dtype=np.int64))
        info: dict[str, Any] = {}
        design = outcome.designs[0]
        if design is not None:
            info["design"] = design.to_dict()
        if outcome.invalid[0]:
            info["invalid_action"] = True
        return outcome.observations[0], float(outcome.rewards[0]), bool(outcome.terminated[0]), False, info

    def action_masks(self) -> npt.NDArray[np.bool_]:
        """Actions that leave a feasible completion, shape ``(n,)`` bool; the name that sb3-contrib looks for."""
        return self._batch.masks()[0]


if ENV_ID not in gymnasium.registry:
    gymnasium.register(ENV_ID, entry_point="envs.material_design:MaterialDesignEnv")
