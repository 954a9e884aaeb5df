"""What was read in a micrograph beside grain size and porosity, as people are told it."""

from __future__ import annotations

from collections.abc import Mapping

from agent import events as ev
from agent.descriptors import DESCRIPTORS, NEEDED
from agent.words import plus_minus, unit_in_print

_SHARES = frozenset({"phase_fraction"})
_UNITS: Mapping[str, str] = {"1": "", "1/um": "µm⁻¹", "1/mm": "mm⁻¹"}


def descriptor_words(name: str, found: ev.DescriptorRecord) -> str:
    """A descriptor with its standard uncertainty: shares in per cent, units as they are printed."""
    if name in _SHARES:
        return _share(found)
    return plus_minus((found.value, found.std), unit=_UNITS.get(found.unit, unit_in_print(found.unit)))


def _share(found: ev.DescriptorRecord) -> str:
    return plus_minus((found.value, found.std), factor=100.0, unit="%")


def class_words(reading: ev.ImageRead) -> str:
    """The likeliest class with its probability, such as ``equiaxed dense (91%)``; empty where there is none."""
    if not reading.microstructure:
        return ""
    probability = reading.class_probabilities.get(reading.microstructure)
    return reading.microstructure + (f" ({probability:.0%})" if probability is not None else "")


def descriptor_lines(reading: ev.ImageRead) -> list[tuple[str, str]]:
    """Everything that was read beside grain size and porosity, each with its name for people, the class first.

    What a network of one's own tells comes after what every network tells.
    """
    classed = class_words(reading)
    lines = [("class", classed)] if classed else []
    known = reading.descriptors
    lines += [(label, descriptor_words(name, known[name])) for name, label in DESCRIPTORS.items() if name in known]
    return lines + [(name, _share(found)) for name, found in sorted(reading.further.items())]


def withheld_lines(reading: ev.ImageRead) -> list[tuple[str, str]]:
    """What is not given, by its name for people, and why."""
    names = {**NEEDED, **DESCRIPTORS}
    return [(names.get(name, name), f"not given: {why}") for name, why in reading.withheld.items()]
