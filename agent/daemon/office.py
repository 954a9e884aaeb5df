"""The daemon at work: listens, decides, orders, tells; until it is told to stop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.metadata import version
from typing import Any, Literal

from agent import core
from agent import events as ev
from agent.crash_points import reached
from agent.daemon import logs
from agent.daemon.beat import Beat
from agent.daemon.boards import Boards
from agent.daemon.bus import Bus
from agent.daemon.conduct import Patient
from agent.daemon.config import CampaignEntry
from agent.daemon.embedded import admit
from agent.daemon.health import Check
from agent.daemon.hear import Ears, Known
from agent.daemon.house import MEGABYTE, House
from agent.daemon.lab_terms import LabTerms
from agent.daemon.laboratory_told import About
from agent.daemon.publish import Mouth
from agent.daemon.recall import Recall
from agent.daemon.reconcile import Reconcile
from agent.daemon.rules_of import changed
from agent.daemon.signals import Signals
from agent.daemon.space_facts import SpaceFacts
from agent.daemon.systemd import Notifier
from agent.daemon.telling import told
from agent.identity import Person
from agent.jobs import VALIDITY, Jobs
from agent.planning import Planning
from agent.rules.costs import Costs, Durations, durations_of
from agent.runner import Runner
from agent.world import world_of
from envs.errors import InstrumentError, JournalError, UserError
from envs.objective import Objective

_log = logs.get("office")
_PRESENT: Mapping[str, Literal["online", "stale", "offline"]] = {
    "online": "online", "busy": "online", "error": "online", "maintenance": "online", "stale": "stale",
}  # fmt: skip
FILE = "config-file"
STUCK_S = 30.0
"""A loop that has not ticked for so long is not alive."""


class Office:
    """Everything that works together while the daemon is up.

    Args:
        house: what is there without a bus.
        bus: the way to instruments and people.
        on_reload: called when a person asks for the files to be read again.
        sleeper: waits, in real time.
        known: what people were shown of designs before they edit a proposal.
    """

    def __init__(
        self, house: House, bus: Bus, *, on_reload: Callable[[], None], sleeper: Any = asyncio.sleep,
        known: Known = lambda _pid: {},
    ) -> None:  # fmt: skip
        self._house = house
        self._bus = bus
        desk, clock = house.desk, house.clock
        self.boards = _boards(house, bus)
        desk.observe(self.boards.note)
        self.mouth = Mouth(
            desk, house.record, house.shelf, bus.transport, house.config.topics, agent=house.config.lab.agent,
            boot=house.boot, clock=clock, sleeper=sleeper, aside=self.boards,
        )  # fmt: skip
        desk.observe(self.mouth.note)
        desk.observe(_logged)
        self.ears = Ears(
            desk, house.config.topics, body_of=house.shelf.body, wall=lambda: datetime.now(UTC),
            answer=self.mouth.answer, on_reload=on_reload, seen=house.journal.seen, known=known,
        )  # fmt: skip
        jobs = self._jobs = Jobs(
            bus.client, store=house.store, sources=bus.sources, clock=clock, strict=False,
            validity=timedelta(seconds=VALIDITY.total_seconds() * clock.speed),
            ticket=None if bus.virtual else partial(bus.server.ticket, limit=_bytes(house.config.lab.artefact_mb)),
            observe=lambda s: house.metrics.took("intent_to_accepted", s), accepted=self._accepted, sleeper=sleeper,
        )  # fmt: skip
        planning = Planning(desk, house.minds, house.store, LabTerms(desk, clock, self._objective))
        conduct = Patient(clock, sleeper, fatal=lambda _error: house.journal.lost, observe=self._took)
        self.runner = Runner(
            desk, jobs, planning, house.minds, store=house.store, ids=house.ids, world=self.world, conduct=conduct
        )
        self.reconcile = Reconcile(self.runner, jobs, desk.state)
        self._recall = Recall(desk, house.journal, bus.client, sleeper)
        self.beat = Beat(
            desk, self.runner, clock, sleeper, announce=self._announce, keep=house.keep_time,
            jumped=house.metrics.jumped, look=self._look, lost=self._lost,
        )  # fmt: skip
        house.metrics.on_look(self._measure)
        self._durations: Durations = {}
        self._priced = desk.rules
        self._leaving = False

    # ---- Before and after

    async def open(self) -> None:
        """Listen, connect, and write down what begins.

        Raises:
            TransportError: the broker is not there, or refuses.
        """
        await self.ears.listen(self._bus.transport)
        self._bus.transport.on_reconnect(self._again)
        await self._bus.client.start()
        self._begin()
        self.mouth.everything()

    def _begin(self) -> None:
        house = self._house
        desk, software = house.desk, f"labwright {version('labwright')}"
        desk.tell(
            ev.AgentStarted(
                software=software, mode=house.launch.mode, boot=house.boot, limits_version=desk.rules.limits.version
            )
        )
        reached("in-start")
        for entry in house.config.campaign:
            if entry.id in desk.state.campaigns:
                self._compare(entry)
            else:
                self.add(entry.id)
        self._leave_to_people()

    def _compare(self, entry: CampaignEntry) -> None:
        """What was changed in the file while the agent was away counts as what is changed while it runs."""
        recorded = self._house.shelf.config(entry.id)
        if recorded is None:
            return
        desk = self._house.desk
        try:
            words = changed(recorded, entry)
        except UserError as error:
            if desk.state.campaigns[entry.id].phase == "running":
                _log.error("paused: its file is not what it was made with", campaign=entry.id, reason=str(error))
                desk.tell(ev.CampaignPhaseChanged(campaign=entry.id, phase="paused", by=FILE, reason=str(error)[:500]))
            return
        if words:
            config = entry.model_dump(mode="json")
            desk.tell(ev.CampaignChanged(campaign=entry.id, config=config, by=FILE, reason=words[:500]))

    def _leave_to_people(self) -> None:
        """Orders of campaigns that the laboratory's file does not have are followed by nobody: a person must look."""
        desk = self._house.desk
        for job, eid in list(desk.state.jobs.items()):
            campaign = desk.state.experiments[eid].campaign
            if campaign not in desk.rules.campaigns and not desk.state.experiments[eid].lost:
                reason = f"its campaign {campaign} is not in the laboratory's file, so nobody asks its instrument"
                desk.tell(core.Lost(eid, job, reason))
                _log.error("a person must look", experiment=eid, job=job, reason=reason)

    def add(self, campaign: str) -> None:
        """Have a campaign of the laboratory's file in the record; one that is there already goes on."""
        house = self._house
        entry, facts = house.config.entry(campaign), house.facts[campaign]
        house.desk.tell(
            ev.CampaignCreated(
                campaign=campaign, name=entry.name, config=entry.model_dump(mode="json"),
                space_version=facts.version, software=f"labwright {version('labwright')}",
            )
        )  # fmt: skip

    def run(self) -> list[Coroutine[Any, Any, None]]:
        """What runs as long as the daemon does."""
        return [self.runner.run(lambda _state: False), self.mouth.run(), self.beat.run(), self._recall.run()]

    async def take_leave(self, signals: Signals, notifier: Notifier) -> None:
        """Order nothing new, wait for what is hot, and write down that it was in order.

        An instrument that heats would make itself safe when the agent's lease runs out: its job is waited for. Others
        go on alone, and their jobs are adopted at the next start.
        """
        self._leaving = True
        self.runner.ordering = False
        reached("in-stop")
        hot = self._hot()
        if hot:
            _log.warning("waiting for what is hot; interrupt again to leave it", instruments=sorted(hot.values()))
            async with notifier.waiting(f"waits for {', '.join(sorted(set(hot.values())))}"):
                while self._hot() and not signals.at_once.is_set() and not self._lost():  # noqa: ASYNC110 - many ends
                    await asyncio.sleep(0.1)
        left = len(self._house.desk.state.jobs)
        reason = f"told to stop; {left} orders are under way" if left else "told to stop"
        try:
            self._house.desk.tell(ev.AgentStopped(boot=self._house.boot, reason=reason))
            self._house.keep_time()
            self.boards.ripen()
            await self.mouth.drain()
        except (JournalError, InstrumentError, OSError) as error:
            _log.error("the leave could not be recorded", reason=str(error))

    def _hot(self) -> dict[str, str]:
        """Jobs under way at instruments that heat or move, by job.

        Not those of which nobody knows anything, and not those that were never sent: they would be waited for for ever.
        """
        state, found = self._house.desk.state, {}
        for job, eid in state.jobs.items():
            experiment = state.experiments[eid]
            described = self._bus.client.instruments.get(experiment.instrument)
            cold = described is not None and described.lease_s is None
            waits = self._jobs.is_fresh(job) or state.stopped or experiment.instrument in state.maintenance
            if not cold and not experiment.lost and (experiment.accepted or not waits):
                found[job] = experiment.instrument
        return found

    # ---- At work

    def world(self) -> core.World:
        """The instruments in sight; while there is no room on the disk none takes anything new."""
        # Asked anew each time: a reload may allow one more.
        allowed = self._bus.virtual.instruments if self._bus.virtual else self._house.desk.rules.limits.instruments
        world = world_of(self._bus.client, frozenset(allowed), ours=self._house.desk.state.jobs)
        held = self._house.disk.held()
        if held is None and self._bus.transport.connected:
            return world
        code, reason = (held.code, held.reason) if held else ("no_broker", "the broker is away")
        return {iid: core.InstrumentView(v.kind, v.places, code, reason) for iid, v in world.items()}

    def _objective(self, campaign: str) -> Objective:
        return Objective.from_dict(self._house.config.entry(campaign).objective)

    async def _again(self) -> None:
        self.mouth.everything()
        self.runner.wake()

    async def _announce(self) -> None:
        mode, stopped = self._house.launch.mode, self._house.desk.state.stopped
        words = f"{mode}; stopped: {stopped}" if stopped else mode
        self.boards.look()
        await self._bus.client.announce(f"{words}; reconciling" if self.reconcile.left else words)

    def _look(self) -> None:
        if not self._leaving:
            self.reconcile.look()
        client = self._bus.client
        self._learn_durations()
        words = {iid: client.presence(iid) for iid in client.instruments}
        self._house.metrics.present({iid: _PRESENT.get(word, "offline") for iid, word in words.items()})

    def admit(self, people: Iterable[Person]) -> list[str]:
        """Let people in at a broker of our own; returns the names of those who were not in before."""
        if self._bus.broker is None:
            return []
        names = [p.name for p in people if p.revoked is None]
        return [name for name in names if admit(self._house.config, self._bus.broker, name)]

    def _learn_durations(self) -> None:
        """What instruments say of how long their commands take counts in what a proposal would cost."""
        durations = durations_of(self._bus.client.instruments.values())
        desk = self._house.desk
        if durations == self._durations and desk.rules is self._priced:
            return
        self._durations = durations
        known = {
            cid: replace(own, costs=own.costs.with_durations(durations)) if isinstance(own.costs, Costs) else own
            for cid, own in desk.rules.campaigns.items()
        }
        desk.rules = self._priced = replace(desk.rules, campaigns=known)

    def _accepted(self, job: str) -> None:
        desk = self._house.desk
        if (experiment := desk.state.jobs.get(job)) is not None:
            desk.tell(ev.StepAccepted(experiment=experiment, job=job))

    def _took(self, name: str, seconds: float) -> None:
        if name == "plan":
            self._house.metrics.took("plan", seconds)
        elif name == "read":
            self._house.metrics.took("image_read", seconds)

    def _measure(self) -> None:
        house = self._house
        house.metrics.outbox.set(self.mouth.waiting)
        house.metrics.connected.set(self._bus.transport.connected)
        house.metrics.lab_time.set(house.clock.now().timestamp())
        house.metrics.disk_free.set(house.disk.free() or 0)
        house.metrics.log_lines_dropped.set(house.log.dropped)

    # ---- Health

    def alive(self) -> list[Check]:
        """What must hold for the process to be left running."""
        return [
            Check("loop", self._loop),
            Check("journal", self._lost),
        ]

    def ready(self) -> list[Check]:
        """What must hold for it to be of use."""
        connected = self._bus.transport
        return [
            Check("broker", lambda: "" if connected.connected else "the broker is away"),
            Check("reconcile", lambda: f"{n} orders are not accounted for" if (n := len(self.reconcile.left)) else ""),
            Check("disk", self._house.disk.check),
            Check("leaving", lambda: "it is about to stop" if self._leaving else ""),
        ]

    def _lost(self) -> str:
        return (
            "the lease on the journal is lost: only a new start can take it again" if self._house.journal.lost else ""
        )

    def _loop(self) -> str:
        late = self._house.clock.elapsed() - self.beat.last
        return f"it has not ticked for {late:.0f} s" if late > STUCK_S else ""


def _bytes(megabytes: float) -> int:
    return int(megabytes * MEGABYTE)


def _boards(house: House, bus: Bus) -> Boards:
    about = About(house.config.lab.agent, house.boot, f"labwright {version('labwright')}", house.clock.speed)

    def campaign(cid: str) -> tuple[Objective, SpaceFacts] | None:
        # Asked anew each time: a reload may bring campaigns.
        entry = next((entry for entry in house.config.campaign if entry.id == cid), None)
        facts = house.facts.get(cid)
        return (Objective.from_dict(entry.objective), facts) if entry and facts else None

    return Boards(
        house.desk, house.board_shelf, bus.transport, house.config.topics, about=about, clock=house.clock,
        wall=lambda: datetime.now(UTC), campaign=campaign,
        later=lambda seconds, call: asyncio.get_running_loop().call_later(seconds, call),
    )  # fmt: skip


def _logged(event: ev.Event, state: core.LabState, *, replayed: bool) -> None:
    """What is told on the bus stands in the log, too."""
    words = None if replayed else told(event, state)
    if words is not None:
        write = {"info": _log.info, "warning": _log.warning, "error": _log.error}[words.level]
        write(words.text, kind=event.kind)
