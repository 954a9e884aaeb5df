"""Shares of one as people read them: a porosity in per cent wherever it stands, a density as what it is relative to.

Messages give both as numbers of the unit one. A porosity of 0.43 on one line and of 43 % on the next looks like two.
"""

from __future__ import annotations

from typing import Final, TypeVar

from agent.dashboard.views import words
from instruments.messages import Quantity
from instruments.profile.agent_messages import Estimate

_SHARES: Final = frozenset({"porosity", "density", "relative_density", "phase_fraction"})
_Told = TypeVar("_Told", Quantity, Estimate)


def is_share(name: str, unit: str) -> bool:
    """Whether what is called so is told in per cent."""
    return unit == "1" and name.rpartition(".")[2] in _SHARES


def told(name: str, value: _Told) -> _Told:
    """A quantity or an expectation as it is told: shares in per cent, anything else as it is."""
    if not is_share(name, value.unit):
        return value
    update: dict[str, float | str] = {
        key: 100.0 * number
        for key in ("value", "std", "low", "high")
        if isinstance(number := getattr(value, key, None), float | int)
    }
    return value.model_copy(update={**update, "unit": "%"})


def quantity(name: str, value: Quantity | str, digits: int = 4) -> str:
    """What was found, such as ``(42.6 ± 0.3) %`` of a porosity; a word as it is."""
    return value if isinstance(value, str) else words.quantity(told(name, value), digits)


def label(name: str, unit: str) -> str:
    """A name for people: a density of the unit one is relative."""
    text = words.label(name)
    return "relative density" if text == "density" and unit == "1" else text


def title(name: str, unit: str) -> str:
    """The same at the start of a line."""
    text = label(name, unit)
    return text[:1].upper() + text[1:]
