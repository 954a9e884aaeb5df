"""What the light device of the open self-driving-lab-demo is sent and what it answers, over plain MQTT.

The facts are those of the project's firmware and client at github.com/sparks-baird/self-driving-lab-demo (Baird and
Sparks, Matter 5, 4170, 2022, doi 10.1016/j.matt.2022.11.007): ``src/public_mqtt_sdl_demo/main.py`` and
``lib/sdl_demo_utils.py`` on the Pico W, and ``mqtt_observe_sensor_data`` in
``src/self_driving_lab_demo/utils/observe.py``.

An experiment goes to ``sdl-demo/picow/{id}/GPIO/28``, its answer comes on ``sdl-demo/picow/{id}/as7341/`` and repeats
the request as ``_input_message``. The Pico measures with the LED off, then on, each time in two passes of the AS7341
(eight channels through four converters), and switches the LED off again.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from instruments.errors import DeviceFault, InfeasibleFault, RetryableFault

CHANNELS = ("ch410", "ch440", "ch470", "ch510", "ch550", "ch583", "ch620", "ch670")
"""Channels F1 to F8 of the AS7341, by the wavelength of their middle in nanometres."""
TICK_S = 2.78e-6
"""The AS7341's unit of integration time (its data sheet, ASTEP register)."""
PASSES = 4
GAINS = tuple(0.5 * 2.0**code for code in range(11))
FULL_SCALE = 65_535


@dataclass(frozen=True)
class Experiment:
    """One setting of the LED and the sensor.

    Args:
        red, green, blue: level of the LED's colours, 0 to 255.
        atime: number of integration steps less one, 0 to 255.
        astep: length of a step in units of 2.78 us, less one, 0 to 65534.
        gain: one of ``GAINS``.
    """

    red: int
    green: int
    blue: int
    atime: int
    astep: int
    gain: float

    @property
    def integration_s(self) -> float:
        """Seconds of one pass."""
        return (self.atime + 1) * (self.astep + 1) * TICK_S

    @property
    def full_scale(self) -> int:
        """The largest count that the converter gives at this integration time (data sheet of the AS7341)."""
        return min(FULL_SCALE, (self.atime + 1) * (self.astep + 1))

    def request(self, session: str, experiment: str, *, mongodb: bool) -> bytes:
        """The message that has it carried out."""
        fields = {**self._settings(), "integration_time_s": self.integration_s, "mongodb": mongodb}
        return json.dumps({**fields, "_session_id": session, "_experiment_id": experiment}).encode()

    def is_echoed(self, echo: Mapping[str, Any]) -> bool:
        """Whether an answer speaks of these settings."""
        return all(echo.get(key) == value for key, value in self._settings().items())

    def _settings(self) -> dict[str, float]:
        colours = {"R": self.red, "G": self.green, "B": self.blue}
        return {**colours, "atime": self.atime, "astep": self.astep, "gain": self.gain}


DARK = Experiment(0, 0, 0, 0, 0, 0.5)
"""The quickest experiment that leaves the LED off."""


@dataclass(frozen=True)
class Answer:
    """What a Pico published after one experiment; ``fields`` as they came."""

    fields: Mapping[str, Any]
    raw: bytes

    @property
    def echo(self) -> Mapping[str, Any]:
        """The request that it answers; empty where the Pico could not read that."""
        echo = self.fields.get("_input_message")
        return echo if isinstance(echo, dict) else {}

    @property
    def address(self) -> tuple[str, str]:
        """Session and experiment as the request gave them."""
        return str(self.echo.get("_session_id", "")), str(self.echo.get("_experiment_id", ""))

    def counts(self) -> dict[str, float]:
        """The eight channels with the LED on.

        Raises:
            DeviceFault: when the Pico tells of a fault, or a channel is missing.
        """
        self._check()
        found = {name: _number(self.fields.get(name)) for name in CHANNELS}
        missing = [name for name, count in found.items() if count is None]
        if missing:
            raise DeviceFault("answer", f"the Pico's answer holds no count for {', '.join(missing)}")
        return {name: count for name, count in found.items() if count is not None}

    def background(self) -> dict[str, float]:
        """The channels with the LED off, as far as the firmware tells them."""
        dark = self.fields.get("background")
        dark = dark if isinstance(dark, dict) else {}
        return {name: count for name in CHANNELS if (count := _number(dark.get(name))) is not None}

    def temperature_k(self) -> float | None:
        """Temperature of the Pico's processor in kelvin."""
        return _number(self.fields.get("onboard_temperature_K"))

    def _check(self) -> None:
        if (trace := self.fields.get("error")) is not None:
            reason = (str(trace).strip().splitlines() or ["no reason"])[-1]
            text = f"the Pico could not do the experiment: {reason}"
            if reason.startswith("OSError"):
                raise RetryableFault("sensor", f"{text}; is the AS7341 plugged in?")
            # The firmware asserts its own limits: then the settings are to blame, not the device.
            raise (InfeasibleFault if reason.startswith("AssertionError") else DeviceFault)("pico", text)
        trouble = self.fields.get("emergency_error") or self.fields.get("reset_error")
        if trouble is not None:
            reason = (str(trouble).strip().splitlines() or ["no reason"])[-1]
            raise DeviceFault("led", f"the Pico could not switch its LED off: {reason}")


def read_answer(payload: bytes) -> Answer | None:
    """An answer, or None for what is none."""
    try:
        fields = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    return Answer(fields, payload) if isinstance(fields, dict) else None


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
