"""One order's life at an instrument, seen from the agent: sent once, asked after, its answer kept."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from agent import core
from agent import events as ev
from agent.core.evolving import kept_of
from agent.crash_points import reached
from agent.store import ArtefactStore
from envs.errors import JournalError
from instruments.artefacts import ArtefactError
from instruments.bulk.fetch import Sources, fetch
from instruments.bulk.files import StoreError
from instruments.client import InstrumentClient
from instruments.clock import Clock, Sleeper
from instruments.driving.job_desk import NO_JOURNAL, STORAGE
from instruments.errors import NoAnswerError, SetAsideError
from instruments.messages import ArtefactRef, JobError, JobState, UploadTicket
from instruments.own_thread import run as beside

_log = logging.getLogger(__name__)

VALIDITY = timedelta(minutes=10)
"""Of an order, in real time: an instrument begins no later."""

FETCH_PAUSES_S = (1.0, 5.0, 15.0)
"""Before what could not be fetched is fetched again."""


class Jobs:
    """Sends orders whose intent is in the journal, and brings back what became of them.

    Args:
        client: to the instruments.
        store: keeps what they give.
        sources: where their bulk data may come from.
        clock: the laboratory's time.
        validity: how long after sending an instrument may begin, in the laboratory's time.
        ticket: makes the upload ticket of a job; None where instruments write files themselves.
        observe: told how long after its intent an order was confirmed, s.
        sleeper: waits before an artefact is fetched again, in real time.
        accepted: told of each job that an instrument has taken up; raises ``JournalError`` where it cannot remember it.
        strict: whether an instrument that cannot store its work ends everything, rather than this order.
    """

    def __init__(
        self,
        client: InstrumentClient,
        *,
        store: ArtefactStore,
        sources: Sources,
        clock: Clock,
        validity: timedelta = VALIDITY,
        ticket: Callable[[str], UploadTicket] | None = None,
        strict: bool = True,
        observe: Callable[[float], None] = lambda _seconds: None,
        sleeper: Sleeper = asyncio.sleep,
        accepted: Callable[[str], None] = lambda _job: None,
    ) -> None:
        self._client = client
        self._store = store
        self._sources = sources
        self._clock = clock
        self._validity = validity
        self._ticket = ticket
        self._strict = strict
        self._observe = observe
        self._sleeper = sleeper
        self._accepted = accepted
        self._fresh: dict[str, float] = {}
        self._sent: dict[str, float] = {}
        self._heard: dict[str, float] = {}
        self._confirmed: set[str] = set()
        self._answered: set[str] = set()

    def is_fresh(self, job: str) -> bool:
        """Whether the job's intent was journaled by this process, and it was never sent."""
        return job in self._fresh

    def answered(self, job: str) -> bool:
        """Whether an instrument has told where a job of an earlier process stands, or that it never saw it."""
        return job in self._answered

    def intend(self, job: str) -> None:
        """Take note that a job's intent was journaled just now: nobody can have sent it yet."""
        self._fresh[job] = self._clock.elapsed()

    def has_forgotten(self, job: str, error: NoAnswerError) -> bool:
        """Whether an instrument that confirmed a job says now that it has never seen it."""
        return error.seen is False and job in self._confirmed

    def silence(self, job: str, error: NoAnswerError, *, since: float) -> float:
        """For how long nothing has been heard of a job, s: however long it had been at work before.

        Args:
            job: its id.
            error: how its instrument fell silent.
            since: when it was begun to ask, by the clock's ``elapsed``.
        """
        now = self._clock.elapsed()
        if error.silent_s:
            self._heard[job] = now - error.silent_s
        return now - max(since, self._heard.get(job, since))

    def forget(self, job: str) -> None:
        """Nobody asks after a job any more: its end is in the journal."""
        for known in (self._fresh, self._sent, self._heard):
            known.pop(job, None)
        for noted in (self._confirmed, self._answered):
            noted.discard(job)

    async def carry_out(self, command: core.SendOrder, *, check: Callable[[], None] = lambda: None) -> ev.StepEnded:
        """Have an order done; one of an earlier process is asked after first, and sent only if it was never seen.

        Args:
            command: with the id of its job.
            check: called just before each sending, and raises where it may not be sent.

        Raises:
            NoAnswerError: the instrument does not tell; ``seen`` is False where it lost a job that it had.
            JournalError: it cannot store its work.
        """
        iid, job = command.instrument, command.job
        fresh = job in self._fresh
        if command.accepted:
            self._confirmed.add(job)
        answer = None if fresh else await self._look(iid, job)
        if answer is None:
            answer = await self._client.execute(
                iid,
                command.order.command,
                command.order.parameters,
                job=job,
                approval=command.experiment,
                not_after=self._not_after(),
                on_update=self._note,
                upload=self._ticket(job) if self._ticket else None,
                check=lambda: self._about_to_send(job, check),
            )
        if self._strict and fresh and answer.error and answer.error.code in {STORAGE, NO_JOURNAL}:
            # Not the order's fault, and the next one would fare no better: a person has to make room first.
            raise JournalError(
                f"{iid} cannot store its work ({answer.error.message}): free space on its disk, "
                "and continue with --resume"
            )
        return await self._ended(command, answer)

    async def ask(self, command: core.SendOrder) -> ev.StepEnded | None:
        """What became of an order that nobody knew the end of; None where the instrument has never seen it.

        While it runs it is followed to its end, and its instrument's lease is kept: what a person was asked about goes
        on all the same.

        Raises:
            NoAnswerError: it does not answer.
        """
        iid, job = command.instrument, command.job
        answer = await self._client.query(iid, job)
        if answer is None:
            return None
        self._note(answer)
        if not answer.terminal:
            answer = await self._client.adopt(iid, job, on_update=self._note)
        return await self._ended(command, answer)

    async def cancel(self, command: core.SendOrder) -> None:
        """Ask the instrument to end a job."""
        await self._client.cancel(command.instrument, command.job)

    async def _look(self, iid: str, job: str) -> JobState | None:
        """Where a job stands that may have been sent, at its end if it runs; None when it was never seen."""
        reached("in-reconcile")
        answer = await self._client.query(iid, job)
        self._answered.add(job)
        if answer is None:
            if job in self._confirmed:  # it was done, or half done: nobody may send it again but by a person's word
                raise NoAnswerError(iid, job, "it had this job, and says now that it has never seen it", seen=False)
            return None
        self._note(answer)
        return answer if answer.terminal else await self._client.adopt(iid, job, on_update=self._note)

    def _about_to_send(self, job: str, check: Callable[[], None]) -> None:
        check()
        reached("before-send")
        # From here on nobody can say that it was never sent.
        self._sent.setdefault(job, self._fresh.pop(job, self._clock.elapsed()))

    def _note(self, state: JobState) -> None:
        if state.job not in self._confirmed and not state.terminal:
            try:
                self._accepted(state.job)
            except JournalError as error:
                raise SetAsideError(str(error)) from error
        self._confirmed.add(state.job)
        self._heard[state.job] = self._clock.elapsed()
        self._fresh.pop(state.job, None)
        if (since := self._sent.pop(state.job, None)) is not None:
            self._observe(self._clock.elapsed() - since)
        reached("after-accepted")

    def _not_after(self) -> datetime:
        return self._clock.now() + self._validity

    async def _ended(self, command: core.SendOrder, answer: JobState) -> ev.StepEnded:
        result, state, error = answer.result, answer.state, answer.error
        artefacts: dict[str, ev.ArtefactRecord] = {}
        try:
            artefacts = {name: await self._keep(ref) for name, ref in (result.artefacts if result else {}).items()}
        except ArtefactError as lost:
            # What cannot be fetched now will not be there after a restart either: the order is sent anew.
            state, error = "failed", JobError(code="artefact", message=str(lost), kind="retryable")
        return ev.StepEnded.model_validate(
            {
                "experiment": command.experiment,
                "step": command.step,
                "attempt": command.attempt,
                "tries": command.tries,
                "job": command.job,
                "state": state,
                "values": kept_of(result.values) if result else {},
                "artefacts": artefacts,
                "error_kind": error.kind if error else "",
                "error_code": error.code if error else "",
                "error": f"{error.code}: {error.message}" if error else "",
                "elapsed_s": answer.elapsed_s,
            }
        )

    async def _keep(self, ref: ArtefactRef) -> ev.ArtefactRecord:
        # What was uploaded to this agent is here already, wherever its reference points to: addresses change.
        there = await beside(lambda: self._has(ref), name="artefact")
        data = b"" if there else await self._fetch(ref)
        reached("before-artefact")
        if not there:
            await beside(lambda: self._store.put(data, ref.media_type), name="artefact")
        reached("after-artefact")
        return ev.ArtefactRecord(sha256=ref.sha256, media_type=ref.media_type, bytes=ref.bytes)

    def _has(self, ref: ArtefactRef) -> bool:
        try:
            return self._store.path(ref.sha256, verify=True).stat().st_size == ref.bytes
        except (StoreError, OSError):
            return False  # it is fetched, and replaces what has decayed

    async def _fetch(self, ref: ArtefactRef) -> bytes:
        """Fetch it; a server may be away for a moment, and an order that is given again costs a sample.

        Raises:
            ArtefactError: it cannot be had.
        """
        for pause in FETCH_PAUSES_S:
            try:
                return await fetch(ref, self._sources)
            except ArtefactError as error:
                _log.warning("fetched again in %g s: %s", pause, error)
                await self._sleeper(pause)
        return await fetch(ref, self._sources)


__all__ = ["VALIDITY", "Jobs", "NoAnswerError"]
