"""What must hold whatever happened: the instruments' own log and the bus, held against the journal.

Each check gives sentences about what is broken; each sentence begins with the name of the invariant.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta

from agent import events as ev
from instruments.profile.decisions import proposal_digest

from .evidence import Evidence
from .history import Entry, History
from .machines import Act
from .people import APPROVERS

AGE, SKEW = timedelta(minutes=10, seconds=1), timedelta(seconds=31)
"""How old a signature may be, and how far ahead, when it counts."""


def broken(evidence: Evidence) -> list[str]:
    """Every invariant that does not hold, in sentences; empty when all do."""
    found: list[str] = []
    for check in CHECKS:
        found += check(evidence)
    return found


# ---- One final state


def one_end(evidence: Evidence) -> Iterator[str]:
    """Each approved proposal is one experiment, and each experiment has exactly one final state."""
    history = evidence.history
    for pid in history.made:
        decided = [e.event for e in history.decided.get(pid, [])]
        if len(decided) != 1:
            yield f"one end: {pid} was decided {len(decided)} times"
        approved = [d for d in decided if isinstance(d, ev.ProposalDecided) and d.verdict == "approved"]
        queued = history.queued.get(pid, [])
        if len(queued) != min(1, len(approved)):
            yield f"one end: {pid} has {len(approved)} approvals and {len(queued)} experiments"
        for entry in queued:
            assert isinstance(entry.event, ev.ExperimentQueued)
            ends = history.ended.get(entry.event.experiment, [])
            if len(ends) != 1:
                yield f"one end: {entry.event.experiment} has {len(ends)} final states"
    for job, entries in history.dispatched.items():
        n_ends = len(history.step_ended.get(job, [])) + len(history.reconciled.get(job, []))
        if len(entries) > 1 or n_ends > 1:
            yield f"one end: job {job} was dispatched {len(entries)} times and ended {n_ends} times"


def nothing_after_the_end(evidence: Evidence) -> Iterator[str]:
    """An experiment that has ended is ordered for no more."""
    ended = {eid: entries[0].seq for eid, entries in evidence.history.ended.items()}
    for entries in evidence.history.dispatched.values():
        event = entries[0].event
        assert isinstance(event, ev.StepDispatched)
        if entries[0].seq > ended.get(event.experiment, entries[0].seq):
            yield f"one end: {event.step} of {event.experiment} was dispatched after its end"


# ---- At most one run


def one_run(evidence: Evidence) -> Iterator[str]:
    """Each job moves hardware once, and each order once unless it failed for a passing reason."""
    history = evidence.history
    for job, count in Counter(act.job for act in evidence.acts).items():
        if count > 1:
            yield f"one run: job {job} moved hardware {count} times"
    last: dict[tuple[str, str, str], Act] = {}
    for act in evidence.acts:
        order = (act.sample, act.command, str(act.parameters.get("field", "")))
        before = last.get(order)
        if before is not None and not _may_follow(before, act, history):
            yield (
                f"one run: {act.command} of {act.sample} at {act.at:.1f} s though the same order "
                f"{before.end or 'goes on'} {before.code} since {before.at:.1f} s"
            )
        last[order] = act


def _may_follow(before: Act, act: Act, history: History) -> bool:
    if any(e.event.verdict == "again" and e.t <= act.at for e in history.reconciled.get(before.job, [])):  # type: ignore[union-attr]
        return True
    over = 0.0 <= before.ended_at <= act.at
    return over and (before.end == "interrupted" or (before.end == "failed" and before.code == "retryable"))


def as_it_happened(evidence: Evidence) -> Iterator[str]:
    """What the journal says of a job is what the hardware did."""
    done = {act.job: act for act in evidence.acts}
    for job, entries in evidence.history.step_ended.items():
        event = entries[0].event
        assert isinstance(event, ev.StepEnded)
        act = done.get(job)
        if event.state == "succeeded" and (act is None or act.end != "succeeded"):
            yield f"as it happened: {job} succeeded by the journal, and {act.end if act else 'nothing'} by the hardware"
        if event.state == "rejected" and act is not None:
            yield f"as it happened: {job} was rejected by the journal, and the hardware moved for it"
    for eid, entries in evidence.history.ended.items():
        end = entries[0].event
        assert isinstance(end, ev.ExperimentEnded)
        if end.outcome == "completed":
            done_for_it = {a.command for a in evidence.acts if a.sample == eid and a.end == "succeeded"}
            for command in evidence.commands[eid.partition("-")[0]]:
                if command not in done_for_it:
                    yield f"as it happened: {eid} was completed without any {command}"


def one_at_a_time(evidence: Evidence) -> Iterator[str]:
    """No instrument has more open jobs than places; nothing is in the hardware twice."""
    for accident in evidence.accidents:
        yield f"one at a time: {accident}"
    open_jobs: dict[str, dict[str, str]] = {}
    told: set[str] = set()
    for entry in evidence.history.entries:
        event = entry.event
        if isinstance(event, ev.StepDispatched):
            mine = open_jobs.setdefault(event.instrument, {})
            mine[event.job] = event.experiment
            if len(mine) > evidence.places.get(event.instrument, 1) and event.instrument not in told:
                told.add(event.instrument)
                yield f"one at a time: {event.instrument} has {len(mine)} open jobs at {entry.t:.1f} s"
        elif isinstance(event, ev.StepEnded | ev.Reconciled):
            for mine in open_jobs.values():
                mine.pop(event.job, None)
        elif isinstance(event, ev.ExperimentEnded):
            for mine in open_jobs.values():
                for job in [j for j, e in mine.items() if e == event.experiment]:
                    del mine[job]


# ---- Nothing without approval


def approved_before(evidence: Evidence) -> Iterator[str]:
    """What the hardware did was dispatched, approved and signed before, by enough people, as exactly this recipe."""
    history = evidence.history
    sound: dict[str, str] = {}
    for act in evidence.acts:
        dispatched = history.dispatched.get(act.job)
        if not dispatched or dispatched[0].t > act.at:
            yield f"approved before: {act.command} of {act.sample} at {act.at:.1f} s without an intent in the journal"
            continue
        intent = dispatched[0].event
        assert isinstance(intent, ev.StepDispatched)
        if intent.experiment != act.sample or intent.instrument != act.iid or intent.command != act.command:
            yield f"approved before: {act.command} of {act.sample} on {act.iid} is not what {act.job} was meant for"
        pid = history.proposal_of(act.sample)
        if pid not in sound:
            sound[pid] = _unsound(evidence, pid, act)
        if sound[pid]:
            yield f"approved before: {act.command} of {act.sample}: {sound[pid]}"
            continue
        if wrong := _other_than_signed(evidence, pid, act):
            yield f"approved before: {act.command} of {act.sample}: {wrong}"


def _unsound(evidence: Evidence, pid: str, act: Act) -> str:
    """Why the approval of a proposal does not hold; empty when it does."""
    history = evidence.history
    approvals = [e for e in history.decided.get(pid, []) if getattr(e.event, "verdict", "") == "approved"]
    if not pid or not approvals or approvals[0].t > act.at:
        return "nobody had approved it"
    decided = approvals[0]
    event, made = decided.event, history.made[pid].event
    assert isinstance(event, ev.ProposalDecided)
    assert isinstance(made, ev.ProposalMade)
    if event.by.startswith("policy:"):
        return "" if made.campaign in evidence.automatic else f"{event.by} approved, which this campaign does not let"
    terms = _terms_at(history, pid, decided.seq)
    if terms is None or terms.revision != event.revision:
        return f"revision {event.revision} was approved, and {terms.revision if terms else 'none'} stood"
    return _voters(evidence, pid, terms, event, decided)


def _voters(evidence: Evidence, pid: str, terms: ev.Terms, event: ev.ProposalDecided, decided: Entry) -> str:
    names = event.by.split(",")
    edits = evidence.history.revised.get(pid, [])
    editor = next((e.event.by for e in reversed(edits) if e.seq < decided.seq), "")  # type: ignore[union-attr]
    if len(set(names)) < terms.quorum:
        return f"{event.by} approved, and {terms.quorum} have to"
    for name in names:
        mine = [
            s
            for s in evidence.signed
            if (s.user, s.proposal, s.revision, s.digest) == (name, pid, terms.revision, terms.digest)
            and s.verdict == "approve"
            and s.at <= decided.t
        ]
        if name not in APPROVERS or not mine:
            return f"{name} never signed an approval of exactly this revision"
        if not evidence.jumped and not any(s.time - SKEW <= decided.at <= s.time + AGE for s in mine):
            return f"{name}'s signature was not of that time"
        if name == editor:
            return f"{name} approved their own edit"
    if decided.at >= datetime.fromisoformat(terms.expires_at):
        return f"it was approved at {decided.at}, after it had expired at {terms.expires_at}"
    return ""


def _terms_at(history: History, pid: str, seq: int) -> ev.Terms | None:
    made = history.made[pid].event
    assert isinstance(made, ev.ProposalMade)
    terms = made.terms
    for entry in history.revised.get(pid, []):
        if entry.seq < seq:
            terms = entry.event.terms  # type: ignore[union-attr]
    return terms


def _other_than_signed(evidence: Evidence, pid: str, act: Act) -> str:
    """What the hardware got against the very words that were signed, without any of the agent's code."""
    decided = evidence.history.decided[pid][0]
    terms = _terms_at(evidence.history, pid, decided.seq)
    if terms is None:
        return ""
    body = json.loads(terms.body)
    if proposal_digest(body) != terms.digest:
        return "the body in the journal is not the one whose digest was signed"
    for path, value in body["design"].items():
        name = path.removeprefix("process.")
        if name in act.parameters:
            meant = value["value"] if isinstance(value, dict) else value
            if act.parameters[name] != meant and not (
                isinstance(meant, float) and abs(float(act.parameters[name]) - meant) < 1e-6
            ):
                return f"{name} was {act.parameters[name]}, and {meant} was signed"
    return ""


def counted_once(evidence: Evidence) -> Iterator[str]:
    """No signature counts twice, and nobody's vote is carried from one revision to the next."""
    nonces = Counter(
        e.event.nonce
        for e in evidence.history.entries
        if isinstance(e.event, ev.VoteCast | ev.ProposalDecided | ev.ProposalRevised | ev.RequestAccepted)
        and e.event.nonce
    )
    for nonce, count in nonces.items():
        if count > 1:
            yield f"counted once: the nonce {nonce} counted {count} times"
    closed: set[str] = set()
    for entry in evidence.history.entries:
        event = entry.event
        if isinstance(event, ev.VoteCast | ev.ProposalRevised | ev.ProposalDecided):
            if event.proposal in closed:
                yield f"counted once: a decision on {event.proposal} counted after it was closed"
            if isinstance(event, ev.ProposalDecided):
                closed.add(event.proposal)


def judged(evidence: Evidence) -> Iterator[str]:
    """What a person signed in earnest and the bus did not lose has its trace in the journal."""
    if not evidence.lossless:
        return
    text = {
        getattr(e.event, "envelope", "")
        for e in evidence.history.entries
        if isinstance(e.event, ev.VoteCast | ev.ProposalDecided | ev.ProposalRevised | ev.EnvelopeRefused)
    }
    skipped = any(isinstance(e.event, ev.RefusalsSkipped) for e in evidence.history.entries)
    for one in evidence.signed:
        if one.token not in text and not skipped:
            yield f"judged: what {one.user} said to {one.proposal} at {one.at:.1f} s left no trace"


# ---- Safety


def kept_still(evidence: Evidence) -> Iterator[str]:
    """Nothing is dispatched while the stop holds, while an instrument is out of service, or beyond the limits."""
    stopped = False
    out: set[str] = set()
    phases: dict[str, str] = {}
    begun: set[str] = set()
    for entry in evidence.history.entries:
        event = entry.event
        match event:
            case ev.LabStopped():
                stopped = True
            case ev.LabCleared():
                stopped = False
            case ev.MaintenanceSet(instrument=iid, on=on):
                out = out | {iid} if on else out - {iid}
            case ev.CampaignPhaseChanged(campaign=cid, phase=phase):
                phases[cid] = phase
            case ev.StepDispatched():
                yield from _dispatch(evidence, entry, event, stopped=stopped, out=out, phases=phases, begun=begun)
                begun.add(event.experiment)
            case _:
                pass


def _dispatch(
    evidence: Evidence,
    entry: Entry,
    event: ev.StepDispatched,
    *,
    stopped: bool,
    out: set[str],
    phases: dict[str, str],
    begun: set[str],
) -> Iterator[str]:
    what = f"{event.step} of {event.experiment} was dispatched at {entry.t:.1f} s"
    if stopped:
        yield f"kept still: {what} while the stop held"
    if event.instrument in out:
        yield f"kept still: {what} to {event.instrument}, which was out of service"
    phase = phases.get(event.experiment.partition("-")[0], "running")
    if phase == "stopped" or (phase in {"paused", "stopping"} and event.experiment not in begun):
        yield f"kept still: {what} while its campaign was {phase}"
    hottest = [high for since, high in evidence.limits if since <= entry.t][-1]
    heat = event.parameters.get("temperature")
    if isinstance(heat, dict) and float(str(heat["value"])) > hottest:
        yield f"kept still: {what} at {heat['value']} Cel, and {hottest} is allowed"


# ---- What everybody sees


def told(evidence: Evidence) -> Iterator[str]:
    """In the end the bus says what the journal says, and nothing is left to be told."""
    for left in evidence.outbox:
        yield f"told: {left} was left in the outbox"
    for pid, entries in evidence.history.decided.items():
        if (body := evidence.retained(f"{evidence.prefix}/proposal/{pid}")) is not None:
            yield f"told: {pid} is decided, and waits on the bus still ({len(body)} bytes)"
        outcome = evidence.retained(f"{evidence.prefix}/outcome/{pid}")
        event = entries[0].event
        assert isinstance(event, ev.ProposalDecided)
        made = evidence.history.made[pid].event
        if outcome is None:
            if isinstance(made, ev.ProposalMade) and made.terms is not None:
                yield f"told: nobody was told what became of {pid}"
        elif (said := json.loads(outcome)["verdict"]) != event.verdict:
            yield f"told: {pid} was {event.verdict}, and the bus says {said}"


def sound(evidence: Evidence) -> Iterator[str]:
    """The storage and the event loop have nothing to complain of."""
    yield from evidence.problems
    for failure in evidence.failures:
        yield f"no mistake: {failure}"


Check = Callable[[Evidence], Iterable[str]]
CHECKS: tuple[Check, ...] = (
    one_end,
    nothing_after_the_end,
    one_run,
    as_it_happened,
    one_at_a_time,
    approved_before,
    counted_once,
    judged,
    kept_still,
    told,
    sound,
)
