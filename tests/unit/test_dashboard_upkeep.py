"""What of the dashboard fails while it runs: it is begun again, or people are told, and it is in the log."""

from __future__ import annotations

import asyncio
import logging

import pytest
from dashboard_samples import sample_proposal
from dashboard_user import nicegui_alone
from quick_time import LoopClock, in_a_moment
from typing_extensions import override
from watch_bench import TOPICS, Bench, during

from agent.dashboard import serve
from agent.dashboard.live import standing
from agent.dashboard.live.freshness import Freshness
from agent.dashboard.live.patience import PatientTransport
from agent.dashboard.live.picture import Change, LabPicture
from agent.dashboard.live.upkeep import AGAIN_S, kept_up
from agent.dashboard.live.watch import Watch
from instruments.address import BrokerAddress
from instruments.errors import TransportError
from instruments.local import LocalBus, LocalTransport

REFUSED = "the MQTT broker at hall-3:8883 refused the connection: Not authorized"


class Refusing(LocalTransport):
    """A broker that lets nobody in."""

    error: Exception = TransportError(REFUSED)

    @override
    async def connect(self) -> None:
        raise self.error


def test_work_that_fails_is_logged_and_begun_again_until_it_is_done(caplog: pytest.LogCaptureFixture) -> None:
    naps: list[float] = []
    left = [KeyError("odd"), ValueError("odder")]

    async def nap(seconds: float) -> None:
        naps.append(seconds)

    async def work() -> None:
        if left:
            raise left.pop()

    asyncio.run(kept_up(work, "the news", nap))
    assert naps == [AGAIN_S, AGAIN_S]
    assert [record.exc_info is not None for record in caplog.records] == [True, True]


def test_a_look_at_the_broker_that_fails_does_not_end_the_news(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fails = [True]

    def judged(picture: LabPicture, link: standing.Link, now_s: float) -> Freshness:
        if fails.pop() if fails else False:
            raise OverflowError("a date that no clock showed")
        return standing.judge(picture, link, now_s)

    async def act(bench: Bench) -> None:
        monkeypatch.setattr("agent.dashboard.live.watch.judge", judged)
        await asyncio.sleep(5)
        bench.told.clear()
        bench.keep(TOPICS.proposal("hard-P005"), sample_proposal(5))
        bench.sign_of_life(501)
        await asyncio.sleep(1)
        assert bench.standing == "live"
        assert Change("link") in frozenset().union(*(changes for _, changes in bench.told))
        await asyncio.sleep(40)
        assert bench.standing == "agent-silent"

    during(act)
    assert "a date that no clock showed" in caplog.text


def test_a_watch_that_has_ended_says_so(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        watch = Watch(Refusing(LocalBus()), TOPICS, clock=LoopClock())
        async with watch.running():
            await asyncio.sleep(0.1)
            assert not watch.freshness().live
            assert "start it again" in watch.freshness().words

    in_a_moment(run())
    assert REFUSED in caplog.text


def test_trouble_of_any_kind_is_tried_again_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """A certificate that cannot be read is no error of the transport, and yet somebody may mend it."""
    made: list[LocalTransport] = []

    def make() -> LocalTransport:
        made.append(LocalTransport(LocalBus()) if len(made) == 4 else Refusing(LocalBus()))
        if 1 <= len(made) <= 3:
            made[-1].error = OSError("ca.pem: no such file")  # type: ignore[attr-defined]
        return made[-1]

    async def run() -> None:
        transport = PatientTransport(make)
        connecting = asyncio.create_task(transport.connect())
        await asyncio.sleep(0.1)
        assert transport.trouble == "ca.pem: no such file"
        await asyncio.sleep(60)
        await connecting
        assert transport.connected
        await transport.close()

    in_a_moment(run())
    warned = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [record.getMessage().split("broker: ")[1] for record in warned] == ["ca.pem: no such file", REFUSED]


def test_why_the_broker_is_not_reached_is_said_on_the_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "MqttTransport", lambda *_given, **_more: Refusing(LocalBus()))
    plan = serve.Plan(BrokerAddress("127.0.0.1", 8883), TOPICS)

    async def run() -> None:
        async with serve.opened(plan) as dashboard:
            await asyncio.sleep(0.01)
            fresh = dashboard.hall.live.freshness()
            assert (fresh.standing, REFUSED in fresh.words) == ("connecting", True)

    with nicegui_alone():
        asyncio.run(run())
