"""Rules about restarts: what was done is known, what was interrupted is said, and nothing is done again."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from envs.errors import UserError
from instruments.conformance.evidence import NOT_A_COMMAND, Life, reason
from instruments.conformance.examination import Examination
from instruments.conformance.presence import UUID7
from instruments.conformance.rules import BrokenRuleError, Theme, UntriedRuleError, rule
from instruments.messages import JobState

_JOURNAL = "Keep a durable journal of job ids, digests and last messages; see JobJournal."


@dataclass
class Restart:
    """What a restart left to judge.

    Attributes:
        boot: the boot id before.
        finished: a job that had ended before, None when no order may be carried out.
        running: one that ran when the device was restarted, None when jobs end at once.
        why_none: why there is none running.
        ghost_answers: what was said, by the restarted device, about an order of no command retained on the bus.
        n_statuses: how many statuses had been heard before.
    """

    boot: str
    finished: Life | None
    running: Life | None
    why_none: str
    n_statuses: int
    ghost_answers: int = 0


def _record(exam: Examination) -> Restart | BrokenRuleError | None:
    found = exam.shared.get("restart")
    return found if isinstance(found, Restart | BrokenRuleError) else None


async def _restarted(exam: Examination) -> Restart:
    """Restart the device, once.

    Raises:
        UntriedRuleError: nobody said how.
        BrokenRuleError: it does not come back.
    """
    if exam.options.restart is None:
        raise UntriedRuleError("nobody said how to restart the device: give --restart COMMAND")
    if (record := _record(exam)) is None:
        exam.shared["restart"] = record = await _restart(exam)
    if isinstance(record, BrokenRuleError):
        raise UntriedRuleError("the device did not come back")
    return record


async def _restart(exam: Examination) -> Restart | BrokenRuleError:
    probe, finished, running, why = exam.probe, None, None, ""
    boot = exam.description.boot_id
    try:
        finished = await exam.finished()
        begun = await exam.begin(await exam.slow())
        await exam.answered(begun.job)
        running = begun
    except (UntriedRuleError, BrokenRuleError) as error:
        why = str(error)
    ghost = exam.new_job("retained on the bus")
    await probe.order(ghost, exam.order(ghost, NOT_A_COMMAND, {}), retain=True)
    await _settle(exam)
    if running is not None and running.end is not None:
        running, why = None, "the job had ended before the restart"
    record, n_ghost = Restart(boot, finished, running, why, len(probe.statuses)), len(exam.live(ghost))
    assert exam.options.restart is not None  # noqa: S101 - asked by the caller
    try:
        await exam.options.restart()
    except UserError as error:
        return BrokenRuleError(str(error), "Correct the command: it must restart the driver and end with code 0.")
    back = await probe.until(lambda: _is_back(exam, record), exam.options.restart_s)
    if not back:
        said = f"no desc and status of a new boot within {exam.options.restart_s:g} s; boot_id is "
        advice = "Draw a new boot_id at each start of the driver and announce it."
        return BrokenRuleError(said + exam.description.boot_id, advice)
    await _settle(exam)
    record.ghost_answers = len(exam.live(ghost)) - n_ghost
    await probe.forget(probe.topics.command(probe.iid, ghost))
    return record


async def _settle(exam: Examination) -> None:
    """Give the device the time to act on what it got; whether it answers is the matter of other rules."""
    with contextlib.suppress(BrokenRuleError):
        await exam.lives("the restart")


def _is_back(exam: Examination, before: Restart) -> bool:
    status = exam.probe.statuses[-1].said
    return (
        exam.description.boot_id != before.boot
        and status is not None
        and status.boot_id != before.boot
        and status.state != "offline"
    )


@rule("RST-1", "Comes back", "After a restart desc and status come with a new, greater boot_id.")
async def back(exam: Examination) -> str:
    """UUIDv7 of a later boot compare greater."""
    try:
        before, now = (await _restarted(exam)).boot, exam.description.boot_id
    except UntriedRuleError:
        if isinstance(error := _record(exam), BrokenRuleError):
            raise error from None
        raise
    if not UUID7.fullmatch(now) or now <= before:
        raise BrokenRuleError(f"boot_id {now} is not greater than {before}", "Use UUIDv7: ordered by time.")
    return f"{now[:18]}..."


@rule("RST-2", "Offline was told", "While it is away, status says offline: by itself or by its last will.")
async def offline(exam: Examination) -> str:
    """Between the last status of the old boot and the first of the new."""
    record = await _restarted(exam)
    said = [h.said for h in exam.probe.statuses[record.n_statuses :] if h.said is not None]
    gone = [s for s in said if s.state == "offline" and s.boot_id == record.boot]
    if not gone:
        raise BrokenRuleError(
            "status never said offline", "Register a last will on status, retained, before connecting."
        )
    return gone[0].message or "offline"


@rule("RST-3", "Finished is known", "A job that had ended before is known after: a query gives its end.")
async def remembers(exam: Examination) -> str:
    """The identical message of the old boot."""
    life = (await _restarted(exam)).finished
    if life is None:
        raise UntriedRuleError("no order may be carried out")
    state = await exam.query(life.job)
    if state != life.end:
        raise BrokenRuleError(f"the query says {state.state} ({reason(state)})", _JOURNAL)
    return state.state


@rule("RST-4", "Finished stays finished", "Its order again after the restart is echoed, not carried out.")
async def not_again(exam: Examination) -> str:
    """What a client does that was restarted, too."""
    life = (await _restarted(exam)).finished
    if life is None:
        raise UntriedRuleError("no order may be carried out")
    return _settled(await _again(exam, life), life.end)


async def _again(exam: Examination, life: Life) -> list[JobState]:
    n = len(exam.live(life.job))
    await exam.probe.order(life.job, exam.order(life.job, life.trial.command, life.trial.parameters, attempt=2))
    await exam.answered(life.job, n + 1)
    await exam.lives("an old order")
    return [h.said for h in exam.live(life.job)[n:] if h.said is not None]


def _settled(states: list[JobState], end: JobState | None) -> str:
    for state in states:
        if state != end:
            raise BrokenRuleError(f"it was {state.state} ({reason(state)})", _JOURNAL)
    return f"echoed: {end.state if end else ''}"


@rule("RST-5", "Interrupted is said", "A job that ran at the restart is failed/interrupted afterwards.")
async def interrupted(exam: Examination) -> str:
    """Never silently forgotten."""
    record = await _restarted(exam)
    if record.running is None:
        raise UntriedRuleError(record.why_none)
    state = await exam.query(record.running.job)
    if state.state != "failed" or state.error is None or state.error.code != "interrupted":
        raise BrokenRuleError(f"the query says {state.state} ({reason(state)})", _JOURNAL)
    return "failed/interrupted"


@rule("RST-6", "Interrupted stays so", "Its order again after the restart is not carried out.")
async def not_resumed(exam: Examination) -> str:
    """A furnace must not fire twice."""
    life = (record := await _restarted(exam)).running
    if life is None:
        raise UntriedRuleError(record.why_none)
    ran = [s for s in life.states if s.boot_id != record.boot and s.state in {"accepted", "running", "succeeded"}]
    if ran:
        raise BrokenRuleError(f"it was {ran[0].state} by itself", _JOURNAL)
    states = [s.state for s in await _again(exam, life)]
    if any(state != "failed" for state in states):
        raise BrokenRuleError(f"it was {next(s for s in states if s != 'failed')}", _JOURNAL)
    return "echoed: failed"


@rule("RST-7", "Ghosts", "An order that arrives with the retained flag is ignored.")
async def ghost(exam: Examination) -> str:
    """The order of no command lay on the bus when the device came back: any answer would be one too many."""
    record = await _restarted(exam)
    if record.ghost_answers:
        raise BrokenRuleError("it was answered", "Look at the retained flag of an order before anything else.")
    return "no answer"


RESTARTS = Theme("Restarts", (back, offline, remembers, not_again, interrupted, not_resumed, ghost))
