"""What Prometheus may ask: counters of what was journaled, gauges of how things stand, histograms of how long it took.

``note`` hears of each event after it was folded in; ``took`` of durations; gauges are read when somebody asks. Label
values come from people and instruments, so there is only so much room for new ones.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from agent import events as ev
from agent.core.state import ExperimentState, LabState

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
OTHER: Final = "other"
Span = Literal["decision_to_dispatch", "intent_to_accepted", "plan", "journal_commit", "image_read", "reconcile"]
Presence = Literal["online", "stale", "offline"]

_PRESENCES: Final = ("online", "stale", "offline")
_PHASES: Final = ("queued", "running", "needs_reconcile")
_LABELS: Final = {"campaign": 200, "instrument": 200, "code": 64}
_QUICK: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)
_LONG: Final = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0)
_SPANS: Final[dict[Span, tuple[str, tuple[float, ...]]]] = {
    "decision_to_dispatch": (
        "From the decision that settles a proposal to its first order, where nothing else waited or ran.",
        _QUICK,
    ),
    "intent_to_accepted": ("From the journaled intent to the instrument's acceptance.", _QUICK),
    "plan": ("The planner's time for a round.", _LONG),
    "journal_commit": ("One transaction of the journal.", _QUICK),
    "image_read": ("The network's time for a micrograph.", _LONG),
    "reconcile": ("From the start until every open job was asked after.", _LONG),
}


class _Few:
    """Values of one label: the first so many, then ``other``."""

    def __init__(self, room: int) -> None:
        self._room, self._seen = room, set[str]()

    def __call__(self, value: str) -> str:
        if value not in self._seen:
            if len(self._seen) >= self._room:
                return OTHER
            self._seen.add(value)
        return value


def _hardness(experiment: ExperimentState) -> float | None:
    found = experiment.hardness
    return found[0] if found else None


class Metrics:
    """All of the daemon's metrics, in a registry of their own.

    Args:
        version: of Labwright.
        mode: ``live``, ``virtual``, ``shadow`` or ``dry-run``.
        objective: what an experiment is worth; None while nobody knows.
        process: tell this process's memory and time, too.
        monotonic: s.

    Attributes:
        registry: holds them all.
        table: name, type, labels and meaning of each that is ours.
    """

    def __init__(
        self,
        *,
        version: str,
        mode: str,
        objective: Callable[[ExperimentState], float | None] = _hardness,
        process: bool = True,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.registry = registry = CollectorRegistry()
        self.table: list[tuple[str, str, tuple[str, ...], str]] = []
        self._objective = objective
        self._few = {name: _Few(room) for name, room in _LABELS.items()}
        self._state: Callable[[], LabState] | None = None
        self._looks: list[Callable[[], None]] = []
        self._best: dict[str, dict[str, float]] = {}
        self._where: dict[str, str] = {}
        self._monotonic = monotonic
        self._decided: dict[str, float] = {}
        self._count(registry)
        self._stand(registry)
        self._spans = {span: self._histogram(registry, span, *told) for span, told in _SPANS.items()}
        said = "The release that runs, and its mode."
        self.table.append(("labwright_build_info", "gauge", ("version", "mode"), said))
        Info("labwright_build", said, registry=registry).info({"version": version, "mode": mode})
        if process:
            ProcessCollector(registry=registry)

    def _count(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            self.table.append((f"labwright_{name}_total", "counter", labels, text))
            return Counter(f"labwright_{name}", text, labels, registry=registry)

        self.events = counter("events", "Events journaled, by kind.", "kind")
        self.ended = counter("experiments_ended", "Experiments in their final state.", "campaign", "outcome")
        self.decided = counter("proposals_decided", "Proposals that reached their end.", "campaign", "verdict")
        self.votes = counter("votes", "Approvals after which more people have to approve.")
        self.refused = counter("envelopes_refused", "Signed decisions and requests that did not count.", "what", "code")
        self.requests = counter("requests", "Signed requests that counted.", "action")
        self.jobs = counter("jobs_ended", "Final answers of instruments.", "instrument", "end")
        self.sent = counter("jobs_dispatched", "Intents to send an order.", "instrument")
        self.held = counter("dispatch_held", "Orders that were due and had to wait, by reason.", "code")
        self.not_sent = counter("dispatch_refused", "Orders refused at the last moment.", "instrument")
        self.plan_failures = counter("plan_failures", "Rounds that the planner could not plan.", "campaign")
        self.images = counter("images_read", "Micrographs that the network read or refused.", "accepted")
        self.clock_jumps = counter("clock_jumps", "Jumps of the machine's wall clock.", "direction")

    def _stand(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, text: str, *labels: str) -> Gauge:
            self.table.append((f"labwright_{name}", "gauge", labels, text))
            return Gauge(f"labwright_{name}", text, labels, registry=registry)

        self.experiments = gauge("experiments", "Experiments that are not done, by phase.", "campaign", "phase")
        self.phases = gauge("campaign_phase", "1 for the phase that a campaign is in.", "campaign", "phase")
        self.waiting = gauge("proposals_waiting", "Proposals that wait for people.", "campaign")
        self.best = gauge("best_objective", "Best objective found, in its unit; hardness in GPa.", "campaign")
        self.open_jobs = gauge("jobs_open", "Orders without a final answer.", "instrument")
        self.maintenance = gauge("instrument_maintenance", "1 while an instrument is out of service.", "instrument")
        self.presences = gauge("instrument_presence", "1 for how an instrument is present.", "instrument", "presence")
        self.stopped = gauge("lab_stopped", "1 while the latching stop holds.")
        self.outbox = gauge("outbox_entries", "What the world has not been told yet.")
        self.clock_speed = gauge("lab_clock_speed", "Seconds of lab time in a second.")
        self.lab_time = gauge("lab_time_seconds", "Lab time, Unix seconds.")
        self.clock_jump = gauge("clock_jump_seconds", "The last jump of the machine's wall clock, s.")
        self.disk_free = gauge("disk_free_bytes", "Free bytes on the disk of the state.")
        self.connected = gauge("broker_connected", "1 while the broker is connected.")
        self.log_lines_dropped = gauge("log_lines_dropped", "Log lines for which there was no room, since the start.")
        self.clock_speed.set(1.0)

    def _histogram(self, registry: CollectorRegistry, span: Span, text: str, buckets: tuple[float, ...]) -> Histogram:
        name = f"labwright_{span}_seconds"
        self.table.append((name, "histogram", (), text))
        return Histogram(name, text, buckets=buckets, registry=registry)

    def note(self, event: ev.Event, state: LabState) -> None:
        """An event was journaled and folded in: count it.

        Args:
            event: what happened.
            state: with it.
        """
        self.events.labels(event.kind).inc()
        match event:
            case ev.ExperimentEnded():
                self.ended.labels(self._campaign_of(event.experiment, state), event.outcome).inc()
                self._worth(event.experiment, state)
            case ev.ResultAmended() | ev.ResultRetracted():
                self._worth(event.experiment, state)
            case ev.ProposalDecided():
                proposal = state.proposals.get(event.proposal)
                campaign = self._few["campaign"](proposal.campaign) if proposal else OTHER
                self.decided.labels(campaign, event.verdict).inc()
            case ev.PlanFailed():
                self.plan_failures.labels(self._few["campaign"](event.campaign)).inc()
            case ev.ImageRead():
                self.images.labels(str(event.accepted).lower()).inc()
            case _:
                self._note_people(event)
                self._note_orders(event, state)

    def _note_people(self, event: ev.Event) -> None:
        match event:
            case ev.VoteCast():
                self.votes.inc()
            case ev.EnvelopeRefused():
                self.refused.labels(event.what, self._few["code"](event.code)).inc()
            case ev.RefusalsSkipped():
                self.refused.labels(OTHER, "skipped").inc(event.count)
            case ev.RequestAccepted():
                self.requests.labels(self._few["code"](event.action)).inc()

    def _note_orders(self, event: ev.Event, state: LabState) -> None:
        match event:
            case ev.ExperimentQueued():
                self._decided_now(event.experiment, state)
            case ev.StepDispatched():
                self._where[event.job] = event.instrument
                if (decided := self._decided.pop(event.experiment, None)) is not None:
                    self.took("decision_to_dispatch", self._monotonic() - decided)
                self.sent.labels(self._few["instrument"](event.instrument)).inc()
            case ev.StepEnded():
                self._job_ended(event.job, event.state)
            case ev.ReconcileNeeded():
                self._job_ended(event.job, "lost")
            case ev.DispatchHeld() if event.code:
                self._decided.pop(event.experiment, None)
                self.held.labels(self._few["code"](event.code)).inc()
            case ev.DispatchRefused():
                self.not_sent.labels(self._few["instrument"](event.instrument)).inc()

    def _decided_now(self, experiment: str, state: LabState) -> None:
        """Take the time only where it is the agent's own: not while others wait, for people's and furnaces' reasons."""
        known = state.experiments.get(experiment)
        campaign = state.campaigns.get(known.campaign) if known else None
        self._decided.clear()
        if campaign and len(campaign.queue) == 1 and not campaign.begun:
            self._decided[experiment] = self._monotonic()

    def _job_ended(self, job: str, end: str) -> None:
        instrument = self._where.pop(job, "")
        self.jobs.labels(self._few["instrument"](instrument) if instrument else OTHER, end).inc()

    def took(self, span: Span, seconds: float) -> None:
        """Something was done in this time, s."""
        self._spans[span].observe(max(seconds, 0.0))

    @contextlib.contextmanager
    def timing(self, span: Span, monotonic: Callable[[], float] = time.monotonic) -> Iterator[None]:
        """Take the time of what is done inside, whether it succeeds or not."""
        begun = monotonic()
        try:
            yield
        finally:
            self.took(span, monotonic() - begun)

    def jumped(self, seconds: float) -> None:
        """The machine's wall clock jumped by so much, s: forwards when positive."""
        self.clock_jump.set(seconds)
        self.clock_jumps.labels("forwards" if seconds > 0 else "backwards").inc()

    def present(self, presences: Mapping[str, Presence]) -> None:
        """How instruments are present, by id; those that are not named are not shown any more."""
        self.presences.clear()
        for instrument, presence in presences.items():
            name = self._few["instrument"](instrument)
            for one in _PRESENCES:
                if name != OTHER:
                    self.presences.labels(name, one).set(one == presence)

    def follow(self, state: Callable[[], LabState]) -> None:
        """Read the gauges of experiments, proposals and jobs from there; and what was found before this start."""
        self._state = state
        for experiment in state().experiments.values():
            self._worth(experiment.id, state())
            if experiment.job:
                self._where[experiment.job] = experiment.instrument

    def on_look(self, look: Callable[[], None]) -> None:
        """Call this before each answer, to set gauges that cost something to know."""
        self._looks.append(look)

    def render(self) -> bytes:
        """All metrics in Prometheus's text format, of type ``CONTENT_TYPE``."""
        if self._state is not None:
            self._read(self._state())
        for look in self._looks:
            look()
        return generate_latest(self.registry)

    def _read(self, state: LabState) -> None:
        self.stopped.set(bool(state.stopped))
        for gauge in (self.experiments, self.phases, self.waiting, self.open_jobs, self.maintenance):
            gauge.clear()
        for campaign in state.campaigns.values():
            name = self._few["campaign"](campaign.id)
            lost = sum(bool(state.experiments[e].lost) for e in campaign.begun)
            counts = (len(campaign.queue), len(campaign.begun) - lost, lost)
            for phase, count in zip(_PHASES, counts, strict=True):
                self.experiments.labels(name, phase).inc(count)
            self.phases.labels(name, campaign.phase).set(1)
            self.waiting.labels(name).inc(len(campaign.waiting))
        for instrument, n_open in state.busy.items():
            self.open_jobs.labels(self._few["instrument"](instrument)).inc(n_open)
        for instrument in state.maintenance:
            self.maintenance.labels(self._few["instrument"](instrument)).set(1)

    def _campaign_of(self, experiment: str, state: LabState) -> str:
        known = state.experiments.get(experiment)
        return self._few["campaign"](known.campaign) if known else OTHER

    def _worth(self, experiment: str, state: LabState) -> None:
        known = state.experiments.get(experiment)
        if known is None:
            return
        values = self._best.setdefault(self._few["campaign"](known.campaign), {})
        worth = self._objective(known)
        if worth is None:
            if values.pop(experiment, None) is None:
                return
        else:
            values[experiment] = worth
        self.best.labels(self._few["campaign"](known.campaign)).set(max(values.values(), default=float("nan")))
