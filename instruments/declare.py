"""Instruments declared by decorating functions, for drivers that are functions rather than classes.

hotplate = Instrument("hotplate", safe_state="heater off", lease_s=60.0)


@hotplate.command(summary="Heat the plate")
def heat(job: BlockingJob, temperature: Annotated[float, Parameter("Cel", 20, 300)]) -> None:
    controller.set_point(temperature)


@hotplate.safe
def off() -> None:
    controller.off()
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from typing_extensions import override

from instruments.commands import Channel, CommandSpec, Function, ParameterRule, Returns, annotated_rules
from instruments.device import Device
from instruments.driving import hooks
from instruments.driving.driver_check import check_function
from instruments.messages import Value
from instruments.transport import Transport

_Function = TypeVar("_Function", bound=Function)


class Instrument:
    """What an instrument is and can do, to be put on a bus with ``on``.

    Args:
        kind: of instrument, such as ``furnace``.
        driver: name and version.
        safe_state: what ``safe`` does, in words; with ``lease_s`` for an instrument that heats or moves.
        lease_s: how long it goes on without hearing of the agent.
        max_concurrency: jobs at a time.

    Raises:
        ValueError: when a lease is declared without a safe state.
    """

    def __init__(
        self,
        kind: str,
        *,
        driver: str = "",
        safe_state: str = "",
        lease_s: float | None = None,
        max_concurrency: int = 1,
    ) -> None:
        if lease_s is not None and not safe_state:
            raise ValueError("an instrument with a lease needs a safe_state to go to when it runs out")
        self._looks: dict[str, Any] = {
            "kind": kind,
            "driver": driver,
            "safe_state": safe_state,
            "lease_s": lease_s,
            "max_concurrency": max_concurrency,
        }
        self._commands: list[tuple[CommandSpec, Function]] = []
        self._channels: dict[str, Channel] = {}
        self._readers: dict[str, Function] = {}
        self._safe: Function | None = None

    def command(
        self,
        *,
        summary: str,
        parameters: Mapping[str, ParameterRule] | None = None,
        results: Mapping[str, Returns] | None = None,
        duration_s: float | None = None,
        cancellable: bool = True,
        example: Mapping[str, Value] | None = None,
    ) -> Callable[[_Function], _Function]:
        """Declare a function ``f(job, **parameters)`` as a command; as ``instruments.commands.command``.

        Raises:
            ValueError: when the function does not take what the rules say, or the example is not what they allow.
        """

        def declare(function: _Function) -> _Function:
            rules = annotated_rules(function) if parameters is None else dict(parameters)
            name = function.__name__
            check_function(name, function, rules)
            spec = CommandSpec(name, summary, rules, dict(results or {}), duration_s, cancellable, example)
            self._commands.append((spec, function))
            return function

        return declare

    def channel(self, unit: str, *, period_s: float, summary: str = "") -> Callable[[_Function], _Function]:
        """Declare a function that reads a number in ``unit`` as a channel of telemetry."""

        def declare(function: _Function) -> _Function:
            self._channels[function.__name__] = Channel(unit, summary, period_s, read=f"_read_{function.__name__}")
            self._readers[f"_read_{function.__name__}"] = function
            return function

        return declare

    def safe(self, function: _Function) -> _Function:
        """Declare the function that puts the hardware into its safe state."""
        self._safe = function
        return function

    def on(self, iid: str, transport: Transport, **base: Any) -> Device:
        """The instrument as a device of the profile, not yet started.

        Args:
            iid: its id.
            transport: its own connection.
            base: what ``Device`` takes.
        """
        safe = self._safe

        class Declared(Device):
            @override
            async def make_safe(self) -> None:
                if safe is not None:
                    await hooks.call(safe)

        for name, value in {**self._looks, "channels": dict(self._channels)}.items():
            setattr(Declared, name, value)
        device = Declared(iid, transport, **base)
        for name, function in self._readers.items():
            setattr(device, name, function)
        for spec, function in self._commands:
            device.register(spec, function)
        return device
