"""The loop: an intent is on the disk before anything is sent, work goes on side by side, waiting loses nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lab_bench import AUTOMATIC, CAMPAIGN, FULL_RECIPE, HARD, IMAGE, SOFT, VALUES, WORLD, created, lab_rules
from lab_floor import Kept, QuickMinds
from quick_time import LoopClock, ids, in_a_moment
from typing_extensions import override

from agent import core
from agent import events as ev
from agent.daemon.conduct import Patient
from agent.desk import Desk
from agent.jobs import Jobs
from agent.planning import Offline, Planning
from agent.runner import Runner, Straight
from agent.store import ArtefactStore
from envs.errors import InstrumentError, JournalError


class Hands(Jobs):
    """Does every order in ten seconds, whatever there is on a bus.

    Attributes:
        at_work: orders that are being done, and the most at once.
        sent: all of them, each with whether its intent was in the journal by then.
    """

    def __init__(self, kept: Kept) -> None:
        self.kept = kept
        self.now, self.most = 0, 0
        self.sent: list[tuple[str, str, bool]] = []
        self.away = False
        self.fresh: set[str] = set()

    @override
    def intend(self, job: str) -> None:
        self.fresh.add(job)

    @override
    def forget(self, job: str) -> None:
        self.fresh.discard(job)

    @override
    async def carry_out(self, command: core.SendOrder, *, check: Callable[[], None] = lambda: None) -> ev.StepEnded:
        check()
        known = any(
            isinstance(stored.event, ev.StepDispatched) and stored.event.job == command.job
            for stored in self.kept.scan()
        )
        self.sent.append((command.experiment, command.step, known))
        if self.away:
            raise InstrumentError("the furnace is away")
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(10.0)
        self.now -= 1
        return ev.StepEnded.model_validate(
            {
                "experiment": command.experiment, "step": command.step, "attempt": command.attempt,
                "tries": command.tries, "job": command.job, "state": "succeeded",
                "values": VALUES.get(command.step, {}), "elapsed_s": 10.0,
                "artefacts": {"image": IMAGE} if command.step == "image" else {},
            }
        )  # fmt: skip


class Workplace:
    """A runner with everything that it needs, and no instruments."""

    def __init__(self, directory: Path, campaigns: dict[str, core.CampaignRules], *, straight: bool = False) -> None:
        self.kept = Kept()
        self.desk = Desk(self.kept, lab_rules(campaigns), LoopClock())
        self.minds = QuickMinds()
        self.hands = Hands(self.kept)
        self.world: dict[str, core.InstrumentView] = dict(WORLD)
        store = ArtefactStore(directory)
        self.slept = 0.0
        conduct = Straight(self._spend) if straight else Patient(LoopClock(), asyncio.sleep)
        self.runner = Runner(
            self.desk, self.hands, Planning(self.desk, self.minds, store, Offline()), self.minds, store=store,
            ids=ids(), world=lambda: self.world, conduct=conduct,
        )  # fmt: skip
        for cid in campaigns:
            self.desk.tell(created(cid))

    def _spend(self, seconds: float) -> None:
        self.slept += seconds

    def done(self, state: core.LabState) -> bool:
        """Whether every campaign is over."""
        return all(c.phase == "completed" for c in state.campaigns.values())

    async def until(self, true: Callable[[core.LabState], bool], within_s: float = 3600.0) -> None:
        """Run until something is so."""
        async with asyncio.timeout(within_s):
            await self.runner.run(true)


def work(story: Coroutine[Any, Any, None]) -> None:
    in_a_moment(story)


THREE = replace(AUTOMATIC, experiments=3, initial=3, at_once=3)


def test_every_order_is_in_the_record_before_it_is_sent(tmp_path: Path) -> None:
    async def story() -> None:
        place = Workplace(tmp_path, {HARD: replace(THREE, recipe=FULL_RECIPE)})
        await place.until(place.done)
        assert len(place.hands.sent) == 12
        assert all(known for _, _, known in place.hands.sent)

    work(story())


def test_experiments_go_on_side_by_side_where_there_is_room(tmp_path: Path) -> None:
    async def story() -> None:
        place = Workplace(tmp_path, {HARD: replace(AUTOMATIC, experiments=4, initial=4, at_once=4)})
        place.world["furnace-2"] = core.InstrumentView("furnace")
        await place.until(place.done)
        assert place.hands.most == 3  # two furnaces and the indenter

    work(story())


def test_campaigns_are_planned_side_by_side_and_each_round_once(tmp_path: Path) -> None:
    async def story() -> None:
        place = Workplace(tmp_path, {HARD: replace(THREE, initial=2, batch=1), SOFT: THREE})
        await place.until(place.done)
        assert sorted(place.minds.asked) == ["hard 0", "hard 1", "soft 0"]

    work(story())


def test_while_nothing_new_may_be_ordered_what_is_open_is_followed(tmp_path: Path) -> None:
    async def story() -> None:
        place = Workplace(tmp_path, {HARD: THREE})
        await place.until(lambda _state: place.hands.now > 0)
        place.runner.ordering = False
        with pytest.raises(TimeoutError):
            await place.until(place.done, within_s=100.0)
        assert {e for e, _, _ in place.hands.sent} == {"hard-E001"}
        assert not place.desk.state.jobs
        place.runner.ordering = True
        await place.until(place.done)

    work(story())


def test_why_something_waits_is_written_down_once_however_often_it_looks(tmp_path: Path) -> None:
    async def story() -> None:
        place = Workplace(tmp_path, {HARD: THREE})
        away = core.InstrumentView("furnace", code="instrument_offline", reason="furnace-1 is offline")
        place.world["furnace-1"] = away
        await place.until(lambda state: bool(state.campaigns[HARD].queue))
        for _ in range(20):
            place.runner.start_due()
        held = [s.event for s in place.kept.scan() if isinstance(s.event, ev.DispatchHeld)]
        assert [(e.experiment, e.code) for e in held] == [("hard-E001", "instrument_offline")]
        place.world["furnace-1"] = core.InstrumentView("furnace")
        await place.until(place.done)

    work(story())


def test_it_looks_again_when_it_is_woken_and_when_something_changed(tmp_path: Path) -> None:
    async def story() -> None:
        place = Workplace(tmp_path, {HARD: THREE})
        furnace = place.world.pop("furnace-1")
        running = asyncio.create_task(place.until(place.done))
        await asyncio.sleep(60.0)
        assert place.hands.sent == []
        place.world["furnace-1"] = furnace
        place.runner.wake()
        await running

    work(story())


def test_what_is_in_hand_ends_with_the_runner_and_is_due_again(tmp_path: Path) -> None:
    async def story() -> None:
        place = Workplace(tmp_path, {HARD: THREE})
        with pytest.raises(TimeoutError):
            await place.until(place.done, within_s=5.0)  # one is being done
        assert place.runner.in_hand == 0
        assert len(place.desk.state.jobs) == 1
        await place.until(place.done)

    work(story())


def test_a_planner_that_waits_for_people_is_not_asked_again(tmp_path: Path) -> None:
    async def story() -> None:
        place = Workplace(tmp_path, {HARD: replace(CAMPAIGN, initial=1)})
        with pytest.raises(TimeoutError):
            await place.until(place.done, within_s=1000.0)
        assert place.minds.asked[0] == "hard 0"

    work(story())


# ---- Offline


def test_offline_a_failure_ends_the_run_and_a_later_one_goes_on(tmp_path: Path) -> None:
    async def story() -> None:
        place = Workplace(tmp_path, {HARD: THREE}, straight=True)
        place.hands.away = True
        with pytest.raises(InstrumentError, match="the furnace is away"):
            await place.until(place.done)
        place.hands.away = False
        await place.until(place.done)
        assert place.slept == 60.0

    work(story())


def test_offline_nobody_waits_for_an_instrument_that_is_not_there(tmp_path: Path) -> None:
    async def story() -> None:
        place = Workplace(tmp_path, {HARD: THREE}, straight=True)
        del place.world["indenter-1"]
        with pytest.raises(InstrumentError, match="no instrument of kind 'indenter'"):
            await place.until(place.done)

    work(story())


def test_offline_a_full_disk_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        place = Workplace(tmp_path, {HARD: THREE}, straight=True)

        def full(*_words: object, **_more: object) -> None:
            raise JournalError("the disk is full")

        await place.until(lambda state: bool(state.campaigns[HARD].queue))
        monkeypatch.setattr(place.kept, "append", full)
        with pytest.raises(JournalError, match="the disk is full"):
            await place.until(place.done)

    work(story())
