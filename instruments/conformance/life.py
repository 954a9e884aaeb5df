"""Rules about the life of a job: pure judgements of what a device said while it carried out one plain order."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit

from instruments.artefacts import INLINE_LIMIT, ArtefactError
from instruments.bulk.fetch import fetch, read
from instruments.conformance.evidence import Life, reason, span
from instruments.conformance.examination import Examination
from instruments.conformance.rules import BrokenRuleError, Check, Theme, UntriedRuleError, rule
from instruments.messages import ArtefactRef, Quantity, ResultDescription, Value
from instruments.session import DEVICE_STEPS
from instruments.units import UnitError, convert

ANSWER_S = 5.0
"""A device accepts or rejects within this time."""


def _each(judge: Callable[[Life], str]) -> Check:
    """A check that judges the life of one job of every command that may be carried out."""

    async def check(exam: Examination) -> str:
        seen, untried = [], []
        for life in await exam.all_lives():
            name = life.trial.command
            if not life.states:
                untried.append(f"{name} got no answer")
                continue
            try:
                seen.append((name, judge(life)))
            except BrokenRuleError as error:
                raise BrokenRuleError(f"{name}: {error.seen}", error.advice) from error
            except UntriedRuleError as error:
                untried.append(f"{name} {error}")
        if not seen:
            raise UntriedRuleError("; ".join(untried))
        return seen[0][1] if len(seen) == 1 else "; ".join(f"{name}: {text}" for name, text in seen)

    return check


@rule("JOB-1", "Confirmed", f"A good order is accepted within {ANSWER_S:g} s.")
async def confirmed(exam: Examination) -> str:
    """The first word on each plain order."""
    slowest = 0.0
    for life in await exam.all_lives():
        if not life.states:
            raise life.trouble or BrokenRuleError(f"{life.trial.command}: no answer")
        if life.states[0].state != "accepted":
            raise BrokenRuleError(
                f"{life.trial.command}: first said {life.states[0].state} ({reason(life.states[0])})",
                "An example must be acceptable at any time; say accepted before anything else.",
            )
        slowest = max(slowest, life.heard[0].at - life.ordered_at)
        if slowest > ANSWER_S:
            raise BrokenRuleError(f"{life.trial.command}: after {span(slowest)}", "Accept before beginning the work.")
    return f"after {span(slowest)}"


def valid_states(life: Life) -> str:
    """Each message is a JobState of this job."""
    for heard in life.heard:
        if heard.said is None:
            raise BrokenRuleError(heard.fault, "Compare the message with the schema of JobState.")
        if heard.said.job != life.job:
            raise BrokenRuleError(f"the payload speaks of job {heard.said.job}", "Job and topic must agree.")
    return f"{len(life.heard)} messages"


def legal_steps(life: Life) -> str:
    """The states follow one another as a job's life goes."""
    if any(heard.said is None for heard in life.heard):
        raise UntriedRuleError("says what is no valid state: see JOB-2")
    last = None
    for state in life.course:
        if state.state not in DEVICE_STEPS[last]:
            raise BrokenRuleError(
                f"{state.state} came after {last or 'nothing'}", "accepted, running (again), then one end."
            )
        last = state.state
    steps = [s.state for s in life.course]
    return " > ".join(name for i, name in enumerate(steps) if i == 0 or steps[i - 1] != name)


def growing(life: Life) -> str:
    """(boot_id, seq) grows from message to message."""
    states = life.course
    for before, after in pairwise(states):
        if (after.boot_id, after.seq) <= (before.boot_id, before.seq):
            raise BrokenRuleError(
                f"{after.state} has seq {after.seq} after {before.seq}", "Count every message of a boot up."
            )
    return f"{states[0].seq} to {states[-1].seq}"


def one_end(life: Life) -> str:
    """Exactly one end, and nothing after it."""
    if life.end is None:
        raise life.trouble or BrokenRuleError("it has no end")
    if life.later:
        raise BrokenRuleError(
            f"after {life.end.state} came {life.later[0].state}", "Nothing is published after the end but its echo."
        )
    return life.end.state


def our_digest(life: Life) -> str:
    """Each state carries the digest of the order."""
    for state in life.states:
        if state.digest != life.trial.digest:
            said = f"{state.digest[:12]}..." if state.digest else "empty"
            raise BrokenRuleError(
                f"digest {said} in {state.state}, ordered {life.trial.digest[:12]}...",
                "SHA-256 of canonical JSON of command and parameters: sorted keys, no blanks, floats as 1.0.",
            )
    return f"{life.trial.digest[:12]}..."


def progress_forward(life: Life) -> str:
    """Progress is from 0 to 1 and never goes back."""
    given = [s.progress for s in life.course if s.progress is not None]
    for before, after in pairwise(given):
        if after < before:
            raise BrokenRuleError(
                f"progress {after:g} came after {before:g}", "Report the share done of the whole job."
            )
    return ", ".join(f"{p:g}" for p in given[:6]) + (", ..." if len(given) > 6 else "") if given else "none reported"


def time_forward(life: Life) -> str:
    """elapsed_s never goes back."""
    given = [s.elapsed_s for s in life.course]
    for before, after in pairwise(given):
        if after < before:
            raise BrokenRuleError(f"elapsed_s {after:g} came after {before:g}", "Take it from a monotonic clock.")
    return f"{given[-1]:.3g} s"


def success(life: Life) -> str:
    """The example is carried out."""
    end = life.end
    if end is None:
        raise UntriedRuleError("has no end")
    if end.state != "succeeded":
        raise BrokenRuleError(
            f"it was {end.state} ({reason(end)})", "Choose an example that works at any time, or give --parameters."
        )
    return "succeeded"


def declared_results(life: Life) -> str:
    """Every result is declared, has its declared unit or media type, and is there unless it is optional."""
    values, artefacts = _result(life)
    declared = life.trial.described.results
    if not declared:
        raise UntriedRuleError("declares no results")
    if extra := sorted((values.keys() | artefacts.keys()) - declared.keys()):
        raise BrokenRuleError(f"not declared: {', '.join(extra)}", "Declare each result with its unit or media type.")
    for name in values.keys() | artefacts.keys():
        _check_kind(name, declared[name], values.get(name), artefacts.get(name))
    missing = sorted(declared.keys() - values.keys() - artefacts.keys())
    if owed := [name for name in missing if not declared[name].optional]:
        raise BrokenRuleError(
            f"declared, but not there: {', '.join(owed)}", "Give it, or declare it with optional: true."
        )
    return f"{len(declared) - len(missing)} results" + (f"; not this time: {', '.join(missing)}" if missing else "")


def _check_kind(name: str, said: ResultDescription, value: Value | None, artefact: ArtefactRef | None) -> None:
    if said.media_type is not None:
        if artefact is None:
            raise BrokenRuleError(f"{name} is declared as {said.media_type}, but is no artefact")
        if artefact.media_type != said.media_type:
            raise BrokenRuleError(f"{name} is {artefact.media_type}, declared as {said.media_type}")
    elif said.unit is None:
        if not isinstance(value, str):
            raise BrokenRuleError(f"{name} is declared as a word, but is none")
    elif not isinstance(value, Quantity):
        raise BrokenRuleError(f"{name} is declared in {said.unit}, but is no quantity")
    elif value.unit != said.unit:
        raise BrokenRuleError(f"{name} is given in {value.unit}, declared in {said.unit}{_same(value.unit, said.unit)}")


def _same(given: str, declared: str) -> str:
    try:
        convert(1.0, given, declared)
    except UnitError:
        return ", which is something else"
    return ""


def _result(life: Life) -> tuple[dict[str, Value], dict[str, ArtefactRef]]:
    if life.end is None or life.end.result is None:
        raise UntriedRuleError("gave no result")
    return life.end.result.values, life.end.result.artefacts


@rule("JOB-11", "Bulk data", "Artefacts can be fetched and are what their hash and length say.")
async def fetchable(exam: Examination) -> str:
    """Each artefact of each plain job."""
    found, beyond = [], []
    for life in await exam.all_lives():
        for name, ref in _artefacts(life).items():
            scheme = ref.uri.partition(":")[0].lower()
            if not _within_reach(ref):
                beyond.append(f"{name} ({scheme})")
                continue
            try:
                await (fetch(ref, exam.options.sources) if scheme.startswith("http") else _at_hand(ref, exam))
            except ArtefactError as error:
                raise BrokenRuleError(
                    f"{life.trial.command}, {name}: {error}", "Hash the bytes that are kept."
                ) from error
            found.append(f"{name}: {ref.bytes} bytes, {scheme}")
    if not found:
        raise UntriedRuleError(f"cannot be fetched from here: {', '.join(beyond)}" if beyond else "no artefacts came")
    return "; ".join(found)


def _artefacts(life: Life) -> dict[str, ArtefactRef]:
    return life.end.result.artefacts if life.end is not None and life.end.result is not None else {}


def _within_reach(ref: ArtefactRef) -> bool:
    """Whether it can be fetched from here: not from stores of others, nor from another machine's disk."""
    try:
        parts = urlsplit(ref.uri)
        if parts.scheme == "file":
            return parts.netloc in {"", "localhost"} and Path(unquote(parts.path)).exists()
    except (OSError, ValueError) as error:
        raise BrokenRuleError(f"{ref.uri[:80]} is no place: {error}", "Say where the bytes are.") from error
    return parts.scheme in {"data", "http", "https"}


async def _at_hand(ref: ArtefactRef, exam: Examination) -> bytes:
    return read(ref, exam.options.sources)


@rule("JOB-12", "Inline data", f"At most {INLINE_LIMIT // 1024} KB travel inside a message.")
async def inline(exam: Examination) -> str:
    """Of data: URIs."""
    sizes = [ref.bytes for life in await exam.all_lives() for ref in _artefacts(life).values() if _is_inline(ref)]
    if not sizes:
        raise UntriedRuleError("nothing came inline")
    if max(sizes) > INLINE_LIMIT:
        raise BrokenRuleError(f"{max(sizes)} bytes inline", "Put larger data by reference: file, HTTP PUT or S3.")
    return f"at most {max(sizes)} bytes"


def _is_inline(ref: ArtefactRef) -> bool:
    return ref.uri.startswith("data:")


@rule("JOB-13", "Last state kept", "The last state of a job is retained.")
async def kept(exam: Examination) -> str:
    """A newcomer finds the end."""
    for life in await exam.all_lives():
        if life.end is None:
            raise UntriedRuleError(f"{life.trial.command} has no end")
        found = await exam.kept(life.job)
        if found is None:
            raise BrokenRuleError(f"{life.trial.command}: nothing is kept", "Set the retained flag on every state.")
        if found != life.states[-1]:
            raise BrokenRuleError(f"{life.trial.command}: what is kept is not the end", "Retain the last state.")
    return "a newcomer finds the end"


LIFE = Theme(
    "Life of a job",
    (
        confirmed,
        rule("JOB-2", "Valid states", "Each state is a valid message about the job of its topic.")(_each(valid_states)),
        rule("JOB-3", "Legal steps", "accepted, then running (again and again), then the end; or rejected.")(
            _each(legal_steps)
        ),
        rule("JOB-4", "Order", "(boot_id, seq) grows from state to state.")(_each(growing)),
        rule("JOB-5", "One end", "A job ends exactly once, and nothing comes after it.")(_each(one_end)),
        rule("JOB-6", "Digest", "Each state carries the digest of what was ordered.")(_each(our_digest)),
        rule("JOB-7", "Progress", "progress is from 0 to 1 and never goes back.")(_each(progress_forward)),
        rule("JOB-8", "Elapsed time", "elapsed_s never goes back.")(_each(time_forward)),
        rule("JOB-9", "Success", "An example can be carried out at any time.")(_each(success)),
        rule(
            "JOB-10",
            "Results",
            "Every result is declared, comes in its declared unit or media type, and is missing only where optional.",
        )(_each(declared_results)),
        fetchable,
        inline,
        kept,
    ),
)
