"""Rules about doubled, changed and too many orders: whatever the network does, a job is carried out once."""

from __future__ import annotations

from collections.abc import Mapping

from instruments.conformance.evidence import NOT_A_COMMAND, Life, reason
from instruments.conformance.examination import Examination
from instruments.conformance.rules import BrokenRuleError, Theme, UntriedRuleError, rule
from instruments.messages import Quantity, Value, digest_of
from instruments.session import DEVICE_STEPS

_SENDINGS = 5
_MOST = 8


@rule("DUP-1", "Five at once", "The same order five times at once is one life.")
async def five_at_once(exam: Examination) -> str:
    """As a resending agent and a network do it."""
    first = await exam.finished()
    trial, job = first.trial, exam.new_job()
    try:
        _check_one_life(first)
    except BrokenRuleError:
        raise UntriedRuleError("already a single order has no proper life: see JOB-3 and JOB-5") from None
    life = Life(trial, job, exam.probe.elapsed(), exam.probe.jobs[job])
    for attempt in range(1, _SENDINGS + 1):
        await exam.probe.order(job, exam.order(job, trial.command, trial.parameters, attempt=attempt))
    await exam.finish(life)
    await exam.lives("five times the same order")
    life.heard = exam.live(job)
    _check_one_life(life)
    return f"{len(life.course)} states, {len(life.states) - len(life.course)} echoes"


def _check_one_life(life: Life) -> None:
    """An order that is taken for a new one begins a second life, or breaks into the first."""
    advice = "Journal the job id before acting; answer a known id and digest with the stored state."
    states = life.course + life.later
    if [s.state for s in states].count("accepted") > 1:
        raise BrokenRuleError("it was accepted more than once", advice)
    last = None
    for state in states:
        if state.state not in DEVICE_STEPS[last]:
            raise BrokenRuleError(f"{state.state} came after {last or 'nothing'}", advice)
        last = state.state


@rule("DUP-2", "Echo after the end", "A finished order again gets the identical last message, nothing else.")
async def echoed(exam: Examination) -> str:
    """With its first boot_id and seq."""
    life = await exam.finished()
    end, job = life.end, life.job
    for attempt in (2, 3):
        n = len(exam.live(job))
        await exam.probe.order(job, exam.order(job, life.trial.command, life.trial.parameters, attempt=attempt))
        again = await exam.answered(job, n + 1)
        if again != end:
            raise BrokenRuleError(
                f"{again.state}, seq {again.seq}, instead of the end, seq {end.seq if end else '?'}",
                "Store the last message of each job, and publish it again unchanged.",
            )
    await exam.probe.nap(exam.options.settle_s)
    if news := [s for s in exam.probe.said(job)[len(life.states) :] if s != end]:
        raise BrokenRuleError(f"it went on: {news[0].state}")
    return f"seq {end.seq if end else ''} twice more"


@rule("DUP-3", "Conflict", "The same job with another digest is rejected/conflict, with the offending digest.")
async def conflicting(exam: Examination) -> str:
    """Another order that would do nothing else than the first."""
    life = await exam.finished()
    command, parameters = _another(life)
    n = len(exam.live(life.job))
    await exam.probe.order(life.job, exam.order(life.job, command, parameters))
    state = await exam.answered(life.job, n + 1)
    advice = "Compare the digest of every order with the stored one of its job."
    if state.state != "rejected" or state.error is None or state.error.code != "conflict":
        raise BrokenRuleError(f"it was {state.state} ({reason(state)})", advice)
    if state.digest != digest_of(command, parameters):
        raise BrokenRuleError("the rejection carries another digest than the offending order's", advice)
    return "rejected/conflict"


def _another(life: Life) -> tuple[str, Mapping[str, Value]]:
    """The same order with an uncertainty that changes nothing but the digest; without a quantity, no command at all."""
    for name, value in life.trial.parameters.items():
        if isinstance(value, Quantity):
            changed = value.model_copy(update={"std": 0.0 if value.std else 1e-9})
            return life.trial.command, {**life.trial.parameters, name: changed}
    return NOT_A_COMMAND, {}


@rule("DUP-4", "First job unharmed", "After a conflict the first job stands as before, also for newcomers.")
async def unharmed(exam: Examination) -> str:
    """Asked by query, and by the bus's memory."""
    life = await exam.finished()
    found = await exam.kept(life.job)
    if found is not None and found.state == "rejected":
        raise BrokenRuleError("the rejection took the end's place on the bus", "Publish a conflict unretained.")
    state = await exam.query(life.job)
    if state != life.end:
        raise BrokenRuleError(f"the first job is now {state.state} ({reason(state)})", "A conflict touches no journal.")
    return state.state


@rule("DUP-5", "Concurrency", "More jobs than max_concurrency are rejected as busy, never queued.")
async def busy(exam: Examination) -> str:
    """All at once; those that overlapped count."""
    trial, most = await exam.slow(), exam.description.max_concurrency
    if most > _MOST:
        raise UntriedRuleError(f"it takes {most} jobs at a time: so many are not ordered for a check")
    lives = [await exam.begin(trial) for _ in range(most + 1)]
    first = []
    for life in lives:
        await exam.answered(life.job)
        first.append(life.states[0])
    refused = [s for s in first if s.state == "rejected"]
    for life in lives:
        await exam.finish(life)
    if not refused:
        _check_overlap(lives, most)
        raise UntriedRuleError(f"{most + 1} jobs were carried out one after the other: it was never full")
    if any(s.error is None or s.error.code != "busy" for s in refused):
        raise BrokenRuleError(f"it was rejected, but as {reason(refused[0])}", "Say busy: the agent then waits.")
    return f"{most} accepted, {len(refused)} rejected: {reason(refused[0])}"


def _check_overlap(lives: list[Life], most: int) -> None:
    spans = sorted((life.heard[0].at, life.heard[-1].at) for life in lives)
    for begin, _ in spans:
        together = sum(1 for a, b in spans if a <= begin < b)
        if together > most:
            raise BrokenRuleError(f"{together} jobs were accepted at a time, {most} are declared")


DUPLICATES = Theme("Doubled orders", (five_at_once, echoed, conflicting, unharmed, busy))
