"""What a laboratory left after its kills: the journal, what the instruments did, what the broker keeps; compared.

The order of an experiment's step is one: its attempt gives it another number. It may be done again where it had failed
for a passing reason, under another job, and never otherwise.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from joserfc import jws
from joserfc.errors import JoseError

from agent import events as ev
from agent.core.evolving import kept_of
from agent.events.proposals import Terms
from agent.identity import People
from agent.journal import Journal, Stored
from agent.ledger import tables as t
from agent.roles import Role
from agent.rules.recipe import Recipe
from envs.design import Design
from envs.errors import JournalError
from envs.factors import Factor
from instruments.journal import SqliteJournal
from instruments.messages import Quantity, Value, digest_of
from instruments.profile.agent_messages import Outcome
from instruments.profile.decisions import proposal_digest
from instruments.topics import Lab, OutcomeTopic, ProposalTopic

from .shop import ACTS, LAB, MACHINES

SIGNERS = {Role.APPROVER, Role.SAFETY}
EXAMPLES = 12


@dataclass
class Audit:
    """What was found, each thing counted; all but the first few must be nothing.

    Attributes:
        experiments: that were approved.
        ends: how they ended.
        acts: of the instruments.
        images: that were stored.
        duplicates: orders that were done more than once without a passing reason between, and jobs done twice.
        unapproved: acts without a valid approval of exactly that, journalled before.
        lost: ends of jobs that the journal has not, or has otherwise than the instrument.
        undone: jobs that succeeded and were never done.
        not_once: approved experiments without exactly one end.
        untold: proposals and outcomes at the broker that are not as the journal says.
        broken: journals that do not verify.
        refused: envelopes that did not count, by reason.
        examples: of what is wrong, in words.
    """

    events: int = 0
    experiments: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    acts: int = 0
    images: int = 0
    duplicates: int = 0
    unapproved: int = 0
    lost: int = 0
    undone: int = 0
    not_once: int = 0
    untold: int = 0
    broken: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Keep a few examples."""
        if len(self.examples) < EXAMPLES:
            self.examples.append(text)

    def add(self, other: Audit) -> None:
        """Count another laboratory's, too."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)


@dataclass
class _Book:
    """The journal, read once.

    Attributes:
        terms: of each proposal, as they stood when it was approved; with its design.
        approved: number of the event by which it was.
        votes: envelopes that approved that revision.
        proposal: of each experiment.
        sent: intents, by job: number and event.
        ended: answers, by job.
        ends: of each experiment.
    """

    terms: dict[str, tuple[Terms, Design]] = field(default_factory=dict)
    approved: dict[str, int] = field(default_factory=dict)
    votes: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    proposal: dict[str, str] = field(default_factory=dict)
    sent: dict[str, tuple[Stored, ev.StepDispatched]] = field(default_factory=dict)
    ended: dict[str, list[ev.StepEnded]] = field(default_factory=lambda: defaultdict(list))
    ends: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def ours(self, experiment: str) -> bool:
        """Whether people approved it here: those of a first release's campaign are gone on with by nobody."""
        return self.proposal.get(experiment, "") in self.terms

    def take(self, stored: Stored) -> None:
        """Read one event."""
        match stored.event:
            case ev.ProposalMade() | ev.ProposalRevised() as made if made.terms is not None:
                self.terms[made.proposal] = (made.terms, Design(made.design.crystal, made.design.process))
                self.votes[made.proposal] = []
            case ev.VoteCast(proposal=pid, envelope=envelope):
                self.votes[pid].append(envelope)
            case ev.ProposalDecided(verdict="approved", proposal=pid, envelope=envelope):
                self.approved[pid] = stored.seq
                self.votes[pid].append(envelope)
            case ev.ExperimentQueued(experiment=eid, proposal=pid):
                self.proposal[eid] = pid
            case ev.StepDispatched(job=job) as sent:
                self.sent[job] = (stored, sent)
            case ev.StepEnded(job=job) as ended:
                self.ended[job].append(ended)
            case ev.ExperimentEnded(experiment=eid, outcome=outcome):
                self.ends[eid].append(outcome)
            case _:
                pass


def audit(
    place: Path | str, directory: Path, retained: Mapping[str, bytes], *, recipe: Recipe, factors: tuple[Factor, ...]
) -> Audit:
    """Compare everything, when all processes have ended.

    Args:
        place: of the journal.
        directory: of the laboratory.
        retained: what the broker keeps.
        recipe: by which everything was made.
        factors: of the designs.
    """
    found = Audit()
    try:
        with Journal(place, write=False) as journal:
            found.events = journal.verify(projections=True)
            book = _Book()
            for stored in journal.read():
                book.take(stored)
                if isinstance(stored.event, ev.EnvelopeRefused):
                    found.refused[stored.event.code] += 1
            rows = journal.table(sa.select(t.proposals).where(t.proposals.c.digest.is_not(None)))
    except JournalError as error:
        found.broken += 1
        found.note(str(error))
        return found
    acts = read_acts(directory / "shop" / ACTS)
    found.acts, found.images = (
        len(acts),
        sum(1 for path in (directory / "state" / "artefacts").rglob("*") if path.is_file()),
    )
    _check_ends(found, book)
    _check_orders(found, book, acts)
    _check_jobs(found, book, acts, directory / "shop")
    approvals = _Approvals(book, People.from_directory(directory / "people"), recipe, factors)
    for act in acts:
        if wrong := approvals.wrong(act):
            found.unapproved += 1
            found.note(f"{act['command']} of {act['sample']}, job {act['job']}: {wrong}")
    _check_broker(found, rows, retained)
    return found


def read_acts(path: Path) -> list[dict[str, Any]]:
    """What the instruments did, in order; an act that was being written down when its process died was not done yet."""
    if not path.exists():
        return []
    lines = path.read_text().split("\n")
    return [json.loads(line) for line in lines[:-1]]


def _check_ends(found: Audit, book: _Book) -> None:
    for eid in book.proposal:
        if not book.ours(eid):
            continue
        found.experiments += 1
        found.ends.update(book.ends[eid])
        if len(book.ends[eid]) != 1:
            found.not_once += 1
            found.note(f"{eid} ended {len(book.ends[eid])} times: {', '.join(book.ends[eid]) or 'not at all'}")


def _check_orders(found: Audit, book: _Book, acts: Sequence[Mapping[str, Any]]) -> None:
    """At most one act an order, unless the last one failed for a passing reason; at most one a job."""
    for job, times in Counter(act["job"] for act in acts).items():
        if times > 1:
            found.duplicates += times - 1
            found.note(f"job {job} was done {times} times")
    done = {act["job"] for act in acts}
    orders: dict[tuple[str, str, int], list[str]] = defaultdict(list)
    for job, (_, sent) in book.sent.items():
        orders[sent.experiment, sent.step, sent.attempt].append(job)
    for order, jobs in orders.items():
        acted = [job for job in jobs if job in done]
        for job in acted[:-1]:
            passing = [e for e in book.ended[job] if e.state in {"failed", "rejected"} and e.error_kind == "retryable"]
            if not passing:
                found.duplicates += 1
                found.note(f"{order} was done again after job {job}, which did not fail for a passing reason")


def _check_jobs(found: Audit, book: _Book, acts: Sequence[Mapping[str, Any]], shop: Path) -> None:
    """Each job has one end, and it is the instrument's own."""
    journals = {iid: SqliteJournal(shop / f"{iid}.sqlite") for iid in MACHINES}
    done = {act["job"] for act in acts}
    for job, (_, sent) in book.sent.items():
        if not book.ours(sent.experiment):
            continue
        theirs, ours = journals[sent.instrument].get(job), book.ended[job]
        wrong = ""
        if len(ours) != 1:
            wrong = f"{len(ours)} ends in the journal"
        elif theirs is None:
            wrong = "" if ours[0].error_code == "refused" else f"{ours[0].state}, and the instrument never saw it"
        elif ours[0].error_code != "artefact" and (
            theirs.state != ours[0].state or kept_of(theirs.result.values if theirs.result else {}) != ours[0].values
        ):
            wrong = f"{ours[0].state} {ours[0].values}, and the instrument says {theirs.to_bytes().decode()}"
        if wrong:
            found.lost += 1
            found.note(f"job {job} of {sent.experiment} at {sent.instrument}: {wrong}")
        elif ours[0].state == "succeeded" and job not in done:
            found.undone += 1
            found.note(f"job {job} of {sent.experiment} succeeded and was never done")
    for journal in journals.values():
        journal.close()


class _Approvals:
    """Judges each act by what people signed, without the agent's own checks."""

    def __init__(self, book: _Book, people: People, recipe: Recipe, factors: tuple[Factor, ...]) -> None:
        self._book = book
        self._people = people
        self._recipe = recipe
        self._factors = factors
        self._judged: dict[str, str] = {}

    def wrong(self, act: Mapping[str, Any]) -> str:
        """Why an act should not have been, or ``""``."""
        book = self._book
        if act["job"] not in book.sent:
            return "nothing in the journal ordered it"
        stored, sent = book.sent[act["job"]]
        pid = book.proposal.get(sent.experiment, "")
        if act["approval"] != sent.experiment or act["sample"] != sent.experiment or act["iid"] != sent.instrument:
            return f"it was ordered for {sent.experiment} at {sent.instrument}"
        if book.approved.get(pid, stored.seq) >= stored.seq:
            return "the approval did not stand in the journal before it"
        if datetime.fromisoformat(act["at"]) < stored.at:
            return "it was done before its intent was journalled"
        parameters = {k: v if isinstance(v, str) else Quantity.model_validate(v) for k, v in sent.parameters.items()}
        if act["command"] != sent.command or act["digest"] != digest_of(sent.command, parameters):
            return "it is not what the journal says was ordered"
        if pid not in self._judged:
            self._judged[pid] = self._of_proposal(pid)
        return self._judged[pid] or self._of_recipe(pid, sent, parameters)

    def _of_recipe(self, pid: str, sent: ev.StepDispatched, parameters: Mapping[str, Value]) -> str:
        """The order must be the recipe's, of the design that was signed; only a pixel size is found on the way."""
        _, design = self._book.terms[pid]
        kept = {"pixel_size": parameters["pixel_size"]} if "pixel_size" in parameters else {}
        due = self._recipe.order(
            sent.step, sample=sent.experiment, design=design, factors=self._factors, attempt=sent.attempt, kept=kept
        )
        same = due.command == sent.command and dict(due.parameters) == dict(parameters)
        return "" if same else f"the recipe says {due}"

    def _of_proposal(self, pid: str) -> str:
        terms, design = self._book.terms[pid]
        body = json.loads(terms.body)
        if proposal_digest(body) != terms.digest:
            return "the digest that was signed is not the body's"
        if terms.recipe_hash != self._recipe.digest(design, self._factors) or body["recipe_hash"] != terms.recipe_hash:
            return "another recipe was approved"
        plain = {k: v["value"] if isinstance(v, dict) else v for k, v in body["design"].items()}
        process = {k: v for k, v in plain.items() if k not in {"crystal", "formula"}}
        if (plain["crystal"], process) != (design.crystal, dict(design.process)):
            return "another design was approved"
        signers = {self._signer(envelope, pid, terms) for envelope in self._book.votes[pid]}
        if "" in signers or len(signers) < terms.quorum:
            return f"{len(signers - {''})} valid signatures of {terms.quorum}"
        return ""

    def _signer(self, envelope: str, pid: str, terms: Terms) -> str:
        """Who approved exactly this by an envelope; ``""`` where nobody did."""
        for person in self._people:
            try:
                said = json.loads(jws.deserialize_compact(envelope, person.key.jwk(), algorithms=["Ed25519"]).payload)
            except (JoseError, ValueError):
                continue
            meant = (LAB, pid, terms.revision, terms.digest, "approve", person.name)
            if meant == tuple(said[k] for k in ("lab", "proposal", "revision", "digest", "verdict", "user")):
                return person.name if person.role in SIGNERS else ""
        return ""


def _check_broker(found: Audit, rows: Sequence[Mapping[str, Any]], retained: Mapping[str, bytes]) -> None:
    """What the broker keeps is what the journal says."""
    topics = Lab("labwright", LAB)
    proposals, outcomes = {}, {}
    for topic, payload in retained.items():
        match topics.read(topic):
            case ProposalTopic(pid=pid):
                proposals[pid] = payload
            case OutcomeTopic(pid=pid):
                outcomes[pid] = Outcome.parse(payload)
    for row in rows:
        pid, waits = str(row["proposal"]), row["phase"] == "proposed"
        due = str(row["body"]).encode() if waits else None
        wrong = []
        if proposals.pop(pid, None) != due:
            wrong.append("its body" if waits else "it is closed and still published")
        outcome = outcomes.pop(pid, None)
        said = (outcome.verdict, outcome.revision, outcome.digest, outcome.experiment or None) if outcome else None
        if said != (None if waits else (row["phase"], row["revision"], row["digest"], row["experiment"] or None)):
            wrong.append(f"its outcome is {outcome}")
        if wrong:
            found.untold += 1
            found.note(f"{pid} ({row['phase']}) at the broker: {'; '.join(wrong)}")
    for pid in {*proposals, *outcomes}:
        found.untold += 1
        found.note(f"{pid} is at the broker, and not in the journal")
