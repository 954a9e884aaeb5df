"""Classes of what a micrograph shows, as metallographers sort them."""

from __future__ import annotations

CLASSES = (
    "equiaxed dense", "bimodal", "porous open", "porous closed", "two-phase", "elongated", "cracked", "powder", "fracture",
    "not a micrograph",
)  # fmt: skip
