"""Markup of one proposal's card: strings of what the views say, everything escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from agent.dashboard.drawing.bars import interval_bar
from agent.dashboard.drawing.crystal import crystal_svg
from agent.dashboard.views import proposal_parts as parts
from agent.dashboard.views import words
from agent.dashboard.views.proposal_card import ProposalCard
from agent.dashboard.views.proposal_limits import Limit, kept_in
from agent.dashboard.views.proposals import Decided

SIGNS = {"danger": "\N{WARNING SIGN}\ufe0e", "warning": "\N{WARNING SIGN}\ufe0e", "note": "\u2139\ufe0e"}
"""As text, not as a coloured picture: they take the colour of the words behind them."""
_FEASIBLE = 0.5
"""Below it, it is more likely than not that nothing can be made."""


def card(one: ProposalCard, root: str) -> str:
    """All of a card that stays as it is as long as the revision does."""
    return (
        f'<div class="lw-card-head"><h2><a class="lw-formula" href="{_page(root, one.id)}">{escape(one.formula)}</a>'
        f'{polymorph(one)}</h2><span class="lw-meta">{escape(one.id)}{_revision(one)}</span></div>'
        f'<div class="lw-gist"><div class="lw-cell">{_picture(one)}</div><div>{expected(one)}</div></div>'
        f'{_signs(one)}{process(one)}{_changes(one)}<dl class="lw-kv lw-brief">{_brief(one, root)}</dl>'
    )


def polymorph(one: ProposalCard) -> str:
    """Which crystal it is, beside its formula: carbon is diamond, or graphite."""
    return f' <span class="lw-meta">{escape(one.crystal)}</span>' if one.crystal else ""


def _page(root: str, pid: str) -> str:
    return f"{escape(root)}/proposals/{escape(pid)}"


def _revision(one: ProposalCard) -> str:
    if one.revision == 1:
        return ""
    return f", revision {one.revision} by {escape(one.quorum.edited_by or 'the agent')}"


def _picture(one: ProposalCard) -> str:
    if one.structure is None:
        return '<span class="lw-meta">no structure</span>'
    return crystal_svg(one.structure, one.formula, size="card")


def expected(one: ProposalCard) -> str:
    """What the models expect, the campaign's goal large."""
    if not one.predictions:
        return '<p class="lw-expect">Nothing expected yet</p><p class="lw-meta">The models know too little so far.</p>'
    goal, *others = one.predictions
    more = "".join(f"<li>{escape(p.name)} <b>{escape(p.text)}</b>{_ends(p)}</li>" for p in others)
    median = " (median)" if goal.is_median else ""
    return (
        f'<p class="lw-meta">{escape(goal.name)}, expected{median}</p>'
        f'<p class="lw-expect lw-num">{escape(goal.text)}</p>'
        f'{interval_bar(goal)}<p class="lw-meta">90%: <span class="lw-num">{escape(goal.interval)}</span>'
        f"{_gain(goal)}</p>{f'<ul class=lw-bare>{more}</ul>' if more else ''}"
    )


def _ends(one: parts.Prediction) -> str:
    return f' <span class="lw-meta">({escape(one.interval)})</span>' if one.is_median else ""


def _gain(goal: parts.Prediction) -> str:
    return f"<br>{escape(goal.gain)}" if goal.gain else ""


def _signs(one: ProposalCard) -> str:
    chips: list[str] = []
    if one.feasibility is not None:
        tone = "bad" if one.feasibility < _FEASIBLE else ""
        chips.append(f'<span class="lw-chip {tone}">{words.percent(one.feasibility)} feasible</span>')
    if one.known is not None:
        chips.append(f'<span class="lw-chip {one.known.tone}">{escape(_short(one.known))}</span>')
    if one.limits:
        tone, said = kept_in(one.limits)
        chips.append(f'<span class="lw-chip {tone}">{escape(said)}</span>')
    return f'<p class="lw-row lw-signs">{"".join(chips)}</p>' if chips else ""


def _short(known: parts.Known) -> str:
    return {"good": "models know it", "warn": "edge of the models", "bad": "outside the models"}[known.tone]


def process(one: ProposalCard) -> str:
    """How it is made: each value with its name."""
    items = "".join(
        f'<li><span>{escape(name)}</span> <b class="lw-num">{escape(words.formula(value))}</b></li>'
        for name, value in one.process
    )
    return f'<ul class="lw-process" aria-label="Process">{items}</ul>' if items else ""


def _changes(one: ProposalCard) -> str:
    if not one.changes:
        return ""
    return f'<div class="lw-note">Changed: {differences(one.changes)}</div>'


def differences(rows: Iterable[tuple[str, str, str]]) -> str:
    """What is another: name, before, after."""
    items = "".join(
        f"<li>{escape(name)} <del>{escape(before)}</del> → <ins>{escape(after)}</ins></li>"
        for name, before, after in rows
    )
    return f'<ul class="lw-bare lw-diff">{items}</ul>'


def _brief(one: ProposalCard, root: str) -> str:
    rows = [("Why", _why(one))]
    if one.nearest is not None:
        rows.append(("Most alike", nearest_line(one.nearest, root)))
    cost = [f"{escape(name)} {escape(amount)}" for name, amount in one.cost]
    if one.duration:
        cost.append(f"takes {escape(one.duration)}")
    if cost:
        rows.append(("Cost", ", ".join(cost)))
    if one.dangers:
        rows.append(("Hazards", _danger_line(one.dangers)))
    return "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in rows)


def _why(one: ProposalCard) -> str:
    return escape(one.why.pool)


def nearest_line(nearest: parts.Nearest, root: str) -> str:
    """The most alike sample in a line."""
    name = escape(nearest.experiment)
    link = f'<a href="{escape(root)}/experiments/{name}">{name}</a>' if nearest.is_told else name
    found = ", ".join(f"{escape(n)} {escape(value)}" for n, value in nearest.found)
    distance = f" <span class='lw-meta'>({escape(nearest.distance)})</span>" if nearest.distance else ""
    return f"{link}{': ' + found if found else ''}{distance}"


def _danger_line(dangers: Sequence[parts.Danger]) -> str:
    first = dangers[0]
    more = f" <span class='lw-meta'>and {len(dangers) - 1} more</span>" if len(dangers) > 1 else ""
    return f"{danger(first)}{more}"


def danger(one: parts.Danger) -> str:
    """One hazard with its sign and its severity in a word."""
    return (
        f'<span class="lw-danger {one.tone}"><span aria-hidden="true">{SIGNS[one.severity]}</span> '
        f"<b>{escape(one.severity)}</b></span> {escape(one.text)} <span class='lw-meta'>{escape(one.code)}</span>"
    )


def at_limit(limit: Limit) -> str:
    """A value that is beyond its limit, or near it."""
    return (
        f"<b>{escape(limit.words[:1].upper() + limit.words[1:])}</b>: {escape(limit.name)} {escape(limit.value)}, "
        f"allowed {escape(limit.allowed)}"
    )


def foot(one: ProposalCard, at: str, *, place: bool = False) -> str:
    """What changes while the revision stays: time left, votes, and why something cannot be done.

    Args:
        one: the proposal.
        at: when it expires, in words.
        place: whether to tell its place among what waits: with each proposal that comes or goes it is another.
    """
    tone = f" {one.expiry.tone}" if one.expiry.tone else ""
    reasons = dict.fromkeys(text for text in (one.rights.approve, one.rights.reject) if text)
    said = "".join(f'<p class="lw-meta">{escape(text)}</p>' for text in (*reasons, *one.rights.warnings))
    votes = f'<span class="lw-chip info">{escape(one.quorum.words)}</span>' if one.quorum.needed > 1 else ""
    told = place and one.why.rank
    rank = f'<p class="lw-meta">{escape(one.why.function)}: {escape(one.why.rank)}</p>' if told else ""
    return (
        f'{rank}<p class="lw-row"><span class="lw-chip{tone} lw-left-chip">{escape(one.expiry.words)}</span>'
        f'<span class="lw-meta">expires {escape(at)}</span>{votes}</p>{said}'
    )


def decided_table(rows: Sequence[Decided], root: str) -> str:
    """What was decided lately."""
    if not rows:
        return '<p class="lw-empty">Nothing has been decided yet.</p>'
    body = "".join(decided_row(row, root) for row in rows)
    return (
        '<div class="lw-scroll"><table class="lw-table"><thead><tr><th>Proposal</th><th>Verdict</th><th>By</th>'
        f"<th>When</th><th>Experiment</th><th>Why</th></tr></thead><tbody>{body}</tbody></table></div>"
    )


def decided_row(row: Decided, root: str) -> str:
    """One of them."""
    name = escape(row.experiment)
    link = f'<a href="{escape(root)}/experiments/{name}">{name}</a>' if row.is_told else name
    what = f" {escape(row.formula)}" if row.formula else ""
    return (
        f'<tr><td><a href="{_page(root, row.id)}">{escape(row.id)}</a>{what}</td>'
        f'<td><span class="lw-chip {row.tone}">{escape(row.verdict)}</span></td><td>{escape(row.by) or "nobody"}</td>'
        f'<td class="lw-num">{escape(row.when)}</td><td>{link}</td><td>{escape(row.reason)}</td></tr>'
    )
