"""One laboratory through one schedule: begun, struck by every blow of the plan, left in peace, and looked at."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any

from agent.ledger import tables as t
from instruments.ids import SeededIds
from instruments.journal import MemoryJournal

from .bus import Broker
from .crowd import Crowd
from .disk import Disk
from .evidence import Evidence
from .fixed import recipe
from .history import Entry, History
from .host import Process
from .invariants import broken
from .loop import START, VirtualClock, VirtualLoop, owner
from .machines import HOTTEST, LAB, MACHINES, Workshop
from .minds import MemoryStore
from .people import Pen
from .plan import Blow, Plan
from .ports import Outcome, RunAgent, Storage
from .trace import Trace

BEAT_S = 24.0
"""Between two heartbeats of an instrument; an agent takes one that is silent for 30 s for absent."""
LOOK_S = 20.0
"""How often people look whether something waits for them, once the faults are over."""
SETTLE_S = 40.0
"""How long everything that was away may take to come back, before anybody looks."""
PATIENCE_S = 2 * 3600.0
"""How long everything may take to come to its end after the faults."""


class Lab:
    """Everything that takes part in one schedule.

    Args:
        plan: what a seed decided.
        loop: virtual time.
        run_agent: the agent.
        disk: where its journal is.
        tell: gets the trace line by line.
    """

    def __init__(
        self,
        plan: Plan,
        loop: VirtualLoop,
        run_agent: RunAgent,
        *,
        disk: Storage | None = None,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        self.plan, self.loop = plan, loop
        self.trace = Trace(loop.time, tell)
        self.true_clock = VirtualClock(loop)
        self.agent_clock = VirtualClock(loop)
        self.broker = Broker(self._rng("net"), plan.weather)
        chosen: Any = disk if disk is not None else Disk(loop.time)
        chosen.note = self.trace.note
        self.disk = chosen
        self.shop = Workshop(self._rng("shop"), self.true_clock, plan.mishaps, note=self.trace.note)
        self.pen = Pen(self._rng("pen"))
        self.ids = SeededIds(self.true_clock, self._rng("ids"))
        self.limits: list[tuple[float, float]] = [(0.0, HOTTEST)]
        self.hottest = HOTTEST
        self.warned_of_full_disk = False
        self.rng = self._rng("lab")
        self.stopping = asyncio.Event()
        self.store = MemoryStore()
        self.n_lives = 0
        self.n_crashes = 0
        self.problems: list[str] = []
        self.lossless = plan.weather.lose == 0.0
        self.jumped = False
        self._run_agent = run_agent
        self._agent: Process | None = None
        self._agent_wanted = True
        self._machines: dict[str, Process] = {}
        self._memories = {iid: MemoryJournal() for iid in plan.machines}
        self.crowd = Crowd(
            self.broker.transport("people"),
            pen=self.pen,
            rng=self._rng("crowd"),
            manners=plan.manners,
            now=self.true_clock.now,
            note=self.trace.note,
        )

    def _rng(self, name: str) -> random.Random:
        return random.Random(f"{self.plan.seed} {name}")

    # Processes --------------------------------------------------------------------------------------------------------

    async def _run_machine(self, iid: str, process: Process) -> None:
        link = process.link(self.broker, iid)
        machine = MACHINES[iid](
            iid, link, workshop=self.shop, clock=self.true_clock, ids=self.ids, journal=self._memories[iid]
        )
        await machine.start()
        while True:
            await asyncio.sleep(BEAT_S)
            await machine.heartbeat()

    def begin_machine(self, iid: str) -> None:
        """Switch an instrument on."""
        self.n_lives += 1

        def died(_where: str) -> None:
            self.trace.note("dies", iid, _where)
            self.shop.power_off(iid)
            self.loop.call_later(self.rng.uniform(0.5, 20.0), self.begin_machine, iid)

        process = Process(f"{iid}#{self.n_lives}", self.loop, died)
        process.will_in_s = self.rng.uniform(0.1, 20.0)
        self._machines[iid] = process
        process.begin(self._run_machine(iid, process))

    def begin_agent(self) -> None:
        """Start the agent's process."""
        if not self._agent_wanted or (self._agent is not None and not self._agent.wire.dead):
            return
        self.n_lives += 1
        back_in_s = self.rng.uniform(0.1, 20.0)

        def died(where: str) -> None:
            self.trace.note("dies", "agent", where)
            self.n_crashes += 1
            self.disk.crashed()
            self.loop.call_later(back_in_s, self.begin_agent)

        self.trace.note("begins", "agent")
        process = Process(f"agent#{self.n_lives}", self.loop, died)
        process.will_in_s = self.rng.uniform(0.1, 20.0)
        self._agent = process
        self.stopping = asyncio.Event()
        process.begin(self._run_agent(self, process))

    def adopt_limits(self) -> None:
        """The agent read the limits that are in force now."""
        if self.limits[-1][1] != self.hottest:
            self.limits.append((self.loop.time(), self.hottest))

    def touch_agent(self, where: str) -> None:
        """The agent is at one of its named moments; it may die there."""
        if self._agent is not None and owner.get() == self._agent.name:
            self._agent.wire.touch(where)

    async def end_agent(self) -> None:
        """Ask the agent to stop in order, and wait for it."""
        self._agent_wanted = False
        process = self._agent
        if process is None or process.main is None or process.wire.dead:
            return
        self.stopping.set()
        await asyncio.wait({process.main}, timeout=600.0)
        if not process.main.done():
            self.problems.append("one end: the agent does not stop when it is told to")
            process.kill("it did not stop")

    # Blows ------------------------------------------------------------------------------------------------------------

    async def strike(self, blow: Blow) -> None:
        """Let one fault happen."""
        self.trace.note("fault", blow.kind, blow.what if "machine" in blow.kind else "", blow.size)
        await _BLOWS[blow.kind](self, blow)

    async def _crash(self, _blow: Blow) -> None:
        if self._agent is not None:
            self._agent.kill()

    async def _crash_at_touch(self, blow: Blow) -> None:
        if self._agent is not None:
            self._agent.wire.arm(int(blow.size))

    async def _restart(self, blow: Blow) -> None:
        await self.end_agent()
        self._agent = None
        await asyncio.sleep(blow.size)
        self._agent_wanted = True
        self.begin_agent()

    async def _machine_restarts(self, blow: Blow) -> None:
        self._machines[blow.what].kill()

    async def _machine_touch(self, blow: Blow) -> None:
        self._machines[blow.what].wire.arm(int(blow.size))

    async def _machine_away(self, blow: Blow) -> None:
        self._machines[blow.what].lose_links(blow.size, self.rng.uniform(0.1, 20.0))

    async def _agent_link(self, blow: Blow) -> None:
        if self._agent is not None and not self._agent.wire.dead:
            self._agent.lose_links(blow.size)

    async def _broker(self, blow: Blow) -> None:
        self.broker.stop()
        await asyncio.sleep(blow.size)
        if blow.kind == "broker forgets":
            self.lossless = False
        self.broker.begin(remember=blow.kind != "broker forgets")

    async def _clock(self, blow: Blow) -> None:
        self.jumped = True
        self.agent_clock.offset_s += blow.size

    async def _disk(self, blow: Blow) -> None:
        self.warned_of_full_disk = self.rng.random() < 0.5
        self.disk.full = True
        await asyncio.sleep(blow.size)
        self.disk.full = self.warned_of_full_disk = False

    async def _stop(self, _blow: Blow) -> None:
        self.crowd.ask("clara", "stop-lab")

    async def _clear(self, _blow: Blow) -> None:
        self.crowd.ask("clara", "clear-lab")

    async def _pause(self, blow: Blow) -> None:
        cid = self.rng.choice(self.plan.campaigns).id
        self.crowd.ask("anna", self.rng.choice(("pause", "pause", "stop")), cid)
        await asyncio.sleep(blow.size)
        self.crowd.ask("clara", "resume", cid)

    async def _limits(self, blow: Blow) -> None:
        self.hottest = self.rng.choice((1100.0, 1300.0, HOTTEST))
        if self.rng.random() < 0.5:
            self.crowd.ask("clara", "reload")
        else:
            await self._restart(Blow(blow.at, "restart", size=1.0))

    async def _maintenance(self, blow: Blow) -> None:
        self.crowd.ask("clara", "maintenance", blow.what, on=True)
        await asyncio.sleep(blow.size)
        self.crowd.ask("clara", "maintenance", blow.what, on=False)

    async def _withdraw(self, _blow: Blow) -> None:
        if self.crowd.open:
            self.crowd.ask("anna", "withdraw", self.rng.choice(sorted(self.crowd.open)))

    # A schedule -------------------------------------------------------------------------------------------------------

    async def play(self) -> Outcome:
        """From the beginning to the verdict."""
        await self.crowd.start()
        for iid in self.plan.machines:
            self.begin_machine(iid)
        self.begin_agent()
        struck = [asyncio.create_task(self._later(blow)) for blow in self.plan.blows]
        await asyncio.sleep(self.plan.quiet_from)
        if struck:
            await asyncio.wait(struck)
        await self._peace()
        await self.end_agent()
        await asyncio.sleep(5.0)
        return self._verdict()

    async def _later(self, blow: Blow) -> None:
        await asyncio.sleep(blow.at)
        await self.strike(blow)

    async def _peace(self) -> None:
        self.trace.note("peace")
        self.broker.weather.calm()
        self.shop.mishaps.calm()
        self.crowd.quiet = True
        self.agent_clock.offset_s = 0.0
        if self._agent is not None:
            self._agent.wire.disarm()
        for machine in self._machines.values():
            machine.wire.disarm()
        until = self.loop.time() + PATIENCE_S
        await asyncio.sleep(SETTLE_S)
        while (why := self._unfinished()) and self.loop.time() < until:
            self._look_after()
            await asyncio.sleep(LOOK_S)
        if why:
            self.problems.append(f"one end: {PATIENCE_S / 3600:g} h after the last fault {why}")

    def _unfinished(self) -> str:
        campaigns = {row["campaign"]: row["phase"] for row in self.disk.rows_of(t.campaigns)}
        for wanted in self.plan.campaigns:
            phase = campaigns.get(wanted.id, "not begun")
            if phase not in {"completed", "stopped"}:
                return f"campaign {wanted.id} is {phase}"
        for row in self.disk.rows_of(t.experiments):
            if row["outcome"] is None:
                return f"{row['experiment']} is {row['phase']}"
        left = self.disk.left()
        return f"{left[0]} is to be told" if left else ""

    def _look_after(self) -> None:
        """What conscientious people do: answer, clear, resume, put back into service, and look where nobody knows."""
        ask = self.crowd.ask
        for row in self.disk.rows_of(t.lab):
            if row["stopped"]:
                ask("clara", "clear-lab")
        for row in self.disk.rows_of(t.campaigns):
            if row["phase"] == "paused":
                ask("clara", "resume", row["campaign"])
        for row in self.disk.rows_of(t.instruments):
            if row["maintenance"]:
                ask("clara", "maintenance", row["instrument"], on=False)
        for row in self.disk.rows_of(t.experiments):
            if row["phase"] == "needs_reconcile":
                ask("clara", "reconcile", row["experiment"], verdict=self.rng.choice(("again", "aborted")))
        self.crowd.answer_all(self.broker.all_retained(self.crowd.topics.pattern("proposal")))

    def _verdict(self) -> Outcome:
        entries = [Entry(*entry) for entry in self.disk.entries()]
        evidence = Evidence(
            history=History(entries),
            acts=self.shop.acts,
            accidents=self.shop.accidents,
            signed=self.pen.signed,
            lossless=self.lossless,
            retained=self.broker.retained,
            outbox=self.disk.left(),
            automatic=frozenset(c.id for c in self.plan.campaigns if c.automatic),
            places={iid: MACHINES[iid].max_concurrency for iid in self.plan.machines},
            commands={c.id: tuple(s.command for s in recipe(c.steps).steps) for c in self.plan.campaigns},
            limits=self.limits,
            prefix=f"labwright/v1/{LAB}",
            jumped=self.jumped,
            start=START,
            problems=[*self.problems, *self.disk.problems()],
            failures=self.loop.failures,
        )
        counts = {
            "events": len(entries),
            "acts": len(self.shop.acts),
            "crashes": self.n_crashes,
            "messages": self.broker.n_routed,
            "signatures": len(self.pen.signed),
        }
        return Outcome(
            self.plan.seed, broken(evidence), self.trace.digest, round(self.loop.time(), 3), counts, self.trace.lines
        )


_BLOWS: dict[str, Callable[[Lab, Blow], Coroutine[Any, Any, None]]] = {
    "crash": Lab._crash,
    "crash at a touch": Lab._crash_at_touch,
    "restart": Lab._restart,
    "machine restarts": Lab._machine_restarts,
    "machine dies at a touch": Lab._machine_touch,
    "machine is away": Lab._machine_away,
    "machine's link": Lab._machine_away,
    "agent's link": Lab._agent_link,
    "broker restarts": Lab._broker,
    "broker forgets": Lab._broker,
    "clock jumps": Lab._clock,
    "disk is full": Lab._disk,
    "stop": Lab._stop,
    "clear": Lab._clear,
    "pause": Lab._pause,
    "limits change": Lab._limits,
    "maintenance": Lab._maintenance,
    "withdraw": Lab._withdraw,
}
