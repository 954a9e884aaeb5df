"""Where the dashboard shows what a name stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.dashboard.live.picture import LabPicture


def page_of(subject: str, picture: LabPicture) -> str:
    """The page about something, such as ``/experiments/e-7``; empty where there is none.

    Args:
        subject: id of an experiment, a proposal, a campaign or an instrument.
        picture: what the broker says: what it knows of has a page.
    """
    if subject in picture.experiments:
        return f"/experiments/{subject}"
    if subject in picture.proposals or subject in picture.outcomes:
        return f"/proposals/{subject}"
    if subject in picture.campaigns:
        return f"/campaigns/{subject}"
    return f"/instruments#{subject}" if subject in picture.instruments else ""
