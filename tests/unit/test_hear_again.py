"""A word that counted, and whose acknowledgement a crash took away, comes again: it is answered as counted."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from desk_bench import FullDisk, Lab
from lab_bench import HARD, LAB
from patience import until

from agent import events as ev
from agent.daemon.hear import Ears
from agent.journal import Journal
from agent.requests import request_id
from instruments.local import LocalBus, LocalTransport
from instruments.topics import Lab as Topics

TOPICS = Topics("labwright", LAB)


class Life:
    """One life of the agent on a journal that outlives it."""

    def __init__(self, lab: Lab) -> None:
        self.answers: list[tuple[str, str, bool]] = []
        self._bus = LocalBus()
        self._transport = LocalTransport(self._bus)
        self.ears = Ears(
            lab.at, TOPICS, body_of=lambda pid: lab.bodies[pid], wall=lambda: lab.now, answer=self._answer,
            on_reload=lambda: None, seen=lab.journal.seen,
        )  # fmt: skip

    async def _answer(self, _about: Any, kind: str, words: str, good: bool) -> None:
        self.answers.append((kind, words, good))

    def hear(self, topic: str, token: str) -> tuple[str, str, bool]:
        """What is answered."""

        async def story() -> None:
            await self.ears.listen(self._transport)
            await self._transport.connect()
            try:
                self._bus.route(topic, token.encode(), retain=False)
                await until(lambda: bool(self.answers))
            finally:
                await self._transport.close()

        asyncio.run(story())
        return self.answers[-1]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with Journal(tmp_path, write=True) as real:
        yield Lab(FullDisk(real))


def test_a_decision_that_counted_is_not_refused_when_it_comes_again(lab: Lab) -> None:
    (pid,) = lab.plan({})
    token = lab.pen.decision("anna", lab.bodies[pid], "approve", lab.now)
    assert Life(lab).hear(TOPICS.decision("anna", pid), token)[0] == "decision.counted"
    before = lab.journal.seq
    kind, words, good = Life(lab).hear(TOPICS.decision("anna", pid), token)
    assert (kind, good) == ("decision.counted", True)
    assert "before" in words
    assert lab.journal.seq == before
    assert lab.of(ev.EnvelopeRefused) == []


def test_a_request_that_counted_neither(lab: Lab) -> None:
    lab.plan({})
    token = lab.pen.request("ole", "pause", HARD, lab.now)
    topic = TOPICS.request("ole", request_id(token))
    assert Life(lab).hear(topic, token)[0] == "request.accepted"
    before = lab.journal.seq
    assert Life(lab).hear(topic, token)[::2] == ("request.accepted", True)
    assert lab.journal.seq == before


def test_another_word_in_the_name_of_one_that_counted_is_judged(lab: Lab) -> None:
    lab.plan({})
    first = lab.pen.request("ole", "pause", HARD, lab.now)
    topic = TOPICS.request("ole", request_id(first))
    Life(lab).hear(topic, first)
    other = lab.pen.request("ole", "stop", HARD, lab.now)
    assert Life(lab).hear(topic, other)[::2] == ("request.refused", False)
    assert lab.journal.read()[-1].event.kind == "envelope.refused"


def test_a_reload_is_not_said_to_have_worked_before_the_files_were_read(lab: Lab) -> None:
    lab.plan({})
    token = lab.pen.request("ada", "reload", "", lab.now)
    life = Life(lab)
    kind, _, _ = life.hear(TOPICS.request("ada", request_id(token)), token)
    assert kind == "request.received"
    assert [(user, about.id) for user, about in life.ears.asked] == [("ada", request_id(token))]
