"""The core of SinterControl: n furnaces advanced together in numpy, each with a hidden batch of powder."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from envs.laws import KELVIN
from envs.sintering_kinetics import Kinetics, advance

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

OBSERVATION = (
    "time", "setpoint", "previous_setpoint", "temperature", "density", "shrinkage", "shrinkage_rate", "energy",
)  # fmt: skip
"""Columns of the observation, in order."""


@dataclass(frozen=True)
class SinterTask:
    """What is asked of the furnace. Temperatures in Cel, times in s.

    Args:
        n_segments: decisions an episode.
        segment: length of a segment.
        sub_step: integration step.
        coolest: lowest setpoint, and the temperature at which the episode starts.
        hottest: highest setpoint.
        largest_change: setpoint change of an action of 1, K.
        ramp: fastest heating and cooling, K/s.
        density: least relative density of the specification.
        grain_size: largest mean grain diameter of the specification, um.
        energy_price: cost of a whole episode at the hottest setpoint.
    """

    n_segments: int = 10
    segment: float = 1800.0
    sub_step: float = 60.0
    coolest: float = 1100.0
    hottest: float = 1650.0
    largest_change: float = 200.0
    ramp: float = 10.0 / 60.0
    density: float = 0.95
    grain_size: float = 0.9
    energy_price: float = 0.2


@dataclass(frozen=True)
class Variability:
    """How batches of powder and furnaces differ: means and standard deviations of normal draws.

    Nominal values are of a fine alumina: 440 kJ/mol for densification (Wang and Raj, J. Am. Ceram. Soc. 73, 1172,
    1990; published values spread from 290 to above 700), more for grain growth, which is why slow and cool wins; rates
    are set so that the nominal powder is dense after some hours at 1350 Cel. ``log_reactivity`` raises both rates
    together, as impurities do; with the furnace's offset it is what a run reveals about itself while it shrinks.
    """

    densification_energy: tuple[float, float] = (440e3, 15e3)
    growth_energy: tuple[float, float] = (520e3, 15e3)
    log_densification_rate: tuple[float, float] = (-11.0, 0.15)
    log_growth_rate: tuple[float, float] = (-8.2, 0.15)
    log_reactivity: tuple[float, float] = (0.0, 1.0)
    green_density: tuple[float, float] = (0.57, 0.015)
    powder_size: tuple[float, float] = (0.35, 0.02)
    furnace_offset: tuple[float, float] = (0.0, 25.0)
    density_noise: float = 0.004
    shrinkage_noise: float = 0.0005


@dataclass(frozen=True)
class SinterStep:
    """Outcome of one segment of n episodes, arrays of shape ``(n,)`` but for ``observations`` ``(n, 8)``."""

    observations: npt.NDArray[np.float32]
    rewards: FloatArray
    terminated: BoolArray
    truncated: BoolArray
    in_spec: BoolArray


class BatchedSinter:
    """n sintering runs side by side.

    Actions, shape ``(n, 2)`` in [-1, 1]: setpoint change over ``largest_change``, and stop when positive. Stopping or
    the last segment ends the run. What an observation shows is what a dilatometer and a thermocouple show: noisy
    density and shrinkage, and a temperature that does not know the furnace's offset. Grain size is never shown.

    Reward: minus the energy of each segment; at the end +1 inside the specification, otherwise minus how far outside
    (density shortfall over 0.1 plus log of the grain-size excess, at most 1).

    Args:
        rng: draws batches and noise.
        n: number of runs.
        task: what is asked.
        variability: how runs differ.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        n: int = 1,
        task: SinterTask | None = None,
        variability: Variability | None = None,
    ) -> None:
        self.rng = rng
        self.n = n
        self.task = task or SinterTask()
        self.variability = variability or Variability()
        self._state: dict[str, FloatArray] = {}
        self.reset()

    def _draw(self) -> dict[str, FloatArray]:
        v, n = self.variability, self.n
        fields = ("densification_energy", "growth_energy", "log_densification_rate", "log_growth_rate",
                  "log_reactivity", "green_density", "powder_size", "furnace_offset")  # fmt: skip
        # Cut at three standard deviations: no batch is beyond what a supplier would ship.
        drawn = {k: getattr(v, k)[0] + getattr(v, k)[1] * np.clip(self.rng.normal(size=n), -3, 3) for k in fields}
        cold = np.full(n, self.task.coolest)
        return drawn | {
            "density": drawn["green_density"].copy(), "grain": drawn["powder_size"].copy(), "temperature": cold,
            "setpoint": cold.copy(), "previous": cold.copy(), "segment": np.zeros(n), "energy": np.zeros(n),
            "shrinkage": np.zeros(n), "rate": np.zeros(n), "seen_density": drawn["green_density"].copy(),
        }  # fmt: skip

    def reset(self, rows: BoolArray | None = None) -> npt.NDArray[np.float32]:
        """Load new batches in the runs marked in ``rows`` (all when not given) and return all observations."""
        fresh = self._draw()
        chosen = np.ones(self.n, dtype=np.bool_) if rows is None else rows
        if not self._state:
            self._state = fresh
        for key, values in fresh.items():
            self._state[key][chosen] = values[chosen]
        self._measure(chosen)
        self._state["rate"][chosen] = 0.0
        return self._observe()

    def _measure(self, rows: BoolArray) -> None:
        s, v = self._state, self.variability
        noise = self.rng.normal(size=(2, self.n))
        # Isotropic shrinkage: rho = rho_green / (1 - s)^3.
        shrinkage = 1.0 - np.cbrt(s["green_density"] / s["density"]) + v.shrinkage_noise * noise[0]
        s["rate"][rows] = (shrinkage - s["shrinkage"])[rows]
        s["shrinkage"][rows] = shrinkage[rows]
        s["seen_density"][rows] = (s["density"] + v.density_noise * noise[1])[rows]

    def _observe(self) -> npt.NDArray[np.float32]:
        s, t = self._state, self.task
        span = t.hottest - t.coolest
        columns = [
            s["segment"] / t.n_segments, (s["setpoint"] - t.coolest) / span, (s["previous"] - t.coolest) / span,
            (s["temperature"] - t.coolest) / span, (s["seen_density"] - 0.75) * 4.0, s["shrinkage"] * 5.0,
            s["rate"] * 20.0, s["energy"] / max(t.energy_price, 1e-12),
        ]  # fmt: skip
        return np.clip(np.stack(columns, axis=1), -1.0, 1.0).astype(np.float32)

    def step(self, actions: npt.NDArray[np.floating]) -> SinterStep:
        """Run one segment of every run; finished runs must be reset before the next step.

        Args:
            actions: shape ``(n, 2)`` in [-1, 1].
        """
        s, t = self._state, self.task
        stop = np.asarray(actions[:, 1] > 0.0)
        s["previous"] = s["setpoint"].copy()
        change = np.clip(actions[:, 0], -1.0, 1.0).astype(np.float64) * t.largest_change
        s["setpoint"] = np.where(stop, s["setpoint"], np.clip(s["setpoint"] + change, t.coolest, t.hottest))
        spent = self._heat(~stop)
        s["segment"] += ~stop
        self._measure(~stop)
        terminated = stop | (s["segment"] >= t.n_segments)
        in_spec = terminated & (s["density"] >= t.density) & (s["grain"] <= t.grain_size)
        rewards = np.where(terminated, self._verdict(in_spec), 0.0) - spent
        return SinterStep(self._observe(), rewards, terminated, np.zeros(self.n, dtype=np.bool_), in_spec)

    def _heat(self, running: BoolArray) -> FloatArray:
        """Advance the running furnaces by one segment; energy cost of each, shape ``(n,)``."""
        s, t = self._state, self.task
        kinetics = Kinetics(
            np.exp(s["log_densification_rate"] + s["log_reactivity"]), s["densification_energy"],
            np.exp(s["log_growth_rate"] + s["log_reactivity"]), s["growth_energy"],
        )  # fmt: skip
        spent = np.zeros(self.n)
        reach = t.ramp * t.sub_step
        n_sub = round(t.segment / t.sub_step)
        for _ in range(n_sub):
            moved = s["temperature"] + np.clip(s["setpoint"] - s["temperature"], -reach, reach)
            # The middle of a ramp, not its end: a rate doubles within 30 K.
            kelvin = 0.5 * (s["temperature"] + moved) + s["furnace_offset"] + KELVIN
            s["temperature"] = np.where(running, moved, s["temperature"])
            density, grain = advance(s["density"], s["grain"], kelvin, t.sub_step, kinetics)
            s["density"] = np.where(running, density, s["density"])
            s["grain"] = np.where(running, grain, s["grain"])
            spent += np.where(running, s["temperature"] / t.hottest, 0.0)
        spent *= t.energy_price / (n_sub * t.n_segments)
        s["energy"] += spent
        return spent

    def _verdict(self, in_spec: BoolArray) -> FloatArray:
        s, t = self._state, self.task
        short = np.maximum(t.density - s["density"], 0.0) / 0.1
        coarse = np.maximum(np.log(s["grain"] / t.grain_size), 0.0)
        return np.where(in_spec, 1.0, -np.minimum(short + coarse, 1.0))

    @property
    def outcome(self) -> tuple[FloatArray, FloatArray]:
        """True relative density and mean grain diameter (um) now, each of shape ``(n,)``; for reports, not policies."""
        return self._state["density"].copy(), self._state["grain"].copy()
