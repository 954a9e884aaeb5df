"""Rules about query, cancel and lease."""

from __future__ import annotations

from instruments.conformance.evidence import SLOW_S, reason, span
from instruments.conformance.examination import Examination
from instruments.conformance.rules import BrokenRuleError, Theme, UntriedRuleError, rule
from instruments.session import UNKNOWN_JOB, is_unknown

_LONG_S = 3600.0
_SHORT_S = 1.0
GRACE_S = 5.0
"""How long a device may take to see that its lease has run out."""


@rule("CTL-1", "Query after the end", "A query after the end gives the end again, unchanged.")
async def queried(exam: Examination) -> str:
    """The identical message."""
    life = await exam.finished()
    state = await exam.query(life.job)
    if state != life.end:
        raise BrokenRuleError(f"{state.state}, seq {state.seq} ({reason(state)})", "Publish the stored message again.")
    return f"{state.state}, seq {state.seq}"


@rule("CTL-2", "Cancel the unknown", f"Cancelling a job never seen is answered with {UNKNOWN_JOB}, or passed over.")
async def cancel_unknown(exam: Examination) -> str:
    """And harms nothing."""
    job = exam.new_job("cancelled before it was ordered")
    await exam.control("cancel", job=job)
    await exam.lives("cancelling an unknown job")
    states = exam.probe.said(job)
    if states and not is_unknown(states[0]):
        raise BrokenRuleError(f"the answer was {states[0].state} ({reason(states[0])})", f"Answer {UNKNOWN_JOB}.")
    return f"rejected/{UNKNOWN_JOB}" if states else "passed over"


@rule("CTL-3", "Cancel the finished", "Cancelling a finished job changes nothing.")
async def cancel_finished(exam: Examination) -> str:
    """The end is told again."""
    life = await exam.finished()
    await exam.control("cancel", job=life.job)
    state = await exam.query(life.job)
    told = [s for s in exam.probe.said(life.job) if s.state == "cancelled" and s != life.end]
    if state != life.end or told:
        raise BrokenRuleError(f"the job is now {(told or [state])[0].state}", "A job that has ended stays as it ended.")
    return f"still {state.state}"


@rule("CTL-4", "Cancel the running", "A running job ends as cancelled; one that declares it cannot goes on.")
async def cancel_running(exam: Examination) -> str:
    """Cancelled as soon as it runs."""
    trial = await exam.slow()
    life = await exam.begin(trial)
    await exam.answered(life.job)
    await exam.control("cancel", job=life.job)
    asked = exam.probe.elapsed()
    await exam.finish(life)
    end, took = life.end, life.heard[-1].at - asked
    if end is None or end.state == "rejected":
        raise UntriedRuleError(f"the order was not taken: {reason(end) if end else 'no end'}")
    if any(s.state == "cancelled" for s in life.states):
        if not trial.described.cancellable:
            raise BrokenRuleError(f"{trial.command} was cancelled, but declares that it cannot be")
        return f"cancelled after {span(took)}"
    if not trial.described.cancellable:
        return f"declared as not cancellable, and it {end.state}"
    if took < SLOW_S:
        raise UntriedRuleError(f"the job was {end.state} before it could be cancelled")
    raise BrokenRuleError(
        f"it went on for {span(took)} and was {end.state}", "Stop and say cancelled, or declare cancellable false."
    )


@rule("CTL-5", "Lease", "A lease of the agent is taken without harm.")
async def leased(exam: Examination) -> str:
    """As long as the device asks for; else a long one, whose end disturbs nothing that follows."""
    await exam.control("lease", lease_s=exam.description.lease_s or _LONG_S)
    await exam.lives("a lease")
    safe = exam.description.safe_state
    return f"when it runs out: {safe}" if safe else "no safe state is declared"


@rule("CTL-6", "Lease runs out", "Where a safe state is declared, a job fails when the agent's lease runs out.")
async def lease_lost(exam: Examination) -> str:
    """A running job with a lease of a second that nobody renews."""
    said = exam.description
    if not said.safe_state and said.lease_s is None:
        raise UntriedRuleError("neither a safe state nor a lease is declared")
    life = await exam.begin(await exam.slow())
    await exam.answered(life.job)
    await exam.control("lease", lease_s=_SHORT_S)
    granted = exam.probe.elapsed()
    # Who only ever prolongs a lease still has the one that came with the order.
    patience = max(_SHORT_S, said.lease_s or 0.0) + GRACE_S
    await exam.probe.until(lambda: life.end is not None, patience)
    took = span(exam.probe.elapsed() - granted)
    if life.end is None:
        await exam.control("cancel", job=life.job)
        advice = f"Watch the lease, end what runs, and go to the safe state: {said.safe_state or 'declare one'}."
        raise BrokenRuleError(f"after {took} without a renewal it still ran", advice)
    if life.end.state != "failed":
        raise UntriedRuleError(f"the job {life.end.state} after {took}: an example must last {patience:g} s for this")
    return f"{reason(life.end)}, after {took}"


CONTROL = Theme("Query, cancel, lease", (queried, cancel_unknown, cancel_finished, cancel_running, leased, lease_lost))
