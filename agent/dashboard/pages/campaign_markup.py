"""Markup of a campaign's page, without its charts: strings of what the views say, everything escaped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from html import escape

from agent.dashboard.live.picture import LabPicture
from agent.dashboard.views import words
from agent.dashboard.views.campaign import CampaignView, campaign_ids, campaign_view
from agent.dashboard.views.campaign_spending import Spending
from agent.dashboard.views.campaign_timeline import Moment
from instruments.profile.model_messages import FactorEffect

_SIGNS = {"info": ("·", ""), "warning": ("!", "Warning: "), "error": ("×", "Error: ")}


def summary(view: CampaignView) -> str:
    """How the campaign stands: phase and why, goal, counts."""
    reason = f"<p class='lw-note {view.tone if view.tone != 'info' else ''}'>{escape(view.reason)}</p>" if (
        view.reason and view.phase != "running"
    ) else ""  # fmt: skip
    goal = goal_of(view)
    tally = "".join(f"<li><b>{n}</b> {escape(name)}</li>" for name, n in view.counts)
    return (
        f"<div class='lw-card-head'><h2>State</h2>"
        f"<span class='lw-chip {view.tone}' role='status'>{escape(view.phase)}</span></div>{reason}"
        f"<p class='lw-goal'>{escape(words.formula(goal))}</p>"
        f"<ul class='lw-tally' aria-label='Proposals and experiments'>{tally}</ul>"
    )


def goal_of(view: CampaignView) -> str:
    """What a campaign looks for, as a sentence begins."""
    said = view.goal or "; ".join(f"{one.direction} {words.label(one.property)}" for one in view.goals)
    return said[:1].upper() + said[1:]


def best(view: CampaignView, root: str) -> str:
    """The best sample so far: value, what it is made of and how, with a link."""
    if view.best is None:
        return "<div class='lw-card-head'><h2>Best so far</h2></div><p class='lw-empty'>No result counts yet.</p>"
    one = view.best
    link = escape(one.experiment)
    if one.page:
        link = f"<a class='lw-link' href='{escape(root + one.page)}'>{link}</a>"
    pairs = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in (*one.process, *one.found))
    name = escape(words.title(view.goals[0].property)) if view.goals and one.value else ""
    return (
        f"<div class='lw-card-head'><h2>Best so far</h2>{link}</div><div class='lw-meta'>{name}</div>"
        f"<p class='lw-best-value'>{escape(one.value)}</p><p class='lw-best-what'>{escape(one.formula)}</p>"
        f"<dl class='lw-kv'>{pairs}</dl>"
    )


def budget(view: CampaignView, now: datetime) -> str:
    """What was spent, and the time left with what that estimate is made of."""
    lines = "".join(_line(one) for one in view.spending) or "<li class='lw-meta'>Nothing is limited.</li>"
    left = view.left
    if left.seconds is None or not left.left:
        said = ""
    else:
        ends = f", until {words.clock(left.ends_at, now)}" if left.ends_at is not None else ""
        said = f"<b>about {escape(words.duration(left.seconds))}</b><span class='lw-now'>{escape(ends)}</span><br>"
    return (
        f"<div class='lw-card-head'><h2>Budget and time left</h2></div><ul class='lw-spend'>{lines}</ul>"
        f"<p class='lw-left'>{said}<span class='lw-meta'>{escape(left.basis)}</span></p>"
    )


def _line(one: Spending) -> str:
    if one.share is None:
        used = f"<span class='lw-num'>{escape(one.used)}</span>"
        return f"<li><div class='lw-row'><span>{escape(one.name)}</span>{used}</div></li>"
    full, width = ("full", 100.0) if one.share >= 1.0 else ("", 100.0 * one.share)
    said = f"{escape(one.used)} of {escape(one.limit)}"
    more = " (all spent)" if full else ""
    return (
        f"<li><div class='lw-row'><span>{escape(one.name)}</span><span class='lw-num'>{said}{more}</span></div>"
        f"<span class='lw-bar {full}' role='img' aria-label='{escape(one.name)}: {said}'>"
        f"<i class='band' style='width:{width:.1f}%'></i></span></li>"
    )


def timeline(moments: Sequence[Moment], root: str, now: datetime) -> str:
    """Moments as a list."""
    if not moments:
        return "<p class='lw-empty'>Nothing has been heard of this campaign since the dashboard began to listen.</p>"
    return f"<ol class='lw-timeline'>{''.join(_moment(one, root, now) for one in moments)}</ol>"


def _moment(one: Moment, root: str, now: datetime) -> str:
    sign, said = _SIGNS[one.level]
    text = escape(one.text)
    if one.page:
        link = f"<a class='lw-link' href='{escape(root + one.page)}'>{escape(one.about)}</a>"
        about = escape(one.about)
        # An id may begin another one: hard-E1 stands in hard-E10 too.
        named, n = re.subn(rf"(?<![\w.-]){re.escape(about)}(?![\w-])", lambda _: link, text, count=1)
        text = named if n else f"{text} {link}"
    hidden = f"<span class='lw-hidden-label'>{said}</span>" if said else ""
    return (
        f"<li class='{one.level}'><time datetime='{one.at.isoformat()}'>{escape(words.clock(one.at, now))}</time>"
        f"<span class='sign' aria-hidden='true'>{sign}</span><p>{hidden}{text}</p></li>"
    )


def head(title: str, more: str = "") -> str:
    """The head of a card with a chart."""
    beside = f"<span class='lw-meta'>{escape(more)}</span>" if more else ""
    return f"<div class='lw-card-head'><h2>{escape(title)}</h2>{beside}</div>"


def notes(said: Iterable[str]) -> str:
    """What went worse than it should in planning."""
    return "".join(f"<p class='lw-note warn'>{escape(one)}</p>" for one in said)


def parity(view: CampaignView) -> str:
    """What the intervals are worth, below their chart."""
    if view.parity is None or not view.parity.points:
        return ""
    error = view.parity.mean_error
    goal = view.parity.goal
    more = f" Mean absolute error: {words.plain(error, goal.unit, 2)}." if error is not None else ""
    return f"<p class='lw-meta'>{escape(view.parity.words + more)}</p>"


def learned(view: CampaignView) -> str:
    """The head of the factors' effects."""
    text = head("What each factor does", view.learned)
    if view.effects:
        text += (
            "<p class='lw-meta'>Expectation with its 90% interval, averaged over what was made; the factor that "
            "matters most comes first.</p>"
        )
    else:
        text += "<p class='lw-empty'>The models have not told any effect yet.</p>"
    return text + notes(view.notes)


def factor(one: FactorEffect) -> str:
    """The head of one factor's chart."""
    share = f"{words.percent(one.share)} of the spread"
    return f"<h3>{escape(words.title(one.factor))}<span>{escape(share)}</span></h3>"


def listing(picture: LabPicture, root: str, now: datetime) -> str:
    """All campaigns as cards."""
    views = [view for cid in campaign_ids(picture) if (view := campaign_view(picture, cid, now)) is not None]
    if not views:
        return "<p class='lw-empty'>No campaign is known here yet: an agent tells of it once it has one.</p>"
    return f"<div class='lw-grid'>{''.join(_card(view, root) for view in views)}</div>"


def _card(view: CampaignView, root: str) -> str:
    value = view.best.value if view.best is not None else "no result yet"
    what = view.best.formula if view.best is not None else ""
    link = f"<a class='lw-link' href='{escape(root)}/campaigns/{escape(view.id)}'>{escape(view.id)}</a>"
    return (
        f"<article class='lw-card'><div class='lw-card-head'><h2>{link}</h2>"
        f"<span class='lw-chip {view.tone}'>{escape(view.phase)}</span></div>"
        f"<p>{escape(words.formula(goal_of(view)))}</p>"
        f"<p class='lw-best-value'>{escape(value)}</p><p>{escape(what)}</p></article>"
    )
