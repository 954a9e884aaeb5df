"""Rules about what a device must not take: each order here can do nothing, or no more than a declared example does."""

from __future__ import annotations

import json
from datetime import timedelta

from instruments.conformance.evidence import NOT_A_COMMAND, reason
from instruments.conformance.examination import Examination
from instruments.conformance.rules import BrokenRuleError, Theme, UntriedRuleError, rule
from instruments.messages import Value, digest_of
from instruments.session import UNKNOWN_JOB, is_unknown

UNKNOWN_COMMAND = "unknown_command"
_HUGE = 300 * 1024
_DEEP = 20_000


@rule("REF-1", "Unknown command", f"An order of a command that does not exist is rejected as {UNKNOWN_COMMAND}.")
async def unknown_command(exam: Examination) -> str:
    """With the digest of what was ordered."""
    job = exam.new_job("an unknown command")
    state = await exam.rejected(job, exam.order(job, NOT_A_COMMAND, {}))
    if state.digest not in {"", digest_of(NOT_A_COMMAND, {})}:
        raise BrokenRuleError("the rejection has the digest of something else", "See Command.digest in the profile.")
    if state.error is None or state.error.code != UNKNOWN_COMMAND:
        if away := exam.unavailable():
            raise UntriedRuleError(f"the device is in {away}: it was rejected as {reason(state)}")
        raise BrokenRuleError(
            f"it was rejected as {reason(state)}",
            f"Look at the command first, and reject with the code {UNKNOWN_COMMAND}.",
        )
    return reason(state)


@rule("REF-2", "Rejection remembered", "The same rejected order again gets the identical message again.")
async def rejection_echoed(exam: Examination) -> str:
    """Echoed with its first number, so that nobody takes it for news."""
    job = exam.new_job("an unknown command, twice")
    first = await exam.rejected(job, exam.order(job, NOT_A_COMMAND, {}))
    n = len(exam.live(job))
    await exam.probe.order(job, exam.order(job, NOT_A_COMMAND, {}, attempt=2))
    again = await exam.answered(job, n + 1)
    if again != first:
        raise BrokenRuleError(
            f"first seq {first.seq}, then seq {again.seq} ({again.state})",
            "Journal rejections, too, and answer a known job and digest with the stored message.",
        )
    return f"seq {first.seq} both times"


@rule("REF-3", "Not JSON", "What is not JSON is not carried out, and the device lives on.")
async def not_json(exam: Examination) -> str:
    """A message cut in half."""
    job = exam.new_job("not JSON")
    return await exam.refused_or_ignored(job, exam.order(job, NOT_A_COMMAND, {})[:40], "an order that is not JSON")


@rule("REF-4", "Not UTF-8", "Bytes that are no text are not carried out, and the device lives on.")
async def not_text(exam: Examination) -> str:
    """In the middle of what otherwise would be JSON."""
    job = exam.new_job("not UTF-8")
    order = exam.order(job, NOT_A_COMMAND, {"note": "@"})
    return await exam.refused_or_ignored(job, order.replace(b"@", b"\xc3\x28\xff\x00\xfe"), "bytes that are no UTF-8")


@rule("REF-5", "Two job ids", "An order whose job is not that of its topic is carried out under neither.")
async def two_jobs(exam: Examination) -> str:
    """The harmless example where there is one: what is taken would be an accepted job."""
    job, other = exam.new_job("another job's topic"), exam.new_job("another job's payload")
    command, parameters = _harmless(exam)
    seen = await exam.refused_or_ignored(job, exam.order(other, command, parameters), "an order with two job ids")
    exam.check_refused(other)
    return seen


@rule("REF-6", "Other major version", "An order of another major version is not carried out.")
async def other_version(exam: Examination) -> str:
    """Version 2.0 on a topic of v1."""
    job = exam.new_job("proto 2.0")
    command, parameters = _harmless(exam)
    return await exam.refused_or_ignored(job, exam.order(job, command, parameters, proto="2.0"), "proto 2.0")


@rule("REF-7", "Missing fields", "An order without its times is not carried out.")
async def missing_fields(exam: Examination) -> str:
    """Without not_after a device cannot know whether it is too late."""
    job = exam.new_job("no not_after")
    command, parameters = _harmless(exam)
    order = json.loads(exam.order(job, command, parameters))
    del order["not_after"]
    return await exam.refused_or_ignored(job, json.dumps(order).encode(), "an order without not_after")


@rule("REF-8", "Expired", "An order past its not_after is rejected and not started.")
async def expired(exam: Examination) -> str:
    """An hour too late, so that a wrong clock is no excuse."""
    trial = exam.trials()[0]
    job = exam.new_job("expired")
    then = exam.clock.now() - timedelta(hours=1)
    times = {"issued_at": (then - timedelta(minutes=1)).isoformat(), "not_after": then.isoformat()}
    try:
        state = await exam.rejected(job, exam.order(job, trial.command, trial.parameters, **times))
    except BrokenRuleError as error:
        raise BrokenRuleError(error.seen, "Compare not_after with the clock before accepting, never after.") from error
    return reason(state)


@rule("REF-9", "Huge message", "300 KB as an order are survived.")
async def huge(exam: Examination) -> str:
    """On a connection of its own: some brokers cut it."""
    job = exam.new_job("300 KB")
    payload = exam.order(job, NOT_A_COMMAND, {"note": "x" * _HUGE})
    topic = exam.probe.topics.command(exam.probe.iid, job)
    stood = await exam.probe.aside(topic, payload)
    await exam.lives("a message of 300 KB")
    exam.check_refused(job)
    if not stood:
        raise UntriedRuleError("the broker does not let a message of 300 KB pass")
    return "the device lives on"


@rule("REF-10", "Deep nesting", f"{_DEEP} brackets as a parameter are survived.")
async def deep(exam: Examination) -> str:
    """Naive readers recurse."""
    job = exam.new_job("deep nesting")
    hollow = exam.order(job, NOT_A_COMMAND, {"note": "@"})
    return await exam.refused_or_ignored(job, hollow.replace(b'"@"', b"[" * _DEEP + b"]" * _DEEP), "deep nesting")


@rule("REF-11", "Newer minor version", "Unknown fields of a newer minor version are passed over.")
async def newer(exam: Examination) -> str:
    """A query of version 1.99 with fields that do not exist yet is answered."""
    job = exam.new_job()
    message = {"proto": "1.99", "op": "query", "job": job, "colour": "blue", "more": {"than": ["we", "know"]}}
    await exam.probe.control(json.dumps(message).encode())
    try:
        state = await exam.answered(job)
    except BrokenRuleError as error:
        advice = "Ignore fields that you do not know, and accept every minor version."
        raise BrokenRuleError(f"a query of version 1.99: {error.seen}", advice) from error
    return reason(state)


@rule("REF-12", "Garbage on ctl", "Garbage on the control topic is survived.")
async def garbage(exam: Examination) -> str:
    """No text, no JSON, no object, no operation, no job."""
    for payload in (b"\xff\x00\xfe", b"", b"{", b"[]", b"42", b"null", b'{"op": "explode"}', b'{"op": "cancel"}'):
        await exam.probe.control(payload)
    await exam.lives("garbage on ctl")
    return "the device lives on"


@rule("REF-13", "Unknown job", f"A query for a job never seen is answered with the error code {UNKNOWN_JOB}.")
async def unknown_job(exam: Examination) -> str:
    """And leaves no trace on the bus."""
    job = exam.new_job()
    state = await exam.query(job)
    if not is_unknown(state):
        raise BrokenRuleError(f"the answer was {state.state} ({reason(state)})", f"Answer rejected/{UNKNOWN_JOB}.")
    if await exam.probe.retained(exam.probe.topics.job(exam.probe.iid, job), 0.1):
        raise BrokenRuleError("the answer was retained", "Such an answer is no state of a job: publish it unretained.")
    return f"{state.state}/{UNKNOWN_JOB}"


@rule("REF-14", "Another's order", "An order to another instrument gets no answer.")
async def anothers(exam: Examination) -> str:
    """To a name that nobody has."""
    job = exam.new_job("addressed to another instrument")
    command, parameters = _harmless(exam)
    await exam.probe.order(job, exam.order(job, command, parameters), iid=f"nobody-{exam.ids.new()[-12:]}")
    await exam.lives("another instrument's order")
    if exam.live(job):
        exam.forbidden.pop(job, None)
        raise BrokenRuleError("it answered", "Subscribe to your own cmd/+ alone.")
    return "silence"


@rule("REF-15", "Nothing of this later", "Nothing that had to be refused was carried out until the end.")
async def nothing_later(exam: Examination) -> str:
    """Looks at all of the above again when everything else is done."""
    for job, what in list(exam.forbidden.items()):
        try:
            exam.check_refused(job)
        except BrokenRuleError as error:
            raise BrokenRuleError(f"{what}: {error.seen}", error.advice) from error
    return f"{len(exam.forbidden)} orders"


def _harmless(exam: Examination) -> tuple[str, dict[str, Value]]:
    """A good order where one may be carried out, else one of no command."""
    try:
        trial = exam.trials()[0]
    except UntriedRuleError:
        return NOT_A_COMMAND, {}
    return trial.command, dict(trial.parameters)


REFUSALS = Theme(
    "Refusals",
    (
        unknown_command, rejection_echoed, not_json, not_text, two_jobs, other_version, missing_fields, expired, huge,
        deep, newer, garbage, unknown_job, anothers,
    ),
)  # fmt: skip
LAST = Theme("Afterwards", (nothing_later,))
