"""How ``labwright doctor`` goes about it, and how it says what it found."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from rich.markup import escape

from agent.daemon.config import LabConfig, load_lab
from agent.reading.doctor import broker_installed, examine
from agent.reading.doctor_bus import examine_broker
from agent.reading.findings import Finding
from agent.reading.tables import console
from envs.errors import LabwrightError
from instruments.ids import SystemIds
from instruments.mqtt import MqttTransport

_MARKS = {"ok": "[green]ok[/]     ", "warning": "[yellow]warning[/]", "problem": "[red]problem[/]"}


def see_the_doctor(path: Path, *, offline: bool, as_json: bool) -> None:
    """Look at everything; each finding is printed as soon as it is there.

    Raises:
        SystemExit: with status 1, when there is a problem.
    """
    found: list[Finding] = []
    shown = console()
    for finding in _findings(path, offline=offline):
        found.append(finding)
        if not as_json:
            todo = f"\n        [dim]->[/] {escape(finding.todo)}" if finding.todo else ""
            shown.print(f"{_MARKS[finding.health]} {escape(f'{finding.check}: {finding.words}')}{todo}")
    problems = sum(f.health == "problem" for f in found)
    if as_json:
        sys.stdout.write(json.dumps({"well": not problems, "findings": [asdict(f) for f in found]}) + "\n")
    else:
        warnings = sum(f.health == "warning" for f in found)
        shown.print(f"{problems} problems, {warnings} warnings" if problems or warnings else "All is well.")
    if problems:
        raise SystemExit(1)


def _findings(path: Path, *, offline: bool) -> Iterator[Finding]:
    yield from examine(path)
    try:
        config = load_lab(path)
        address = None if config.broker.embedded else config.address()
    except LabwrightError:
        return  # said above
    installed = broker_installed(config)
    if installed is not None:
        yield installed
    elif address is not None and not offline:
        name = f"doctor-{SystemIds().new()}"
        yield from asyncio.run(_at_the_broker(config, MqttTransport(address, client_id=name), name))


async def _at_the_broker(config: LabConfig, transport: MqttTransport, name: str) -> list[Finding]:
    try:
        return await examine_broker(config, transport, name)
    finally:
        await transport.close()
