"""Watches the laboratory, and has people told of what waits for them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.dashboard.notices.bulletin import Bulletin, Notice, bulletin
from agent.dashboard.notices.outlet import NotSentError, Outlet, Secrets
from agent.dashboard.notices.waiting import Item, waiting_in
from instruments.clock import Clock, Sleeper
from instruments.errors import TransportError

if TYPE_CHECKING:
    from agent.dashboard.notices.settings import NotifySection
    from agent.dashboard.ports import Live

LOOK_S = 5.0
"""How often it is looked, s."""
_log = logging.getLogger(__name__)


def outlets(settings: NotifySection, secrets: Secrets, clock: Clock) -> list[Outlet]:
    """Every reader that the settings name.

    Raises:
        UserError: a secret is missing.
    """
    from agent.dashboard.notices.email import mailboxes

    secrets.check(settings)
    found: list[Outlet] = [*mailboxes(settings, secrets, clock)]
    if settings.webhook is not None:
        # An HTTP client takes a third of a second to import: only who has a webhook pays for it.
        from agent.dashboard.notices.webhook import Webhook

        found.append(Webhook(settings.webhook, settings, secrets, clock))
    return found


async def run(live: Live, settings: NotifySection, senders: Sequence[Outlet], clock: Clock, sleeper: Sleeper) -> None:
    """Tell until cancelled; comes back at once where there is nobody to tell.

    What waits is judged on live data alone: while the broker or the agent is gone nothing is told, and when they are
    back nothing is told twice.

    Args:
        live: the laboratory.
        settings: of what, and when.
        senders: who is told; ``outlets`` makes them.
        clock: measures how long things wait, by the machine's own time.
        sleeper: waits between two looks.
    """
    if not senders:
        return
    desks = [_Desk(sender, bulletin(settings.after_s, settings.again_h), clock) for sender in senders]
    async with asyncio.TaskGroup() as under_way:
        while True:
            for desk, notice in _due(live, settings, desks):
                desk.busy = True
                under_way.create_task(desk.deliver(notice, live), name=f"notice by {desk.outlet.name}")
            await sleeper(LOOK_S)


def _due(live: Live, settings: NotifySection, desks: Sequence[_Desk]) -> list[tuple[_Desk, Notice]]:
    """What is to be told now; nothing where that cannot be said, for the next look may go well."""
    try:
        if not live.freshness().live:
            return []
        items = waiting_in(live.picture, settings.about)
        return [(desk, notice) for desk in desks if (notice := desk.due(live, items)) is not None]
    except Exception:  # noqa: BLE001 - whatever it is, it is logged whole
        _log.exception("what waits for people cannot be told")
        return []


@dataclass
class _Desk:
    """One reader, and what they know."""

    outlet: Outlet
    bulletin: Bulletin
    clock: Clock
    busy: bool = False
    failing: bool = False

    def due(self, live: Live, items: Sequence[Item]) -> Notice | None:
        if self.busy:
            return None
        lab = live.picture.lab
        mine = [item for item in items if self.outlet.wants(item, lab)]
        return self.bulletin.due(live.name, mine, self.clock.elapsed())

    async def deliver(self, notice: Notice, live: Live) -> None:
        try:
            await self.outlet.send(notice, live.now())
        except (NotSentError, TransportError) as error:
            wait = self.bulletin.failed(self.clock.elapsed())
            # One warning for one trouble: a mail server that is away for a night is not worth a hundred lines.
            level = logging.DEBUG if self.failing else logging.WARNING
            _log.log(level, "no %s: %s; tried again in %.0f s and less often then", self.outlet.name, error, wait)
            self.failing = True
        except Exception:  # noqa: BLE001 - whatever it is, it is logged whole
            # Whatever is wrong with one message: the others, and the dashboard around them, go on.
            self.bulletin.failed(self.clock.elapsed())
            _log.exception("no %s", self.outlet.name)
        else:
            self.bulletin.told(notice, self.clock.elapsed())
            if self.failing:
                _log.warning("%s works again", self.outlet.name)
            self.failing = False
        finally:
            self.busy = False
