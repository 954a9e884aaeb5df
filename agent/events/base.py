"""What all events share."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Reading = tuple[float, float]
"""Value and standard uncertainty."""
Factor = float | str
Stored = dict[str, dict[str, object] | str]
"""Quantities in their plain form, and words, by name."""
LAB = "lab"
"""Stream of what is the laboratory's as a whole; no campaign may have this id."""
CAMPAIGN = "campaign"
"""Id of the one campaign that a record of an offline campaign has; its ids have no prefix."""


class EventModel(BaseModel):
    """Frozen, closed and finite; ``v`` is the version of its form."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    v: Literal[1] = 1


class ArtefactRecord(EventModel):
    """A file in the content-addressed store."""

    sha256: str
    media_type: str
    bytes: int
