"""What ``labwright instrument run``, ``virtual`` and ``list`` do."""

from __future__ import annotations

import asyncio
import logging
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

from envs.errors import UserError
from instruments.address import BrokerAddress
from instruments.driving.serve import Build, Place, driver_in, serve_device
from instruments.messages import Status
from instruments.topics import Lab


def run_instrument(
    file: str, address: BrokerAddress, *, lab: str, root: str, iid: str | None, state: Path | None
) -> None:
    """Run the instrument that a file describes until SIGINT or SIGTERM.

    Args:
        file: ``FILE.py``, ``FILE.py:CLASS`` or ``FILE.toml``.
        address: the broker.
        lab: the laboratory's id.
        root: first level of all topics.
        iid: the instrument's id; by default what the file says, or is called.
        state: directory of the journal; by default one of the user's.

    Raises:
        UserError: when the file does not describe an instrument.
        JournalError: when another driver of this instrument runs.
    """
    from platformdirs import user_state_path

    iid, build = _described(file, iid)
    Lab(root, lab).desc(iid)  # a name that cannot be a topic is said before anything is written
    place = Place(address, state or user_state_path("labwright") / "instruments" / lab / iid, lab, root)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    asyncio.run(_until_signal(iid, build, place))


def _described(file: str, iid: str | None) -> tuple[str, Build]:
    path, _, name = file.partition(":") if ".py:" in file else (file, "", "")
    if Path(path).suffix == ".toml":
        from instruments.adapters.load import read_adapter

        file_says = read_adapter(Path(path))
        settings = replace(file_says, iid=iid or file_says.iid)
        return settings.iid, lambda _iid, transport, **base: settings.build(transport, **base)
    if Path(path).suffix != ".py":
        raise UserError(f"{file} is neither a driver (.py) nor the settings of an adapter (.toml)")
    return iid or Path(path).stem, driver_in(Path(path), name)


async def _until_signal(iid: str, build: Build, place: Place) -> None:
    stop = stop_by_signal()
    await serve_device(iid, build, place, stop=stop, tell=lambda line: print(line, flush=True))  # noqa: T201


def stop_by_signal() -> asyncio.Event:
    """Set by SIGINT and SIGTERM; to be made in the running loop."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, stop.set)
    return stop


def found_instruments(address: BrokerAddress, *, lab: str, root: str, wait_s: float) -> list[dict[str, Any]]:
    """What is on the bus: descriptions with a ``presence``, by instrument id.

    Raises:
        TransportError: when there is no broker, or it refuses.
    """

    async def look() -> list[dict[str, Any]]:
        from instruments.clock import SystemClock
        from instruments.ids import SystemIds
        from instruments.mqtt import MqttTransport
        from instruments.ordering.directory import Directory

        topics = Lab(root, lab)
        transport = MqttTransport(address, client_id=f"list-{SystemIds().new()}")
        directory = Directory(topics, clock=SystemClock(), sleeper=asyncio.sleep, on_status=_pass_over)
        await transport.connect()
        try:
            await transport.subscribe(topics.every("status"), directory.on_status)
            await transport.subscribe(topics.every("desc"), directory.on_description)
            await asyncio.sleep(wait_s)
            found = {iid: d.model_dump(mode="json", exclude_none=True) for iid, d in directory.descriptions.items()}
            return [{**found[iid], "presence": directory.presence(iid)} for iid in sorted(found)]
        finally:
            await directory.close()
            await transport.close()

    return asyncio.run(look())


def _pass_over(iid: str, status: Status, *, back: bool) -> None:
    """Who only looks does nothing about it."""


def _timed(name: str, command: dict[str, Any]) -> str:
    """A command with how long it usually takes."""
    from agent.words import duration

    return f"{name} ({duration(command['duration_s'])})" if command.get("duration_s") else name


def print_instruments(found: list[dict[str, Any]], lab: str) -> None:
    """Print a table of what ``found_instruments`` gives."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from instruments.profile.legibility import printable

    if not found:
        Console(stderr=True).print(f"No instrument has described itself in lab {lab}.")
        return
    table = Table(box=None, header_style="bold")
    for heading in ("instrument", "kind", "presence"):
        table.add_column(heading, no_wrap=True)
    for heading in ("commands", "telemetry", "driver"):
        table.add_column(heading, overflow="fold")
    for one in found:
        cells = (
            one["iid"],
            one["kind"],
            one["presence"],
            ", ".join(_timed(name, command) for name, command in one["commands"].items()),
            ", ".join(f"{name} ({channel['unit']})" for name, channel in one["channels"].items()),
            one["driver"],
        )
        table.add_row(*(Text(printable(cell)) for cell in cells))  # [degF] is a unit, and no markup
    Console().print(table)
