"""A laboratory with its boards and a bus, for tests of what is told."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

from desk_bench import Lab, LabTime
from jsonschema import Draft202012Validator
from lab_bench import FACTORS, FULL_RECIPE, HARD, LAB, NOW

from agent import core
from agent.daemon.board_shelf import BoardShelf
from agent.daemon.boards import Boards
from agent.daemon.laboratory_told import About
from agent.daemon.space_facts import SpaceFacts
from agent.journal import Journal
from agent.rules.recipe import Recipe
from envs.objective import FLAGSHIP
from instruments.local import LocalBus, LocalTransport
from instruments.profile.experiment_messages import ExperimentState
from instruments.profile.laboratory import Laboratory
from instruments.profile.schemas import message_schemas, payload_name
from instruments.topics import Lab as Topics
from instruments.transport import Message

TOPICS = Topics("labwright", LAB)
FACTS = SpaceFacts("bench", "v" * 64, {"mp-1": "TiB2", "mp-2": "SiC"}, FACTORS, 60.0, ())
EFFECT: dict[str, object] = {
    "factor": "temperature", "unit": "Cel", "share": 0.7,
    "points": [{"at": 1300.0, "value": 20.0, "low": 18.0, "high": 22.0}],
}  # fmt: skip


VALIDATORS = {name: Draft202012Validator(schema) for name, schema in message_schemas().items()}


class Town:
    """A laboratory, its boards, and the bus."""

    def __init__(self, journal: Journal, recipe: Recipe = FULL_RECIPE) -> None:
        self.bus = LocalBus()
        self.journal = journal
        self.lab = Lab(journal)
        own = replace(self.lab.rules.campaigns[HARD], recipe=recipe, experiments=50)
        self.lab.rules = replace(self.lab.rules, campaigns={HARD: own})
        self.transport: Any = LocalTransport(self.bus)
        self.objective = FLAGSHIP
        self.boards = self.again("b1")

    def again(self, boot: str) -> Boards:
        """The boards of another life."""
        self.lab.at.rules = self.lab.rules
        self.boards = Boards(
            self.lab.at, BoardShelf(self.journal), self.transport, TOPICS, about=About("agent", boot, "labwright 1.0"),
            clock=LabTime(self.lab), wall=lambda: NOW + timedelta(days=9),
            campaign=lambda cid: (self.objective, FACTS) if cid == HARD else None,
        )  # fmt: skip
        self.lab.at.observe(self.boards.note)
        return self.boards

    def say(self, most: int = 10_000) -> int:
        """Say what is due; returns how much there was."""

        async def whole() -> int:
            await self.transport.connect()
            n = 0
            try:
                while n < most and await self.boards.say_next():
                    n += 1
            finally:
                await self.transport.close()
            return n

        return asyncio.run(whole())

    def kept(self, channel: str) -> dict[str, bytes]:
        found: list[Message] = self.bus.retained(TOPICS.pattern(channel))
        return {m.topic.rsplit("/", 1)[-1]: m.payload for m in found}

    def told(self, eid: str) -> ExperimentState:
        """An experiment as it stands on the bus, where all is as the published documents say."""
        self.say()
        for message in self.bus.retained(TOPICS.everything):
            schema = payload_name(TOPICS.read(message.topic).row.key)
            VALIDATORS[schema].validate(json.loads(message.payload))
        return ExperimentState.model_validate_json(self.kept("experiment")[eid])

    def laboratory(self) -> Laboratory:
        self.say()
        (message,) = self.bus.retained(TOPICS.agent_lab("agent"))
        return Laboratory.model_validate_json(message.payload)

    def read(self, eid: str, *, accepted: bool = True) -> None:
        command = next(c for c in self.lab.due if isinstance(c, core.ReadImage) and c.experiment == eid)
        self.lab.read(command, accepted=accepted)
