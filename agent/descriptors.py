"""Names of what is read in a micrograph: what the models learn from, and what is told beside it."""

from __future__ import annotations

from collections.abc import Mapping

DESCRIPTORS: Mapping[str, str] = {
    "intercept": "mean intercept",
    "astm_g": "ASTM grain size number",
    "d10": "D10",
    "d50": "D50",
    "d90": "D90",
    "elongation": "elongation",
    "boundary_length": "boundary length per area",
    "pore_size": "pore size",
    "phase_fraction": "second phase",
    "crack_length": "crack length per area",
}
"""Names for people, in the order in which they are told; the keys are fields of ``MicrographReading``."""

NEEDED: Mapping[str, str] = {"grain_size": "grain size", "porosity": "porosity"}
"""What the models of a campaign learn from: an image without one of them is taken again."""
