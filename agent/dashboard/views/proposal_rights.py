"""What a person may do with a proposal now, and why not: the agent judges all of it again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from agent.dashboard.live.picture import LabPicture
from agent.dashboard.views import words
from agent.roles import Role, may, may_ask, roles_asking, roles_for
from instruments.profile.agent_messages import Proposal
from instruments.profile.decisions import Choice

OPEN = frozenset({"running", "paused"})
"""Phases of a campaign of which something can be approved."""


@dataclass(frozen=True)
class Rights:
    """Why something cannot be done, in words; empty where it can.

    Args:
        approve: of approving.
        reject: of rejecting.
        edit: of editing.
        withdraw: of taking back.
        warnings: what to know before approving, where it can be done.
    """

    approve: str = ""
    reject: str = ""
    edit: str = ""
    withdraw: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Quorum:
    """Who has approved, and who must.

    Args:
        needed: people.
        votes: who has.
        edited_by: who made this revision; empty for the first.
    """

    needed: int
    votes: tuple[str, ...]
    edited_by: str = ""

    @property
    def missing(self) -> int:
        """People who must still approve."""
        return max(self.needed - len(self.votes), 0)

    @property
    def second(self) -> bool:
        """Whether somebody has approved and somebody else must."""
        return bool(self.votes) and self.missing > 0

    @property
    def words(self) -> str:
        """The same for people."""
        if self.needed == 1:
            return "one person decides"
        if not self.votes:
            return f"0 of {self.needed}: {_number(self.needed)} people must approve"
        others = "another person is" if self.missing == 1 else f"{_number(self.missing)} more people are"
        return f"{len(self.votes)} of {self.needed}: {words.listed(self.votes)} approved; {others} needed"

    @property
    def when_approved(self) -> str:
        """What follows when one more person approves, for that person."""
        others = self.missing - 1
        if others < 1:
            return "It is made as soon as the instruments are free."
        more = "another person" if others == 1 else f"{_number(others)} more people"
        return f"Yours is approval {len(self.votes) + 1} of {self.needed}: {more} must approve too."


def _number(n: int) -> str:
    return ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")[n] if n < 10 else str(n)


def quorum_of(proposal: Proposal, picture: LabPicture) -> Quorum:
    """Who has approved a proposal, and who must."""
    return Quorum(proposal.quorum, picture.votes(proposal.proposal), proposal.edited_by or "")


def rights_of(
    proposal: Proposal, quorum: Quorum, picture: LabPicture, now: datetime, name: str, role: Role, stale: str = ""
) -> Rights:
    """What a person may do with a proposal.

    Args:
        proposal: that waits.
        quorum: of it.
        picture: the laboratory.
        now: the laboratory's time.
        name: who looks.
        role: of this moment.
        stale: why what is shown may be old; empty where it is live.
    """
    stopped = stale or _over(proposal, now)
    bars = (stopped, _barred(role, "approve"), _voted(quorum, name), _own(proposal, name), _campaign(proposal, picture))
    approve = next(filter(None, bars), "")
    is_own = is_own_revision(proposal, name)
    return Rights(
        approve=approve,
        reject=stopped or _barred(role, "reject"),
        edit=stopped or _barred(role, "edit"),
        withdraw=stopped or _withdrawing(role),
        warnings=() if approve else tuple(_warnings(picture, is_own=is_own)),
    )


def is_own_revision(proposal: Proposal, name: str) -> bool:
    """Whether a person made this revision, and is not known to be allowed to approve it."""
    return proposal.edited_by == name and proposal.editor_may_approve is not True


def _over(proposal: Proposal, now: datetime) -> str:
    return "It has expired: it counts as not approved." if now >= proposal.expires_at else ""


def _barred(role: Role, choice: Choice) -> str:
    if may(role, choice):
        return ""
    doing = {"approve": "Approving", "reject": "Rejecting", "edit": "Editing"}[choice]
    return f"{doing} needs the role {roles_for(choice)}; you are {role.value}."


def _withdrawing(role: Role) -> str:
    if may_ask(role, "withdraw"):
        return ""
    return f"Taking back needs the role {roles_asking('withdraw')}; you are {role.value}."


def _voted(quorum: Quorum, name: str) -> str:
    return "You approved this revision before: another person is needed." if name in quorum.votes else ""


def _own(proposal: Proposal, name: str) -> str:
    if proposal.edited_by != name or proposal.editor_may_approve is not False:
        return ""
    return "You made this revision: another person must approve it."


def _campaign(proposal: Proposal, picture: LabPicture) -> str:
    campaign = picture.campaigns.get(proposal.campaign)
    if campaign is None or campaign.state is None or campaign.state.phase in OPEN:
        return ""
    return f"The campaign {proposal.campaign} is {campaign.state.phase}: nothing of it is approved now."


def _warnings(picture: LabPicture, *, is_own: bool) -> Iterable[str]:
    if is_own:
        yield "You made this revision: where the laboratory asks for four eyes, another person must approve it."
    lab = picture.lab
    if lab is not None and lab.stop is not None:
        yield f"The laboratory is stopped by {lab.stop.by}: nothing begins before a person clears that."
