"""What the journal says of a laboratory; it may be read while the agent writes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import sqlalchemy as sa

from agent.journal import Journal
from agent.ledger import tables as t
from agent.ledger.postgres import is_url
from agent.reading.answers import (
    AgentAnswer,
    BestAnswer,
    CampaignAnswer,
    InstrumentAnswer,
    LabAnswer,
    Life,
    StopAnswer,
    WaitingAnswer,
    ago,
    ahead_words,
)
from agent.reading.lease import holder
from agent.reading.lease_postgres import server_holder
from envs.errors import UserError

Row = dict[str, Any]
REASONS = 3
"""Most reasons for waiting that a campaign is shown with."""
_SHOWN = ("experiment", "campaign", "phase", "step", "outcome", "reason", "held_code", "held_reason", "queued_at",
          "ended_at", "amended", "retracted")  # fmt: skip


def _now() -> datetime:
    return datetime.now(UTC)


class JournalView:
    """A laboratory by its journal.

    Args:
        place: the state directory, or ``postgresql://...``.
        lab: the laboratory's name, where it is known.
        now: the machine's own time.

    Raises:
        JournalError: there is no journal, or it cannot be read.
    """

    def __init__(self, place: Path | str, *, lab: str = "", now: Callable[[], datetime] = _now) -> None:
        self._place, self._lab, self._now = place, lab, now
        self.journal = Journal(place, write=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the database."""
        self.journal.close()

    # ---- The laboratory

    def status(self) -> LabAnswer:
        """Everything that ``labwright status`` says."""
        lab = self._one(sa.select(t.lab)) or {}
        stop = None
        if lab.get("stopped"):
            stop = StopAnswer(lab["stopped_by"] or "", lab["stop_reason"] or "", lab["stopped_at"] or "")
        campaigns = tuple(self.campaigns())
        return LabAnswer(
            source=self.journal.name,
            lab=self._lab,
            agent=self._agent(lab),
            stop=stop,
            campaigns=campaigns,
            instruments=tuple(self._instruments()),
            waiting=tuple(self._waiting(stop, campaigns)),
        )

    def _agent(self, lab: Row) -> AgentAnswer:
        newest = sa.select(t.events.c.at).order_by(t.events.c.seq.desc()).limit(1)
        last = self._one(newest) if self._has_events() else None
        heard = str((last or {}).get("at") or lab.get("started_at") or "")
        who = server_holder(self.journal) if is_url(self._place) else holder(Path(self._place))
        life: Life = "running" if who else "unknown" if who is None else "left" if lab.get("left_at") else "not running"
        evidence = {
            "running": f"the journal's lease is held by {who}",
            "unknown": "this system does not tell who holds the journal's lease",
            "left": f"it took its leave at {lab.get('left_at')}",
            "not running": "nobody holds the journal's lease, and it took no leave: it was killed, or lost its power"
            if lab.get("started_at")
            else "nobody holds the journal's lease",
        }[life]
        real = lab.get("mode") in {"live", "shadow"}
        age = ago(datetime.fromisoformat(heard), self._now()) if heard and real else None
        if heard and real and (ahead := ahead_words(datetime.fromisoformat(heard), self._now())):
            evidence += f"; {ahead}: the clocks differ"
        return AgentAnswer(life, evidence, lab.get("mode") or "", lab.get("software") or "", heard, age)

    def _has_events(self) -> bool:
        # A journal of an earlier release is read in memory, where there are projections alone.
        return self.journal._view is None  # noqa: SLF001 - what a reader of ours has to know of it

    def _instruments(self) -> Iterable[InstrumentAnswer]:
        out = {row["instrument"]: row for row in self.journal.table(sa.select(t.instruments))}
        counted = sa.select(t.jobs.c.instrument, sa.func.count().label("n"))
        query = counted.where(t.jobs.c.state == "open").group_by(t.jobs.c.instrument)
        open_jobs = {row["instrument"]: row["n"] for row in self.journal.table(query)}
        known = {r["instrument"] for r in self.journal.table(sa.select(t.jobs.c.instrument).distinct())}
        for iid in sorted({str(i) for i in known | set(out)}):
            row: Row = out.get(iid, {})
            held = f"{row['reason']} ({row['by']}, since {row['since']})" if row.get("maintenance") else ""
            state = "maintenance" if held else "unknown"
            yield InstrumentAnswer(iid, state, open_jobs=int(str(open_jobs.get(iid, 0))), maintenance=held)

    def _waiting(self, stop: StopAnswer | None, campaigns: Iterable[CampaignAnswer]) -> Iterable[WaitingAnswer]:
        if stop is not None:
            text = f"the laboratory is stopped: {stop.reason} ({stop.by})"
            yield WaitingAnswer("stop", "lab", text, "labwright clear", stop.at)
        for campaign in campaigns:
            if campaign.phase in {"stopped", "paused"}:
                text = f"{campaign.phase}: {campaign.reason} ({campaign.by})"
                yield WaitingAnswer("campaign", campaign.id, text, f"labwright resume {campaign.id}")
        lost = sa.select(t.experiments).where(t.experiments.c.phase == "needs_reconcile")
        for row in self.journal.table(lost.order_by(t.experiments.c.experiment)):
            command = f"labwright reconcile {row['experiment']} again|aborted"
            yield WaitingAnswer("reconcile", str(row["experiment"]), str(row["reason"] or ""), command)
        open_ = sa.select(t.proposals).where(t.proposals.c.phase == "proposed", t.proposals.c.body.is_not(None))
        for row in self.journal.table(open_.order_by(t.proposals.c.expires_at, t.proposals.c.proposal)):
            # An agent that is down closes nothing: what it will find expired is nothing to decide on.
            if not row["expires_at"] or datetime.fromisoformat(str(row["expires_at"])) > self._now():
                yield _open_proposal(row)

    # ---- Campaigns

    def campaigns(self) -> list[CampaignAnswer]:
        """All campaigns, in the order in which they began."""
        rows = self.journal.table(sa.select(t.campaigns).order_by(t.campaigns.c.created_at, t.campaigns.c.campaign))
        counts = self._counts()
        return [self._campaign(row, counts.get(str(row["campaign"]), Counter())) for row in rows]

    def _counts(self) -> dict[str, Counter[str]]:
        found: dict[str, Counter[str]] = {}
        for table in (t.proposals, t.experiments):
            columns = (table.c.campaign, table.c.phase)
            for row in self.journal.table(sa.select(*columns, sa.func.count().label("n")).group_by(*columns)):
                found.setdefault(str(row["campaign"]), Counter())[str(row["phase"])] += int(str(row["n"]))
        return found

    def _campaign(self, row: Row, counts: Counter[str]) -> CampaignAnswer:
        config = json.loads(row["config"] or "{}")
        settings = config.get("campaign") if isinstance(config.get("campaign"), dict) else config
        budget = settings.get("experiments")
        notes = [*json.loads(row["notes"] or "[]"), *([f"planner: {row['plan_error']}"] if row["plan_error"] else [])]
        states = ("queued", "running", "needs_reconcile", "completed", "failed")
        return CampaignAnswer(
            id=row["campaign"],
            name=row["name"],
            phase=row["phase"],
            reason=row["reason"] or "",
            by=row["by"] or "",
            used=sum(counts[state] for state in states),
            budget=budget if isinstance(budget, int) else None,
            counts={k: counts[k] for k in sorted(counts)},
            best=self._best(row["campaign"], config.get("objective") or {}),
            notes=(*(str(note) for note in notes), *self._held(row["campaign"])),
        )

    def _held(self, campaign: str) -> Iterable[str]:
        """Why orders that are due have to wait, the most frequent reasons first."""
        reason, n = t.experiments.c.held_reason, sa.func.count().label("n")
        query = sa.select(reason, n).where(t.experiments.c.campaign == campaign, t.experiments.c.held_code != "")
        for row in self.journal.table(query.group_by(reason).order_by(n.desc(), reason).limit(REASONS)):
            yield f"{row['n']} wait: {row['held_reason']}"

    def _best(self, campaign: str, objective: Row) -> BestAnswer | None:
        name, unit = str(objective.get("name") or "hardness"), str(objective.get("unit") or "GPa")
        query = (
            sa.select(t.experiments.c.experiment, t.experiments.c.found, t.proposals.c.formula)
            .join(t.proposals, t.proposals.c.proposal == t.experiments.c.proposal)
            .where(t.experiments.c.campaign == campaign, t.experiments.c.outcome == "completed")
            .where(t.experiments.c.retracted.is_(False))
        )
        best: BestAnswer | None = None
        sign = -1.0 if objective.get("direction") == "minimise" else 1.0
        for row in self.journal.table(query):
            reading = json.loads(str(row["found"] or "{}")).get(name)
            if reading and (best is None or sign * reading[0] > sign * best.value):
                made_of = str(row["formula"])
                best = BestAnswer(str(row["experiment"]), name, reading[0], reading[1], unit, made_of)
        return best

    # ---- Experiments and samples

    def experiments(self, campaign: str = "", phase: str = "") -> list[Row]:
        """Experiments with their designs, in their order.

        Args:
            campaign: of this one alone; all by default.
            phase: in this one alone, such as ``running``.

        Raises:
            UserError: there is no such campaign.
        """
        query = sa.select(*_listed()).join(t.proposals, t.proposals.c.proposal == t.experiments.c.proposal)
        if campaign:
            self._check_campaign(campaign)
            query = query.where(t.experiments.c.campaign == campaign)
        if phase:
            query = query.where(t.experiments.c.phase == phase)
        rows = self.journal.table(query.order_by(t.experiments.c.queued_at, t.experiments.c.experiment))
        return [_opened(row) for row in rows]

    def experiment(self, experiment: str) -> Row:
        """One experiment with its proposal, jobs, decisions, images and the history of its sample.

        Raises:
            UserError: there is none of this id.
        """
        row = self._one(sa.select(t.experiments).where(t.experiments.c.experiment == experiment))
        if row is None:
            raise UserError(f"{self.journal.name} has no experiment {experiment!r}: see labwright experiments")
        proposal = self._one(sa.select(t.proposals).where(t.proposals.c.proposal == row["proposal"])) or {}
        jobs = sa.select(t.jobs).where(t.jobs.c.experiment == experiment).order_by(t.jobs.c.dispatched_at, t.jobs.c.job)
        history = sa.select(t.sample_history).where(t.sample_history.c.sample == row["sample"])
        about = sa.select(t.decisions).where(t.decisions.c.subject.in_([experiment, row["proposal"]]))
        proposal.pop("body", None)
        return {
            **_opened(row),
            "proposal": _opened(proposal),
            "jobs": self.journal.table(jobs),
            "images": self._images(experiment),
            "sample_history": self.journal.table(history.order_by(t.sample_history.c.seq)),
            "decisions": [_without_envelope(d) for d in self.journal.table(about.order_by(t.decisions.c.seq))],
        }

    def _images(self, experiment: str) -> list[Row]:
        if self._has_events():
            named = t.events.c.payload.contains(f'"experiment":{json.dumps(experiment)}', autoescape=True)
            query = sa.select(t.events.c.at, t.events.c.payload).where(t.events.c.kind == "image.read", named)
            read = [(row["at"], json.loads(str(row["payload"]))) for row in self.journal.table(query.order_by("seq"))]
        else:
            events = ((s.at.isoformat(), s.event) for s in self.journal.scan() if s.event.kind == "image.read")
            read = [(at, e.model_dump(mode="json")) for at, e in events if getattr(e, "experiment", "") == experiment]
        return [{"at": at, **{k: v for k, v in fields.items() if k not in {"kind", "v"}}} for at, fields in read]

    def samples(self) -> list[Row]:
        """Where each sample is."""
        return self.journal.table(sa.select(t.samples).order_by(t.samples.c.since.desc(), t.samples.c.sample))

    def decisions(self, *, person: str = "", refused: bool = False) -> list[Row]:
        """Who decided what and when, envelopes included.

        Args:
            person: what this person said alone; all by default.
            refused: what did not count alone.
        """
        query = sa.select(t.decisions).order_by(t.decisions.c.seq)
        if refused:
            query = query.where(t.decisions.c.accepted.is_(False))
        rows = self.journal.table(query)
        return [row for row in rows if not person or person in str(row["user"]).split(",")]

    def _check_campaign(self, campaign: str) -> None:
        known = [str(r["campaign"]) for r in self.journal.table(sa.select(t.campaigns.c.campaign))]
        if campaign not in known:
            raise UserError(f"{self.journal.name} has no campaign {campaign!r}: it has {', '.join(known) or 'none'}")

    def _one(self, query: sa.Select[Any]) -> Row | None:
        rows = self.journal.table(query)
        return rows[0] if rows else None


def _listed() -> list[sa.ColumnElement[Any]]:
    mine: list[sa.ColumnElement[Any]] = [t.experiments.c[name] for name in _SHOWN]
    own = ("hardness", "hardness_std", "porosity", "porosity_std", "grain_size", "grain_size_std", "found")
    theirs = ("proposal", "formula", "crystal", "process", "pool", "expected")
    return [*mine, *(t.experiments.c[n] for n in own), *(t.proposals.c[n] for n in theirs)]


def _opened(row: Row) -> Row:
    """A row with what stands there as JSON read."""
    opened = dict(row)
    for name in ("process", "found", "cost", "votes"):
        if isinstance(opened.get(name), str):
            opened[name] = json.loads(opened[name])
    return opened


def _without_envelope(row: Row) -> Row:
    return {k: v for k, v in row.items() if k != "envelope"} | {"signed": bool(row.get("envelope"))}


def _open_proposal(row: Row) -> WaitingAnswer:
    votes = [v for v in json.loads(row["votes"] or "[]") if v.get("revision") == row["revision"]]
    needed = f", {len(votes)} of {row['quorum']} approved" if (row["quorum"] or 1) > 1 else ""
    text = f"{row['formula']} in {row['campaign']}, revision {row['revision']}{needed}"
    command = f"labwright approve {row['proposal']}"
    return WaitingAnswer("proposal", row["proposal"], text, command, row["created_at"] or "", row["expires_at"] or "")
