"""The daemon at a broker: from a proposal to a result, and what signals, a second start and a kill do to it."""

from __future__ import annotations

import asyncio
import json
import signal
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from daemon_bench import AUTO, Laboratory, Nursery, laboratory
from patience import needs_mosquitto

from agent import events as ev
from agent.journal import Journal

pytestmark = needs_mosquitto


Play = Callable[..., None]


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    made = Nursery()
    yield made
    made.close()


@pytest.fixture
def play(tmp_path: Path, nursery: Nursery) -> Play:
    """Has a story happen in a laboratory whose file says more."""

    def played(story: Callable[[Laboratory], Awaitable[None]], **file: object) -> None:
        async def whole() -> None:
            async with laboratory(tmp_path, nursery, **file) as lab:
                await story(lab)

        asyncio.run(whole())

    return played


def get(url: str) -> tuple[int, str]:
    """Status and text."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_a_campaign_from_its_proposals_to_its_end(tmp_path: Path, play: Play) -> None:
    async def story(lab: Laboratory) -> None:
        daemon = lab.daemon()
        await daemon.start()
        await daemon.until(lambda: len(lab.of(ev.ProposalMade)) == 2)
        waiting = await lab.person("anna", "proposals", "--json")
        rows = json.loads(waiting.stdout)
        assert [row["proposal"] for row in rows] == ["hard-P001", "hard-P002"]
        assert lab.hall.acts == []
        approved = await lab.person("anna", "approve", "hard-P001", "--comment", "as discussed")
        assert approved.exit_code == 0, approved.output
        assert "hard-E001" in approved.output or "approved" in approved.output
        rejected = await lab.person("clara", "reject", "hard-P002", "--comment", "no powder")
        assert rejected.exit_code == 0, rejected.output
        # One of two is made: the next round proposes what is left of the budget.
        await daemon.until(lambda: len(lab.of(ev.ProposalMade)) == 3)
        again = await lab.person("anna", "approve", "hard-P003")
        assert again.exit_code == 0, again.output
        await daemon.until(lambda: bool(lab.of(ev.CampaignEnded)))
        assert sorted(lab.hall.acts) == [
            ("furnace-1", "hard-E001"), ("furnace-1", "hard-E002"),
            ("indenter-1", "hard-E001"), ("indenter-1", "hard-E002"),
        ]  # fmt: skip
        status, text = await asyncio.to_thread(get, f"{daemon.base}/healthz")
        assert status == 200, text
        status, text = await asyncio.to_thread(get, f"{daemon.base}/readyz")
        assert status == 200, text
        status, text = await asyncio.to_thread(get, f"{daemon.base}/metrics")
        assert status == 200
        assert "labwright_" in text
        daemon.signal(signal.SIGTERM)
        assert await daemon.ended() == 0
        assert [e.reason for e in lab.of(ev.AgentStopped)] == ["told to stop"]

    play(story, more="")
    with Journal(tmp_path / "state", write=False) as journal:
        journal.verify(projections=True)


def test_a_hot_furnace_is_waited_for_and_an_indenter_is_left_to_work(play: Play) -> None:
    async def story(lab: Laboratory) -> None:
        lab.hall.hold("furnace-1")
        lab.hall.hold("indenter-1")
        first = lab.daemon()
        await first.start()
        await first.until(lambda: lab.hall.count("furnace-1") == 1)
        first.signal(signal.SIGTERM)
        await first.until(lambda: "waiting for what is hot" in lab.log)
        status, _ = await asyncio.to_thread(get, f"{first.base}/readyz")
        assert status == 503
        assert first.alive
        lab.hall.go_on["furnace-1"].set()
        assert await first.ended() == 0
        (ended,) = lab.of(ev.StepEnded)
        assert (ended.step, ended.state) == ("sinter", "succeeded")
        assert lab.hall.count("furnace-1") == 1  # and nothing new was begun meanwhile

        second = lab.daemon()
        await second.start()
        await second.until(lambda: lab.hall.count("indenter-1") == 1 and len(lab.of(ev.StepEnded)) == 2)
        second.signal(signal.SIGTERM)
        assert await second.ended(5.0) == 0
        assert "1 orders are under way" in lab.of(ev.AgentStopped)[-1].reason

        third = lab.daemon()
        await third.start()
        lab.hall.go_on["indenter-1"].set()
        await third.until(lambda: bool(lab.of(ev.CampaignEnded)))
        assert (lab.hall.count("furnace-1"), lab.hall.count("indenter-1")) == (2, 2)

    play(story)


def test_a_kill_amid_a_job_costs_nothing_but_time(play: Play) -> None:
    async def story(lab: Laboratory) -> None:
        lab.hall.hold("furnace-1")
        first = lab.daemon()
        await first.start()
        await first.until(lambda: lab.hall.count("furnace-1") == 1)
        first.signal(signal.SIGKILL)
        assert await first.ended() == -signal.SIGKILL
        second = lab.daemon()
        await second.start()
        lab.hall.go_on["furnace-1"].set()
        await second.until(lambda: bool(lab.of(ev.CampaignEnded)))
        assert sorted(lab.hall.acts) == [
            ("furnace-1", "hard-E001"), ("furnace-1", "hard-E002"),
            ("indenter-1", "hard-E001"), ("indenter-1", "hard-E002"),
        ]  # fmt: skip
        assert {e.outcome for e in lab.of(ev.ExperimentEnded)} == {"completed"}

    play(story)


def test_a_reload_takes_a_larger_budget_and_refuses_another_seed(play: Play) -> None:
    none_today = AUTO + "[budgets]\nruns_per_day = 0\n"

    async def story(lab: Laboratory) -> None:
        daemon = lab.daemon()
        await daemon.start()
        await daemon.until(lambda: any(e.code == "budget_runs_per_day" for e in lab.of(ev.DispatchHeld)))
        lab.write(more=AUTO + "[budgets]\nruns_per_day = 1\n", seed=2)
        daemon.signal(signal.SIGHUP)
        await daemon.until(lambda: "not reloaded" in lab.log)
        assert "seed" in lab.log
        lab.write(more="[budgets]\nruns_per_day = nonsense\n")
        daemon.signal(signal.SIGHUP)
        await daemon.until(lambda: lab.log.count("not reloaded") == 2)
        assert lab.hall.acts == []
        lab.write(more=AUTO + "[budgets]\nruns_per_day = 1\n")
        daemon.signal(signal.SIGHUP)
        await daemon.until(lambda: lab.hall.count("indenter-1") == 1)
        assert lab.hall.count("furnace-1") == 1

    play(story, more=none_today)


def test_one_daemon_at_a_time(play: Play) -> None:
    async def story(lab: Laboratory) -> None:
        lab.hall.hold("furnace-1")
        first = lab.daemon()
        await first.start()
        second = lab.daemon()
        await second.begin()
        assert await second.ended() == 1
        assert second.errors.startswith("error: ")
        assert str(lab.state) in second.errors
        assert "Traceback" not in second.errors
        assert first.alive

    play(story)


def test_in_shadow_nothing_is_ordered(play: Play) -> None:
    async def story(lab: Laboratory) -> None:
        daemon = lab.daemon("shadow")
        await daemon.start()
        await daemon.until(lambda: bool(lab.of(ev.CampaignEnded)))
        assert lab.hall.acts == []
        assert {e.command for e in lab.of(ev.StepShadowed)} == {"sinter"}

    play(story)


def test_a_stop_by_a_person_ends_the_job_and_holds_over_a_restart(play: Play) -> None:
    async def story(lab: Laboratory) -> None:
        lab.hall.hold("furnace-1")
        daemon = lab.daemon()
        await daemon.start()
        await daemon.until(lambda: lab.hall.count("furnace-1") == 1)
        stopped = await lab.person("clara", "stop", "--all", "--comment", "smoke")
        assert stopped.exit_code == 0, stopped.output
        await daemon.until(lambda: any(e.state == "cancelled" for e in lab.of(ev.StepEnded)))
        daemon.signal(signal.SIGTERM)
        assert await daemon.ended() == 0
        lab.hall.go_on.clear()
        again = lab.daemon()
        await again.start()
        await asyncio.sleep(0.3)
        assert lab.hall.count("furnace-1") == 1
        cleared = await lab.person("clara", "clear", "--comment", "it was the toaster")
        assert cleared.exit_code == 0, cleared.output
        await again.until(lambda: bool(lab.of(ev.CampaignEnded)))
        outcomes = [e.outcome for e in lab.of(ev.ExperimentEnded)]
        assert sorted(outcomes) == ["aborted", "completed"]

    play(story)
