"""What a thermocouple and a dilatometer show while a compact is fired."""

from __future__ import annotations

from math import inf

import numpy as np
import numpy.typing as npt

from envs.laws import KELVIN
from simulators.sintering import ROOM_TEMPERATURE

ROOM_CELSIUS = ROOM_TEMPERATURE - KELVIN
THERMOCOUPLE_SCATTER = 1.5
"""Standard deviation of one reading, K."""
DILATOMETER_SCATTER = 0.002
"""Standard deviation of one reading of the relative density."""


class Firing:
    """One firing as its gauges show it.

    Args:
        temperature: hold temperature, Cel.
        hold: h.
        heating_rate: K/min.
        cooling_rate: K/min.
        densification: hours since the heater was switched on, and relative densities; None where nobody looks.
        rng: scatter of the gauges.
        lost_at: hour from which the body is lost, and its length tells nothing; infinite where it stays whole.
    """

    def __init__(
        self,
        temperature: float,
        hold: float,
        heating_rate: float,
        cooling_rate: float,
        densification: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]] | None,
        rng: np.random.Generator,
        lost_at: float = inf,
    ) -> None:
        self._densification = densification
        self._rng = rng
        self._lost_at = lost_at
        rise = temperature - ROOM_CELSIUS
        ends = np.cumsum([0.0, rise / (60.0 * heating_rate), hold, rise / (60.0 * cooling_rate)])
        self._hours, self._temperatures = ends, np.array([ROOM_CELSIUS, temperature, temperature, ROOM_CELSIUS])

    def temperature(self, hours: float) -> float:
        """The thermocouple's reading, Cel, so many hours after the heater was switched on."""
        shown = np.interp(hours, self._hours, self._temperatures) + self._rng.normal(0.0, THERMOCOUPLE_SCATTER)
        return round(float(shown), 1)

    def density(self, hours: float) -> float | None:
        """The relative density that the dilatometer's reading means; None where it means nothing."""
        if self._densification is None or hours >= self._lost_at:
            return None
        shown = np.interp(hours, *self._densification) + self._rng.normal(0.0, DILATOMETER_SCATTER)
        return round(float(np.clip(shown, 0.0, 1.0)), 4)

    def shrinkage(self, density: float) -> float:
        """Linear shrinkage since the green state at a relative density, the same in all directions.

        Raises:
            ValueError: there is no dilatometer's reading.
        """
        if self._densification is None:
            raise ValueError("nobody looked at the dilatometer")
        green = float(self._densification[1][0])
        return round(1.0 - float(np.cbrt(green / max(density, 1e-6))), 4)
