"""The laboratory watched for hours in no time: who is told what, over real servers, with a clock that is moved."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import pytest
from dashboard_samples import NOW, FakeLive, sample_picture, sample_proposal, waiting
from mail_room import HOST, hook, mail_room
from patience import until
from typing_extensions import override

from agent.dashboard.live.freshness import Freshness
from agent.dashboard.notices.bulletin import Notice
from agent.dashboard.notices.outlet import NotSentError, Outlet, Secrets
from agent.dashboard.notices.runner import LOOK_S, outlets, run
from agent.dashboard.notices.settings import NotifySection, parse_notify
from agent.dashboard.notices.waiting import Item
from instruments.clock import SimClock
from instruments.profile.laboratory import Laboratory

HOUR = 3600.0


@dataclass
class Reader:
    """An outlet that keeps what it is told; it fails as often as it is told to."""

    name: str = "a reader"
    failures: int = 0
    crash: bool = False
    got: list[list[str]] = field(default_factory=list)
    tries: int = 0

    def wants(self, item: Item, lab: Laboratory | None) -> bool:
        return True

    async def send(self, notice: Notice, now: datetime) -> None:
        self.tries += 1
        if self.crash:
            raise ZeroDivisionError
        if self.tries <= self.failures:
            raise NotSentError("the server is away")
        self.got.append([item.id for item in notice.items])


def watch(
    live: FakeLive,
    settings: NotifySection,
    senders: list[Outlet],
    scenes: dict[float, Callable[[], None]],
    end_s: float,
) -> None:
    """Run from 0 to ``end_s``; scenes happen at their times."""
    clock, due = SimClock(NOW), sorted(scenes)

    async def sleeper(seconds: float) -> None:
        for _ in range(3):
            await asyncio.sleep(0)  # what was begun comes to its end
        clock.advance(seconds)
        while due and due[0] <= clock.elapsed():
            scenes[due.pop(0)]()
        if clock.elapsed() > end_s:
            raise asyncio.CancelledError

    async def whole() -> None:
        task = asyncio.create_task(run(live, settings, senders, clock, sleeper))
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(whole())


def test_everybody_is_told_once_and_reminded_after_hours() -> None:
    live, reader = FakeLive(sample_picture(n_proposals=2)), Reader()
    settings = parse_notify({"after_s": 60.0, "again_h": 2.0})

    watch(live, settings, [reader], {}, 3 * HOUR)

    assert reader.got == [["hard-P001", "hard-P002"], ["hard-P001", "hard-P002"]]


def test_nothing_is_told_of_old_data_and_nothing_twice_when_the_broker_is_back() -> None:
    live, reader = FakeLive(sample_picture(n_proposals=1)), Reader()

    def lost() -> None:
        live.fresh = Freshness("broker-lost", "the broker is gone", 60.0)
        live.picture.proposals["hard-P002"] = waiting(sample_proposal(2))

    def back() -> None:
        live.fresh = Freshness("live")

    scenes = {100.0: lost, 400.0: back, 500.0: lost, 600.0: back}
    told_at_500: list[int] = []
    scenes[390.0] = lambda: told_at_500.append(len(reader.got))

    watch(live, parse_notify({"after_s": 10.0}), [reader], scenes, 1000.0)

    assert told_at_500 == [1]
    assert reader.got == [["hard-P001"], ["hard-P002"]]


def test_a_failing_reader_is_retried_with_what_waits_then_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    live, reader, other = FakeLive(sample_picture(n_proposals=1)), Reader(failures=3), Reader()

    def more() -> None:
        live.picture.proposals["hard-P002"] = waiting(sample_proposal(2))
        del live.picture.proposals["hard-P001"]

    with caplog.at_level(logging.WARNING):
        watch(live, parse_notify({"after_s": 0.0}), [reader, other], {50.0: more}, 1000.0)

    assert reader.got == [["hard-P002"]]
    assert other.got == [["hard-P001"], ["hard-P002"]]
    assert [record.getMessage().split(":")[0] for record in caplog.records] == [
        "no a reader",
        "a reader works again",
    ]


def test_what_goes_wrong_with_one_message_stops_no_other() -> None:
    live, broken, other = FakeLive(sample_picture(n_proposals=1)), Reader(crash=True), Reader()
    logging.getLogger("agent.dashboard.notices.runner").disabled = True
    try:
        watch(live, parse_notify({"after_s": 0.0}), [broken, other], {}, 200.0)
    finally:
        logging.getLogger("agent.dashboard.notices.runner").disabled = False

    assert broken.tries > 1
    assert other.got == [["hard-P001"]]


def test_without_readers_there_is_nothing_to_do() -> None:
    asyncio.run(run(FakeLive(sample_picture()), NotifySection(), [], SimClock(NOW), asyncio.sleep))


def test_mail_and_webhook_are_told_the_same_and_a_busy_mail_server_is_tried_again() -> None:
    live, clock = FakeLive(sample_picture(n_proposals=2)), SimClock(NOW)

    async def whole(senders: list[Outlet], done: Callable[[], bool]) -> None:
        async def sleeper(seconds: float) -> None:
            await asyncio.sleep(0.002)
            clock.advance(10 * seconds)

        task = asyncio.create_task(run(live, settings, senders, clock, sleeper))
        await until(done)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    with mail_room(busy=2) as room, hook([503]) as end:
        email = {"host": HOST, "port": room.port, "security": "none", "from": "l@x.org", "to": ["a@x.org"]}
        settings = parse_notify({"after_s": LOOK_S, "again_h": 0.0, "email": email, "webhook": {"url": end.url}})
        senders = outlets(settings, Secrets(webhook_secret="s"), clock)  # noqa: S106
        asyncio.run(whole(senders, lambda: bool(room.got) and len(end.got) == 2))

    assert len(room.got) == 1
    assert room.busy == 0
    assert end.is_signed_with("s")


def test_a_reader_whose_choice_fails_once_is_told_later(caplog: pytest.LogCaptureFixture) -> None:
    class Choosy(Reader):
        chosen = 0

        @override
        def wants(self, item: Item, lab: Laboratory | None) -> bool:
            self.chosen += 1
            if self.chosen == 1:
                raise OverflowError("a date that no clock showed")
            return True

    reader = Choosy()
    live = FakeLive(sample_picture(1, 0))
    watch(live, parse_notify({}), [reader], {}, 2 * HOUR)
    assert reader.got
    assert "a date that no clock showed" in caplog.text
