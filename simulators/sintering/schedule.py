"""What a furnace does to a compact: a piecewise-linear programme of temperature and pressure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
ArrayLike = float | Array

ROOM_TEMPERATURE = 298.0
"""K."""
COOLING_RATE = 15.0
"""K/min, natural cooling of the furnace."""


@dataclass(frozen=True)
class Schedule:
    """Programmes of n firings: straight lines between knots, any number of ramps, holds and coolings.

    Args:
        hours: since the heater was switched on, shape ``(n_knots, n)``, never falling along the first axis.
        temperature: of the sample at the knots, K, same shape.
        pressure: applied uniaxial pressure at the knots, MPa, same shape.

    Raises:
        ValueError: fewer than two knots, shapes that differ, a time that runs backwards, or a value beyond its range.
    """

    hours: Array
    temperature: Array
    pressure: Array

    def __post_init__(self) -> None:
        if self.hours.ndim != 2 or len(self.hours) < 2:
            raise ValueError(f"a schedule needs two knots or more of each firing, not the shape {self.hours.shape}")
        if not self.hours.shape == self.temperature.shape == self.pressure.shape:
            raise ValueError("hours, temperature and pressure of a schedule must have one shape")
        if not (np.isfinite(self.hours).all() and (np.diff(self.hours, axis=0) >= 0.0).all()):
            raise ValueError("the hours of a schedule must be finite and never fall")
        if not ((self.temperature > 0.0).all() and (self.pressure >= 0.0).all()):
            raise ValueError("a schedule has temperatures above 0 K and pressures of 0 MPa or more")

    @property
    def n(self) -> int:
        """How many firings."""
        return int(self.hours.shape[1])

    @property
    def peak(self) -> Array:
        """Highest temperature of each, K, shape ``(n,)``."""
        return np.asarray(self.temperature.max(axis=0))

    @property
    def rates(self) -> Array:
        """Heating rate of every segment in K/min, negative where it cools; shape ``(n_knots - 1, n)``."""
        minutes = 60.0 * np.diff(self.hours, axis=0)
        rise = np.diff(self.temperature, axis=0)
        steep = np.where(rise == 0.0, 0.0, np.copysign(np.inf, rise))
        return np.asarray(np.divide(rise, minutes, out=steep, where=minutes > 0.0))

    @property
    def segment_pressure(self) -> Array:
        """Mean pressure of every segment, MPa, shape ``(n_knots - 1, n)``."""
        return np.asarray(0.5 * (self.pressure[1:] + self.pressure[:-1]))

    def part(self, which: slice) -> Schedule:
        """Some of the firings."""
        return Schedule(self.hours[:, which], self.temperature[:, which], self.pressure[:, which])


def ramp_hold_cool(
    temperature: ArrayLike,
    hold: ArrayLike,
    heating_rate: ArrayLike,
    pressure: ArrayLike = 0.0,
    cooling_rate: ArrayLike = COOLING_RATE,
) -> Schedule:
    """The programme of a plain firing: up from room temperature, hold, down again, all under one pressure.

    Args:
        temperature: of the hold, K; a number or shape ``(n,)`` as all others.
        hold: h.
        heating_rate: K/min.
        pressure: MPa.
        cooling_rate: K/min.
    """
    given = [np.atleast_1d(np.asarray(v, dtype=np.float64)) for v in (temperature, hold, heating_rate, pressure)]
    top, hold, up, load, down = np.broadcast_arrays(*given, np.atleast_1d(np.asarray(cooling_rate, dtype=np.float64)))
    room = np.minimum(ROOM_TEMPERATURE, top)
    rise = (top - room) / 60.0
    hours = np.cumsum([np.zeros_like(top), rise / up, hold, rise / down], axis=0)
    return Schedule(hours, np.array([room, top, top, room]), np.array([load] * 4))


def furnace_hours(temperature: float, hold: float, heating_rate: float, cooling_rate: float = COOLING_RATE) -> float:
    """Furnace time in h of one firing: ramp from room temperature, hold, and cooling.

    Args:
        temperature: hold temperature, K.
        hold: h.
        heating_rate: K/min.
        cooling_rate: K/min.
    """
    rise = temperature - ROOM_TEMPERATURE
    return rise / (60.0 * heating_rate) + hold + rise / (60.0 * cooling_rate)
