"""Rules about presence: description, status, heartbeat, clock, and telemetry."""

from __future__ import annotations

import re
from datetime import timedelta
from itertools import pairwise
from typing import Any

from instruments.conformance.evidence import HEARTBEAT_S, many, span
from instruments.conformance.examination import Examination
from instruments.conformance.probe import Heard
from instruments.conformance.rules import BrokenRuleError, Theme, UntriedRuleError, rule
from instruments.messages import MAX_SKEW_S, Status

UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_LISTEN_S = 5.0
_LONGEST_PERIOD_S = 30.0
"""Rarer readings are not waited for."""


def _checked(heard: Heard[Any], what: str) -> None:
    if heard.said is None:
        raise BrokenRuleError(f"the {what} is {heard.fault}", "Compare it with the JSON Schema of the profile.")


async def _kept(exam: Examination, first: Heard[Any]) -> bool:
    """Whether the bus keeps it; what came live may have been said this moment, so a newcomer is asked."""
    return first.raw.retained or bool(await exam.probe.retained(first.raw.topic))


@rule("PRE-1", "Description kept", "desc is retained and has every field that the profile asks for.")
async def described(exam: Examination) -> str:
    """The bus keeps it, and it can be read."""
    if not exam.probe.descriptions:
        raise BrokenRuleError("no description came", "Publish desc with the retained flag, at every connection.")
    first = exam.probe.descriptions[0]
    _checked(first, "description")
    if not await _kept(exam, first):
        raise BrokenRuleError("desc was not retained", "Set the retained flag: an agent that starts later needs it.")
    found = exam.description
    return f"{found.kind}, {many(len(found.commands), 'command')}, {many(len(found.channels), 'channel')}"


@rule("PRE-2", "Its own name", "iid in desc is the instrument's level of the topic.")
async def named(exam: Examination) -> str:
    """The description speaks of the instrument whose topic it is on."""
    if exam.description.iid != exam.probe.iid:
        raise BrokenRuleError(f"desc of {exam.probe.iid} says iid {exam.description.iid}")
    return exam.description.iid


@rule("PRE-3", "Boot id", "boot_id is a UUID of version 7, fresh at every start.")
async def booted(exam: Examination) -> str:
    """Later boots must compare greater."""
    boot = exam.description.boot_id
    if not UUID7.fullmatch(boot):
        raise BrokenRuleError(f"boot_id {boot} is no UUIDv7", "Draw it at the start of the driver, in lower case.")
    return f"{boot[:18]}..."


@rule("PRE-4", "Status kept", "status is retained, valid, and carries the boot_id of desc.")
async def present(exam: Examination) -> str:
    """The bus keeps it, and it belongs to this boot."""
    if not exam.probe.statuses:
        raise BrokenRuleError("no status came", "Publish status with the retained flag after desc.")
    first = exam.probe.statuses[0]
    _checked(first, "status")
    if not await _kept(exam, first):
        raise BrokenRuleError("status was not retained", "Set the retained flag on every status.")
    status = exam.probe.statuses[-1].said
    if status is not None and status.boot_id != exam.description.boot_id:
        raise BrokenRuleError(f"status says boot_id {status.boot_id}, desc {exam.description.boot_id}")
    return status.state if status is not None else ""


@rule("PRE-5", "Republishing", "On republish both desc and status come again.")
async def republishes(exam: Examination) -> str:
    """Both come live."""
    probe = exam.probe
    n_desc, n_status, asked = len(probe.descriptions), len(probe.statuses), probe.elapsed()
    await exam.control("republish")
    came = await probe.until(
        lambda: len(probe.descriptions) > n_desc and len(probe.statuses) > n_status, exam.options.answer_s
    )
    if not came:
        missing = [n for n, there in (("desc", len(probe.descriptions) > n_desc), ("status", False)) if not there]
        raise BrokenRuleError(f"asked to republish, it sent no {missing[0]} within {exam.options.answer_s:g} s")
    took = probe.elapsed() - asked
    return f"both after {span(took)}"


@rule("PRE-8", "Order of statuses", "seq of the statuses of one boot grows.")
async def ordered(exam: Examination) -> str:
    """Among all live statuses heard so far; the will keeps the number of the connection's beginning."""
    said = [h.said for h in exam.probe.statuses if h.said is not None and h.said.state != "offline"]
    fresh = list(dict.fromkeys(said))  # delivered twice is not said twice
    for before, after in pairwise(fresh):
        if before.boot_id == after.boot_id and after.seq <= before.seq:
            raise BrokenRuleError(f"seq {after.seq} came after {before.seq}", "Count every message of a boot up.")
    if len(fresh) < 2:
        raise UntriedRuleError("only one status was heard")
    return f"{fresh[0].seq} to {fresh[-1].seq} in {len(fresh)} statuses"


@rule("PRE-6", "Clock", f"Times are UTC and at most {MAX_SKEW_S:g} s off.")
async def punctual(exam: Examination) -> str:
    """By the newest status that was said live; its way here counts for the device."""
    live = [h for h in exam.probe.statuses if h.said is not None and not h.raw.retained]
    if not live:
        raise UntriedRuleError("no live status was heard")
    skew = min((_skew(h) for h in live), key=abs)
    if abs(skew) > timedelta(seconds=MAX_SKEW_S):
        seconds = skew.total_seconds()
        side = "ahead of" if seconds > 0 else "behind"
        raise BrokenRuleError(f"its clock is {abs(seconds):.1f} s {side} ours", "Set both clocks by NTP.")
    return f"{skew.total_seconds():+.2f} s"


def _skew(heard: Heard[Status]) -> timedelta:
    return heard.said.ts - heard.wall if heard.said is not None else timedelta.max


@rule("PRE-7", "Heartbeat", "status comes every 10 s also when nothing happens (2 s of grace).")
async def beats(exam: Examination) -> str:
    """Two statuses in a row that nothing asked for."""
    if exam.options.quick:
        raise UntriedRuleError("left out by --quick")
    probe, began = exam.probe, exam.probe.elapsed()
    for _ in range(2):
        n = len(probe.statuses)
        if not await probe.until(lambda n=n: len(probe.statuses) > n, HEARTBEAT_S):  # type: ignore[misc]
            raise BrokenRuleError(
                f"no status for {HEARTBEAT_S:g} s", "Republish status every 10 s: after 30 s you count as lost."
            )
    last, before = probe.statuses[-1].at, probe.statuses[-2].at
    return f"{last - before:.1f} s apart, listened for {probe.elapsed() - began:.1f} s"


@rule("TEL-1", "Readings are declared", "Each reading is valid, of a channel that desc names, in its declared unit.")
async def declared(exam: Examination) -> str:
    """Of all readings heard so far; channels with a period are waited for."""
    channels, probe = exam.description.channels, exam.probe
    if not channels and not probe.readings:
        raise UntriedRuleError("no channels are declared, and none were heard")
    periods = {name: c.period_s for name, c in channels.items() if c.period_s and c.period_s <= _LONGEST_PERIOD_S}
    patience = max([_LISTEN_S, *(2.0 * period for period in periods.values())])
    await probe.until(lambda: bool(probe.readings) and periods.keys() <= {h.name for h in probe.readings}, patience)
    for heard in probe.readings:
        _checked(heard, f"reading of {heard.name}")
        if heard.name not in channels:
            raise BrokenRuleError(f"channel {heard.name} is not in desc", "Declare every channel with its unit.")
        if heard.said is not None and heard.said.unit != channels[heard.name].unit:
            raise BrokenRuleError(f"{heard.name} comes in {heard.said.unit}, declared in {channels[heard.name].unit}")
    heard_of = {h.name for h in probe.readings}
    if not heard_of and (away := exam.unavailable()):
        raise UntriedRuleError(f"the device is in {away}")
    silent = sorted(periods.keys() - heard_of)
    if silent:
        raise BrokenRuleError(f"nothing from {', '.join(silent)} for {patience:g} s")
    if not heard_of:
        raise UntriedRuleError(
            f"nothing came on {', '.join(channels)} within {patience:g} s, and no short period is declared"
        )
    return f"{many(len(probe.readings), 'reading')} of {', '.join(sorted(heard_of))}"


@rule("TEL-2", "Order of readings", "seq of the readings of one channel grows.")
async def counted(exam: Examination) -> str:
    """Channel by channel."""
    most = 0
    for name in exam.description.channels:
        said = [h.said for h in exam.probe.readings if h.name == name and h.said is not None]
        most = max(most, len(said))
        for before, after in pairwise(said):
            if after.seq <= before.seq and after != before:
                raise BrokenRuleError(f"{name}: seq {after.seq} came after {before.seq}")
    if most < 2:
        raise UntriedRuleError("no channel gave two readings")
    return f"up to {most} readings of a channel"


@rule("TEL-3", "Readings pass", "Telemetry is never retained.")
async def passing(exam: Examination) -> str:
    """A newcomer finds no old readings."""
    kept = await exam.probe.retained(exam.probe.topics.telemetry(exam.probe.iid, "x").removesuffix("x") + "+", 0.2)
    if kept:
        raise BrokenRuleError(f"{kept[0].topic} is retained", "Publish readings without the retained flag.")
    return "nothing is kept"


PRESENCE = Theme("Presence", (described, named, booted, present, republishes, punctual))
HEARTBEAT = Theme("Heartbeat and telemetry", (beats, ordered, declared, counted, passing))
