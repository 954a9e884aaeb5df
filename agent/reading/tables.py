"""How answers look on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from agent.reading.answers import AgentAnswer, CampaignAnswer, InstrumentAnswer, LabAnswer, age_words
from agent.sheet import Sheet, console
from agent.words import NO_VALUE, plus_minus
from instruments.profile.legibility import printable

__all__ = ["campaigns", "console", "decisions", "experiment", "experiments", "instruments", "samples", "status"]

Row = Mapping[str, Any]
_AT_THE_BROKER = "known to the broker alone"
_PROPOSALS = frozenset({"proposed", "approved", "rejected", "edited", "expired", "withdrawn"})
_LIFE = {"running": "green", "left": "yellow", "not running": "red", "unknown": "yellow"}

_WHOLE = frozenset({"", "event", "when", "until", "queued", "since", "about", "sent", "ended"})
"""Columns of ids and times, which people copy."""


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
            table.add(one.id, _safe(one.text), _when(one.until), _safe(one.command))
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
    table = _table("Campaigns", "", "state", "experiments", "proposals", "best", "notes")
    for one in answers:
        reason = one.reason.strip(": ") if one.phase != "running" else ""
        why = f"{one.phase}: {reason}" if reason else one.phase
        used = f"{one.used} of {one.budget}" if one.budget is not None else str(one.used)
        made = _counted(one, proposals=False)
        stale = f" (told {age_words(one.age_s)})" if one.age_s is not None and one.age_s > 60.0 else ""
        best = one.best
        reading = plus_minus((best.value, best.std or 0.0), unit=best.unit) if best else ""
        table.add(
            f"{one.id}\n[dim]{_safe(one.name)}[/]" if one.name not in {"", one.id} else one.id,
            _safe(why + stale),
            f"{used}: {made}" if made else used,
            _counted(one, proposals=True),
            f"{reading} {_safe(f'{best.made_of} ({best.experiment})')}" if best else NO_VALUE,
            _safe("; ".join(one.notes)),
        )
    return table if table.row_count else "No campaign has begun."


def _counted(one: CampaignAnswer, *, proposals: bool) -> str:
    counts = {name: n for name, n in one.counts.items() if (name in _PROPOSALS) is proposals}
    return ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in counts.items())


def instruments(answers: Iterable[InstrumentAnswer]) -> RenderableType:
    """What was last heard of each instrument."""
    table = _table("Instruments", "", "kind", "state", "open jobs", "heard", "message")
    for one in answers:
        shown = one.state if one.state != "unknown" else f"[dim]{_AT_THE_BROKER}[/]"
        message = one.maintenance or one.message
        table.add(one.id, one.kind, shown, str(one.open_jobs), age_words(one.age_s), _safe(message))
    return table


def experiments(rows: Iterable[Row]) -> RenderableType:
    """``labwright experiments``."""
    table = _table("Experiments", "", "compound", "state", "hardness, GPa", "queued", "why")
    for row in rows:
        table.add(
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
        jobs.add(f"{job['step']}{tries}", job["instrument"], job["state"], _when(job["dispatched_at"]),
                     _when(job["ended_at"]), _safe(str(job["error"] or "")))  # fmt: skip
    images = _table("Images", "image", "verdict", "class", "grains, µm", "porosity, %", "sha256")
    for image in found["images"]:
        verdict = "accepted" if image["accepted"] else f"refused: {image['reason']}"
        classed = _safe(str(image.get("microstructure") or NO_VALUE))
        images.add(str(image["attempt"] + 1), _safe(verdict), classed, plus_minus(image["grain_size"]),
                       plus_minus(image["porosity"], factor=100.0), image["image"]["sha256"][:12])  # fmt: skip
    history = _table("Sample", "when", "place", "state", "why")
    for one in found["sample_history"]:
        why = f"{one['reason']} ({one['by']})" if one["by"] else one["reason"]
        history.add(_when(one["at"]), one["place"] or NO_VALUE, one["state"], _safe(why))
    return Group(head, *(t for t in (jobs, images, history, decisions(found["decisions"])) if t.row_count))


def samples(rows: Iterable[Row]) -> RenderableType:
    """``labwright samples``."""
    table = _table("Samples", "", "campaign", "place", "state", "since")
    for row in rows:
        place = str(row["place"] or NO_VALUE)
        table.add(str(row["sample"]), str(row["campaign"]), _safe(place), str(row["state"]), _when(row["since"]))
    return table if table.row_count else "There is no sample yet."


def decisions(rows: Iterable[Row]) -> Sheet:
    """Who decided what and when."""
    table = _table("Decisions", "event", "when", "who", "what", "about", "counts", "why", "signature")
    for row in rows:
        counts = "yes" if row["accepted"] else f"[yellow]no: {row['code']}[/]"
        signature = str(row.get("signature") or ("signed" if row.get("signed") else NO_VALUE))
        table.add(str(row["seq"]), _when(row["at"]), _safe(row["user"] or "the limits"), row["what"],
                      _safe(row["subject"]), counts, _safe(row["message"]), _safe(signature))  # fmt: skip
    return table


def _table(title: str, *columns: str) -> Sheet:
    return Sheet(title, columns, _WHOLE)


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
