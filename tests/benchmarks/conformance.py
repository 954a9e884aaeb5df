"""Holds every device that comes with Labwright against the instrument profile, on a real broker, restarts included.

Usage::

    python -m tests.benchmarks.conformance [--json] [--broker mosquitto|amqtt]

All devices are checked at the same time, in one process: the virtual furnace, microscope and indenter, and each adapter
with a counterpart in software. The report of one device, rule by rule, is ``labwright instrument check``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import platform
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from instruments.broker import embedded_broker
from instruments.conformance.report import Report
from instruments.mqtt import MqttTransport

TESTS = Path(__file__).resolve().parents[1]


async def check_all(connect: type[MqttTransport], directory: Path, address: object) -> dict[str, Report]:
    from conformance_subjects import SUBJECTS, Bench, examine

    benches = {}
    for iid in SUBJECTS:
        (place := directory / iid).mkdir()
        benches[iid] = Bench(lambda name: connect(address, client_id=name), place)  # type: ignore[arg-type]
    reports = await asyncio.gather(*(examine(iid, bench) for iid, bench in benches.items()))
    return dict(zip(benches, reports, strict=True))


def main() -> int:
    parser = argparse.ArgumentParser(description="the conformance of every device that comes with Labwright")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--broker", choices=["mosquitto", "amqtt"], default="mosquitto")
    options = parser.parse_args()
    sys.path[:0] = [str(TESTS), str(TESTS / "contract"), str(TESTS / "integration")]
    logging.disable(logging.WARNING)  # devices say what they pass over; here they are asked to
    with tempfile.TemporaryDirectory() as place, embedded_broker(options.broker) as address:
        reports = asyncio.run(check_all(MqttTransport, Path(place), address))
    table = Table("device", "kind", "passed", "failed", "skipped", box=None, header_style="bold")
    devices = {}
    for iid, report in reports.items():
        counts = {verdict: [f.rule for f in report.by(verdict)] for verdict in ("passed", "failed", "skipped")}
        table.add_row(iid, report.about.get("kind", ""), *(str(len(rules)) for rules in counts.values()))
        devices[iid] = {
            "kind": report.about.get("kind", ""),
            "conforms": report.conforms,
            "passed": len(counts["passed"]),
            "failed": counts["failed"],
            "skipped": counts["skipped"],
        }
    Console(stderr=options.json).print(table)
    if options.json:
        record = {
            "command": f"python -m tests.benchmarks.conformance --json --broker {options.broker}",
            "date": datetime.now(UTC).date().isoformat(),
            "machine": f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}",
            "python": platform.python_version(),
            "devices": devices,
        }
        print(json.dumps(record))
    return int(any(report.failed for report in reports.values()))


if __name__ == "__main__":
    sys.exit(main())
