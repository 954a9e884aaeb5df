"""How far the dashboard's picture can be relied on, and what time it is in the laboratory."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from dashboard_samples import (
    AGENT,
    CAMPAIGN,
    NOW,
    sample_campaign,
    sample_laboratory,
    sample_proposal,
)
from quick_time import START, LoopClock, in_a_moment
from watch_bench import FURNACE, TOPICS, Bench, during, watching

from agent.dashboard.live.picture import Change


def test_with_an_agent_that_speaks_it_is_live() -> None:
    async def act(bench: Bench) -> None:
        assert bench.standing == "connecting"  # what was kept is old: it is of NOW, months from this machine's time
        bench.sign_of_life(501)
        await asyncio.sleep(0.01)
        assert bench.watch.freshness().live
        await asyncio.sleep(29)
        assert bench.watch.freshness().live
        assert bench.watch.freshness().age_s == pytest.approx(29, abs=0.1)
        await asyncio.sleep(2)
        assert bench.standing == "agent-silent"
        assert any(Change("link") in changes for _, changes in bench.told[-1:])
        assert "31 s" in bench.watch.freshness().words

    during(act)


def test_a_kept_presence_counts_where_it_is_young_by_the_laboratorys_own_time() -> None:
    """A virtual laboratory is far ahead; what it says of the machine's time tells how old its words are."""

    async def act(bench: Bench, ago_s: float) -> None:
        wall = START - timedelta(seconds=ago_s)
        bench.keep(TOPICS.agent_lab(AGENT), sample_laboratory(wall=wall - timedelta(seconds=100), speed=600))
        bench.sign_of_life(400, ts=NOW + timedelta(seconds=100 * 600))
        async with watching(bench):
            fresh = bench.watch.freshness()
            assert fresh.standing == ("live" if ago_s < 30 else "connecting")
            if fresh.live:
                assert fresh.age_s == pytest.approx(ago_s, abs=0.1)
                expected = NOW + timedelta(seconds=(100 + ago_s) * 600)
                assert abs(bench.watch.now() - expected) < timedelta(seconds=60)
            await asyncio.sleep(16)
            assert bench.standing == ("live" if ago_s < 10 else "agent-silent")

    for ago_s in (4.0, 26.0, 60.0):

        async def run(ago_s: float = ago_s) -> None:
            await act(Bench(), ago_s)

        in_a_moment(run())


def test_an_agent_that_took_leave_or_was_cut_off_is_gone() -> None:
    async def act(bench: Bench) -> None:
        bench.sign_of_life(501)
        await asyncio.sleep(0.01)
        assert bench.watch.freshness().live
        bench.sign_of_life(1, state="offline")  # a last will is as old as the connection
        await asyncio.sleep(0.01)
        assert bench.standing == "agent-gone"
        bench.sign_of_life(1, boot_id="019e82ff-6c00-7000-8000-0000000000a1")
        await asyncio.sleep(0.01)
        assert bench.watch.freshness().live

    during(act)


def test_without_any_agent() -> None:
    async def act(bench: Bench) -> None:
        assert bench.standing == "connecting"
        await asyncio.sleep(3.1)
        assert bench.standing == "no-agent"

    during(act, full=False)


def test_a_lost_broker_makes_all_stale_at_once_and_what_vanished_meanwhile_is_gone() -> None:
    async def act(bench: Bench) -> None:
        bench.sign_of_life(501)
        await asyncio.sleep(1)
        assert bench.watch.freshness().live
        bench.told.clear()
        await bench.transport.drop()
        assert bench.standing == "broker-lost"
        assert "since 12:00:01 UTC" in bench.watch.freshness().words
        await asyncio.sleep(0.3)
        assert bench.told[0][1] == {Change("link")}
        await asyncio.sleep(60)
        bench.keep(TOPICS.proposal("hard-P001"), b"")
        bench.keep(TOPICS.experiment("hard-E002"), b"")
        bench.keep(TOPICS.proposal("hard-P004"), sample_proposal(4))
        bench.keep(TOPICS.campaign_state(CAMPAIGN), sample_campaign(phase="paused", seq=3, boot_id="001"))
        await bench.transport.reconnect()
        await asyncio.sleep(0.5)
        assert bench.standing == "connecting"
        await asyncio.sleep(1)
        assert bench.standing == "connecting"  # the agent was not heard since
        bench.sign_of_life(502)
        await asyncio.sleep(0.3)
        assert bench.watch.freshness().live
        picture = bench.watch.picture
        assert sorted(picture.proposals) == ["hard-P002", "hard-P003", "hard-P004"]
        assert sorted(picture.experiments) == ["hard-E001", "hard-E003"]
        state = picture.campaigns[CAMPAIGN].state
        assert state is not None
        assert state.phase == "paused"  # what the broker keeps is how it is, whoever counted it how
        assert picture.instruments[FURNACE].description

    during(act)


def test_a_loss_that_nobody_saw_takes_nothing_away_that_is_still_there() -> None:
    async def act(bench: Bench) -> None:
        await asyncio.sleep(60)
        await bench.transport.drop()
        await bench.transport.reconnect()
        bench.keep(TOPICS.proposal("hard-P001"), b"")
        await asyncio.sleep(3)
        assert sorted(bench.watch.picture.proposals) == ["hard-P002", "hard-P003"]
        assert len(bench.watch.picture.experiments) == 3

    during(act)


def test_the_laboratorys_time_goes_on_at_its_speed_and_not_without_an_agent() -> None:
    async def act(bench: Bench) -> None:
        bench.say(TOPICS.agent_lab(AGENT), sample_laboratory(seq=8, speed=600))
        await asyncio.sleep(0)
        await asyncio.sleep(2)
        assert bench.watch.now() - NOW == pytest.approx(timedelta(seconds=1200), abs=timedelta(seconds=1))
        await asyncio.sleep(500)
        assert bench.watch.now() - NOW == pytest.approx(timedelta(seconds=30 * 600), abs=timedelta(seconds=1))

    during(act)


def test_before_anything_is_heard_the_time_is_the_machines() -> None:
    async def act(bench: Bench) -> None:
        assert bench.watch.now() == LoopClock().now()

    during(act, full=False)
