"""A large image by reference: PUT, hash check, fsync, and reading it back, on loopback; prints milliseconds.

Usage::

    python -m tests.benchmarks.artefact_upload [--megabytes 20] [--repeat 10] [--json]

Each image has new content, so that each is written. The store is on the disk of the temporary directory (TMPDIR).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import statistics
import tempfile
import time
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

from instruments.bulk.fetch import Sources, fetch
from instruments.bulk.server import serve_artefacts
from instruments.bulk.store import ArtefactStore
from instruments.bulk.tickets import Tickets
from instruments.bulk.upload import upload
from instruments.clock import SystemClock


@dataclass(frozen=True)
class Timings:
    """Medians and the longest, in milliseconds.

    Attributes:
        megabytes: of one image, in 10^6 bytes.
        repeat: images.
        upload_ms: median of the device's hash, PUT, and the store's hash and fsync.
        resolve_ms: median of the agent's reading and checking it from its own store.
        fetch_ms: median of the same over HTTP.
        total_ms: median of upload and resolution together.
        longest_ms: longest of these.
    """

    megabytes: float
    repeat: int
    upload_ms: float
    resolve_ms: float
    fetch_ms: float
    total_ms: float
    longest_ms: float


def measure(directory: Path, *, megabytes: float = 20.0, repeat: int = 10) -> Timings:
    """Send images of random bytes through an endpoint of its own.

    Args:
        directory: of the store; what is put there stays.
        megabytes: of one image, in 10^6 bytes.
        repeat: images.

    Raises:
        AssertionError: what came back is not what was sent.
    """
    return asyncio.run(measure_in_loop(directory, megabytes=megabytes, repeat=repeat))


async def measure_in_loop(directory: Path, *, megabytes: float = 20.0, repeat: int = 10) -> Timings:
    """``measure`` for a caller with an event loop of its own.

    Raises:
        AssertionError: what came back is not what was sent.
    """
    n_bytes = int(megabytes * 1e6)
    store, rows = ArtefactStore(directory), []
    async with serve_artefacts(store, Tickets(secrets.token_bytes(32), SystemClock())) as server:
        ticket = server.ticket("benchmark")
        own = Sources(own=(server.uri, store))
        other = Sources(origins=[server.uri], token=ticket.token)
        for _ in range(repeat):
            image = os.urandom(n_bytes)
            marks = [time.perf_counter()]
            ref = await upload(ticket, image, "image/tiff")
            marks.append(time.perf_counter())
            for sources in (own, other):
                same = await fetch(ref, sources) == image
                marks.append(time.perf_counter())
                assert same, "what came back is not what was sent"
            rows.append([1e3 * (b - a) for a, b in pairwise(marks)])
    totals = [up + resolved for up, resolved, _ in rows]
    up, resolved, fetched = (statistics.median(column) for column in zip(*rows, strict=True))
    return Timings(n_bytes / 1e6, repeat, up, resolved, fetched, statistics.median(totals), max(totals))


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description="A large image by reference, on loopback")
    parser.add_argument("--megabytes", type=float, default=20.0)
    parser.add_argument("--repeat", type=int, default=10)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        found = measure(Path(directory), megabytes=options.megabytes, repeat=options.repeat)
    if options.json:
        print(json.dumps(asdict(found)))
        return
    print(f"{found.megabytes:g} MB by reference, {found.repeat} images, milliseconds")
    for name in ("upload_ms", "resolve_ms", "total_ms", "longest_ms", "fetch_ms"):
        print(f"  {name.removesuffix('_ms'):<8} {getattr(found, name):8.1f}")


if __name__ == "__main__":
    main()
