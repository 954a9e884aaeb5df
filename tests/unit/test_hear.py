"""People on the bus: each word counts before it is acknowledged, once, and its sender is told what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from desk_bench import FullDisk, Lab
from lab_bench import HARD, LAB
from patience import until

from agent import events as ev
from agent.core.approving import RECORDED
from agent.daemon.hear import Ears
from agent.daemon.shelf import JournalShelf
from agent.journal import Journal
from agent.requests import request_id
from instruments.local import LocalBus, LocalTransport
from instruments.profile.agent_messages import Reference
from instruments.profile.decisions import MAX_TOKEN
from instruments.topics import Lab as Topics

TOPICS = Topics("labwright", LAB)


class Street:
    """Where people publish, and the agent listens."""

    def __init__(self, journal: FullDisk) -> None:
        self.lab = Lab(journal)
        self.journal = journal
        self.bus = LocalBus()
        self.naps: list[float] = []
        self.reloads = 0
        self.answers: list[tuple[Reference, str, str, bool]] = []
        self.on_nap: Callable[[], None] = lambda: None
        self.transport = LocalTransport(self.bus, sleeper=self._nap)
        real: Any = journal
        self.ears = Ears(
            self.lab.at, TOPICS, body_of=JournalShelf(real).body, wall=lambda: self.lab.now, answer=self._answer,
            on_reload=self._reload, seen=journal.seen,
        )  # fmt: skip

    async def _nap(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.on_nap()
        await asyncio.sleep(0)

    async def _answer(self, reference: Reference, kind: str, text: str, good: bool) -> None:
        self.answers.append((reference, kind, text, good))

    def _reload(self) -> None:
        self.reloads += 1

    async def say(self, topic: str, token: str | bytes, *, retain: bool = False) -> None:
        """Publish as a person, and wait for the answer."""
        n = len(self.answers)
        self.bus.route(topic, token.encode() if isinstance(token, str) else token, retain=retain)
        await until(lambda: len(self.answers) > n)

    async def decide(self, user: str, pid: str, verdict: str = "approve", **more: Any) -> str:
        """Publish a decision; returns its token."""
        token = self.lab.pen.decision(user, self.lab.bodies[pid], verdict, self.lab.now, **more)
        await self.say(TOPICS.decision(user, pid), token)
        return token

    async def ask(self, user: str, action: str, subject: str = "", **more: Any) -> str:
        """Publish a request; returns its token."""
        token = self.lab.pen.request(user, action, subject, self.lab.now, **more)
        await self.say(TOPICS.request(user, request_id(token)), token)
        return token


def on(street: Street, story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def whole() -> None:
        await street.ears.listen(street.transport)
        await street.transport.connect()
        try:
            await story()
        finally:
            await street.transport.close()

    asyncio.run(whole())


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Street]:
    with Journal(tmp_path, write=True) as real:
        yield Street(FullDisk(real))


def test_a_decision_counts_and_its_sender_is_told(street: Street) -> None:
    (pid,) = street.lab.plan({})

    async def story() -> None:
        token = await street.decide("anna", pid)
        ((about, kind, words, good),) = street.answers
        assert (about.kind, about.id) == ("decision", request_id(token))
        assert (kind, good) == ("decision.counted", True)
        assert words == "hard-P001 approved by anna; experiment hard-E001 is queued"
        assert street.journal.seen("decision", f"{request_id(token)}/anna/{pid}")

    on(street, story)
    assert street.lab.state.proposals[pid].phase == "approved"


def test_an_edit_is_of_the_body_that_was_published(street: Street) -> None:
    (pid,) = street.lab.plan({})

    async def story() -> None:
        await street.decide("anna", pid, "edit", changes={"temperature": 1100.0})
        assert street.answers[-1][2] == "hard-P001 is now revision 2: it waits for a decision"

    on(street, story)
    assert street.lab.state.proposals[pid].design.process["temperature"] == 1100.0


def test_what_does_not_count_is_answered_with_the_reason(street: Street) -> None:
    (pid,) = street.lab.plan({})

    async def story() -> None:
        await street.decide("vera", pid)
        _, kind, words, good = street.answers[-1]
        assert (kind, good) == ("decision.refused", False)
        assert words.startswith("role_not_allowed: approve needs the role")
        await street.ask("vera", "stop-lab")
        assert street.answers[-1][1] == "request.refused"

    on(street, story)
    assert street.lab.state.stopped == ""


def test_what_comes_twice_counts_once_and_is_answered_twice(street: Street) -> None:
    pid, other = street.lab.plan({}, {"temperature": 1100.0})

    async def story() -> None:
        token = await street.decide("anna", pid)
        before = street.journal.seq
        street.ears._heard.clear()  # a process of later, to which the bus brings what was not acknowledged
        await street.say(TOPICS.decision("anna", pid), token)
        assert street.answers[-1][1:] == ("decision.counted", "it counted before: nothing is done twice", True)
        request = await street.ask("ole", "pause", HARD)
        street.ears._heard.clear()
        await street.say(TOPICS.request("ole", request_id(request)), request)
        assert street.answers[-1][1] == "request.accepted"
        assert street.journal.seq == before + 2  # the pause alone
        # Under another name it is nothing that counted.
        await street.say(TOPICS.request("ole", "0" * 32), request)
        assert street.answers[-1][1] == "request.refused"

    on(street, story)
    assert street.lab.state.proposals[other].phase == "proposed"
    assert len([e for e in street.journal.read() if isinstance(e.event, ev.ProposalDecided)]) == 1


def test_what_was_acknowledged_and_comes_again_is_a_replay_and_on_record(street: Street) -> None:
    (pid,) = street.lab.plan({})

    async def story() -> None:
        token = await street.decide("anna", pid)
        await street.say(TOPICS.decision("anna", pid), token)
        assert street.answers[-1][1] == "decision.refused"

    on(street, story)
    refused = [e.event.code for e in street.journal.read() if isinstance(e.event, ev.EnvelopeRefused)]
    assert refused == ["replayed_nonce"]


def test_what_does_not_count_holds_nobody_up_while_the_disk_is_full(street: Street) -> None:
    (pid,) = street.lab.plan({})

    async def story() -> None:
        street.journal.full = True
        await street.say(TOPICS.decision("mallory", pid), "nothing")
        assert street.answers[-1][1] == "decision.refused"
        street.journal.full = False
        await street.decide("anna", pid)

    on(street, story)
    assert street.lab.state.proposals[pid].phase == "approved"
    assert street.naps == []
    assert street.lab.at.skipped == {"?": 1}


def test_a_decision_that_counted_is_nothing_on_another_proposal(street: Street) -> None:
    pid, other = street.lab.plan({}, {"temperature": 1100.0})

    async def story() -> None:
        token = await street.decide("anna", pid)
        for topic, code in (
            (TOPICS.decision("anna", other), "replayed_nonce"),
            (TOPICS.decision("ben", pid), "other_user"),
        ):
            await street.say(topic, token)
            assert street.answers[-1][1] == "decision.refused"
            last = street.journal.read()[-1].event
            assert isinstance(last, ev.EnvelopeRefused)
            assert last.code == code

    on(street, story)
    assert street.lab.state.proposals[other].phase == "proposed"


def test_a_retained_decision_is_nobodys_word_of_today(street: Street) -> None:
    (pid,) = street.lab.plan({})
    token = street.lab.pen.decision("anna", street.lab.bodies[pid], "approve", street.lab.now)
    street.bus.route(TOPICS.decision("anna", pid), token.encode(), retain=True)

    async def story() -> None:
        await street.ask("ole", "pause", HARD)

    on(street, story)
    assert len(street.answers) == 1
    assert street.lab.state.proposals[pid].phase == "proposed"


def test_a_word_that_cannot_be_recorded_is_not_acknowledged_and_comes_again(street: Street) -> None:
    (pid,) = street.lab.plan({})
    street.journal.full = True

    def make_room() -> None:
        street.journal.full = len(street.naps) < 3

    street.on_nap = make_room

    async def story() -> None:
        await street.decide("anna", pid)

    on(street, story)
    assert len(street.naps) == 3
    assert len(street.answers) == 1
    assert street.lab.state.proposals[pid].phase == "approved"


def test_garbage_is_answered_and_kept_short(street: Street) -> None:
    (pid,) = street.lab.plan({})

    async def story() -> None:
        for payload in (b"\xff\xfe\x00", b"{}", b"a.b.c", b"x" * (MAX_TOKEN + 100)):
            await street.say(TOPICS.decision("anna", pid), payload)
            assert street.answers[-1][2].startswith("malformed")

    on(street, story)
    kept = [e.event.envelope for e in street.journal.read() if isinstance(e.event, ev.EnvelopeRefused)]
    assert max(map(len, kept)) <= 4096


def test_a_flood_is_answered_without_filling_the_journal(street: Street) -> None:
    (pid,) = street.lab.plan({})

    async def story() -> None:
        for n in range(RECORDED + 3):
            await street.say(TOPICS.decision("anna", pid), f"nothing {n}")
        before = street.journal.seq
        await street.say(TOPICS.decision("anna", pid), "and nothing again")
        assert street.journal.seq == before
        assert "too many" in street.answers[-1][2]
        # Whoever is in that name is not locked out: what is right counts.
        await street.decide("anna", pid)
        assert street.answers[-1][1] == "decision.counted"

    on(street, story)


def test_the_files_are_read_again_after_it_was_asked_for_and_who_asked_is_known(street: Street) -> None:
    async def story() -> None:
        await street.ask("ole", "reload")
        assert street.reloads == 0
        token = await street.ask("ada", "reload")
        assert street.reloads == 1
        ((user, about),) = street.ears.asked
        assert (user, about.id) == ("ada", request_id(token))
        assert street.answers[-1][1] == "request.received"  # how it went is told when they were read

    on(street, story)


def test_a_stop_is_answered_in_words(street: Street) -> None:
    street.lab.approved({})
    street.lab.dispatch()

    async def story() -> None:
        await street.ask("ole", "stop-lab", comment="smoke")
        words = "everything is stopped: nothing is ordered until somebody says labwright clear"
        ended = ", and an instrument is asked to end the one job under way"
        assert street.answers[-1][1:] == ("request.accepted", words + ended, True)
        await street.ask("clara", "clear-lab")
        assert street.answers[-1][2] == "the stop is cleared: the laboratory goes on"
        await street.ask("ole", "stop", HARD)
        assert street.answers[-1][2] == "hard is stopping"

    on(street, story)
