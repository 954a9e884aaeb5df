"""Telling laboratories apart, also by the physics that they were made with, without showing what they hide."""

from __future__ import annotations

import hashlib
import re

from simulators.truth.laboratory import LabTruth

PHYSICS = 3
"""Version of the laws: samples of one version and truths of another do not belong together. Raise it with every change
that gives another body for the same order."""


def fingerprint(truth: LabTruth) -> str:
    """What a laboratory's directory is marked with: the version of the physics, and SHA-256 over what it holds.

    That is its seed, its constants, what was drawn for its powders, and of every compound of its library the moduli,
    hardness, melting and decomposition temperatures. Generated crystals are not among them: each body of one names the
    potential it came from.
    """
    return f"physics-{PHYSICS}-{hashlib.sha256(truth.summary().encode()).hexdigest()}"


def difference(known: str, own: str) -> str:
    """What is another in a directory that is marked ``known``, where this laboratory is ``own``: a few words."""
    if _version(known) not in {None, _version(own)}:
        return "of another version of Labwright, whose furnace makes other bodies of the same orders"
    return "of another seed or library"


def _version(mark: str) -> int | None:
    """Of the physics behind a mark; None where it is no mark of ours."""
    if found := re.fullmatch(r"physics-(\d+)-[0-9a-f]{64}", mark):
        return int(found.group(1))
    # The first version did not say which it was.
    return 1 if re.fullmatch("[0-9a-f]{64}", mark) else None
