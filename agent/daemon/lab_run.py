"""``labwright run``: one process that proposes, listens to people, orders and remembers, until it is told to stop.

Parts come up in their order and go down in the opposite one. What is up may be killed at any moment: the next start
finds everything in the journal.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from importlib.metadata import version
from typing import Any

from agent.daemon import logs
from agent.daemon.bus import Bus, at_the_bus
from agent.daemon.health import Check, well
from agent.daemon.house import House, Launch, open_house, tickets_secret
from agent.daemon.http import Uploads, daemon_app, place_of, serve_http
from agent.daemon.office import Office
from agent.daemon.pages import keep_pages
from agent.daemon.porch import PREFIX, Porch
from agent.daemon.question_room import room_of
from agent.daemon.reload import Reload
from agent.daemon.signals import Signals
from agent.daemon.systemd import Notifier
from instruments.bulk.endpoint import Limits
from instruments.bulk.tickets import Tickets
from instruments.clock import SystemClock

_log = logs.get("daemon")
CONNECTIONS = 1024
"""At a time: fifty browsers have a socket and a handful of others each, instruments one."""


async def run_lab(launch: Launch) -> int:
    """Run until a signal; returns the exit status.

    Raises:
        LabwrightError: it cannot start, or something failed that waiting does not mend.
    """
    notifier = Notifier.from_environment()
    async with Signals(starting=True) as signals, open_house(launch, notifier) as house:
        desk = Doors()
        tickets = Tickets(tickets_secret(house.config), SystemClock())
        limits = Limits(connections=CONNECTIONS)
        uploads = Uploads(house.store, tickets, lambda job: job in house.desk.state.jobs, limits)
        porch = Porch() if house.config.dashboard.enabled else None
        app = daemon_app(
            version=version("labwright"), alive=desk.alive(), ready=desk.ready(), metrics=house.metrics.render,
            uploads=uploads, more=porch.routes() if porch else (), pages=f"{PREFIX}/" if porch else "",
        )  # fmt: skip
        place = place_of(house.config)
        async with (
            serve_http(app, place, uploads, websockets=porch is not None) as server, at_the_bus(house, server) as bus,
        ):  # fmt: skip
            room = room_of(house, bus.transport)
            office = Office(house, bus, on_reload=lambda: _soon(signals.reload), known=room.previews.known)
            room.check.on_found = office.boards.verified
            signals.on_reload(_reloading(Reload(house, office), notifier))
            desk.office = office
            try:
                _log.info("connecting", broker=bus.address.place)
                async with notifier.waiting(f"waits for the broker at {bus.address.place}"):
                    await room.questions.listen(bus.transport)
                    await office.open()
                # What is there now stays: going through it again and again would keep people's decisions waiting.
                gc.freeze()
                gc.enable()
                signals.up()
                beside = [room.questions.run(), *([keep_pages(house, bus, porch)] if porch else [])]
                await _work(house, bus, office, signals, notifier, beside, base=server.base)
            finally:
                await room.check.close()
                await bus.client.close()
    return signals.exit_code


class Doors:
    """Health before there is an office, and afterwards the office's own."""

    def __init__(self) -> None:
        self.office: Office | None = None

    def alive(self) -> list[Check]:
        """What must hold for the process to be left running."""
        return [Check(name, partial(self._ask, name, self._alive)) for name in ("loop", "journal")]

    def ready(self) -> list[Check]:
        """What must hold for it to be of use."""
        names = ("broker", "reconcile", "disk", "leaving")
        return [Check(name, partial(self._ask, name, self._ready)) for name in names]

    def _alive(self) -> list[Check]:
        return self.office.alive() if self.office else []

    def _ready(self) -> list[Check]:
        return self.office.ready() if self.office else [Check(n, lambda: "it starts") for n in ("broker", "reconcile")]

    @staticmethod
    def _ask(name: str, checks: Callable[[], list[Check]]) -> str:
        return next((check.answer() for check in checks() if check.name == name), "")


def _soon(call: Callable[[], None]) -> None:
    """After the message that asks for it is acknowledged: reading files takes a while."""
    asyncio.get_running_loop().call_soon(call)


def _reloading(reload: Reload, notifier: Notifier) -> Callable[[], Awaitable[None]]:
    async def reloaded() -> None:
        notifier.reloading()
        await reload()
        notifier.ready()

    return reloaded


async def _work(
    house: House, bus: Bus, office: Office, signals: Signals, notifier: Notifier,
    beside: Sequence[Coroutine[Any, Any, None]], *, base: str,
) -> None:  # fmt: skip
    works = [*office.run(), *beside]
    if bus.virtual is not None:
        works.append(_given_up(bus))
    tasks = [asyncio.create_task(work, name=f"office {n}") for n, work in enumerate(works)]
    watchdog = asyncio.create_task(notifier.watch(lambda: well(office.alive())), name="watchdog")
    stop = asyncio.create_task(signals.stop.wait(), name="stop")
    try:
        house.launch.up(introduction(house, bus, base))
        notifier.ready(f"{house.launch.mode}, lab {house.config.lab.name}")
        _log.info("up", mode=house.launch.mode, lab=house.config.lab.name, http=base, broker=bus.address.place)
        done, _ = await asyncio.wait([stop, *tasks], return_when=asyncio.FIRST_COMPLETED)
        for ended in done:
            ended.result()  # but for the stop none of them ends otherwise than by an error
        notifier.stopping("orders nothing new")
        await office.take_leave(signals, notifier)
    finally:
        for task in (stop, watchdog, *tasks):
            task.cancel()
        await asyncio.gather(stop, watchdog, *tasks, return_exceptions=True)


async def _given_up(bus: Bus) -> None:
    if bus.virtual is not None:
        raise await bus.virtual.child.failed()


def introduction(house: House, bus: Bus, base: str) -> str:
    """What a person is told once it runs."""
    config, state = house.config, house.config.state
    lines = [
        f"{house.launch.mode}: lab {config.lab.name}, {len(config.campaign)} campaigns, broker {bus.address.place}",
        *([f"dashboard: {base}{PREFIX}/"] if config.dashboard.enabled else []),
        f"health and metrics: {base}/healthz, {base}/metrics",
        f"record: {house.journal.name if config.lab.database else state}   log: {state / 'logs' / 'agent.jsonl'}",
    ]
    if house.launch.mode == "shadow":
        lines.insert(
            1, f"nothing is ordered; this record is the shadow's own, and the one in {config.keys} stays as it is"
        )
    return "\n".join(lines)
