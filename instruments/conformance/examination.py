"""What all rules share: asking the device, carrying orders out, and evidence that several rules judge."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from instruments.clock import Clock
from instruments.conformance.evidence import NOT_A_COMMAND, SLOW_S, Life, Options, Trial, plain, reason, span
from instruments.conformance.probe import Heard, Probe
from instruments.conformance.rules import BrokenRuleError, UntriedRuleError
from instruments.ids import Ids
from instruments.messages import (
    PROTO,
    Description,
    JobState,
    MalformedMessageError,
)

_PATIENCE = 3.0


class Examination:
    """One device under examination.

    Args:
        probe: the connection, open.
        options: how to check.
        clock: gives times of issue.
        ids: gives job ids.
    """

    def __init__(self, probe: Probe, options: Options, clock: Clock, ids: Ids) -> None:
        self.probe = probe
        self.options = options
        self.clock = clock
        self.ids = ids
        self.ordered: list[str] = []
        self.forbidden: dict[str, str] = {}
        """Jobs that must never be carried out, with what they are."""
        self.shared: dict[str, object] = {}
        """Evidence that one theme gathers once."""
        self.silent_since = ""
        """The rule after which the device did not answer any more."""
        self._given_up: set[str] = set()
        self._answers_queries = True
        self._lives: dict[str, Life] = {}

    # What the device says of itself -----------------------------------------------------------------------------------

    @property
    def description(self) -> Description:
        """The newest valid description.

        Raises:
            UntriedRuleError: there is none.
        """
        found = next((h.said for h in reversed(self.probe.descriptions) if h.said is not None), None)
        if found is None:
            raise UntriedRuleError("there is no valid description")
        return found

    def unavailable(self) -> str:
        """The presence in which a device takes no orders, with its reason; empty when it does take them."""
        status = self.probe.statuses[-1].said if self.probe.statuses else None
        if status is None or status.state in {"online", "busy"}:
            return ""
        return f"{status.state} ({status.message})" if status.message else status.state

    def trials(self) -> list[Trial]:
        """The orders that may be carried out, the shortest first.

        Raises:
            UntriedRuleError: there is none, or the device takes no orders now.
        """
        described, options = self.description.commands, self.options
        if away := self.unavailable():
            raise UntriedRuleError(f"the device is in {away} and takes no orders")
        if options.command is not None:
            known = described.get(options.command)
            if known is None:
                raise UntriedRuleError(f"the device has no command {options.command}")
            parameters = options.parameters if options.parameters is not None else known.example
            if parameters is None:
                raise UntriedRuleError(f"{options.command} declares no example: give parameters for it")
            return [Trial(options.command, parameters, known)]
        found = [Trial(n, d.example, d) for n, d in described.items() if d.example is not None]
        if not found:
            raise UntriedRuleError(
                "no command declares an example that may be carried out; name one with its parameters"
            )
        return sorted(found, key=lambda t: t.described.duration_s or 0.0)

    # Asking -----------------------------------------------------------------------------------------------------------

    def new_job(self, forbidden: str = "") -> str:
        """A fresh job id; one that is ``forbidden`` (in words) must never be carried out."""
        job = self.ids.new()
        self.ordered.append(job)
        if forbidden:
            self.forbidden[job] = forbidden
        return job

    def order(self, job: str, command: str, parameters: Mapping[str, Any], **changes: Any) -> bytes:
        """An order as it travels; ``changes`` replace or add fields of the message."""
        now = self.clock.now()
        message = {
            "proto": PROTO,
            "job": job,
            "attempt": 1,
            "command": command,
            "parameters": plain(parameters),
            "issued_at": now.isoformat(),
            "not_after": (now + timedelta(minutes=10)).isoformat(),
            **changes,
        }
        if self.options.ticket is not None:
            message.setdefault("upload", self.options.ticket(job).model_dump())
        return json.dumps(message).encode()

    async def control(self, op: str, **fields: Any) -> None:
        """Send a control message."""
        await self.probe.control(json.dumps({"proto": PROTO, "op": op, **fields}).encode())

    async def answered(self, job: str, n: int = 1) -> JobState:
        """Wait for the n-th message about a job.

        Raises:
            BrokenRuleError: it does not come, or is not of the profile.
        """
        seconds = self.options.answer_s
        if not await self.probe.until(lambda: len(self.live(job)) >= n, seconds):
            raise BrokenRuleError(
                f"no answer within {seconds:g} s",
                "Answer every order and every query on job/{job}; look into the driver's log for an exception.",
            )
        heard = self.live(job)[n - 1]
        if heard.said is None:
            raise BrokenRuleError(heard.fault, "Compare the message with the schema of JobState.")
        return heard.said

    def live(self, job: str) -> list[Heard[JobState]]:
        """What was heard of a job, without what the bus had kept."""
        return [h for h in self.probe.jobs[job] if not h.raw.retained]

    async def rejected(self, job: str, payload: bytes) -> JobState:
        """Give an order that must be rejected, and see that it is.

        Raises:
            BrokenRuleError: it is not.
        """
        await self.probe.order(job, payload)
        state = await self.answered(job)
        self.check_refused(job)
        return state

    async def query(self, job: str) -> JobState:
        """Ask where a job stands."""
        n = len(self.live(job))
        await self.control("query", job=job)
        return await self.answered(job, n + 1)

    async def kept(self, job: str) -> JobState | None:
        """What the bus keeps of a job, None when nothing.

        Raises:
            BrokenRuleError: it is not of the profile.
        """
        found = await self.probe.retained(self.probe.topics.job(self.probe.iid, job))
        try:
            return JobState.parse(found[-1].payload) if found else None
        except MalformedMessageError as error:
            raise BrokenRuleError(
                f"what is kept of the job is {error}", "Compare the message with the schema of JobState."
            ) from error

    async def lives(self, after: str) -> None:
        """See that the device still answers.

        Raises:
            BrokenRuleError: it does not.
        """
        job, seconds = self.new_job(), self.options.answer_s
        if self._answers_queries:
            await self.control("query", job=job)
            self._answers_queries = await self.probe.until(lambda: bool(self.live(job)), seconds)
        if not self._answers_queries:
            # That is another rule's matter: a device lives that answers anything at all.
            await self.probe.order(job, self.order(job, NOT_A_COMMAND, {}))
            if not await self.probe.until(lambda: bool(self.live(job)), seconds):
                raise BrokenRuleError(
                    f"after {after} the device answers neither a query nor an order",
                    "Catch whatever reading a message can raise, and go on with the next one.",
                )
        await self.probe.nap(self.options.settle_s)

    async def listens(self, after: str) -> None:
        """Note whether the device has fallen silent: then nothing else needs to be waited for."""
        try:
            await self.lives(after)
        except BrokenRuleError:
            self.silent_since = after
        else:
            self.silent_since = ""

    async def refused_or_ignored(self, job: str, payload: bytes, what: str) -> str:
        """Give an order that is none, and see that it is not taken and harms nothing.

        Raises:
            BrokenRuleError: it was taken, or the device answers no more.
        """
        await self.probe.order(job, payload)
        await self.lives(what)
        self.check_refused(job)
        states = self.probe.said(job)
        return f"rejected: {reason(states[0])}" if states else "ignored; the device lives on"

    def check_refused(self, job: str) -> None:
        """See that a job was never taken.

        Raises:
            BrokenRuleError: it was.
        """
        taken = [s.state for s in self.probe.said(job) if s.state != "rejected"]
        if taken:
            self.forbidden.pop(job, None)  # told once is enough
            raise BrokenRuleError(f"it was {taken[0]}", "Check an order completely before accepting it.")

    # Carrying out -----------------------------------------------------------------------------------------------------

    async def begin(self, trial: Trial) -> Life:
        """Order one job and return at once."""
        job = self.new_job()
        life = Life(trial, job, self.probe.elapsed(), self.probe.jobs[job])
        await self.probe.order(job, self.order(job, trial.command, trial.parameters))
        return life

    async def finish(self, life: Life) -> Life:
        """Wait for a job's end, keeping the device's lease alive; what follows an end is listened for shortly.

        Raises:
            BrokenRuleError: no answer at all, or no end in time.
        """
        try:
            await self._follow(life)
        except BrokenRuleError:
            self._given_up.add(life.job)
            raise
        finally:
            # What is said about the job later on is no part of its life.
            life.heard = self.live(life.job)
        return life

    async def _follow(self, life: Life) -> None:
        # Late is one rule's matter; all others want to know what comes then.
        await self.probe.until(lambda: bool(self.live(life.job)), _PATIENCE * self.options.answer_s)
        await self.answered(life.job)
        lease = self.description.lease_s
        slice_s = lease / 3.0 if lease else self.options.job_s
        until = life.ordered_at + self.options.job_s
        while not await self.probe.until(lambda: life.end is not None, min(slice_s, until - self.probe.elapsed())):
            if self.probe.elapsed() >= until:
                last = life.states[-1].state if life.states else "not told"
                raise BrokenRuleError(
                    f"no end within {self.options.job_s:g} s; last state: {last}",
                    "Publish an end for every job, or allow a longer one with --timeout.",
                )
            if lease:
                await self.control("lease", lease_s=lease)
        await self.probe.nap(self.options.settle_s)

    async def rest(self) -> None:
        """Wait until what was taken against the rules has ended: it must not disturb the rules that come after."""
        jobs = [j for j in self.ordered if j not in self._given_up and _open(self.probe.said(j))]
        if not await self.probe.until(lambda: not any(_open(self.probe.said(j)) for j in jobs), self.options.job_s):
            self._given_up.update(j for j in jobs if _open(self.probe.said(j)))

    async def tidy(self) -> None:
        """Clear from the bus what the device keeps there of the jobs of this examination, where we may."""
        for job in self.ordered:
            if self.probe.jobs[job]:
                await self.probe.forget(self.probe.topics.job(self.probe.iid, job))

    async def life(self, trial: Trial) -> Life:
        """The one plain job of a trial, ordered when first asked for; it may have come to no end."""
        if trial.command not in self._lives:
            self._lives[trial.command] = life = await self.begin(trial)
            try:
                await self.finish(life)
            except BrokenRuleError as error:
                life.trouble = error
        return self._lives[trial.command]

    async def all_lives(self) -> list[Life]:
        """One plain job of every trial."""
        return [await self.life(trial) for trial in self.trials()]

    async def finished(self) -> Life:
        """A job that was carried out, of the shortest trial.

        Raises:
            UntriedRuleError: its order was rejected, or it has no end.
        """
        life = await self.life(self.trials()[0])
        if life.end is None or life.end.state == "rejected":
            why = "has no end" if life.end is None else f"was rejected ({reason(life.end)})"
            raise UntriedRuleError(f"the example of {life.trial.command} {why}")
        return life

    async def slow(self) -> Trial:
        """The longest trial, if a job of it lasts long enough to do something meanwhile.

        Raises:
            UntriedRuleError: every job ends at once.
        """
        lives = [life for life in await self.all_lives() if life.end is not None]
        if not lives:
            raise UntriedRuleError("no job came to an end")
        spans = [(life.heard[-1].at - life.heard[0].at, life.trial) for life in lives]
        longest, trial = max(spans, key=lambda pair: pair[0])
        if longest < SLOW_S:
            raise UntriedRuleError(f"its jobs end within {span(longest)}: nothing can be done meanwhile")
        return trial


def _open(states: list[JobState]) -> bool:
    told = [s for s in states if s.state != "rejected"]  # a conflict, or "never seen", is no end of a job that runs
    return bool(told) and not told[-1].terminal
