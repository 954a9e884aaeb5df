"""Hostile messages, thousands of them, at an agent and devices that do real work meanwhile."""

from __future__ import annotations

import asyncio
from collections import Counter

from instruments.mqtt import MqttTransport
from instruments.topics import Lab
from instruments.transport import Message

from .books import Acts, AgentRecord
from .grammar import Grammar, Hostile, Real
from .outcome import Outcome
from .roles import LAB
from .workshop import IIDS, Workshop, workshop

LOG_LINES = 2_000
"""Most lines that a process may log about all of them."""
LOG_BYTES = 2_000_000
_BATCH = 20


class Attacker:
    """Somebody who has got in, with every right."""

    def __init__(self, shop: Workshop) -> None:
        self._shop = shop
        self._topics = Lab("labwright", LAB)
        self._transport = MqttTransport(shop.broker.address("anybody"), client_id="anybody", payload_limit=1_000_000)
        self._record: AgentRecord | None = None
        self.recorded: list[tuple[str, bytes]] = []
        self.sent: Counter[str] = Counter()
        self.grammar = Grammar(shop.rng, self._topics, IIDS, [])

    async def leave_ghosts(self, n: int) -> None:
        """Before anybody is there: retained orders."""
        await self._transport.connect()
        for _ in range(n):
            await self._send(self.grammar.ghost())

    async def listen(self, seconds: float) -> None:
        """Record what real messages look like."""

        async def note(message: Message) -> None:
            if message.payload and not message.retained:
                self.recorded.append((message.topic, message.payload))

        for pattern in ("cmd/+", "job/+", "status", "ctl"):
            await self._transport.subscribe(f"{self._topics.prefix}/instrument/+/{pattern}", note)
        await asyncio.sleep(seconds)
        for pattern in ("cmd/+", "job/+", "status", "ctl"):
            await self._transport.unsubscribe(f"{self._topics.prefix}/instrument/+/{pattern}", note)

    def learn(self) -> None:
        """Begin to speak the language; when the recorded jobs have ended."""
        strangers = self.grammar.strangers
        self.grammar = Grammar(self._shop.rng, self._topics, IIDS, self.recorded)
        self.grammar.strangers = strangers
        self._record = AgentRecord(self._shop.directory / "agent.sqlite")

    async def attack(self, n: int) -> None:
        """Send so many."""
        assert self._record is not None
        for index in range(n):
            if index % _BATCH == 0:
                done = Acts(self._shop.directory / "acts").counts()
                self.grammar.real = [Real(iid, job) for job, iid, _ in self._record.open_jobs()]
                self.grammar.begun = [real for real in self.grammar.real if done[real.job]]
            await self._send(self.grammar.message())

    async def leave(self) -> None:
        """Go."""
        await self._transport.close()
        if self._record is not None:
            self._record.close()

    async def _send(self, hostile: Hostile) -> None:
        await self._transport.publish(hostile.topic, hostile.payload, retain=hostile.retain)
        self.sent[hostile.kind] += 1


async def hostile_messages(n: int, seed: int) -> Outcome:
    """``n`` of them: a quarter to warm up, then the measurement, in two halves to see what grows."""
    outcome = Outcome("hostile messages")
    async with workshop(seed, open_to_all=True) as shop:
        attacker = Attacker(shop)
        await attacker.leave_ghosts(n // 100)
        await shop.start()
        await attacker.listen(3.0)
        await shop.rest()
        attacker.learn()
        held = []
        for share in (n // 4, n // 4, n - n // 100 - 2 * (n // 4)):
            await shop.agent.ask("go")
            await attacker.attack(share)
            await asyncio.sleep(0.5)
            held.append(await shop.rest())
        await attacker.leave()
        books = await shop.finish(strangers=tuple(attacker.grammar.strangers))
        logs = shop.log_lines()
    outcome.at_least("messages sent", attacker.sent.total(), n)
    outcome.counts["kinds"] = dict(sorted(attacker.sent.items()))
    outcome.counts["handled"] = {name: report["heard"] for name, report in held[-1].items()}
    outcome.counts["objects, thousands"] = {
        name: [round(report[name]["blocks"] / 1000) for report in held] for name in held[0]
    }
    outcome.counts["memory, MB"] = {name: [report[name]["rss_mb"] for report in held] for name in held[0]}
    outcome.take(books, n_jobs=min(100, n // 100))
    outcome.at_most("jobs disturbed", books.ends.total() - books.ends["succeeded"], 0)
    outcome.compare(held[0], held[-1])
    outcome.at_most("log lines of a process", max(lines for lines, _ in logs.values()), LOG_LINES)
    outcome.at_most("log bytes of a process", max(size for _, size in logs.values()), LOG_BYTES)
    return outcome
