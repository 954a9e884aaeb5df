"""People who sign real decisions: most approve, and some do what nobody should."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from agent.approvals import sign_decision
from agent.deciding.letters import decision_of
from agent.identity import IdentityStore, SigningKey
from agent.roles import Role
from instruments.address import BrokerAddress
from instruments.mqtt import MqttTransport
from instruments.profile.decisions import Choice, PublishedProposal
from instruments.topics import Lab
from instruments.transport import Message

PASSWORD = "quite a long password"  # noqa: S105 - of nobody
ROLES = {"alice": Role.APPROVER, "bob": Role.APPROVER, "carol": Role.SAFETY, "dave": Role.OPERATOR, "vera": Role.VIEWER}
APPROVERS = ("alice", "bob", "carol")
COST = 2**10
"""Of a guess: scrypt's usual one takes half a second, and these passwords guard nothing."""
AGAIN_S = 1.5
"""A proposal that still waits after so long is decided on once more."""
HABITS: Mapping[str, int] = {
    "approve": 60, "approve twice": 9, "reject": 8, "edit": 8, "wrong revision": 5, "wrong digest": 3, "replay": 4,
    "no right": 3,
}  # fmt: skip


def make_people(mine: Path, laboratory: Path) -> dict[str, SigningKey]:
    """Make everybody's key pair, and give the laboratory the public halves."""
    store = IdentityStore(mine, cost=COST)
    laboratory.mkdir(parents=True, exist_ok=True)
    for name, role in ROLES.items():
        store.create(name, role, PASSWORD)
        (laboratory / store.public_path(name).name).write_bytes(store.public_path(name).read_bytes())
    return {name: store.open(name, PASSWORD) for name in ROLES}


@dataclass
class Reading:
    """A revision that somebody looks at.

    Attributes:
        body: as it was published.
        n: how often it was decided on.
        last: when.
        by: who approved it.
        editor: who made it.
    """

    body: bytes
    n: int = 0
    last: float = 0.0
    by: list[str] = field(default_factory=list)
    editor: str = ""


class People:
    """Everybody, each with a connection of their own.

    Args:
        keys: by name.
        addresses: likewise, of the broker.
        topics: of the laboratory.
        seed: of their moods.

    Attributes:
        holding: decide nothing for now.
        sent: decisions by habit.
    """

    def __init__(
        self, keys: Mapping[str, SigningKey], addresses: Mapping[str, BrokerAddress], topics: Lab, seed: int
    ) -> None:
        self._keys = keys
        self._topics = topics
        self._rng = random.Random(seed)
        self._transports = {
            name: MqttTransport(address, client_id=f"person-{name}") for name, address in addresses.items()
        }
        self._open: dict[str, Reading] = {}
        self._editors: dict[str, str] = {}
        self._old: list[tuple[str, str]] = []
        self._task: asyncio.Task[None] | None = None
        self.holding = False
        self.sent: Counter[str] = Counter()

    async def start(self) -> None:
        """Connect, and read along."""
        for transport in self._transports.values():
            await transport.connect()
        await self._transports["alice"].subscribe(self._topics.pattern("proposal"), self._read)
        self._task = asyncio.create_task(self._work(), name="people")

    async def stop(self) -> None:
        """Go home."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for transport in self._transports.values():
            await transport.close()

    async def _read(self, message: Message) -> None:
        pid = self._topics.read(message.topic).levels["pid"]
        if not message.payload:
            self._open.pop(pid, None)
        elif pid not in self._open or self._open[pid].body != message.payload:
            revised = pid in self._open
            self._open[pid] = Reading(message.payload, editor=self._editors.get(pid, "") if revised else "")

    async def _work(self) -> None:
        while True:
            await asyncio.sleep(0.05)
            now = asyncio.get_running_loop().time()
            for pid, reading in list(self._open.items()):
                if not self.holding and now - reading.last > AGAIN_S:
                    reading.last, reading.n = now, reading.n + 1
                    await self._decide(pid, reading)

    async def _decide(self, pid: str, reading: Reading) -> None:
        published = PublishedProposal.parse(reading.body)
        habit = "approve"
        if reading.n == 1 and published.revision == 1:
            habit = self._rng.choices(list(HABITS), list(HABITS.values()))[0]
        self.sent[habit] += 1
        able = [name for name in APPROVERS if name not in reading.by and name != reading.editor]
        who = self._rng.choice(able or APPROVERS)
        if habit == "reject":
            await self._send(self._rng.choice(("dave", "alice")), published, "reject")
        elif habit == "edit":
            self._editors[pid] = who
            changes = {"process.hold": self._rng.choice((0.5, 1.0, 2.0, 4.0, 8.0))}
            await self._send(who, published, "edit", changes)
        elif habit == "wrong revision":
            await self._send(who, published.model_copy(update={"revision": published.revision + 1}), "approve")
        elif habit == "wrong digest":
            await self._send(who, published.model_copy(update={"digest": "0" * 64}), "approve")
        elif habit == "replay" and self._old:
            user, token = self._rng.choice(self._old)
            await self._publish(user, pid, token)
        elif habit == "no right":
            await self._send("vera", published, "approve")
        else:
            reading.by.append(who)
            token = await self._send(who, published, "approve")
            if habit == "approve twice":
                await self._publish(who, pid, token)
                await self._send(who, published, "approve")

    async def _send(
        self, user: str, published: PublishedProposal, verdict: Choice, changes: Mapping[str, float | str] | None = None
    ) -> str:
        decision = decision_of(published, user, verdict, at=datetime.now(UTC), comment="a fault run", changes=changes)
        token = sign_decision(decision, self._keys[user])
        self._old = [*self._old[-200:], (user, token)]
        await self._publish(user, published.proposal, token)
        return token

    async def _publish(self, user: str, pid: str, token: str) -> None:
        await self._transports[user].publish(self._topics.decision(user, pid), token.encode())
