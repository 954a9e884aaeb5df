"""Pausing, resuming and stopping a campaign: by whom the role allows, each signed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from nicegui import ui

from agent.dashboard.pages.shell import Frame
from agent.dashboard.pages.signed import Need, confirm_signed
from agent.dashboard.views.campaign import CampaignView
from agent.deciding.sending import Answer as Counted
from agent.roles import roles_asking

Steer = Literal["pause", "resume", "stop"]


@dataclass(frozen=True)
class Wheel:
    """One thing that can be asked of a campaign.

    Args:
        label: of its button.
        phases: in which it makes sense.
        title: of the dialog.
        words: what is signed.
        comment: whether a reason may or must be given.
    """

    label: str
    phases: frozenset[str]
    title: str
    words: str
    comment: Need


WHEELS: dict[Steer, Wheel] = {
    "pause": Wheel(
        "Pause",
        frozenset({"running"}),
        "Pause this campaign?",
        "No further experiment of it begins until somebody resumes it. Those under way go on to their end, and "
        "proposals can still be decided.",
        "optional",
    ),
    "resume": Wheel(
        "Resume",
        frozenset({"paused", "stopped", "stopping"}),
        "Go on with this campaign?",
        "Experiments that were approved begin again as instruments become free.",
        "optional",
    ),
    "stop": Wheel(
        "Stop",
        frozenset({"draft", "running", "paused"}),
        "Stop this campaign?",
        "No further experiment of it begins: those that have not begun are given up, and its proposals are withdrawn. "
        "What has begun goes on to its end. The stop latches: the campaign stays stopped, after a restart too, until "
        "a named person resumes it. To stop what instruments do now, use the laboratory's stop; in danger, the "
        "instrument's own switch.",
        "required",
    ),
}


class Steering:
    """The buttons of one browser.

    Args:
        page: that they are on.
        cid: the campaign.
    """

    def __init__(self, page: Frame, cid: str) -> None:
        self.page, self.cid = page, cid
        self.buttons: dict[Steer, ui.button] = {}
        self.phase = ""
        with ui.element("div").classes("lw-actions"):
            for steer, wheel in WHEELS.items():
                button = ui.button(wheel.label, on_click=lambda _, steer=steer: self.open(steer), color=None)
                button.props("no-caps outline" + (" text-color=negative" if steer == "stop" else ""))
                self.buttons[steer] = button.mark(f"{steer}-campaign")
        self.note = ui.label("").classes("lw-meta")

    def update(self, view: CampaignView) -> None:
        """Show what can be asked in the phase of this moment by who looks."""
        self.phase = view.phase
        live, visitor = self.page.hall.live.freshness().live, self.page.looker()
        may = {steer: visitor.may_ask(steer, clears=self.clears(steer)) for steer in WHEELS}
        for steer, button in self.buttons.items():
            fits = view.phase in WHEELS[steer].phases
            button.set_visibility(fits and may[steer])
            button.set_enabled(live or steer == "stop")
        refused = [steer for steer in WHEELS if view.phase in WHEELS[steer].phases and not may[steer]]
        roles = {roles_asking(steer, clears=self.clears(steer)) for steer in refused}
        self.note.text = f"Who may {' or '.join(refused)} it: {'; '.join(sorted(roles))}." if refused else ""
        self.note.set_visibility(bool(refused))

    def clears(self, steer: Steer) -> bool:
        """Whether asking for it clears a stop, which fewer people may do."""
        return steer == "resume" and self.phase in {"stopped", "stopping"}

    def open(self, steer: Steer) -> None:
        """Have the person sign it."""
        if self.page.still_in() is None:
            return
        wheel = WHEELS[steer]

        async def send(password: str, comment: str) -> Counted:
            return await self.page.hall.voice.ask(self.page.visitor, password, steer, self.cid, comment=comment)

        confirm_signed(
            self.page,
            title=wheel.title,
            words=wheel.words,
            action=send,
            button=f"Sign and {wheel.label.lower()}",
            comment=wheel.comment,
            danger=steer == "stop",
            even_old=steer == "stop",
        )
