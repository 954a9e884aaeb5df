"""What the people of a laboratory do when they see proposals: most decide, some mean no good, and all may be late."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from instruments.profile.decisions import PublishedProposal
from instruments.topics import Lab
from instruments.transport import Message

from .bus import SimTransport
from .machines import LAB
from .people import APPROVERS, Pen
from .plan import Manners

HOT = tuple(float(t) for t in range(1000, 1700, 50))
"""Cel; what an edit may choose."""


class Crowd:
    """All people, on one connection.

    Args:
        link: theirs.
        pen: signs.
        manners: how they behave.
        now: their clocks, which are right.
        note: for the trace.
    """

    def __init__(
        self,
        link: SimTransport,
        *,
        pen: Pen,
        rng: random.Random,
        manners: Manners,
        now: Callable[[], datetime],
        note: Callable[..., None],
    ) -> None:
        self.topics = Lab("labwright", LAB)
        self.pen = pen
        self.open: dict[str, bytes] = {}
        self._link = link
        self._rng = rng
        self._manners = manners
        self._now = now
        self._note = note
        self._seen: set[tuple[str, str]] = set()
        self._said: dict[tuple[str, str, str], float] = {}
        self._old: list[tuple[str, str]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.quiet = False

    async def start(self) -> None:
        """Look at the bus."""
        await self._link.subscribe(self.topics.pattern("proposal"), self._on_proposal)
        await self._link.connect()

    async def _on_proposal(self, message: Message) -> None:
        pid = message.topic.rpartition("/")[2]
        if not message.payload:
            self.open.pop(pid, None)
            return
        published = PublishedProposal.parse(message.payload)
        self.open[pid] = message.payload
        if (pid, published.digest) in self._seen:
            return
        self._seen.add((pid, published.digest))
        if not self.quiet:
            self._react(pid, message.payload, published)

    # While faults last ------------------------------------------------------------------------------------------------

    def _react(self, pid: str, payload: bytes, published: PublishedProposal) -> None:
        rng, manners = self._rng, self._manners
        who = rng.sample(APPROVERS, len(APPROVERS))
        if rng.random() < manners.silent:
            return
        for name in who[: published.quorum + (rng.random() < 0.2)]:
            self._soon(rng.uniform(1.0, 60.0), self._earnest, name, pid, payload, "approve")
        if rng.random() < manners.reject:
            self._soon(rng.uniform(1.0, 60.0), self._earnest, who[-1], pid, payload, "reject")
        if rng.random() < manners.edit and published.revision < 4:
            self._soon(rng.uniform(1.0, 40.0), self._earnest, who[rng.randrange(3)], pid, payload, "edit")
        if rng.random() < manners.twice:
            self._soon(rng.uniform(1.0, 60.0), self._twice, who[0], pid, payload)
        for share, trick in (
            (manners.late, self._late),
            (manners.stale, self._stale),
            (manners.forge, self._forge),
            (manners.replay, self._replay),
        ):
            if rng.random() < share:
                self._soon(rng.uniform(1.0, 90.0), trick, who[rng.randrange(3)], pid, payload, published)

    def _soon(self, seconds: float, what: Callable[..., object], *words: Any) -> None:
        asyncio.get_running_loop().call_later(seconds, what, *words)

    def _earnest(self, name: str, pid: str, payload: bytes, verdict: str) -> str:
        at = asyncio.get_running_loop().time()
        more: dict[str, Any] = {}
        if verdict == "edit":
            more["changes"] = {self._path(payload): self._rng.choice(HOT)}
        _, token = self.pen.earnest(name, payload, verdict, now=self._now(), at=at, **more)  # type: ignore[arg-type]
        self._said[name, pid, PublishedProposal.parse(payload).digest] = at
        self._note("says", name, verdict, pid, *more.values())
        self.send(self.topics.decision(name, pid), token)
        self._old.append((name, token))
        return token

    @staticmethod
    def _path(payload: bytes) -> str:
        design = json.loads(payload)["design"]
        return next(str(path) for path in design if path.endswith("temperature"))

    def _twice(self, name: str, pid: str, payload: bytes) -> None:
        token = self._earnest(name, pid, payload, "approve")
        self.send(self.topics.decision(name, pid), token)
        self._earnest(name, pid, payload, "approve")

    # Tricks: none of these may ever count

    def _late(self, name: str, pid: str, payload: bytes, _published: PublishedProposal) -> None:
        when = self._now() + self._rng.choice((timedelta(minutes=-11), timedelta(minutes=5)))
        _, token = self.pen.earnest(name, payload, "approve", now=when, at=asyncio.get_running_loop().time())
        self._trick("late", name, pid, token)

    def _stale(self, name: str, pid: str, _payload: bytes, published: PublishedProposal) -> None:
        lie: dict[str, Any] = self._rng.choice(
            ({"revision": published.revision + 1}, {"digest": "0" * 64}, {"lab": "another"}, {"proposal": "alpha-P999"})
        )
        token = self.pen.sign(name, published, "approve", time=self._now(), **lie)
        self._trick("stale", name, pid, token)

    def _forge(self, name: str, pid: str, _payload: bytes, published: PublishedProposal) -> None:
        signer, user = self._rng.choice((("mallory", name), ("mallory", "mallory"), ("vera", "vera"), ("vera", name)))
        token = self.pen.sign(user, published, "approve", time=self._now(), signer=signer)
        self._trick("forge", user, pid, token)

    def _replay(self, _name: str, pid: str, _payload: bytes, _published: PublishedProposal) -> None:
        if self._old:
            name, token = self._rng.choice(self._old)
            self._trick("replay", name, pid, token)

    def _trick(self, kind: str, user: str, pid: str, token: str) -> None:
        self._note("tricks", kind, user, pid)
        self.send(self.topics.decision(user, pid), token)

    # Any time ---------------------------------------------------------------------------------------------------------

    def ask(self, user: str, action: str, subject: str = "", **arguments: Any) -> None:
        """Send a signed request."""
        rid, token = self.pen.request(user, action, subject, arguments, time=self._now())
        self._note("asks", user, action, subject, *arguments.values())
        self.send(f"{self.topics.prefix}/request/{user}/{rid}", token)

    def answer_all(self, retained: dict[str, bytes]) -> None:
        """Look at the bus afresh and decide on everything that waits; again where nothing came of it for a while."""
        self.open = {topic.rpartition("/")[2]: payload for topic, payload in retained.items()}
        now = asyncio.get_running_loop().time()
        for pid, payload in list(self.open.items()):
            digest = PublishedProposal.parse(payload).digest
            for name in APPROVERS:
                said = self._said.get((name, pid, digest))
                if said is None or now - said > 300.0:
                    self._earnest(name, pid, payload, "approve")

    def send(self, topic: str, token: str) -> None:
        """Hand it to the bus."""
        task = asyncio.get_running_loop().create_task(self._link.publish(topic, token.encode()))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
