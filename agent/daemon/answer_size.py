"""Answers of a size that the bus takes."""

from __future__ import annotations

from instruments.bus.delivery import PAYLOAD_LIMIT
from instruments.profile.questions import Answer

TOO_LONG = "the answer is too long for a message of the bus"


def fitting_answer(answer: Answer) -> bytes:
    """An answer as bytes: of entries so many as a message holds, the newest; what cannot be cut is refused."""
    said = answer.to_bytes()
    while len(said) > PAYLOAD_LIMIT and len(answer.entries) > 1:
        fewer = answer.entries[: len(answer.entries) // 2]
        answer = answer.model_copy(update={"entries": fewer, "more": True})
        said = answer.to_bytes()
    if len(said) <= PAYLOAD_LIMIT:
        return said
    return Answer(question=answer.question, about=answer.about, ts=answer.ts, refused=TOO_LONG).to_bytes()
