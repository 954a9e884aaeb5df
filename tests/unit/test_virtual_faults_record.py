"""What faults may leave in the record: values in the record's unit alone, and an end for what nobody knows."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from lab_bench import AUTOMATIC, FULL_RECIPE, HARD, IMAGE, NOW, VALUES, created, lab_rules
from lab_floor import Kept, QuickMinds
from typing_extensions import override

from agent import core
from agent import events as ev
from agent.desk import Desk
from agent.jobs import Jobs
from agent.planning import Offline, Planning
from agent.runner import Runner
from agent.stand_in import IDLE_S, POLICY, StandIn
from agent.store import ArtefactStore
from envs.errors import InstrumentError
from instruments.clock import SimClock
from instruments.errors import NoAnswerError
from instruments.ids import SeededIds
from simulators.faulting.virtual_time import VirtualTime, run

WORLD = {f"{kind}-1": core.InstrumentView(kind) for kind in ("furnace", "sem", "indenter")}
Answer = Callable[[core.SendOrder], dict[str, Any]]


class Hands(Jobs):
    """Does every order at once; some orders otherwise."""

    def __init__(self, answers: dict[str, list[Answer | NoAnswerError]]) -> None:
        self._answers = answers

    @override
    def intend(self, job: str) -> None:
        pass

    @override
    def forget(self, job: str) -> None:
        pass

    @override
    def has_forgotten(self, job: str, error: NoAnswerError) -> bool:
        return error.seen is False

    @override
    def silence(self, job: str, error: NoAnswerError, *, since: float) -> float:
        return error.silent_s

    @override
    async def carry_out(self, command: core.SendOrder, *, check: Callable[[], None] = lambda: None) -> ev.StepEnded:
        told: dict[str, Any] = {"state": "succeeded", "values": VALUES.get(command.step, {})}
        if queue := self._answers.get(command.step):
            answer = queue.pop(0)
            if isinstance(answer, NoAnswerError):
                raise answer
            told |= answer(command)
        return ev.StepEnded.model_validate(
            {
                "experiment": command.experiment, "step": command.step, "attempt": command.attempt,
                "tries": command.tries, "job": command.job, "elapsed_s": 10.0,
                "artefacts": {"image": IMAGE} if command.step == "image" else {}, **told,
            }
        )  # fmt: skip


def values(**named: dict[str, object]) -> Answer:
    return lambda _command: {"values": named}


def campaign(directory: Path, answers: dict[str, list[Answer | NoAnswerError]]) -> Desk:
    """One experiment of the whole recipe, with the policy of offline campaigns."""
    clock = VirtualTime(NOW)
    rules = replace(AUTOMATIC, experiments=1, initial=1, recipe=FULL_RECIPE)
    desk = Desk(Kept(), replace(lab_rules({HARD: rules}), people=None), clock)
    minds, store, conduct = QuickMinds(), ArtefactStore(directory), StandIn(clock)

    async def work() -> None:
        runner = Runner(
            desk, Hands(answers), Planning(desk, minds, store, Offline()), minds, store=store,
            ids=SeededIds(clock, random.Random(1)), world=lambda: WORLD, conduct=conduct,
        )  # fmt: skip
        conduct.wakes(runner.wake)
        desk.tell(created(HARD))
        try:
            await runner.run(lambda state: all(c.phase == "completed" for c in state.campaigns.values()))
        finally:
            await conduct.close()

    run(work(), clock)
    return desk


def only(desk: Desk) -> core.ExperimentState:
    (found,) = desk.state.experiments.values()
    return found


def test_a_value_in_another_unit_is_recorded_in_the_records(tmp_path: Path) -> None:
    told = values(hardness={"value": 21_000.0, "unit": "MPa", "std": 400.0})
    survey = values(pixel_size={"value": 50.0, "unit": "nm"})
    desk = campaign(tmp_path, {"indent": [told], "survey": [survey]})
    assert only(desk).outcome == "completed"
    assert only(desk).hardness == pytest.approx((21.0, 0.4))
    assert only(desk).kept["pixel_size"].model_dump(exclude_none=True) == {"value": 0.05, "unit": "um"}  # type: ignore[union-attr]


def test_a_value_of_something_else_is_measured_again(tmp_path: Path) -> None:
    foreign = values(hardness={"value": 21.0, "unit": "cd", "std": 0.4})
    desk = campaign(tmp_path, {"indent": [foreign], "survey": [values(pixel_size={"value": 5.0, "unit": "1"})]})
    assert only(desk).outcome == "completed"
    assert only(desk).hardness == (20.0, 0.5)


def test_a_value_that_is_always_of_something_else_is_no_measurement(tmp_path: Path) -> None:
    foreign = values(hardness={"value": 21.0, "unit": "cd", "std": 0.4})
    desk = campaign(tmp_path, {"indent": [foreign] * 9})
    assert only(desk).outcome == "invalid_measurement"
    assert only(desk).hardness is None
    assert "cd cannot be given as GPa" in only(desk).reason


FORGOTTEN = NoAnswerError("i", "j", "the device does not know the job any more", seen=False)
SILENT = NoAnswerError("i", "j", "nothing was heard of it", silent_s=1_000.0)


@pytest.mark.parametrize("error", [FORGOTTEN, SILENT])
def test_a_firing_whose_end_nobody_knows_ends_its_experiment(tmp_path: Path, error: NoAnswerError) -> None:
    desk = campaign(tmp_path, {"sinter": [error]})
    assert only(desk).outcome == "aborted"
    assert only(desk).reason.startswith(f"given up by {POLICY}: nobody knows what became of the sample")
    assert not desk.state.jobs


def test_a_look_whose_end_nobody_knows_is_taken_again_and_not_for_ever(tmp_path: Path) -> None:
    again = campaign(tmp_path, {"image": [FORGOTTEN], "indent": [SILENT, FORGOTTEN]})
    assert only(again).outcome == "completed"
    never = campaign(tmp_path, {"image": [FORGOTTEN] * 9})
    assert only(never).outcome == "aborted"
    assert "3 orders came to no known end" in only(never).reason


def test_no_policy_settles_where_people_decide() -> None:
    clock = SimClock(NOW)
    desk = Desk(Kept(), lab_rules({HARD: replace(AUTOMATIC, experiments=1, initial=1)}), clock)
    state = desk.state
    assert desk.rules.people is not None
    state.experiments["E001"] = core.ExperimentState("E001", "P", HARD, None, 0, step="sinter", lost="gone", job="j")  # type: ignore[arg-type]
    desk.tell(created(HARD))
    assert not desk.judge(core.Settled("E001", "j", "again", POLICY, "so")).events


def test_a_campaign_that_can_never_go_on_stops_with_its_reason(tmp_path: Path) -> None:
    del tmp_path
    clock = VirtualTime(datetime(2026, 1, 1, tzinfo=UTC))
    conduct = StandIn(clock)

    async def work() -> None:
        try:
            while True:
                conduct.idle("furnace-1 is offline")
                await asyncio.sleep(60.0)
        finally:
            await conduct.close()

    waiting: Coroutine[Any, Any, None] = work()
    with pytest.raises(InstrumentError, match="furnace-1 is offline"):
        run(waiting, clock)
    assert clock.elapsed() >= IDLE_S
