"""Mistakes planted into the real code, one at a time: each must be caught, or the invariants see too little."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from agent import core, envelopes
from agent import events as ev
from agent.core import approving, asking, evolving, experimenting, proposing, scheduling
from agent.daemon import conduct, hear, publish
from agent.daemon.conduct import Patient
from agent.desk import Desk
from agent.jobs import Jobs
from agent.rules.limits import Limits
from agent.runner import Runner
from instruments.errors import NoAnswerError
from instruments.messages import Command

from . import disk
from .planting import BUGS, Bug, bug, patched

__all__ = ["BUGS", "Bug"]


# ---- Orders


@bug("order-before-intent", "an order is sent before its intent is committed", "approved before")
def _order_before_intent() -> Iterator[None]:
    def intend(self: Any, command: Any) -> bool:
        job = self._ids.new()
        now = self._jobs._clock.now()
        order = Command(
            job=job, command=command.order.command, parameters=dict(command.order.parameters), issued_at=now,
            not_after=now + timedelta(minutes=10), approval=command.experiment,
        )  # fmt: skip
        sending = self._jobs._client._send(command.instrument, order)
        with suppress(StopIteration):  # it never waits
            sending.send(None)
        message = core.Dispatching(
            command.experiment, command.step, command.attempt, command.tries, command.order, command.instrument, job
        )
        decided = self._desk.tell(message)
        if any(isinstance(e, ev.StepDispatched) for e in decided.events):
            self._jobs.intend(job)
        return bool(decided.events)

    with patched((Runner, "_intend", intend)):
        yield


@bug(
    "resend-without-query",
    "after a restart an order is sent again under a new id, and nobody is asked",
    "one run",
    "as it happened",
)
def _resend_without_query() -> Iterator[None]:
    real = Jobs.carry_out

    async def carry_out(self: Any, command: Any, **more: Any) -> Any:
        if command.job in self._fresh:
            return await real(self, command, **more)
        self._answered.add(command.job)
        answer = await self._client.execute(
            command.instrument, command.order.command, command.order.parameters, job=f"{command.job[:-1]}x",
            approval=command.experiment,
        )  # fmt: skip
        return await self._ended(command, answer)

    with patched((Jobs, "carry_out", carry_out)):
        yield


@bug("retry-of-the-unknown", "an order of which nobody knows the end is given again", "one run", "as it happened")
def _retry_of_the_unknown() -> Iterator[None]:
    real = Jobs.carry_out

    async def carry_out(self: Any, command: Any, **more: Any) -> Any:
        try:
            return await real(self, command, **more)
        except NoAnswerError as error:
            return ev.StepEnded(
                experiment=command.experiment, step=command.step, attempt=command.attempt, tries=command.tries,
                job=command.job, state="failed", values={}, artefacts={}, error_kind="retryable",
                error_code="no_answer", error=str(error),
            )  # fmt: skip

    with patched((Jobs, "carry_out", carry_out)):
        yield


@bug("end-applied-twice", "the end of a job is applied again when it is told again", "one end")
def _end_applied_twice() -> Iterator[None]:
    real_tell, real_end = Patient._tell, experimenting.on_step_ended

    async def tell(self: Any, desk: Any, message: Any) -> Any:
        decided = await real_tell(self, desk, message)
        return await real_tell(self, desk, message) if isinstance(message, ev.StepEnded) else decided

    def on_step_ended(state: Any, message: Any, rules: Any) -> Any:
        experiment = state.experiments.get(message.experiment)
        if experiment is not None and experiment.job != message.job and experiment.step != "done":
            step = message.step if experiment.step == "read" else experiment.step
            state = SimpleNamespace(
                experiments={**state.experiments, experiment.id: replace(experiment, job=message.job, step=step)},
                campaigns=state.campaigns,
            )
        return real_end(state, message, rules)

    with patched((Patient, "_tell", tell), (experimenting, "on_step_ended", on_step_ended)):
        yield


@bug("reservation-ignored", "an instrument that has work is given more", "one at a time")
def _reservation_ignored() -> Iterator[None]:
    real = scheduling._Places._hindrance

    def hindrance(self: Any, iid: str, view: Any) -> tuple[str, str]:
        code, reason = real(self, iid, view)
        return ("", "") if code == "instrument_busy" else (code, reason)

    with patched((scheduling._Places, "_hindrance", hindrance)):
        yield


@bug("dispatch-while-stopped", "orders go out while the latching stop holds", "kept still")
def _dispatch_while_stopped() -> Iterator[None]:
    real_due, real_decide = core.due, core.decide

    def due(state: Any, *more: Any) -> Any:
        stopped, state.stopped = state.stopped, ""
        try:
            return real_due(state, *more)
        finally:
            state.stopped = stopped

    def decide(state: Any, message: Any, *more: Any) -> Any:
        stopped = state.stopped
        state.stopped = "" if isinstance(message, core.Dispatching) else stopped
        try:
            return real_decide(state, message, *more)
        finally:
            state.stopped = stopped

    with patched((core, "due", due), (core, "decide", decide)):
        yield


@bug("limits-at-proposal-only", "limits that changed are not looked at before an order is sent", "kept still")
def _limits_at_proposal_only() -> Iterator[None]:
    with patched(
        (Limits, "refusals", lambda *_words: ()),
        (approving, "stale", lambda *_words: ()),
        (experimenting, "_not_as_approved", lambda *_words: []),
        (conduct, "hindrance", lambda *_words: ("", "")),
    ):
        yield


@bug(
    "other-design",
    "another design is made than the one that was approved, and no recipe's hash is looked at",
    "approved before",
)
def _other_design() -> Iterator[None]:
    real = evolving._FOLDS[ev.ExperimentQueued]

    def fold(state: Any, event: Any, at: Any) -> None:
        real(state, event, at)
        experiment = state.experiments[event.experiment]
        newest = next(reversed(state.campaigns[experiment.campaign].designs))
        state.experiments[event.experiment] = replace(experiment, design=newest)

    with (
        patch.dict(evolving._FOLDS, {ev.ExperimentQueued: fold}),
        patched(
            (experimenting, "_not_as_approved", lambda *_words: []), (conduct, "hindrance", lambda *_words: ("", ""))
        ),
    ):
        yield


# ---- Decisions


@bug("used-again", "a request that was used counts again", "counted once")
def _used_again() -> Iterator[None]:
    real = vars(asking)["verify_request"]
    real_tell = Desk.tell

    def verify(token: Any, **more: Any) -> Any:
        return real(token, **{**more, "seen_nonces": frozenset(), "seen_requests": frozenset()})

    def tell(self: Any, message: Any, *, inbox: Any = None) -> Any:
        return real_tell(self, message)

    with patched((asking, "verify_request", verify), (Desk, "tell", tell)):
        yield


@bug("votes-survive-an-edit", "votes for one revision count for the next", "approved before")
def _votes_survive_an_edit() -> Iterator[None]:
    real = evolving._FOLDS[ev.ProposalRevised]

    def fold(state: Any, event: Any, at: Any) -> None:
        votes = state.proposals[event.proposal].votes
        real(state, event, at)
        state.proposals[event.proposal] = replace(state.proposals[event.proposal], votes=votes)

    with patch.dict(evolving._FOLDS, {ev.ProposalRevised: fold}):
        yield


def _context(**changes: Any) -> Callable[..., Any]:
    real = approving._context

    def context(*words: Any) -> Any:
        return replace(real(*words), **changes)

    return context


@bug("expiry-ignored", "what has expired can still be approved", "approved before")
def _expiry_ignored() -> Iterator[None]:
    real_context, real_self = approving._context, proposing._by_itself

    def context(*words: Any) -> Any:
        known = real_context(*words)
        later = known.published.expires_at + timedelta(days=3650)
        return replace(known, published=known.published.model_copy(update={"expires_at": later}))

    def by_itself(*words: Any, **more: Any) -> Any:
        found = real_self(*words, **more)
        return [] if any(getattr(e, "verdict", "") == "expired" for e in found) else found

    with patched((approving, "_context", context), (proposing, "_by_itself", by_itself)):
        yield


@bug("digest-unchecked", "an approval of an old revision, or of another body, counts", "approved before")
def _digest_unchecked() -> Iterator[None]:
    real = vars(approving)["verify_decision"]

    def verify(token: str, **more: Any) -> Any:
        context = more["proposal"]
        try:
            claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
            signed = {"revision": claims["revision"], "digest": claims["digest"]}
        except (ValueError, KeyError, IndexError):
            return real(token, **more)
        if context is not None:
            context = replace(context, published=context.published.model_copy(update=signed))
        return real(token, **{**more, "proposal": context})

    with patched((approving, "verify_decision", verify)):
        yield


@bug("one-votes-twice", "one person's two votes count as two persons'", "approved before")
def _one_votes_twice() -> Iterator[None]:
    real_context, real_approved = approving._context, approving._approved

    def context(*words: Any) -> Any:
        known = real_context(*words)
        return replace(known, approved_by=frozenset(str(n) for n in range(len(known.approved_by))))

    with patched((approving, "_context", context), (approving, "_approved", real_approved)):
        yield


@bug("editor-approves", "who changed a design approves it", "approved before")
def _editor_approves() -> Iterator[None]:
    with patched((approving, "_context", _context(four_eyes=False))):
        yield


@bug("signature-unchecked", "a signature is not verified", "approved before")
def _signature_unchecked() -> Iterator[None]:
    def opened(text: str, *_words: Any, **_named: Any) -> Any:
        return SimpleNamespace(payload=base64.urlsafe_b64decode(text.split(".")[1] + "=="))

    with patched((vars(envelopes)["jws"], "deserialize_compact", opened)):
        yield


@bug("age-unchecked", "a signature of any age counts", "approved before")
def _age_unchecked() -> Iterator[None]:
    real = vars(approving)["verify_decision"]

    def verify(token: str, **more: Any) -> Any:
        return real(token, **{**more, "max_age": timedelta(days=1), "max_skew": timedelta(days=1)})

    with patched((approving, "verify_decision", verify)):
        yield


@bug("acknowledged-first", "a decision is acknowledged before it is committed", "judged")
def _acknowledged_first() -> Iterator[None]:
    real = hear.Ears._on_decision
    tasks: set[asyncio.Task[None]] = set()

    async def on_decision(self: Any, message: Any) -> None:
        async def later() -> None:
            await asyncio.sleep(0.05)
            try:
                await real(self, message)
            except Exception:  # noqa: BLE001 - whoever could give it again has been told that it is not needed
                return

        task = asyncio.get_running_loop().create_task(later())
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    with patched((hear.Ears, "_on_decision", on_decision)):
        yield


# ---- The record


@bug("projection-forgotten", "one event's projection is forgotten", "projections")
def _projection_forgotten() -> Iterator[None]:
    real = vars(disk)["project"]

    def project(rows: Any, entry: Any) -> None:
        if not isinstance(entry.event, ev.ProposalRevised | ev.VoteCast):
            real(rows, entry)

    with patched((disk, "project", project)):
        yield


@bug("outbox-lost", "what has to be told of a closed proposal is not put into the outbox", "told")
def _outbox_lost() -> Iterator[None]:
    real = proposing.closed

    def closed(proposal: Any) -> Any:
        return [effect for effect in real(proposal) if effect.kind == "campaign"]

    with patched((proposing, "closed", closed), (approving, "closed", closed), (asking, "closed", closed)):
        yield


@bug("settled-unsaid", "the outbox is settled before the bus was told", "told")
def _settled_unsaid() -> Iterator[None]:
    real = publish.Mouth.drain

    async def drain(self: Any) -> None:
        batch = [(e.kind, e.key) for e in self._due]
        if batch:
            self._journal.settle(batch)
        await asyncio.sleep(2.0)
        await real(self)

    with patched((publish.Mouth, "drain", drain), (publish.Mouth, "everything", lambda _self: None)):
        yield
