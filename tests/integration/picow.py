"""A Pico W with the light firmware of the self-driving-lab-demo, as an MQTT client: the same topics, words and moods.

Written after the behaviour of ``src/public_mqtt_sdl_demo/main.py`` and ``lib/sdl_demo_utils.py`` at
github.com/sparks-baird/self-driving-lab-demo: it takes everything below ``GPIO/``, does one experiment after the other,
answers with QoS 0 and repeats the request, tells a failed experiment as a MicroPython trace, stays silent on what is no
JSON, and switches its LED off after each. Light: three lines of a WS2812B (Worldsemi data sheet) through the AS7341's
eight bands, whose middles and widths are those of the project's ``channel_info.py``.
"""

import json
import math
from typing import Any

from instruments.transport import Message, Transport

BANDS = {410: 29, 440: 33, 470: 36, 510: 40, 550: 42, 583: 44, 620: 53, 670: 60}
LINES = {"R": (622.0, 18.0, 1.0), "G": (522.0, 32.0, 1.9), "B": (468.0, 24.0, 1.3)}
"""Middle and width (nm), and strength, of each colour."""


def counts(levels: dict[str, float], atime: int, astep: int, gain: float) -> list[int]:
    """Eight counts, rounded and cut off as the converter does."""
    light = gain * (atime + 1) * (astep + 1) * 2.78e-6
    full = min(65_535, (atime + 1) * (astep + 1))
    found = []
    for middle, width in BANDS.items():
        overlap = 0.02  # daylight
        for colour, (line, breadth, strength) in LINES.items():
            spread = math.hypot(width, breadth) / 2.355
            overlap += strength * levels[colour] * math.exp(-(((middle - line) / spread) ** 2) / 2)
        found.append(min(full, round(8.0 * overlap * light)))
    return found


class PicoW:
    """One device on a broker.

    Args:
        transport: its connection.
        pico_id: its id.
    """

    def __init__(self, transport: Transport, pico_id: str) -> None:
        self.prefix = f"sdl-demo/picow/{pico_id}/"
        self.led = (0, 0, 0)
        self.history: list[tuple[int, int, int]] = []
        self.fault: Exception | None = None
        self.reset_fault: Exception | None = None
        self.deaf = False
        self._transport = transport

    async def start(self) -> None:
        await self._transport.connect()
        await self._transport.subscribe(self.prefix + "GPIO/#", self._on_message)

    async def stop(self) -> None:
        await self._transport.close()

    async def _on_message(self, message: Message) -> None:
        if self.deaf:
            return
        try:
            parameters = json.loads(message.payload)
        except ValueError:
            return  # the firmware loses its way outside of its try, and connects anew
        payload: dict[str, Any] = {"_input_message": parameters}
        try:
            payload |= self._experiment(parameters)
        except Exception as error:  # noqa: BLE001 - as the firmware does
            payload["error"] = _trace(error)
        payload |= {"onboard_temperature_K": 300.1, "sd_card_ready": False, "utc_timestamp": 1.7e9}
        payload |= {"utc_time_str": "2023-11-14 22:13:20", "device_nickname": "bench", "logged_to_mongodb": False}
        if self.reset_fault is None:
            self._light(0, 0, 0)
        else:
            payload["reset_error"] = _trace(self.reset_fault)
        await self._transport.publish(self.prefix + "as7341/", json.dumps(payload).encode(), qos=0)

    def _experiment(self, parameters: dict[str, Any]) -> dict[str, Any]:
        if self.fault is not None:
            raise self.fault
        r, g, b = (parameters[key] for key in ("R", "G", "B"))
        atime, astep, gain = (
            parameters.get(key, default) for key, default in (("atime", 100), ("astep", 999), ("gain", 128))
        )
        for name, value, low, high in (
            ("R", r, 0, 255), ("G", g, 0, 255), ("B", b, 0, 255),
            ("atime", atime, 0, 255), ("astep", astep, 0, 65536), ("gain", gain, 0.5, 512),
        ):  # fmt: skip
            if not low <= value <= high:
                raise AssertionError(f"Invalid {name}: {value} (must be between {low} and {high})")
        if not all(isinstance(level, int) for level in (r, g, b)):
            raise TypeError("can't convert float to int")
        names = [f"ch{middle}" for middle in BANDS]
        self._light(0, 0, 0)
        dark = counts({"R": 0, "G": 0, "B": 0}, atime, astep, gain)
        self._light(r, g, b)
        bright = counts({"R": r, "G": g, "B": b}, atime, astep, gain)
        return {
            **dict(zip(names, bright, strict=True)),
            "background": dict(zip(names, dark, strict=True)),
        }

    def _light(self, r: int, g: int, b: int) -> None:
        self.led = (r, g, b)
        self.history.append(self.led)


def _trace(error: Exception) -> str:
    return f'Traceback (most recent call last):\n  File "main.py", line 117, in run\n{type(error).__name__}: {error}\n'
