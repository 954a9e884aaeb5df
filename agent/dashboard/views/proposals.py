"""What waits for people, as a list: which of it, in which order, page by page; and what was decided lately."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from agent.dashboard.views import words
from agent.dashboard.views.proposal_card import ProposalCard, card_of, goals_of, ranks_of
from agent.dashboard.views.proposal_parts import Tone, expiry_of
from agent.dashboard.views.proposal_rights import OPEN, is_own_revision
from agent.dashboard.views.proposals_memo import Memo, Sources
from agent.words import who

if TYPE_CHECKING:
    from agent.dashboard.door.visitor import Visitor
    from agent.dashboard.live.picture import LabPicture, Waiting
    from instruments.profile.agent_messages import Outcome, Proposal

Only = Literal["all", "mine", "second", "expiring"]
Sort = Literal["expiry", "expected", "acquisition", "newest"]
PER_PAGE = 12
"""Cards on one page."""
ONLY: Mapping[Only, str] = {
    "all": "Everything",
    "mine": "Mine to decide",
    "second": "Needs a second person",
    "expiring": "Expiring",
}
SORTS: Mapping[Sort, str] = {
    "expiry": "Expires first",
    "expected": "Expected best",
    "acquisition": "Most promising",
    "newest": "Newest",
}
_NORMAL = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
VERDICTS: Mapping[str, tuple[str, Tone]] = {
    "approved": ("approved", "good"),
    "rejected": ("rejected", "bad"),
    "edited": ("edited", "info"),
    "expired": ("expired", "warn"),
    "withdrawn": ("taken back", ""),
}


@dataclass(frozen=True)
class Wish:
    """What of the list is wanted.

    Args:
        only: which of it.
        campaign: id; empty for all.
        pool: source of candidates; empty for all.
        search: part of a formula or an id.
        sort: order.
        page: from 0.
    """

    only: Only = "all"
    campaign: str = ""
    pool: str = ""
    search: str = ""
    sort: Sort = "expiry"
    page: int = 0


@dataclass(frozen=True)
class ProposalList:
    """One page of what waits.

    Args:
        cards: of this page.
        n_waiting: proposals that wait, of all.
        n_found: of those that are wanted.
        page: from 0.
        n_pages: at least 1.
        campaigns: ids that can be wanted.
        pools: likewise.
        counts: how many each choice of ``only`` would find.
    """

    cards: tuple[ProposalCard, ...]
    n_waiting: int
    n_found: int
    page: int
    n_pages: int
    campaigns: tuple[str, ...]
    pools: tuple[str, ...]
    counts: Mapping[Only, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Decided:
    """What became of one proposal.

    Args:
        id: of the proposal.
        verdict: in a word.
        tone: of it.
        by: who; empty where nobody did.
        when: in words.
        at: the same.
        reason: why.
        formula: of the experiment's design; empty where it is not told.
        experiment: that an approval became; empty where there is none.
        is_told: whether the experiment is still told, so that it has a page.
    """

    id: str
    verdict: str
    tone: Tone
    by: str
    when: str
    at: datetime
    reason: str
    formula: str
    experiment: str
    is_told: bool


_BOARDS: Memo[_Board] = Memo(2)
_LISTS: Memo[ProposalList] = Memo(64)
_LATELY: Memo[tuple[Decided, ...]] = Memo(4)


def list_of(picture: LabPicture, now: datetime, visitor: Visitor, wish: Wish, *, stale: str = "") -> ProposalList:
    """One page of what waits; cards are made of that page alone.

    Args:
        picture: the laboratory.
        now: the laboratory's time.
        visitor: who looks.
        wish: what is wanted.
        stale: why what is shown may be old; empty where it is live.
    """
    board = _board_of(picture)
    key = (visitor.role, board.named(visitor.name), wish, stale, len(picture.experiments))
    sources = (now, *board.sources, *picture.labs.values())
    return _LISTS.of(key, sources, lambda: _list_of(board, picture, now, visitor, wish, stale))


def _list_of(
    board: _Board, picture: LabPicture, now: datetime, visitor: Visitor, wish: Wish, stale: str
) -> ProposalList:
    sieve = _Sieve(board, now, visitor)
    asked = [one for one in board.every if _matches(one.proposal, wish)]
    sets: dict[Only, list[Waiting]] = {only: [one for one in asked if sieve.keeps(only, one.proposal)] for only in ONLY}
    found = _ordered(sets[wish.only], picture, wish.sort)
    n_pages = max(-(-len(found) // PER_PAGE), 1)
    page = min(max(wish.page, 0), n_pages - 1)
    shown = found[page * PER_PAGE : (page + 1) * PER_PAGE]
    return ProposalList(
        cards=tuple(card_of(one, picture, now, visitor, stale=stale, ranks=board.ranks) for one in shown),
        n_waiting=len(board.every),
        n_found=len(found),
        page=page,
        n_pages=n_pages,
        campaigns=board.campaigns,
        pools=board.pools,
        counts={only: len(those) for only, those in sets.items()},
    )


def ids_of(picture: LabPicture, now: datetime, visitor: Visitor, wish: Wish) -> tuple[str, ...]:
    """All that is wanted, in order, of all pages: what comes before and after one."""
    board = _board_of(picture)
    sieve = _Sieve(board, now, visitor)
    asked = [one for one in board.every if _matches(one.proposal, wish) and sieve.keeps(wish.only, one.proposal)]
    return tuple(one.proposal.proposal for one in _ordered(asked, picture, wish.sort))


def decided_lately(picture: LabPicture, now: datetime, n: int = 20) -> tuple[Decided, ...]:
    """What was decided last, the newest first."""

    def make() -> tuple[Decided, ...]:
        latest = sorted(picture.outcomes.values(), key=lambda outcome: outcome.ts, reverse=True)[:n]
        return tuple(_decided(outcome, picture, now) for outcome in latest)

    return _LATELY.of((n, len(picture.experiments)), (now, *picture.outcomes.values()), make)


def decided(picture: LabPicture, now: datetime, pid: str) -> Decided | None:
    """What became of one proposal; None while nothing did, or where that is not told any more."""
    outcome = picture.outcomes.get(pid)
    return None if outcome is None else _decided(outcome, picture, now)


def _decided(outcome: Outcome, picture: LabPicture, now: datetime) -> Decided:
    verdict, tone = VERDICTS[outcome.verdict]
    experiment = picture.experiments.get(outcome.experiment or "")
    return Decided(
        id=outcome.proposal,
        verdict=verdict,
        tone=tone,
        by=who(",".join(outcome.by)),
        when=words.moment(outcome.ts, now),
        at=outcome.ts,
        reason=outcome.reason,
        formula=words.formula_of(experiment.design) if experiment is not None else "",
        experiment=outcome.experiment or "",
        is_told=experiment is not None,
    )


def _matches(proposal: Proposal, wish: Wish) -> bool:
    if wish.campaign not in {"", proposal.campaign} or wish.pool not in {"", proposal.proposed_by.pool}:
        return False
    sought = wish.search.translate(_NORMAL).strip().lower()
    if not sought:
        return True
    named = (proposal.proposal, *(value for value in proposal.design.values() if isinstance(value, str)))
    return any(sought in name.lower() for name in named)


class _Board:
    """All that waits, with what of it is the same for whoever looks and whenever."""

    def __init__(self, picture: LabPicture, sources: Sources) -> None:
        self.sources = sources
        self.every = tuple(picture.proposals.values())
        proposals = [one.proposal for one in self.every]
        states = [one.state for one in picture.campaigns.values() if one.state is not None]
        self.votes = {pid: names for state in states for pid, names in state.votes.items()}
        self.closed = {state.campaign for state in states if state.phase not in OPEN}
        self.ranks = ranks_of(picture)
        self.campaigns = tuple(sorted({one.campaign for one in proposals}))
        self.pools = tuple(sorted({one.proposed_by.pool for one in proposals}))
        self._names = {one.edited_by for one in proposals}.union(*self.votes.values())

    def named(self, name: str) -> str:
        """Somebody's name where it makes a difference to what they see; else nothing."""
        return name if name in self._names else ""


def _board_of(picture: LabPicture) -> _Board:
    parts = ((id_, one.state, one.space) for id_, one in picture.campaigns.items())
    sources = (*picture.proposals.values(), *(part for campaign in parts for part in campaign))
    return _BOARDS.of("", sources, lambda: _Board(picture, sources))


class _Sieve:
    """Which of a thousand proposals are wanted: what is the same for all of them is looked at once."""

    def __init__(self, board: _Board, now: datetime, visitor: Visitor) -> None:
        self.votes, self.closed = board.votes, board.closed
        self.now, self.name, self.may = now, visitor.name, visitor.may("approve")

    def keeps(self, only: Only, proposal: Proposal) -> bool:
        """Whether a proposal is one of those."""
        if only == "all":
            return True
        if only == "expiring":
            return expiry_of(proposal.created_at, proposal.expires_at, self.now).is_soon
        votes = self.votes.get(proposal.proposal, ())
        if only == "second":
            return 0 < len(votes) < proposal.quorum
        return (
            self.may
            and self.name not in votes
            and not is_own_revision(proposal, self.name)
            and proposal.expires_at > self.now
            and proposal.campaign not in self.closed
        )


def _ordered(found: list[Waiting], picture: LabPicture, sort: Sort) -> list[Waiting]:
    keys: Mapping[Sort, Callable[[Proposal], float]] = {
        "expiry": lambda one: one.expires_at.timestamp(),
        "expected": lambda one: -_expected(one, picture),
        "acquisition": lambda one: -one.acquisition.value if one.acquisition is not None else float("inf"),
        "newest": lambda one: -one.created_at.timestamp(),
    }
    key = keys[sort]
    return sorted(found, key=lambda one: (key(one.proposal), one.proposal.expires_at, one.proposal.proposal))


def _expected(proposal: Proposal, picture: LabPicture) -> float:
    """What is expected of the campaign's first goal: larger is better; what expects nothing comes last."""
    for goal in goals_of(picture, proposal.campaign):
        if (estimate := proposal.prediction.get(goal.property)) is not None:
            return estimate.value if goal.direction == "maximize" else -estimate.value
    return next((estimate.value for estimate in proposal.prediction.values()), float("-inf"))
