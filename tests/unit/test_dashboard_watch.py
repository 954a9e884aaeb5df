"""The dashboard's picture of a laboratory: what a broker says, in whatever order, and who is told of it."""

from __future__ import annotations

import asyncio
import itertools
from datetime import timedelta

import pytest
from dashboard_samples import (
    AGENT,
    CAMPAIGN,
    LAB,
    NOW,
    sample_campaign,
    sample_events,
    sample_experiment,
    sample_instruments,
    sample_laboratory,
    sample_model,
    sample_outcome,
    sample_proposal,
    sample_revision,
    sample_space,
    sample_status,
)
from watch_bench import FURNACE, TOPICS, Bench, during

from agent.dashboard.live.fold import MOST
from agent.dashboard.live.of_instruments import MAX_WORDS
from agent.dashboard.live.picture import MAX_JOBS, MAX_READINGS, Change
from instruments.messages import JobError, JobState, Result, Telemetry


def test_all_that_is_kept_is_in_the_picture() -> None:
    async def act(bench: Bench) -> None:
        picture = bench.watch.picture
        assert [one.proposal for one in picture.proposals.values()] == [sample_proposal(i) for i in (1, 2, 3)]
        assert picture.proposals["hard-P001"].published == sample_proposal(1).published
        assert list(picture.experiments) == ["hard-E001", "hard-E002", "hard-E003"]
        campaign = picture.campaigns[CAMPAIGN]
        assert (campaign.state, campaign.space, campaign.model) == (sample_campaign(), sample_space(), sample_model())
        assert picture.lab == sample_laboratory()
        assert picture.outcomes["hard-P901"] == sample_outcome(901)
        assert picture.votes("hard-P002") == ("anna",)
        furnace = picture.instruments[FURNACE]
        assert furnace.description == sample_instruments()[FURNACE].description
        assert [job.state for job in furnace.jobs.values()] == ["succeeded", "running"]
        assert not picture.unreadable
        assert bench.watch.name == LAB

    during(act)


def test_what_is_closed_or_changed_is_so_in_the_picture() -> None:
    async def act(bench: Bench) -> None:
        bench.keep(TOPICS.proposal("hard-P001"), b"")
        bench.keep(TOPICS.proposal("hard-P002"), sample_revision(2))
        bench.keep(TOPICS.experiment("hard-E001"), b"")
        await asyncio.sleep(0.3)
        assert list(bench.watch.picture.proposals) == ["hard-P002", "hard-P003"]
        assert bench.watch.picture.proposals["hard-P002"].published == sample_revision(2).published
        assert list(bench.watch.picture.experiments) == ["hard-E002", "hard-E003"]
        told = frozenset().union(*(changes for _, changes in bench.told))
        assert {
            Change("proposal", "hard-P001"),
            Change("proposal", "hard-P002"),
            Change("experiment", "hard-E001"),
        } <= told
        assert Change("proposal", "hard-P003") not in [one for _, changes in bench.told[1:] for one in changes]

    during(act)


def test_an_older_message_that_comes_late_changes_nothing() -> None:
    async def act(bench: Bench) -> None:
        new = sample_experiment(1, "running", seq=900)
        for message in (new, sample_experiment(1, "queued", seq=899)):
            bench.say(TOPICS.experiment("hard-E001"), message)
        bench.say(TOPICS.campaign_state(CAMPAIGN), sample_campaign(phase="paused", seq=119))
        bench.keep(TOPICS.proposal("hard-P002"), sample_revision(2))
        bench.say(TOPICS.proposal("hard-P002"), sample_proposal(2))
        await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        picture = bench.watch.picture
        state = picture.campaigns[CAMPAIGN].state
        assert picture.experiments["hard-E001"] == new
        assert state is not None
        assert state.phase == "running"
        assert picture.proposals["hard-P002"].proposal.revision == 2

    during(act)


@pytest.mark.parametrize(
    ("topic", "payload", "words"),
    [
        (TOPICS.proposal("hard-P001"), b"{", "not a valid Proposal"),
        (TOPICS.proposal("hard-P001"), sample_proposal(2).to_bytes(), "there is hard-P002"),
        (TOPICS.proposal("hard-P001"), sample_proposal(1, lab="hall-4").to_bytes(), "hall-4"),
        (TOPICS.experiment("hard-E001"), sample_experiment(2).to_bytes(), "hard-E002"),
        (TOPICS.campaign_state(CAMPAIGN), sample_campaign("soft").to_bytes(), "soft"),
        (TOPICS.agent_lab(AGENT), sample_laboratory(lab="hall-4").to_bytes(), "hall-4"),
        (TOPICS.desc(FURNACE), b"[]", "not a valid Description"),
        (TOPICS.status(FURNACE), b"\xff", "not a valid Status"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_noted_and_nothing_old_stands_in_its_place(
    topic: str, payload: bytes, words: str
) -> None:
    async def act(bench: Bench) -> None:
        before = bench.watch.picture.unreadable.copy()
        bench.keep(topic, payload)
        await asyncio.sleep(0.3)
        picture = bench.watch.picture
        assert before == {}
        assert words in picture.unreadable[topic]
        gone = {
            "proposal": "hard-P001" not in picture.proposals,
            "experiment": "hard-E001" not in picture.experiments,
            "campaign": picture.campaigns[CAMPAIGN].state is None,
            "agent": picture.lab is None,
            "instrument": not (picture.instruments[FURNACE].description and picture.instruments[FURNACE].status),
        }
        assert gone[topic.split("/")[3]]
        bench.fill()
        await asyncio.sleep(0.3)
        assert not picture.unreadable

    during(act)


def test_a_flood_of_what_nobody_knows_fills_no_memory() -> None:
    async def act(bench: Bench) -> None:
        for i in range(MOST["outcome"] + 150):
            body = sample_outcome(1, proposal=f"X{i}").to_bytes()
            bench.bus.route(TOPICS.outcome(f"X{i}"), body, retain=False)
            bench.bus.route(f"{TOPICS.prefix}/campaign/c/state/{i}", b"x", retain=False)
        for n in range(MAX_JOBS + 20):
            state = JobState(job=f"j{n}", boot_id="b", seq=n, state="running", ts=NOW + timedelta(seconds=n))
            bench.say(TOPICS.job(FURNACE, state.job), state)
        for n in range(MAX_READINGS + 20):
            bench.say(TOPICS.telemetry(FURNACE, "temperature"), Telemetry(ts=NOW, value=n, unit="Cel", seq=n))
        await asyncio.sleep(3)
        picture = bench.watch.picture
        assert len(picture.outcomes) == MOST["outcome"]
        assert 0 < len(picture.unreadable) <= 100
        assert list(picture.instruments[FURNACE].jobs)[-1] == f"j{MAX_JOBS + 19}"
        assert len(picture.instruments[FURNACE].jobs) == MAX_JOBS
        readings = picture.instruments[FURNACE].telemetry["temperature"]
        assert (len(readings), readings[-1]) == (MAX_READINGS, (NOW, MAX_READINGS + 19.0))

    during(act)


def test_what_an_instrument_says_at_length_is_remembered_in_short() -> None:
    async def act(bench: Bench) -> None:
        error = JobError(code="E", message="y" * 800_000)
        long = JobState(job="j1", boot_id="b", seq=1, state="failed", ts=NOW, error=error)
        found = Result(values={"said": "z" * 800_000, "phase": "cubic"})
        done = JobState(job="j2", boot_id="b", seq=2, state="succeeded", ts=NOW, result=found)
        bench.say(TOPICS.job(FURNACE, "j1"), long)
        bench.say(TOPICS.job(FURNACE, "j2"), done)
        await asyncio.sleep(0.3)
        jobs = bench.watch.picture.instruments[FURNACE].jobs
        held = jobs["j1"].error, jobs["j2"].result
        assert held[0] is not None
        assert held[1] is not None
        assert held[0].message == "y" * (MAX_WORDS - 2) + " …"
        assert held[1].values == {"said": "z" * (MAX_WORDS - 2) + " …", "phase": "cubic"}
        assert jobs["j1"].ts == NOW

    during(act)


def test_events_come_once_and_in_order() -> None:
    async def act(bench: Bench) -> None:
        for event in sample_events(5):
            bench.say(TOPICS.agent_event(AGENT), event)
            bench.say(TOPICS.agent_event(AGENT), event)
        await asyncio.sleep(0.01)
        assert list(bench.watch.picture.events) == list(sample_events(5))

    during(act)


# ---- Who is told, and when


def test_the_first_change_is_told_at_once_and_a_flood_four_times_a_second() -> None:
    async def act(bench: Bench) -> None:
        await asyncio.sleep(5)
        bench.told.clear()
        begun = asyncio.get_running_loop().time()
        for n in range(500):
            bench.say(TOPICS.telemetry(FURNACE, "temperature"), Telemetry(ts=NOW, value=n, unit="Cel", seq=n))
            await asyncio.sleep(0.01)
        times = [at - begun for at, _ in bench.told]
        assert times[0] < 0.01
        assert len(times) <= 4 * 5 + 2
        assert all(after - before >= 0.2499 for before, after in itertools.pairwise(times))
        assert bench.told[1][1] == {Change("telemetry", FURNACE)}

    during(act)


def test_a_listener_that_fails_keeps_no_other_from_knowing(caplog: pytest.LogCaptureFixture) -> None:
    async def act(bench: Bench) -> None:
        def fails(_changes: frozenset[Change]) -> None:
            raise ValueError("a page is gone")

        heard: list[frozenset[Change]] = []
        with bench.watch.listening(fails), bench.watch.listening(heard.append):
            bench.keep(TOPICS.proposal("hard-P001"), b"")
            await asyncio.sleep(0.5)
        assert any(Change("proposal", "hard-P001") in changes for changes in heard)
        n = len(heard)
        bench.keep(TOPICS.proposal("hard-P002"), b"")
        await asyncio.sleep(0.5)
        assert len(heard) == n

    during(act)
    assert "a page is gone" in caplog.text


def test_signs_of_life_alone_are_no_news() -> None:
    async def act(bench: Bench) -> None:
        await asyncio.sleep(1)
        bench.sign_of_life(501)
        await asyncio.sleep(1)
        bench.told.clear()
        for n in range(502, 512):
            bench.sign_of_life(n)
            bench.keep(TOPICS.status(FURNACE), sample_status("busy", seq=n, message="hard-E011"))
            await asyncio.sleep(2)
        assert bench.told == []

    during(act)
