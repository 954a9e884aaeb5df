"""The mouth: carries out the outbox, so that what the bus retains is what the journal says.

An entry names what has to be told, not the words: they are made of the record when they are sent. Saying the same thing
twice changes nothing, so entries are taken out in batches, after the bus has them. What is only said again, because a
broker may have lost it, comes after all that is new; and so does what stands on the boards.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, Protocol

from agent import core
from agent import events as ev
from agent.core.messages import Effect
from agent.crash_points import reached
from agent.daemon import logs
from agent.daemon.standing import campaign_state
from agent.daemon.telling import told
from agent.desk import Desk, Record
from agent.words import in_print
from envs.errors import InstrumentError, JournalError
from instruments.clock import Clock, Sleeper
from instruments.errors import TopicError
from instruments.profile.agent_messages import AgentEvent, Outcome, Reference
from instruments.topics import Lab
from instruments.transport import Transport

_log = logs.get("publish")
KEPT_OUTCOMES = 200
"""Outcomes that stay retained; older ones are cleared."""
WAITING_EVENTS = 1000
"""Most events that wait to be told; of older ones only the journal knows."""
AHEAD = 50
"""Proposals that are read together to be told again."""
PAUSE_S = 1.0
BREATH_S = 0.005
"""Between two things said aside: what has to be judged and ordered meanwhile gets its turn."""
SPOKEN = {"proposal", "outcome", "campaign"}


class Shelf(Protocol):
    """Rows of the projections that are published."""

    def proposal(self, pid: str) -> dict[str, Any] | None:
        """A proposal's row; None when there is none."""
        ...

    def proposals(self, pids: Sequence[str]) -> Mapping[str, dict[str, Any]]:
        """Rows of several proposals by their ids; without those that there are not."""
        ...

    def decided(self, newest: int) -> Sequence[str]:
        """Ids of the proposals that were decided last, newest first."""
        ...


class Aside(Protocol):
    """What is said when nobody waits for anything else."""

    @property
    def fresh(self) -> bool:
        """Whether something has changed that is not said yet."""
        ...

    def on_due(self, ring: Callable[[], None]) -> None:
        """Have a function called when something becomes due."""
        ...

    def everything(self) -> None:
        """Say all of it again."""
        ...

    async def say_next(self, *, again: bool = True) -> bool:
        """Say one thing, what is new first; returns whether there was any."""
        ...


class Mouth:
    """Publishes.

    Args:
        desk: knows the state.
        journal: holds the outbox.
        shelf: of the projections.
        transport: to the bus.
        topics: of this laboratory.
        agent: the agent's id.
        boot: of this run.
        clock: the laboratory's time.
        sleeper: waits, in real time.
        aside: said when nothing else waits; nothing where it is None.
    """

    def __init__(
        self,
        desk: Desk,
        journal: Record,
        shelf: Shelf,
        transport: Transport,
        topics: Lab,
        *,
        agent: str,
        boot: str,
        clock: Clock,
        sleeper: Sleeper,
        aside: Aside | None = None,
    ) -> None:
        self._desk = desk
        self._journal = journal
        self._shelf = shelf
        self._transport = transport
        self._topics = topics
        self._agent = agent
        self._boot = boot
        self._clock = clock
        self._sleeper = sleeper
        left = [Effect.of(e.kind, e.key) for e in journal.outbox() if e.kind in SPOKEN]
        self._due: dict[Effect, None] = dict.fromkeys(left)
        self._again: dict[Effect, None] = {}
        self._said: list[tuple[list[Effect], int]] = []
        self._kept: dict[str, None] = {}
        self._past: list[str] = []
        self._ahead: Mapping[str, dict[str, Any]] = {}
        self._ahead_seq = -1
        self._events: list[AgentEvent] = []
        self._turn = asyncio.Lock()
        self._bell = asyncio.Event()
        self._seq = 0
        self._aside = aside
        self._aside_fails = False
        if aside is not None:
            aside.on_due(self._bell.set)
        desk.on_change(self._take)

    @property
    def waiting(self) -> int:
        """Entries of the outbox that are not told yet."""
        return len(self._due)

    def _take(self, effects: Sequence[Effect]) -> None:
        self._due.update(dict.fromkeys(e for e in effects if e.kind in SPOKEN))
        self._bell.set()

    def note(self, event: ev.Event, state: core.LabState, *, replayed: bool) -> None:
        """Observes the desk: what happened is told, once, to whoever watches."""
        words = None if replayed else told(event, state)
        if words is not None:
            self._queue(event.kind, words.level, words.text, words.reference)

    async def answer(self, reference: Reference | None, kind: str, text: str, good: bool) -> None:
        """Tell a person what came of what they sent."""
        self._queue(kind, "info" if good else "warning", text, reference)

    def _queue(self, kind: str, level: Any, text: str, reference: Reference | None) -> None:
        self._seq += 1
        said = AgentEvent(
            boot_id=self._boot, seq=self._seq, ts=self._clock.now(), kind=kind, level=level, text=text[:2000],
            reference=reference,
        )  # fmt: skip
        self._events.append(said)
        del self._events[:-WAITING_EVENTS]
        self._bell.set()

    def everything(self) -> None:
        """Say again how everything stands: a broker may have lost what it kept."""
        again = [Effect("campaign", c) for c in self._desk.state.campaigns]
        again += [Effect("proposal", p) for c in self._desk.state.campaigns.values() for p in c.waiting]
        decided = self._shelf.decided(2 * KEPT_OUTCOMES)
        newest = decided[:KEPT_OUTCOMES]
        self._kept = dict.fromkeys(reversed(newest))
        # Closed ones too: a process that died may have settled what its connection had not sent yet.
        again += [Effect("proposal", p) for p in newest]
        again += [Effect("outcome", p) for p in newest]
        self._past = list(decided[KEPT_OUTCOMES:])
        self._again = dict.fromkeys(again)
        self._bell.set()
        if self._aside is not None:
            try:
                self._aside.everything()
            except Exception:  # noqa: BLE001 - of whatever kind: boards are for those who look on
                _log.exception("the boards cannot be told again")

    async def run(self) -> None:
        """Publish until cancelled."""
        while True:
            await self._bell.wait()
            self._bell.clear()
            try:
                await self.drain()
                await self._repeat()
                await self._say_aside(again=not (self._again or self._past))
                await self._rest_aside()
            except (InstrumentError, JournalError) as error:
                _log.warning("not told yet", reason=str(error), waiting=self.waiting)
                await self._sleeper(PAUSE_S)
                self._bell.set()

    async def drain(self) -> None:
        """Tell everything that waits now.

        Raises:
            InstrumentError: the bus does not take it; it waits on.
            JournalError: the outbox cannot be read or written now; it waits on.
        """
        async with self._turn:
            self._aside_fails = False
            await self._drain()
            await self._say_aside(again=False)

    async def _drain(self) -> None:
        while self._events:
            first = self._events[0]
            await self._transport.publish(self._topics.agent_event(self._agent), first.to_bytes())
            if self._events and self._events[0] is first:
                del self._events[0]
        batch, upto = list(self._due), self._journal.seq
        said: list[Effect] = []
        if batch:
            reached("before-publish")
            self._said.append((said, upto))
        try:
            await self._say_all(batch, said)
        except InstrumentError:
            self._settle()
            raise
        reached("after-publish")
        self._settle()

    async def _say_all(self, batch: Sequence[Effect], said: list[Effect]) -> None:
        for effect in batch:
            if self._events:  # people who wait for an answer come before what is merely kept up to date
                self._bell.set()
                return
            # Taken out first: what changes while it is being told is told again.
            del self._due[effect]
            try:
                if await self._could_say(effect):
                    said.append(effect)
            except BaseException:
                self._due[effect] = None
                raise

    def _settle(self) -> None:
        """Take out of the outbox what the bus has, also from a turn that ended early or could not write."""
        while self._said:
            said, upto = self._said[0]
            settled = [(e.kind, e.key) for e in said if e not in self._due]
            if settled:
                self._journal.settle(settled, upto=upto)
            del self._said[0]

    async def _could_say(self, effect: Effect) -> bool:
        """Say it; what no message can hold stays in the outbox for a later start, and keeps nothing else waiting."""
        try:
            await self._say(effect)
        except (ValueError, TopicError):
            _log.exception("this cannot be told", what=effect.kind, key=effect.key)
            return False
        return True

    async def _repeat(self) -> None:
        """Say again what is to be said again, until there is something new."""
        while self._again or self._past:
            if self._events or self._due or self._aside_has_news:
                self._bell.set()
                return
            if not self._again:
                if (old := self._past.pop()) not in self._kept:
                    await self._clear(old)
                continue
            effect = next(iter(self._again))
            self._look_ahead(effect)
            del self._again[effect]
            try:
                await self._could_say(effect)
            except BaseException:
                self._again[effect] = None
                raise
        self._ahead = {}

    @property
    def _aside_has_news(self) -> bool:
        return self._aside is not None and self._aside.fresh and not self._aside_fails

    async def _say_aside(self, *, again: bool) -> None:
        """Say what stands on the boards, until there is something that people wait for; what fails waits for later."""
        while self._aside is not None and not self._aside_fails:
            try:
                if not await self._aside.say_next(again=again):
                    return
            except (InstrumentError, JournalError) as error:
                _log.warning("the boards are not told yet", reason=str(error))
                self._aside_fails = True
            except Exception:  # noqa: BLE001 - of whatever kind: boards are for those who look on
                _log.exception("the boards cannot be told")
                self._aside_fails = True
            await self._sleeper(BREATH_S)
            if self._events or self._due:
                self._bell.set()
                return

    async def _rest_aside(self) -> None:
        """Where the boards could not be told: try again after a pause, which ends when there is anything else."""
        if not self._aside_fails:
            return
        rest: list[asyncio.Future[Any]] = [
            asyncio.ensure_future(self._sleeper(PAUSE_S)), asyncio.ensure_future(self._bell.wait())
        ]  # fmt: skip
        try:
            await asyncio.wait(rest, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in rest:
                one.cancel()
            await asyncio.gather(*rest, return_exceptions=True)
        self._bell.set()

    def _look_ahead(self, effect: Effect) -> None:
        """Read what comes next in one query, unless what was read last has it and still holds."""
        if effect.kind == "campaign" or (effect.key in self._ahead and self._ahead_seq == self._journal.seq):
            return
        keys = islice((e.key for e in self._again if e.kind != "campaign"), AHEAD)
        self._ahead_seq, self._ahead = self._journal.seq, self._shelf.proposals(list(keys))

    def _row(self, pid: str) -> dict[str, Any] | None:
        if pid in self._ahead and self._ahead_seq == self._journal.seq:
            return self._ahead[pid]
        return self._shelf.proposal(pid)

    async def _say(self, effect: Effect) -> None:
        if effect.kind == "campaign":
            await self._say_campaign(effect.key)
        elif effect.kind == "proposal":
            await self._say_proposal(effect.key)
        else:
            await self._say_outcome(effect.key)

    async def _say_campaign(self, cid: str) -> None:
        if cid not in self._desk.state.campaigns:
            return
        self._seq += 1
        state = campaign_state(
            self._desk.state, self._desk.rules, cid, boot=self._boot, seq=self._seq, now=self._clock.now()
        )
        await self._transport.publish(self._topics.campaign_state(cid), state.to_bytes(), retain=True)

    async def _say_proposal(self, pid: str) -> None:
        row = self._row(pid)
        if row is None or not row["body"]:
            return
        waits = row["phase"] == "proposed"
        body = str(row["body"]).encode() if waits else b""
        await self._transport.publish(self._topics.proposal(pid), body, retain=True)

    async def _say_outcome(self, pid: str) -> None:
        row = self._row(pid)
        if row is None or not row["digest"] or row["phase"] == "proposed":
            return
        outcome = Outcome(
            lab=self._desk.rules.lab, proposal=pid, revision=row["revision"], digest=row["digest"],
            verdict=row["phase"], by=tuple(filter(None, str(row["decided_by"] or "").split(","))),
            ts=datetime.fromisoformat(str(row["decided_at"])), audit=row["audit"],
            reason=in_print(str(row["reason"] or ""))[:2000], experiment=row["experiment"] or None,
        )  # fmt: skip
        await self._transport.publish(self._topics.outcome(pid), outcome.to_bytes(), retain=True)
        self._kept[pid] = None
        while len(self._kept) > KEPT_OUTCOMES:
            old = next(iter(self._kept))
            await self._clear(old)
            self._kept.pop(old, None)

    async def _clear(self, pid: str) -> None:
        await self._transport.publish(self._topics.outcome(pid), b"", retain=True)
