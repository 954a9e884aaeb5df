"""Mistakes that a daemon may be given, to see that the books notice: ``FAULTS_PLANT=NAME`` in the environment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from agent import core, journal
from agent import events as ev
from agent.approvals import Verdict, verify_decision
from agent.core import approving
from agent.daemon.publish import Mouth
from agent.jobs import Jobs
from agent.journal import Journal
from agent.ledger.projections import Entry, project
from agent.ledger.rows import Rows


def trusting() -> None:
    """Whatever is signed by anybody counts."""
    judge = verify_decision

    def trusts(token: str, **about: Any) -> Verdict:
        verdict = judge(token, **about)
        return replace(verdict, reason=None) if verdict.decision is not None else verdict

    approving.verify_decision = trusts  # type: ignore[assignment, attr-defined]


def hasty() -> None:
    """Orders of an earlier life count as failed for a passing reason, without asking the instrument."""
    asks = Jobs.carry_out

    async def carry_out(self: Jobs, command: core.SendOrder, **more: Any) -> ev.StepEnded:
        if self.is_fresh(command.job):
            return await asks(self, command, **more)
        return ev.StepEnded(
            experiment=command.experiment, step=command.step, attempt=command.attempt, tries=command.tries,
            job=command.job, state="failed", values={}, artefacts={}, error_kind="retryable", error_code="interrupted",
            error="interrupted: the agent was restarted",
        )  # fmt: skip

    Jobs.carry_out = carry_out  # type: ignore[method-assign]


def silent() -> None:
    """What had still to be told when it died is never told."""
    Mouth.everything = lambda self: None  # type: ignore[method-assign]
    Journal.outbox = lambda self: []  # type: ignore[method-assign]


def careless() -> None:
    """Projections are left out now and then."""

    def careless_project(rows: Rows, entry: Entry) -> None:
        if not isinstance(entry.event, ev.ImageRead):
            project(rows, entry)

    journal.project = careless_project  # type: ignore[attr-defined]


PLANTS: dict[str, Callable[[], None]] = {
    "trusting": trusting, "hasty": hasty, "silent": silent, "careless": careless,
}  # fmt: skip
