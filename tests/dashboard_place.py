"""A laboratory that proposes, and one person at its pages of proposals, for tests of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from dashboard_samples import (
    NOW,
    PASSWORD,
    FakeLive,
    FakeVoice,
    sample_picture,
)
from dashboard_user import PREFIX, Journey, hall_of, with_pages
from nicegui import ui
from nicegui.testing import User

from agent.dashboard.live.picture import Change, LabPicture
from agent.dashboard.pages import proposal, proposals
from agent.roles import Role
from instruments.profile.agent_messages import Estimate
from instruments.profile.questions import Answer, Preview

ONE = f"{PREFIX}/proposals/hard-P001"
TWO = f"{PREFIX}/proposals/hard-P002"


class Place:
    """A laboratory, and one person at its pages."""

    def __init__(self, picture: LabPicture | None = None, name: str = "ben", role: Role = Role.APPROVER) -> None:
        self.live, self.voice = FakeLive(picture or sample_picture()), FakeVoice()
        self.name, self.role = name, role

    def visited(self, journey: Journey) -> None:
        hall = hall_of(self.live, self.voice, name=self.name, role=self.role)
        with_pages(hall, proposals.register, proposal.register)(journey)

    def changes(self, *changes: Change) -> None:
        self.live.change(*changes)

    def foresees(self, **more: object) -> None:
        told = self.live.picture.proposals["hard-P001"].proposal
        expected = {"hardness": Estimate(value=33.3, unit="GPa", std=1.1)}
        fields = {"proposal": told.proposal, "revision": 1, "design": told.design, "prediction": expected, **more}
        self.voice.answers["preview"] = Answer(
            question="q", about="preview", ts=NOW, preview=Preview.model_validate(fields)
        )  # fmt: skip

    @property
    def decisions(self) -> list[tuple[str, str, str]]:
        """What was signed: proposal, digest and choice."""
        said = [call.said for call in self.voice.calls if call.name == "decide"]
        return [(one["read"].proposal, one["read"].digest, one["choice"]) for one in said]

    def digest(self, pid: str) -> str:
        return self.live.picture.proposals[pid].published.digest


def only(user: User, mark: str) -> ui.element:
    """The one visible element with a mark."""
    found = [one for one in user.find(marker=mark).elements if one.visible]
    assert len(found) == 1, f"{len(found)} of {mark}"
    return found[0]


def is_enabled(user: User, mark: str) -> bool:
    return bool(getattr(only(user, mark), "enabled", True))


def markup(user: User) -> str:
    """All that pages say in markup."""
    assert user.client is not None
    return "".join(one.content for one in user.client.elements.values() if isinstance(one, ui.html) and one.visible)


async def sign(user: User, comment: str = "", password: str = PASSWORD) -> None:
    if comment:
        user.find(marker="comment").type(comment)
    user.find(marker="password").type(password)
    user.find(marker="sign").click()
    await settled(user, lambda: "The laboratory's answer …" not in markup(user))


def gone_dialogs(user: User) -> list[ui.dialog]:
    return [one for one in user.find(marker="signed-dialog").elements if isinstance(one, ui.dialog)]


async def settled(user: User, true: Callable[[], bool]) -> None:
    for _ in range(500):
        if true():
            return
        await asyncio.sleep(0.002)
    raise AssertionError(f"it did not become so; the page says: {markup(user)[-2000:]}")


def cards(user: User) -> str:
    """What the cards say that are seen."""
    assert user.client is not None
    seen = [one for one in user.client.elements.values() if "lw-proposal" in one.classes and one.visible]
    return "".join(child.content for one in seen for child in one.descendants() if isinstance(child, ui.html))


def tick(timers: list[ui.timer]) -> None:
    """As the pages' own timers do when their time has come."""
    for timer in timers:
        if timer.callback is not None and "proposal" in timer.callback.__module__:
            with timer.parent_slot or timer.client:
                timer.callback()
