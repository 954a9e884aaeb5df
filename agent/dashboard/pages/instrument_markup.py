"""The markup of the instruments' cards: every value of others is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from agent.dashboard.drawing.spark import spark
from agent.dashboard.views.instrument_jobs import JobLine, Queued, Work
from agent.dashboard.views.instrument_limits import CommandLimits, LimitRow
from agent.dashboard.views.instruments import InstrumentView, Reading

MOST_QUEUED = 5


def head(view: InstrumentView) -> str:
    """Name, presence, what it is, and why it is as it is."""
    standing, name = view.standing, escape(view.iid)
    chip = _chip(standing.tone, standing.sign, standing.word)
    also = _chip("warn", "■", "Out of service") if view.service.out and standing.word != "Out of service" else ""
    tone = {"bad": " bad", "warn": " warn"}.get(standing.tone, "")
    why = f'<p class="inst-why{tone}">{escape(standing.text)}</p>' if standing.text else ""
    service = f'<p class="lw-note warn">{escape(view.service.text)}</p>' if view.service.out else ""
    identity = " · ".join(escape(part) for part in view.identity)
    return (
        f'<div class="lw-card-head"><h2 id="name-{name}">{name}</h2><span class="lw-row">{also}{chip}</span></div>'
        f'<p class="lw-meta inst-identity">{identity}</p>{why}{service}'
    )


def now(view: InstrumentView, prefix: str) -> str:
    """What it works on.

    Args:
        view: of the instrument.
        prefix: path below which the pages are.
    """
    heading = "Was working on" if any(work.old for work in view.work) else "Working on"
    return _section(heading, "".join(_work(work, prefix) for work in view.work), "nothing")


def before_and_after(view: InstrumentView, prefix: str) -> str:
    """Who waits for it, and what it did last; arguments as of ``now``."""
    queue = _section("Waiting for it", _queue(view.queue, prefix), "no experiment")
    return queue + _section("Last jobs", _jobs(view.jobs, prefix), "none known")


def readings(shown: Sequence[Reading]) -> str:
    """The telemetry: of each channel its name, its present value, its course."""
    rows = "".join(_reading(one) for one in shown)
    return _section("Readings", f'<ul class="inst-readings">{rows}</ul>' if rows else "", "it sends none")


def limits(view: InstrumentView) -> str:
    """What may be ordered of it, and what it does when nobody answers for it."""
    tables = "".join(_command(command) for command in view.limits)
    notes = "".join(f"<li>{escape(note)}</li>" for note in view.notes)
    listed = f'<ul class="inst-notes">{notes}</ul>' if notes else ""
    none = "" if tables or notes else '<p class="lw-meta">It has not said what it can do.</p>'
    safety = f'<p class="inst-safety"><b>Safe state</b> {escape(view.safety)}</p>' if view.safety else ""
    return (
        f'{safety}<details class="inst-more"><summary>What it may be ordered to do, and its limits</summary>'
        f"{tables}{listed}{none}</details>"
    )


def link(page: str, text: str, prefix: str) -> str:
    """A link to another page of the dashboard."""
    return f'<a class="lw-link" href="{escape(prefix + page)}">{escape(text)}</a>'


def _section(heading: str, content: str, empty: str) -> str:
    """A heading with what belongs to it; in one line where that is nothing."""
    if not content:
        return f'<p class="inst-none"><span class="inst-h">{heading}</span> <span class="lw-meta">{empty}</span></p>'
    return f'<h3 class="inst-h">{heading}</h3>{content}'


def _chip(tone: str, sign: str, word: str) -> str:
    return f'<span class="lw-chip {tone}"><span aria-hidden="true">{sign}</span>{escape(word)}</span>'


def _work(work: Work, prefix: str) -> str:
    whose = f" for {link(f'/experiments/{work.experiment}', work.experiment, prefix)}" if work.experiment else ""
    bar = ""
    if work.progress is not None:
        percent = f"{100.0 * work.progress:.1f}"
        bar = (
            f'<div class="inst-progress" role="progressbar" aria-valuemin="0" aria-valuemax="100" '
            f'aria-valuenow="{percent}" aria-label="{escape(work.what)}"><i style="width:{percent}%"></i></div>'
        )
    return (
        f'<p class="inst-work"><b>{escape(work.what)}</b>{whose}</p>{bar}'
        f'<p class="lw-meta lw-num inst-until">{escape(work.text)}</p>'
    )


def _queue(queue: Sequence[Queued], prefix: str) -> str:
    if not queue:
        return ""
    rows = "".join(_queued(one, prefix) for one in queue[:MOST_QUEUED])
    more = f'<li class="lw-meta">and {len(queue) - MOST_QUEUED} more</li>' if len(queue) > MOST_QUEUED else ""
    return f'<ol class="inst-list">{rows}{more}</ol>'


def _queued(one: Queued, prefix: str) -> str:
    why = f'<span class="lw-meta">{escape(one.reason)}</span>' if one.reason else ""
    return (
        f"<li><span>{link(f'/experiments/{one.experiment}', one.experiment, prefix)} {escape(one.made)}, "
        f'{escape(one.step)}</span> <span class="lw-meta lw-num">approved {escape(one.since)} ago</span>{why}</li>'
    )


def _jobs(jobs: Sequence[JobLine], prefix: str) -> str:
    if not jobs:
        return ""
    return f'<ul class="inst-list">{"".join(_job(job, prefix) for job in jobs)}</ul>'


def _job(job: JobLine, prefix: str) -> str:
    whose = f" for {link(f'/experiments/{job.experiment}', job.experiment, prefix)}" if job.experiment else ""
    took = f", took {escape(job.took)}" if job.took else ""
    found = f'<span class="inst-found">{escape(job.found)}</span>' if job.found else ""
    return (
        f'<li><span><span class="lw-chip {job.tone}">{job.verdict}</span> {escape(job.what)}{whose}</span> '
        f'<span class="lw-meta lw-num">{escape(job.when)}{took}</span>{found}</li>'
    )


def _reading(one: Reading) -> str:
    old = f'<span class="lw-chip warn">{escape(one.age)}</span>' if one.age else ""
    current = "" if one.age else " lw-now"
    summary = f' title="{escape(one.summary)}"' if one.summary else ""
    return (
        f'<li><span class="inst-channel"{summary}>{escape(one.title)}</span>'
        f'<b class="lw-num{current}">{escape(one.value)}</b>{spark(one.points, one.spoken) if one.points else ""}'
        f'<span class="lw-meta lw-num inst-span">{escape(one.span)}{old}</span></li>'
    )


def _command(command: CommandLimits) -> str:
    barred = "" if command.allowed else ' <span class="lw-chip warn">never ordered by the agent</span>'
    caption = f"<b>{escape(command.command)}</b>{barred} {escape(command.summary)}"
    if not command.rows:
        return f'<p class="inst-caption">{caption}</p>'
    head_row = (
        '<tr><th scope="col">Value</th><th scope="col">Agent allows</th><th scope="col">Instrument takes</th></tr>'
    )
    rows = "".join(_limit(row) for row in command.rows)
    return (
        f'<div class="lw-scroll"><table class="lw-table inst-limits"><caption>{caption}</caption>'
        f"<thead>{head_row}</thead><tbody>{rows}</tbody></table></div>"
    )


def _limit(row: LimitRow) -> str:
    if not row.parameter:
        return f'<tr><td colspan="3">{escape(row.agent)}</td></tr>'
    summary = f'<br><span class="lw-meta">{escape(row.summary)}</span>' if row.summary else ""
    agent = escape(row.agent) or '<span class="lw-meta">no limit</span>'
    taken = escape(row.instrument) or '<span class="lw-meta">does not say</span>'
    return f'<tr><th scope="row">{escape(row.parameter)}{summary}</th><td>{agent}</td><td>{taken}</td></tr>'
