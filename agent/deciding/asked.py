"""What a person says on the command line about the laboratory that is meant; light enough for the help."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

BROKER, LAB, STATE = "LABWRIGHT_BROKER", "LABWRIGHT_LAB", "LABWRIGHT_STATE"
"""Names of the environment's variables."""
DIRECTORIES = ("labwright-virtual", "state")
"""Where a laboratory's state is looked for when nothing is said."""
ROOT = "labwright"


@dataclass(frozen=True)
class Asked:
    """What was said about the place on the command line; empty and None where nothing was."""

    broker: str = ""
    lab: str = ""
    state: Path | None = None
    root: str = ROOT
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
