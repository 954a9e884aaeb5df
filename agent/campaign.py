"""The loop: do what is due, journal what came of it, and again, until nothing is due."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from agent import core
from agent import events as ev
from agent.background import in_background
from agent.journal import Journal
from agent.planner import Plan, Planner
from agent.proposal import Proposal
from agent.store import ArtefactStore
from envs.crystals import CrystalLibrary
from envs.design import Design
from envs.errors import InstrumentError, JournalError
from instruments.artefacts import ArtefactError
from instruments.bulk.fetch import Sources, fetch
from instruments.client import InstrumentClient
from instruments.clock import SimClock
from instruments.driving.job_desk import NO_JOURNAL, STORAGE
from instruments.ids import Ids
from instruments.messages import ArtefactRef, JobError, JobState
from surrogates.observations import Made, NotMade, Observation, Reading


class Observer(Protocol):
    """Told about every event once it is in the journal."""

    def __call__(self, event: ev.Event, state: core.CampaignState, *, replayed: bool) -> None:
        """Take note of an event; ``replayed`` when it was read back from the journal of an earlier run."""
        ...


class ImageReader(Protocol):
    """Reads a micrograph file."""

    def read(self, experiment: str, attempt: int, image: ev.ArtefactRecord, pixel_size: float) -> ev.ImageRead:
        """What the image says, or why it is refused."""
        ...


class Campaign:
    """One campaign's loop over a journal and a laboratory: ``begin`` it, then ``run`` it.

    Args:
        journal: the record, open for writing.
        rules: budget, batch and recipe.
        planner: proposes.
        library: names the crystals of designs.
        reader: the CNN.
        store: keeps images and checkpoints.
        sources: where the instruments' bulk data may come from.
        instruments: ids of those that it may order from.
        clock: simulated; advanced by what each job says it took.
        ids: of jobs.
        observer: for progress.
    """

    def __init__(
        self,
        journal: Journal,
        rules: core.Rules,
        *,
        planner: Planner,
        library: CrystalLibrary,
        reader: ImageReader,
        store: ArtefactStore,
        sources: Sources,
        instruments: Collection[str],
        clock: SimClock,
        ids: Ids,
        observer: Observer,
    ) -> None:
        self._journal = journal
        self._rules = rules
        self._planner = planner
        self._library = library
        self._reader = reader
        self._store = store
        self._sources = sources
        self._instruments = frozenset(instruments)
        self._clock = clock
        self._ids = ids
        self._observer = observer
        self._fresh: set[str] = set()
        self.state = core.CampaignState()
        for stored in journal.read():
            self.state = core.evolve(self.state, stored.event)
            observer(stored.event, self.state, replayed=True)
        if self.state.checkpoint:
            planner.restore(store.get(self.state.checkpoint))

    def begin(self, created: ev.CampaignCreated) -> None:
        """Write the first event, before anything else is waited for; nothing where the campaign is under way."""
        self._commit(created)

    async def run(self, client: InstrumentClient) -> core.CampaignState:
        """Run to the end; a journal that is under way continues where it stands.

        Args:
            client: orders the instruments; discovery has found one of each kind.

        Raises:
            LabwrightError: something failed that no rule foresees. What is in the journal is whole, and a later run
                does again what was due.
        """
        while (command := core.due(self.state, self._rules)) is not None:
            if isinstance(command, core.PlanRound):
                self._commit(await in_background(self._plan, command))
            elif isinstance(command, core.ReadImage):
                read = self._reader.read
                self._commit(
                    await in_background(read, command.experiment, command.attempt, command.image, command.pixel_size)
                )
            elif not command.job:
                self._intend(client, command)
            else:
                self._commit(await self._send(client, command))
        return self.state

    def _commit(self, message: core.Message) -> None:
        happened = core.decide(self.state, message, self._rules)
        if not happened:
            return
        self._journal.append(happened, self._clock.now())
        for event in happened:
            self.state = core.evolve(self.state, event)
            self._observer(event, self.state, replayed=False)

    # ---- Planning

    def _plan(self, command: core.PlanRound) -> core.Planned:
        history = observations(self.state)
        plan = self._planner.start(command.n) if command.round == 0 else self._planner.ask(
            history, command.round, command.n, made_before=tuple(self.state.designs.values())
        )  # fmt: skip
        checkpoint = self._store.put(plan.checkpoint, "application/safetensors") if plan.checkpoint else ""
        first = len(self.state.designs) + 1
        proposals = [self._record(p, f"P{n:03d}", command.round) for n, p in enumerate(plan.proposals, first)]
        return core.Planned(_round(plan, command.round, checkpoint), proposals)

    def _record(self, proposal: Proposal, pid: str, round_index: int) -> ev.ProposalMade:
        design, forecast = proposal.design, proposal.forecast
        return ev.ProposalMade(
            proposal=pid,
            round=round_index,
            design=ev.DesignRecord(
                crystal=design.crystal,
                formula=self._library[design.crystal].name,
                process=dict(design.process),
            ),
            pool=proposal.pool,
            acquisition=proposal.acquisition,
            forecast=ev.ForecastRecord(**vars(forecast)) if forecast else None,
            nearest=proposal.nearest,
        )

    # ---- Instruments

    def _intend(self, client: InstrumentClient, command: core.SendOrder) -> None:
        """Journal the intent; the next thing due is to send it."""
        job = self._ids.new()
        self._fresh.add(job)
        instrument = self._instrument(client, command.order.instrument)
        self._commit(
            core.Dispatching(
                command.experiment, command.step, command.attempt, command.tries, command.order, instrument, job
            )
        )

    def _instrument(self, client: InstrumentClient, kind: str) -> str:
        """The campaign's own instrument of a kind: whatever else is on the bus belongs to somebody else."""
        found = sorted(iid for iid in self._instruments if iid in client.instruments)
        for iid in found:
            if client.instruments[iid].kind == kind:
                return iid
        raise InstrumentError(f"no instrument of kind {kind!r} answers: start one, or check the broker")

    async def _send(self, client: InstrumentClient, command: core.SendOrder) -> ev.StepEnded:
        iid, order = self._instrument(client, command.order.instrument), command.order
        known: JobState | None = None
        if command.job not in self._fresh:
            # An intent from before a restart: the instrument says what became of it before anything is sent.
            known = await client.query(iid, command.job)
        if known is None or not known.terminal:
            known = await client.execute(
                iid, order.command, order.parameters, job=command.job, approval=command.experiment
            )
        if known.error and known.error.code in {STORAGE, NO_JOURNAL} and command.job in self._fresh:
            # Not the order's fault, and the next one would fare no better: a person has to make room first.
            raise JournalError(
                f"{iid} cannot store its work ({known.error.message}): free space on its disk, "
                "and continue with --resume"
            )
        self._clock.advance(known.elapsed_s)
        return await self._ended(command, known)

    async def _ended(self, command: core.SendOrder, answer: JobState) -> ev.StepEnded:
        result, state, error = answer.result, answer.state, answer.error
        artefacts: dict[str, ev.ArtefactRecord] = {}
        try:
            artefacts = {name: await self._keep(ref) for name, ref in (result.artefacts if result else {}).items()}
        except ArtefactError as lost:
            # What cannot be fetched now will not be there after a restart either: the order is sent anew.
            state, error = "failed", JobError(code="artefact", message=str(lost), kind="retryable")
        values: dict[str, dict[str, object] | str] = {
            name: value if isinstance(value, str) else value.model_dump(exclude_none=True)
            for name, value in (result.values if result else {}).items()
        }
        return ev.StepEnded.model_validate(
            {
                "experiment": command.experiment,
                "step": command.step,
                "attempt": command.attempt,
                "tries": command.tries,
                "job": command.job,
                "state": state,
                "values": values,
                "artefacts": artefacts,
                "error_kind": error.kind if error else "",
                "error_code": error.code if error else "",
                "error": f"{error.code}: {error.message}" if error else "",
                "elapsed_s": answer.elapsed_s,
            }
        )

    async def _keep(self, ref: ArtefactRef) -> ev.ArtefactRecord:
        digest = self._store.put(await fetch(ref, self._sources), ref.media_type)
        return ev.ArtefactRecord(sha256=digest, media_type=ref.media_type, bytes=ref.bytes)


def observations(state: core.CampaignState) -> Mapping[str, Observation]:
    """What the models may learn from, by experiment, in the order made."""
    found: dict[str, Observation] = {}
    for experiment in state.experiments.values():
        reading = experiment.reading
        if experiment.outcome == "infeasible":
            found[experiment.id] = NotMade(experiment.design, experiment.reason)
        elif experiment.hardness and reading and reading.porosity and reading.grain_size:
            found[experiment.id] = Made(
                experiment.design,
                Reading(*experiment.hardness),
                Reading(*reading.porosity),
                Reading(*reading.grain_size),
            )
    return found


def best(state: core.CampaignState) -> tuple[str, Design, ev.Reading] | None:
    """The hardest sample measured so far: experiment, design and reading."""
    done = [e for e in state.experiments.values() if e.hardness]
    if not done:
        return None
    top = max(done, key=lambda e: e.hardness[0] if e.hardness else 0.0)
    return (top.id, top.design, top.hardness) if top.hardness else None


def _round(plan: Plan, index: int, checkpoint: str) -> ev.RoundPlanned:
    return ev.RoundPlanned(round=index, candidates=dict(plan.candidates), checkpoint=checkpoint, notes=plan.notes)
