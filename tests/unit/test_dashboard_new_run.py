"""Agents and instruments that begin anew with their machine's time set back; dates that no clock ever showed."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from dashboard_samples import (
    AGENT,
    CAMPAIGN,
    NOW,
    sample_campaign,
    sample_experiment,
    sample_laboratory,
    sample_status,
)
from quick_time import START
from watch_bench import FURNACE, TOPICS, Bench, during

from instruments.messages import JobState

EARLIER = "0000-of-a-clock-set-back"
"""Smaller than any other run's id."""


@pytest.mark.parametrize("kept", [False, True])
def test_an_agent_that_begins_anew_with_its_clock_set_back_is_believed(kept: bool) -> None:
    async def act(bench: Bench) -> None:
        bench.sign_of_life(501)
        say = bench.keep if kept else bench.say
        say(TOPICS.experiment("hard-E001"), sample_experiment(1, "running", boot_id=EARLIER, seq=3))
        say(TOPICS.agent_lab(AGENT), sample_laboratory(boot_id=EARLIER, seq=1, people=()))
        say(TOPICS.campaign_state(CAMPAIGN), sample_campaign(phase="paused", boot_id=EARLIER, seq=2))
        say(TOPICS.agent_status(AGENT), sample_status("busy", boot_id=EARLIER, seq=0))
        await asyncio.sleep(0.01)
        picture = bench.watch.picture
        state, lab = picture.campaigns[CAMPAIGN].state, picture.lab
        assert lab is not None
        assert lab.people == ()  # whoever was taken off the list is out at once
        assert state is not None
        assert state.phase == "paused"
        assert picture.experiments["hard-E001"].phase == "running"
        assert picture.agents[AGENT].state == "busy"
        say(TOPICS.experiment("hard-E001"), sample_experiment(1, "ended", boot_id=EARLIER, seq=4))
        await asyncio.sleep(0.01)
        assert picture.experiments["hard-E001"].ended_at == sample_experiment(1, "ended").ended_at

    during(act)


def test_an_instrument_that_begins_anew_with_its_clock_set_back_is_believed() -> None:
    async def act(bench: Bench) -> None:
        job = next(reversed(bench.watch.picture.instruments[FURNACE].jobs))
        bench.say(TOPICS.status(FURNACE), sample_status("error", boot_id=EARLIER, seq=0, message="began anew"))
        failed = JobState(job=job, boot_id=EARLIER, seq=1, state="running", ts=NOW + timedelta(hours=9))
        bench.say(TOPICS.job(FURNACE, job), failed)
        await asyncio.sleep(0.01)
        furnace = bench.watch.picture.instruments[FURNACE]
        assert furnace.status is not None
        assert furnace.status.message == "began anew"
        assert furnace.jobs[job] == failed

    during(act)


def test_what_is_thrown_away_as_old_is_no_sign_that_the_agent_is_there() -> None:
    async def act(bench: Bench) -> None:
        bench.sign_of_life(501)
        bench.say(TOPICS.experiment("hard-E001"), sample_experiment(1, "running", seq=900))
        await asyncio.sleep(25)
        bench.say(TOPICS.experiment("hard-E001"), sample_experiment(1, "queued", seq=899))
        bench.say(TOPICS.campaign_state(CAMPAIGN), sample_campaign(phase="paused", seq=1))
        await asyncio.sleep(10)
        assert bench.standing == "agent-silent"

    during(act)


@pytest.mark.parametrize("year", [1, 9999])
@pytest.mark.parametrize("speed", [600.0, 0.001])
def test_a_date_that_no_clock_showed_keeps_nothing_else_from_being_known(
    year: int, speed: float, caplog: pytest.LogCaptureFixture
) -> None:
    """It is an instrument's word; the statuses behind it, and the agent's own, are taken all the same."""
    odd = datetime(year, 1, 1, tzinfo=UTC) if year == 1 else datetime(year, 12, 31, 23, 59, tzinfo=UTC)

    async def act(bench: Bench) -> None:
        for wall in (START, odd):
            for iid in ("a-bad-one", "z-bad-one"):
                bench.keep(TOPICS.status(iid), sample_status("online", ts=odd))
            bench.keep(TOPICS.agent_lab(AGENT), sample_laboratory(wall=wall, ts=NOW, speed=speed))
            bench.keep(TOPICS.status(FURNACE), sample_status("busy", seq=900, ts=NOW))
            bench.sign_of_life(502, ts=odd)
            await asyncio.sleep(1)
            assert bench.watch.picture.labs[AGENT].wall == wall
            assert bench.watch.now().tzinfo is not None
            assert not bench.watch.picture.unreadable
            assert bench.watch.freshness().live

    during(act)
    assert not caplog.records  # nothing was raised on the way


def test_a_message_whose_reading_fails_in_whatever_way_is_named_and_the_next_is_read() -> None:
    async def act(bench: Bench) -> None:
        body = sample_status("online", ts=NOW).to_bytes()
        odd = body.replace(NOW.strftime("%Y-%m-%dT%H:%M:%S").encode(), b"0001-01-01T00:00:00").replace(b"Z", b"+14:00")
        assert odd != body
        bench.keep(TOPICS.status("a-bad-one"), odd)
        bench.keep(TOPICS.status(FURNACE), sample_status("error", seq=900, message="too hot"))
        await asyncio.sleep(0.3)
        picture = bench.watch.picture
        assert TOPICS.status("a-bad-one") in picture.unreadable
        status = picture.instruments[FURNACE].status
        assert status is not None
        assert status.message == "too hot"

    during(act)
