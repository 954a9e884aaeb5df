"""The ``[virtual]`` table of LAB.toml: a laboratory whose instruments are virtual ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from agent.config import Section

VIRTUAL_INSTRUMENTS = ("furnace-1", "sem-1", "indenter-1")
"""Those that the flagship's recipe orders from: a virtual laboratory has them where nobody chooses others."""
ALL_VIRTUAL = (
    "robot-1", "furnace-1", "sem-1", "indenter-1", "ultrasonic-1", "balance-1", "diffractometer-1",
)  # fmt: skip
"""All that can be chosen; ``labwright lab list`` says what each can do."""


def _known(iids: tuple[str, ...]) -> tuple[str, ...]:
    unknown = [iid for iid in iids if iid not in ALL_VIRTUAL]
    if unknown or len(set(iids)) < len(iids):
        raise ValueError(f"one or more of {', '.join(ALL_VIRTUAL)}, each once")
    return iids


def _tupled(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


class VirtualSection(Section):
    """A virtual laboratory: ``labwright run LAB.toml --virtual``.

    Attributes:
        instruments: that it has.
        seed: of its hidden truth.
        fault_rate: share of orders that meet a fault of real life, 0 to 1.
        fault_seed: of the draws of faults.
    """

    instruments: Annotated[tuple[str, ...], Field(min_length=1), BeforeValidator(_tupled), AfterValidator(_known)] = (
        VIRTUAL_INSTRUMENTS
    )
    seed: Annotated[int, Field(ge=0)] = 0
    fault_rate: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0
    fault_seed: Annotated[int, Field(ge=0)] = 0


def with_logins(raw: Mapping[str, Any]) -> dict[str, Any]:
    """A laboratory's file in which its virtual instruments may connect to a broker of its own.

    Args:
        raw: what the file holds, right or wrong.
    """
    virtual, broker = raw.get("virtual"), raw.get("broker")
    if not isinstance(virtual, dict) or not isinstance(broker, dict) or broker.get("embedded") is not True:
        return dict(raw)
    told, wanted = broker.get("instruments", []), virtual.get("instruments", VIRTUAL_INSTRUMENTS)
    if not isinstance(told, list | tuple) or not isinstance(wanted, list | tuple):
        return dict(raw)
    return {**raw, "broker": {**broker, "instruments": list(dict.fromkeys([*told, *wanted]))}}
