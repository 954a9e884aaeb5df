r"""The hash chain: each event's hash covers the one before, so that no change, gap or other order goes unseen.

The first release knew one stream, ``campaign``, and hashed ``{tip}\n{version}\n{at}\n{payload}``. Those hashes stand,
and that stream keeps their form; every other stream's name is covered too:
``{tip}\n{stream}\n{version}\n{at}\n{payload}``. All of it in UTF-8, as SHA-256 in hexadecimal digits, from
sixty-four zeros on. The payload is covered as the text that is stored, never as what a release makes of it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from agent.events.base import CAMPAIGN

GENESIS = "0" * 64
"""What the first event's hash covers in place of one before."""
_KIND = re.compile(r'"kind":"([^"]*)"')


@dataclass(frozen=True, slots=True)
class Row:
    """An event as its row says it."""

    seq: int
    stream: str
    version: int
    kind: str
    at: str
    payload: str
    hash: str


@dataclass
class Tip:
    """Where a chain stands: the last event's number and hash, and each stream's last version."""

    seq: int = 0
    hash: str = GENESIS
    versions: dict[str, int] = field(default_factory=dict)


def link(tip: str, stream: str, version: int, at: str, payload: str) -> str:
    """Hash of an event after the one whose hash is ``tip``."""
    where = "" if stream == CAMPAIGN else f"{stream}\n"
    covered = f"{tip}\n{where}{version}\n{at}\n{payload}"
    # Only damaged text holds what has no UTF-8; its hash is wrong in any case.
    return hashlib.sha256(covered.encode(errors="surrogateescape")).hexdigest()


def broken(rows: Iterable[Row], tip: Tip) -> str:
    """Follow the chain from ``tip``, which is moved along; what is wrong first, in words, or ``""``."""
    for row in rows:
        expected = tip.versions.get(row.stream, 0) + 1
        hash_ = link(tip.hash, row.stream, row.version, row.at, row.payload)
        what = ""
        if row.seq != tip.seq + 1:
            what = f"event {tip.seq + 1} is missing"
        elif row.hash != hash_:
            what = "its hash is not that of its content after the event before"
        elif row.version != expected:
            what = f"version {row.version} of stream {row.stream!r} where {expected} is due"
        elif (kind := _KIND.search(row.payload)) is None or kind[1] != row.kind:
            what = "its kind is not that of its payload"
        if what:
            return f"the hash chain breaks at event {row.seq} ({row.kind}): {what}"
        tip.seq, tip.hash, tip.versions[row.stream] = row.seq, row.hash, row.version
    return ""
