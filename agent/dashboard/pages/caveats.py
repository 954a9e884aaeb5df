"""What to know before signing: the same where one proposal is decided and where several are."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from agent.dashboard.pages import proposal_markup as markup
from agent.dashboard.views import words
from agent.words import NO_VALUE
from instruments.messages import Quantity

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from agent.dashboard.views.proposal_card import ProposalCard
    from instruments.profile.decisions import PublishedProposal


def caveats(one: ProposalCard) -> str:
    """What is expected, who warns of what, the values beyond limits, what can hurt, and what the models do not know."""
    return "".join(_caveats(one))


def _caveats(one: ProposalCard) -> Iterator[str]:
    for goal in one.predictions[:1]:
        yield (
            f"<p>{escape(goal.name)}, expected: <b class='lw-num'>{escape(goal.text)}</b> "
            f"<span class='lw-meta'>(90%: {escape(goal.interval)})</span></p>"
        )
    for text in one.rights.warnings:
        yield f'<p class="lw-note warn">{escape(text)}</p>'
    for limit in one.limits:
        if limit.tone in {"bad", "warn"}:
            yield f"<p class='lw-note {limit.tone}'>{markup.at_limit(limit)}</p>"
    for danger in one.dangers:
        yield f"<p class='lw-note {danger.tone}'>{markup.danger(danger)}</p>"
    if one.known is not None and one.known.tone != "good":
        yield f'<p class="lw-note {one.known.tone}">{escape(one.known.title)}. {escape(one.known.meaning)}</p>'


def signed_words(
    read: PublishedProposal, design: Mapping[str, Quantity | str], changed: Collection[str] = frozenset()
) -> str:
    """Exactly what a signature covers, as markup.

    Args:
        read: what is signed.
        design: as it will be made, to the last digit.
        changed: paths of it that the signature changes.
    """
    names = words.titles(design)
    rows = [
        ("Laboratory", escape(read.lab)),
        ("Proposal", f"{escape(read.proposal)}, revision {read.revision}"),
        ("Digest", f'<code>{read.digest[:12]}</code> <span class="lw-meta">SHA-256 of all that was published</span>'),
        *((escape(names[path]), _value(value, is_new=path in changed)) for path, value in design.items()),
    ]
    body = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in rows)
    return f'<dl class="lw-kv lw-signing">{body}</dl>'


def _value(value: Quantity | str, *, is_new: bool) -> str:
    text = escape(words.formula(words.ordered(value))) or NO_VALUE
    return f"<ins>{text}</ins> <span class='lw-meta'>changed</span>" if is_new else text
