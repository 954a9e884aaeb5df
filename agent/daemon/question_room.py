"""Everything by which the daemon answers questions, put together."""

from __future__ import annotations

from dataclasses import dataclass

from agent.daemon.house import House
from agent.daemon.question_audit import AuditPages
from agent.daemon.question_picture import Pictures
from agent.daemon.question_preview import Previews
from agent.daemon.question_verify import RecordCheck, read_apart
from agent.daemon.questions import Questions
from instruments.transport import Transport


@dataclass(frozen=True)
class Room:
    """Those who answer.

    Attributes:
        questions: hears them all.
        previews: what changed proposals would be; decisions are told what it said.
        check: whether the record is whole.
    """

    questions: Questions
    previews: Previews
    check: RecordCheck


def room_of(house: House, transport: Transport) -> Room:
    """Those who answer for a laboratory.

    Args:
        house: its parts.
        transport: answers go out over it.
    """
    place, config = house.config.journal(), house.config
    previews = Previews(house.desk, house.minds, house.shelf.body, house.clock)
    check = RecordCheck(lambda: read_apart(place, config.people))
    answering = {
        "preview": previews.answer,
        "audit": AuditPages(place).answer,
        "verify": check.answer,
        "picture": Pictures(house.store, place).answer,
    }
    return Room(Questions(config.topics, answering, transport, house.clock), previews, check)  # type: ignore[arg-type]
