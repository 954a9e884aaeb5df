"""The dashboard brought up: beside an agent, on its HTTP port, or apart, on an approver's own machine.

Both are the same pages on a connection of their own to the broker.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from agent.dashboard.app import Dashboard
from agent.dashboard.door.keys import Keys
from agent.dashboard.door.settings import DoorSettings
from agent.dashboard.live.patience import PatientTransport
from agent.dashboard.live.upkeep import kept_up
from agent.dashboard.live.watch import Watch
from agent.dashboard.notices import runner
from agent.dashboard.notices.outlet import Secrets
from agent.dashboard.notices.settings import NotifySection, is_loopback
from agent.dashboard.voice import Voice
from envs.errors import UserError
from instruments.address import BrokerAddress
from instruments.bulk.endpoint import Limits
from instruments.bulk.server import serve_app
from instruments.clock import Clock, Sleeper, SystemClock
from instruments.ids import SystemIds
from instruments.mqtt import MqttTransport
from instruments.topics import Lab

PORT = 8090
KEEPALIVE_S = 5
"""A broker that hangs is noticed within twice this: what people see must not grow old unsaid."""
LIMITS = Limits(connections=1024)
"""Fifty browsers, each with its socket and a handful of connections for files, are welcome."""


@dataclass(frozen=True)
class Plan:
    """What a dashboard needs to know.

    Args:
        address: of the broker, with the dashboard's own name and password.
        topics: of the laboratory.
        identities: directory of people's encrypted keys; None for the one of the machine's user.
        door: how long sessions last, and where the pages are.
        notify: whom it tells that something waits.
        secrets: that this needs.
    """

    address: BrokerAddress
    topics: Lab
    identities: Path | None = None
    door: DoorSettings = DoorSettings()  # noqa: RUF009  # frozen
    notify: NotifySection = NotifySection()  # noqa: RUF009  # likewise
    secrets: Secrets = field(default_factory=Secrets)


@asynccontextmanager
async def opened(
    plan: Plan, *, clock: Clock | None = None, sleeper: Sleeper = asyncio.sleep
) -> AsyncIterator[Dashboard]:
    """Have a dashboard while the context lasts; the broker may come later, and go.

    Args:
        plan: what it needs to know.
        clock: the machine's.
        sleeper: waits.

    Raises:
        UserError: a secret that notifications need is missing.
    """
    clock = clock or SystemClock()
    senders = runner.outlets(plan.notify, plan.secrets, clock)
    transport = PatientTransport(
        lambda: MqttTransport(plan.address, client_id=f"dashboard-{SystemIds().new()}", keepalive_s=KEEPALIVE_S),
        sleeper=sleeper,
    )
    keys = Keys(plan.identities)
    watch = Watch(transport, plan.topics, clock=clock, sleeper=sleeper, trouble=lambda: transport.trouble)
    voice = Voice(transport, plan.topics, watch, keys, clock=clock, sleeper=sleeper)
    dashboard = Dashboard(
        live=watch, voice=voice, keys=keys, settings=plan.door, notices=plan.notify.browser, clock=clock.elapsed,
        sleeper=sleeper,
    )  # fmt: skip
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(dashboard.running())
        await stack.enter_async_context(watch.running())
        tell = partial(runner.run, watch, plan.notify, senders, clock, sleeper)
        telling = asyncio.create_task(kept_up(tell, "the telling of what waits", sleeper), name="notices")
        stack.push_async_callback(_ended, telling)
        yield dashboard


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


# ---- Apart


@dataclass(frozen=True)
class Served:
    """Where a dashboard of its own listens.

    Args:
        host: address of this machine.
        port: of it; a free one for 0.
        certificate: PEM file of the certificate chain; needed beyond this machine.
        key: PEM file of its private key.
        plain: listen beyond this machine without TLS, as behind a proxy that has it.
    """

    host: str = "127.0.0.1"
    port: int = PORT
    certificate: Path | None = None
    key: Path | None = None
    plain: bool = False

    def check(self) -> None:
        """See that nobody's password goes over a network unencrypted by mistake.

        Raises:
            UserError: it would, or half of a certificate is given.
        """
        if (self.certificate is None) != (self.key is None):
            raise UserError("--certificate and --key come together: give both, or neither")
        if self.certificate is None and not self.plain and not is_loopback(self.host):
            raise UserError(
                f"--host {self.host}: other machines reach it, and people type passwords into the pages: give "
                "--certificate FILE --key FILE, or --plain where a proxy in front of it has TLS"
            )


def serve(plan: Plan, served: Served, *, up: Callable[[str], None]) -> None:
    """Serve a dashboard until Ctrl-C, or SIGTERM.

    Args:
        plan: what it needs to know.
        served: where it listens.
        up: told its address.

    Raises:
        UserError: it would listen beyond this machine without TLS, or a secret is missing.
        ConfigError: it cannot listen there.
    """
    served.check()
    asyncio.run(_serve(plan, served, up))


async def _serve(plan: Plan, served: Served, up: Callable[[str], None]) -> None:
    stop = asyncio.Event()
    with _stopping(stop):
        async with (
            opened(plan) as dashboard,
            serve_app(
                dashboard.asgi, host=served.host, port=served.port, certificate=served.certificate, key=served.key,
                limits=LIMITS, section="dashboard", plain=served.plain, websockets=True,
            ) as base,
        ):  # fmt: skip
            up(f"{base}{plan.door.prefix or '/'}")
            await stop.wait()


@contextlib.contextmanager
def _stopping(stop: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
