"""How answers look on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.table import Table

from agent.reading.answers import AgentAnswer, CampaignAnswer, InstrumentAnswer, LabAnswer, age_words
from agent.words import NO_VALUE, plus_minus
from instruments.profile.legibility import printable

Row = Mapping[str, Any]
_LIFE = {"running": "green", "left": "yellow", "not running": "red", "unknown": "yellow"}

_WHOLE = frozenset({"", "event", "when", "until", "queued", "since", "about", "sent", "ended"})
"""Columns of ids and times, which people copy."""


def console() -> Console:
    """For answers: standard output, nothing guessed from its words."""
    return Console(highlight=False, soft_wrap=True)


def status(answer: LabAnswer) -> RenderableType:
    """``labwright status``."""
    parts: list[RenderableType] = [_head(answer)]
    if answer.stop:
        stop = f"{answer.stop.by}, {_when(answer.stop.at)}: {answer.stop.reason}"
        parts.append(f"[bold red]STOPPED[/] by {_safe(stop)}")
    parts.append(campaigns(answer.campaigns))
    if answer.instruments:
        parts.append(instruments(answer.instruments))
    if answer.waiting:
        table = _table("Waits for people", "", "what", "until", "goes on with")
        for one in answer.waiting:
            table.add_row(one.id, _safe(one.text), _when(one.until), _safe(one.command))
        parts.append(table)
    else:
        parts.append("Nothing waits for people.")
    return Group(*parts)


def _head(answer: LabAnswer) -> Table:
    table = Table(show_header=False, box=None, padding=(0, 2))
    name = f"{answer.lab} ({answer.source})" if answer.lab else answer.source
    table.add_row("[dim]laboratory[/]", _safe(name))
    table.add_row("[dim]agent[/]", agent(answer.agent))
    heard = " ".join(filter(None, [_when(answer.agent.heard), age_words(answer.agent.age_s)]))
    table.add_row("[dim]last entry, lab time[/]", heard or NO_VALUE)
    return table


def agent(answer: AgentAnswer) -> str:
    """Whether it runs, and how that is known."""
    mode = f", {answer.mode}" if answer.mode and answer.life == "running" else ""
    return f"[{_LIFE[answer.life]}]{answer.life}{mode}[/] ({_safe(answer.evidence)})"


def campaigns(answers: Iterable[CampaignAnswer]) -> RenderableType:
    """``labwright campaigns``."""
    table = _table("Campaigns", "", "state", "experiments", "best", "counts", "notes")
    for one in answers:
        why = f"{one.phase}: {one.reason}" if one.reason else one.phase
        stale = f" (told {age_words(one.age_s)})" if one.age_s is not None and one.age_s > 60.0 else ""
        best = one.best
        reading = plus_minus((best.value, best.std or 0.0), unit=best.unit) if best else ""
        table.add_row(
            f"{one.id}\n[dim]{_safe(one.name)}[/]",
            _safe(why + stale),
            f"{one.used} of {one.budget}" if one.budget is not None else str(one.used),
            f"{reading} {_safe(f'{best.made_of} ({best.experiment})')}" if best else NO_VALUE,
            ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in one.counts.items()),
            _safe("; ".join(one.notes)),
        )
    return table if table.row_count else "No campaign has begun."


def instruments(answers: Iterable[InstrumentAnswer]) -> RenderableType:
    """What was last heard of each instrument."""
    table = _table("Instruments", "", "kind", "state", "open jobs", "heard", "message")
    for one in answers:
        shown = one.state if one.state != "unknown" else "[dim]ask the broker[/]"
        message = one.maintenance or one.message
        table.add_row(one.id, one.kind, shown, str(one.open_jobs), age_words(one.age_s), _safe(message))
    return table


def experiments(rows: Iterable[Row]) -> RenderableType:
    """``labwright experiments``."""
    table = _table("Experiments", "", "compound", "state", "hardness, GPa", "queued", "why")
    for row in rows:
        table.add_row(
            str(row["experiment"]),
            _safe(f"{row['formula']} {row['crystal']}"),
            _state(row),
            plus_minus(_pair(row, "hardness")),
            _when(row["queued_at"]),
            _safe(str(row["held_reason"] or row["reason"] or "")),
        )
    return table if table.row_count else "No such experiment."


def experiment(found: Row) -> RenderableType:
    """``labwright experiment ID``."""
    proposal = found["proposal"]
    head = Table(show_header=False, box=None, padding=(0, 2))
    process = ", ".join(f"{k} {v}" for k, v in (proposal.get("process") or {}).items())
    held = f"waits: {found['held_reason']}" if found["held_reason"] else ""
    for name, value in {
        "experiment": f"{found['experiment']} of {found['campaign']}, from {found['proposal'].get('proposal')}",
        "design": f"{proposal.get('formula')} ({proposal.get('crystal')}): {process}",
        "state": _state(found),
        "why": str(found["reason"] or held),
        "found": ", ".join(f"{k} {v[0]:.4g} ± {v[1]:.2g}" for k, v in (found["found"] or {}).items()),
        "bound to": f"recipe {proposal['recipe_hash'][:12]}, limits {proposal['limits_version']}"
        if proposal.get("recipe_hash")
        else "",
    }.items():
        head.add_row(f"[dim]{name}[/]", _safe(value) or NO_VALUE)
    jobs = _table("Jobs", "step", "instrument", "state", "sent", "ended", "error")
    for job in found["jobs"]:
        tries = f", try {job['tries'] + 1}" if job["tries"] else ""
        jobs.add_row(f"{job['step']}{tries}", job["instrument"], job["state"], _when(job["dispatched_at"]),
                     _when(job["ended_at"]), _safe(str(job["error"] or "")))  # fmt: skip
    images = _table("Images", "image", "verdict", "grains, µm", "porosity, %", "sha256")
    for image in found["images"]:
        verdict = "accepted" if image["accepted"] else f"refused: {image['reason']}"
        images.add_row(str(image["attempt"] + 1), _safe(verdict), plus_minus(image["grain_size"]),
                       plus_minus(image["porosity"], factor=100.0), image["image"]["sha256"][:12])  # fmt: skip
    history = _table("Sample", "when", "place", "state", "why")
    for one in found["sample_history"]:
        why = f"{one['reason']} ({one['by']})" if one["by"] else one["reason"]
        history.add_row(_when(one["at"]), one["place"] or NO_VALUE, one["state"], _safe(why))
    return Group(head, *(t for t in (jobs, images, history, decisions(found["decisions"])) if t.row_count))


def samples(rows: Iterable[Row]) -> RenderableType:
    """``labwright samples``."""
    table = _table("Samples", "", "campaign", "place", "state", "since")
    for row in rows:
        place = str(row["place"] or NO_VALUE)
        table.add_row(str(row["sample"]), str(row["campaign"]), _safe(place), str(row["state"]), _when(row["since"]))
    return table if table.row_count else "There is no sample yet."


def decisions(rows: Iterable[Row]) -> Table:
    """Who decided what and when."""
    table = _table("Decisions", "event", "when", "who", "what", "about", "counts", "why", "signature")
    for row in rows:
        counts = "yes" if row["accepted"] else f"[yellow]no: {row['code']}[/]"
        signature = str(row.get("signature") or ("signed" if row.get("signed") else NO_VALUE))
        table.add_row(str(row["seq"]), _when(row["at"]), _safe(row["user"] or "the limits"), row["what"],
                      _safe(row["subject"]), counts, _safe(row["message"]), _safe(signature))  # fmt: skip
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        table.add_column(name, overflow="fold", no_wrap=name in _WHOLE)
    return table


def _state(row: Row) -> str:
    state = str(row["outcome"] or row["phase"]).replace("_", " ")
    step = f", {row['step']}" if row["step"] and not row["outcome"] else ""
    return state + step + "".join(f", {name}" for name in ("amended", "retracted") if row[name])


def _pair(row: Row, name: str) -> tuple[float, float] | None:
    value, std = row[name], row[f"{name}_std"]
    return (value, std) if isinstance(value, float) and isinstance(std, float) else None


def _when(stamp: object) -> str:
    return str(stamp)[:16].replace("T", " ") if stamp else ""


def _safe(text: object) -> str:
    """What others wrote, without what a terminal would obey."""
    return escape(printable(str(text)))
