"""Markup of the parts of a proposal's own page: strings of what the views say, everything escaped."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from agent.dashboard.drawing.bars import effect_svg, interval_bar, limit_bar, reach_of, share_bar
from agent.dashboard.drawing.crystal import crystal_svg
from agent.dashboard.pages import proposal_markup as markup
from agent.dashboard.views import proposal_parts as parts
from agent.dashboard.views import words
from agent.dashboard.views.proposal_card import ProposalCard
from agent.dashboard.views.proposal_limits import Limit
from agent.dashboard.views.proposals import Decided

LONG, SHOWN = 1200, 480
"""A text of more letters than the first is folded, and so many of them are seen."""


def summary(one: ProposalCard) -> str:
    """What is made, and what is expected of it."""
    return (
        f'<div class="lw-card-head"><h2 class="lw-formula">{escape(one.formula)}{markup.polymorph(one)}</h2></div>'
        f"{markup.process(one)}{_predictions(one)}"
    )


def _predictions(one: ProposalCard) -> str:
    if not one.predictions:
        return '<p class="lw-note">The models expect nothing yet: too little has been measured.</p>'
    rows = "".join(_prediction(p) for p in one.predictions)
    can = ""
    if one.feasibility is not None:
        can = (
            f"<div class='lw-expected'><div><span>Can be made at all</span> "
            f"<b class='lw-num'>{words.percent(one.feasibility)}</b></div>{share_bar(one.feasibility)}</div>"
        )
    return f'<h3 class="lw-h3">Expected</h3>{rows}{can}{_known(one.known)}'


def _prediction(one: parts.Prediction) -> str:
    best = ""
    if one.best is not None:
        at = words.with_unit(words.number(one.best), one.unit)
        best = f" · the line marks the best so far, {escape(at)}"
    gain = f" · {escape(one.gain)}" if one.gain else ""
    size, median = " goal" if one.is_goal else "", "Median; " if one.is_median else ""
    return (
        f"<div class='lw-expected{size}'><div><span>{escape(one.name)}</span> <b class='lw-num'>{escape(one.text)}</b>"
        f"</div>{interval_bar(one)}<p class='lw-meta'>{median}90%: <span class='lw-num'>{escape(one.interval)}</span>"
        f"{gain}{best}</p></div>"
    )


def _known(known: parts.Known | None) -> str:
    if known is None:
        return ""
    return (
        f'<div class="lw-note {known.tone}"><b>{escape(known.title)}.</b> {escape(known.meaning)}'
        f'<p class="lw-meta">{escape(known.text)}. Distance {words.number(known.score, 2)}, where 1 is the end of what '
        "they know.</p></div>"
    )


def revised(one: ProposalCard) -> str:
    """What this revision changed; empty for the first."""
    if one.revision == 1:
        return ""
    rows = markup.differences(one.changes) if one.changes else "<p>It does not say what was changed.</p>"
    who = escape(one.quorum.edited_by or "the agent")
    return (
        f'<div class="lw-note"><b>Revision {one.revision}</b>, made by {who} {escape(one.created)}. '
        f"Against revision {one.revision - 1}:{rows}</div>"
    )


def why(one: ProposalCard) -> str:
    """Why this design before others."""
    reason = one.why
    rows = [("From", escape(reason.pool)), ("Chosen by", f"the policy {escape(reason.policy)}")]
    if reason.function:
        rank = f", {escape(reason.rank)}" if reason.rank else ""
        value = f"<b class='lw-num'>{escape(reason.value)}</b>{rank}"
        meaning = f"<span class='lw-meta'>{escape(reason.meaning)}</span>"
        rows.append((escape(words.title(reason.function)), f"{value}<br>{meaning}"))
    text = _folded(reason.text) if reason.text else ""
    return f"{_head('Why this one')}{text}<div class='lw-why'>{_pairs(rows)}</div>"


def _folded(text: str) -> str:
    """What is long is there to be unfolded: what stands below it is not pushed off the screen."""
    if len(text) <= LONG:
        return f"<p class='lw-rationale'>{escape(text)}</p>"
    begin = text[:SHOWN].rpartition(" ")[0] or text[:SHOWN]
    more = f"<span class='lw-link'>… all of it ({words.grouped(str(len(text)))} letters)</span>"
    return (
        f"<details class='lw-rationale lw-fold'><summary>{escape(begin)} {more}</summary>"
        f"<p>… {escape(text[len(begin) :].strip())}</p></details>"
    )


def keys(one: ProposalCard) -> str:
    """The keys that do something for who looks; empty where none does."""
    told = (("a", "approve", one.rights.approve), ("r", "reject", one.rights.reject), ("e", "edit", one.rights.edit))
    mine = [f"<kbd>{key}</kbd> {verb}" for key, verb, refused in told if not refused]
    if not mine:
        return ""
    return f"<p class='lw-meta lw-keys'>Keys: {', '.join(mine)}. Nothing is sent before your password.</p>"


def effects(one: ProposalCard) -> str:
    """What each factor does around this design; empty where nothing is said."""
    if not one.effects:
        return ""
    reach = reach_of(one.effects)
    curves = "".join(_effect(effect, reach, one.objective) for effect in one.effects)
    return (
        f"{_head('What each factor does')}<p class='lw-meta'>Expected {escape(one.objective)} with its 90% band, the "
        f"other factors as proposed; the ring is this design. The strongest first.</p>"
        f"<div class='lw-effects-grid'>{curves}</div>"
    )


def _effect(effect: parts.Effect, reach: tuple[float, float], objective: str) -> str:
    better = f"<span class='lw-meta'>best expected at {escape(effect.best)}</span>" if effect.best else (
        "<span class='lw-meta'>best expected here</span>"
    )  # fmt: skip
    return (
        f"<figure><figcaption><b>{escape(effect.name)}</b> <span class='lw-num'>{escape(effect.here)}</span> "
        f"<span class='lw-meta'>{words.percent(effect.share)} of the spread</span></figcaption>"
        f"{effect_svg(effect, reach, objective)}{better}</figure>"
    )


def nearest(one: ProposalCard, root: str) -> str:
    """The most alike sample, with what was measured and what is another in it; empty where there is none."""
    near = one.nearest
    if near is None:
        return ""
    rows = "".join(
        f"<tr><th scope='row'>{escape(name)}</th><td>{escape(words.formula(there))}</td>"
        f"<td>{escape(words.formula(here))}</td></tr>"
        for name, there, here in near.differs
    )
    table = ""
    if rows:
        table = (
            f"<div class='lw-scroll'><table class='lw-table'><thead><tr><th>What differs</th>"
            f"<th>{escape(near.experiment)}</th><th>This proposal</th></tr></thead><tbody>{rows}</tbody></table></div>"
        )
    return f"{_head('Most alike sample so far')}<p>{markup.nearest_line(near, root)}</p>{table}"


def structure(one: ProposalCard) -> str:
    """The crystal, large; empty where it is not told."""
    if one.structure is None:
        return ""
    group = f"space group {one.structure.space_group}" if one.structure.space_group else ""
    lengths = [sum(x * x for x in vector) ** 0.5 for vector in one.structure.lattice]
    cell = ", ".join(f"<i>{name}</i> {words.number(length, 4)} Å" for name, length in zip("abc", lengths, strict=True))
    return (
        f"{_head('Crystal', one.crystal)}{crystal_svg(one.structure, one.formula)}"
        f"<p class='lw-meta'>{escape(group)}{'; ' if group else ''}{cell}</p>"
    )


def weighed(one: ProposalCard) -> str:
    """What is weighed before deciding: what can hurt, what it costs and how long it takes."""
    rows = [(escape(words.title(name)), f"<span class='lw-num'>{escape(amount)}</span>") for name, amount in one.cost]
    if one.duration:
        rows.append(("Duration", f"<span class='lw-num'>{escape(one.duration)}</span>"))
    dangers = "".join(f"<p class='lw-note {danger.tone}'>{markup.danger(danger)}</p>" for danger in one.dangers)
    none = "<p class='lw-meta'>The laboratory's rules name no hazard of this design.</p>"
    at_limits = "".join(
        f"<p class='lw-note {limit.tone}'>{markup.at_limit(limit)}</p>"
        for limit in one.limits
        if limit.tone in {"bad", "warn"}
    )
    return f"{at_limits}{dangers or none}{_pairs(rows) if rows else ''}"


def limits(one: ProposalCard) -> str:
    """Each ordered value between its limits; empty where nothing is said."""
    if not one.limits:
        return ""
    rows = "".join(_limit(limit) for limit in one.limits)
    return (
        f"{_head('Limits', one.proposal.limits_version)}<div class='lw-scroll'><table class='lw-table lw-limits'>"
        f"<thead><tr><th>Order</th><th>Value</th><th>Allowed</th></tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _limit(limit: Limit) -> str:
    said = f"<span class='lw-chip {limit.tone}'>{escape(limit.words)}</span>"
    return (
        f"<tr><td>{escape(limit.name)}<br><span class='lw-meta'>{escape(limit.instrument)}</span></td>"
        f"<td><span class='lw-num'>{escape(limit.value)}</span><br>{said}</td>"
        f"<td><span class='lw-num'>{escape(limit.allowed)}</span>{limit_bar(limit)}</td></tr>"
    )


def bound(one: ProposalCard) -> str:
    """What a signature of it is bound to."""
    proposal = one.proposal
    rows = [
        ("Proposal", f"{escape(one.id)}, revision {one.revision}"),
        ("Digest", f"<code>{escape(one.read.digest)}</code>"),
        ("Recipe", f"<code>{escape(proposal.recipe_hash)}</code>"),
        ("Limits", escape(proposal.limits_version)),
        ("Models", escape(proposal.model_version)),
        ("Made", escape(one.created)),
    ]
    return f"{_head('What a signature is bound to')}{_pairs(rows)}"


def verdict(row: Decided, root: str) -> str:
    """What became of it."""
    name = escape(row.experiment)
    link = f"<a href='{escape(root)}/experiments/{name}'>{name}</a>" if row.is_told else name
    became = f" It became the experiment {link}." if name else ""
    by = f" by {escape(row.by)}" if row.by else ""
    why_ = f"<p>{escape(row.reason)}</p>" if row.reason else ""
    return (
        f"<div class='lw-card-head'><h2>Decided</h2><span class='lw-chip {row.tone}'>{escape(row.verdict)}</span></div>"
        f"<p>{escape(row.verdict.title())}{by}, {escape(row.when)}.{became}</p>{why_}"
    )


def _head(text: str, meta: str = "") -> str:
    more = f"<span class='lw-meta'>{escape(meta)}</span>" if meta else ""
    return f'<div class="lw-card-head"><h2>{escape(text)}</h2>{more}</div>'


def _pairs(rows: Iterable[tuple[str, str]]) -> str:
    return f"<dl class='lw-kv'>{''.join(f'<dt>{name}</dt><dd>{value}</dd>' for name, value in rows)}</dl>"
