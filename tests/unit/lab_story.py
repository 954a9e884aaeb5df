"""Stories of a laboratory of two instruments over several lives of its agent, in time that costs nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from lab_bench import AUTOMATIC, HARD, Pen, created, lab_rules
from lab_floor import Acts, Floor, Kept, Life, alive
from quick_time import START, in_a_moment

from agent import core
from agent import events as ev
from agent.requests import request_id

ONE = replace(AUTOMATIC, experiments=1, initial=1, batch=1)
EID = "hard-E001"


def rules(own: core.CampaignRules = ONE, **more: Any) -> core.LabRules:
    return lab_rules({HARD: own}, **more)


def completed(state: core.LabState) -> bool:
    return state.campaigns[HARD].phase == "completed"


class Story:
    """A laboratory of two instruments, and as many lives of the agent as it takes."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.kept = Kept()
        self.floor = Floor()
        self.pen = Pen()

    @property
    def acts(self) -> Acts:
        return self.floor.acts

    @property
    def events(self) -> list[ev.Event]:
        return [stored.event for stored in self.kept.scan()]

    def of(self, kind: type[ev.Event] | Any) -> list[Any]:
        return [e for e in self.events if isinstance(e, kind)]

    def life(self, own: core.LabRules | None = None) -> Any:
        return alive(self.floor, self.kept, own or rules(), self.directory)

    def ask(self, life: Life, user: str, action: str, subject: str = "", **more: Any) -> None:
        token = self.pen.request(user, action, subject, START, **more)
        decided = life.desk.tell(core.RequestArrived(user, request_id(token), token, START))
        assert isinstance(decided.events[0], ev.RequestAccepted), decided.events

    async def begin(self, true: Callable[[core.LabState], bool]) -> None:
        """The first life, killed as soon as something is so."""
        async with self.life() as life:
            life.desk.tell(created(HARD))
            await life.until(true)


def play(directory: Path, story: Callable[[Story], Awaitable[None]]) -> None:
    async def whole() -> None:
        told = Story(directory)
        for iid in ("furnace-1", "indenter-1"):
            await told.floor.switch_on(iid)
        try:
            await story(told)
        finally:
            await told.floor.close()

    in_a_moment(whole())
