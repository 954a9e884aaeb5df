"""Telling laboratories apart, also by the physics that they were made with, without showing what they hide."""

from __future__ import annotations

import hashlib

from simulators.truth.laboratory import LabTruth

PHYSICS = 2
"""Version of the laws: samples of one version and truths of another do not belong together. Raise it with every change
that gives another body for the same order."""


def fingerprint(truth: LabTruth) -> str:
    """What a laboratory's directory is marked with: the version of the physics, and SHA-256 over what was drawn."""
    drawn = repr((truth.seed, truth.constants, truth.library.ids))
    return f"physics-{PHYSICS}-{hashlib.sha256(drawn.encode()).hexdigest()}"


def difference(known: str, own: str) -> str:
    """What is another in a directory that is marked ``known``, where this laboratory is ``own``: a few words."""
    if known.partition("-")[2].partition("-")[0] != own.partition("-")[2].partition("-")[0]:
        return "of an older or newer version of Labwright, whose furnace made other bodies of the same orders"
    return "of another seed or library"
