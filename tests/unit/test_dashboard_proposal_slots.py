"""A card that comes to the list moves the others, and each button stays about the proposal that it was about."""

from __future__ import annotations

import re
from datetime import timedelta

from dashboard_place import Place, settled
from dashboard_samples import NOW, sample_picture, sample_proposal, waiting
from dashboard_user import PREFIX
from nicegui import ui
from nicegui.testing import User

from agent.dashboard.live.picture import Change


def buttons(user: User) -> dict[str, int]:
    """Which element each proposal's button to approve is, in the order in which they stand on the page."""
    assert user.client is not None
    grid = next(one for one in user.client.elements.values() if "lw-proposals" in one.classes)
    found: dict[str, int] = {}
    for article in (one for one in grid.default_slot.children if one.visible):
        button = next(one for one in article.descendants() if isinstance(one, ui.button))
        found[str(button.props["aria-label"]).rsplit(", ", 1)[1]] = button.id
    return found


def sent(user: User) -> int:
    """Cards whose markup waits to be sent."""
    assert user.client is not None
    waits = [one for one in user.client.outbox.updates.values() if isinstance(one, ui.html)]
    return sum("lw-card-head" in one.content for one in waits)


def test_a_card_that_comes_first_moves_the_others_and_is_sent_alone() -> None:
    place = Place(sample_picture(30))

    async def journey(user: User) -> None:
        await user.open(f"{PREFIX}/proposals")
        before = buttons(user)
        assert len(before) == 12
        assert user.client is not None
        user.client.outbox.updates.clear()
        one = sample_proposal(400, created_at=NOW, expires_at=NOW + timedelta(minutes=30))
        place.live.picture.proposals[one.proposal] = waiting(one)
        place.changes(Change("proposal", one.proposal))
        await settled(user, lambda: one.proposal in buttons(user))
        after = buttons(user)
        gone = (set(before) - set(after)).pop()
        assert list(after) == [one.proposal, *(pid for pid in before if pid != gone)]
        assert {pid: id_ for pid, id_ in after.items() if pid in before} == {
            pid: id_ for pid, id_ in before.items() if pid != gone
        }
        assert after[one.proposal] == before[gone]
        assert sent(user) <= 1
        del place.live.picture.proposals[one.proposal]
        place.changes(Change("proposal", one.proposal))
        await settled(user, lambda: buttons(user) == before)

    place.visited(journey)


def test_the_place_among_what_waits_follows_what_comes_and_goes() -> None:
    place = Place(sample_picture(3))

    async def journey(user: User) -> None:
        await user.open(f"{PREFIX}/proposals")

        def shown() -> str:
            assert user.client is not None
            return " ".join(one.content for one in user.client.elements.values() if isinstance(one, ui.html))

        assert len(re.findall("of the 3 that wait", shown())) == 3
        one = sample_proposal(4)
        place.live.picture.proposals[one.proposal] = waiting(one)
        place.changes(Change("proposal", one.proposal))
        await settled(user, lambda: len(re.findall("of the 4 that wait", shown())) == 4)
        assert "of the 3 that wait" not in shown()

    place.visited(journey)
