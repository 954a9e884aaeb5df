"""Runs all rules on one device, over any transport."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from envs.errors import UserError
from instruments.clock import Clock, Sleeper
from instruments.conformance.control import CONTROL
from instruments.conformance.describing import DESCRIBING
from instruments.conformance.duplicates import DUPLICATES
from instruments.conformance.evidence import Options
from instruments.conformance.examination import Examination
from instruments.conformance.life import LIFE
from instruments.conformance.parameters import PARAMETERS
from instruments.conformance.presence import HEARTBEAT, PRESENCE
from instruments.conformance.probe import Connect, Probe
from instruments.conformance.refusals import LAST, REFUSALS
from instruments.conformance.report import Finding, Report, Verdict
from instruments.conformance.restarts import RESTARTS
from instruments.conformance.rules import BrokenRuleError, Rule, Theme, UntriedRuleError
from instruments.ids import Ids
from instruments.topics import Lab

THEMES: tuple[Theme, ...] = (
    PRESENCE, DESCRIBING, REFUSALS, LIFE, PARAMETERS, DUPLICATES, CONTROL, HEARTBEAT, RESTARTS, LAST,
)  # fmt: skip
"""Everything that is tried, in this order: what may act comes after what shows whether the device refuses."""
_ALWAYS = (HEARTBEAT, RESTARTS, LAST)
"""What is tried on a device that answers no more, too: it may still be heard, or come back."""
DISCOVERY_S = 2.0


class AbsentDeviceError(UserError):
    """The instrument is not on the bus.

    Attributes:
        iid: its id.
        present: the ids of those that are.
    """

    def __init__(self, iid: str, present: tuple[str, ...]) -> None:
        self.iid = iid
        self.present = present
        others = f"there are: {', '.join(present)}" if present else "no instrument is there; check --lab and --root"
        super().__init__(f"{iid} is not on the bus: it has neither a description nor a status; {others}")


async def check_device(
    iid: str,
    connect: Connect,
    *,
    lab: str,
    root: str = "labwright",
    clock: Clock,
    ids: Ids,
    sleeper: Sleeper = asyncio.sleep,
    options: Options | None = None,
    name: str = "conformance",
    tell: Callable[[Rule], None] = lambda _: None,
) -> Report:
    """Try every rule of the profile on one device.

    Args:
        iid: the device.
        connect: gives connections to its bus, by client id.
        lab: the laboratory's id.
        root: first level of all topics.
        clock: ours; the device's is compared with it.
        ids: gives job ids.
        sleeper: waits for timeouts.
        options: what to try.
        name: prefix of the client ids, unique on the broker.
        tell: called with each rule before it is tried, for who waits.

    Raises:
        AbsentDeviceError: the device is not on the bus.
        TransportError: the broker does not answer, or refuses.
        UserError: ``options.command`` is none of the device's commands.
    """
    probe = Probe(iid, connect, Lab(root, lab), name=name, clock=clock, sleeper=sleeper)
    exam = Examination(probe, options or Options(), clock, ids)
    began = clock.elapsed()
    try:
        await probe.open()
        await _find(exam)
        findings = []
        for theme in THEMES:
            for rule in theme.rules:
                tell(rule)
                findings.append(await _try(rule, theme, exam))
        await exam.tidy()
    finally:
        await probe.close()
    return Report(iid, _about(exam), tuple(findings), clock.elapsed() - began, exam.unavailable())


async def _find(exam: Examination) -> None:
    probe = exam.probe
    if not await probe.until(lambda: bool(probe.descriptions and probe.statuses), DISCOVERY_S):
        # A device that forgets the retained flag is there all the same: it can be asked.
        await exam.control("republish")
        if not await probe.until(lambda: bool(probe.descriptions or probe.statuses), DISCOVERY_S):
            kept = await probe.retained(probe.topics.every("desc"))
            raise AbsentDeviceError(probe.iid, tuple(sorted({probe.topics.parse(m.topic).iid for m in kept})))
    wanted = exam.options.command
    commands = next((h.said.commands for h in probe.descriptions if h.said is not None), None)
    if wanted is not None and commands is not None and wanted not in commands:
        raise UserError(f"{probe.iid} has no command {wanted!r}; it has: {', '.join(commands) or 'none'}")


async def _try(rule: Rule, theme: Theme, exam: Examination) -> Finding:
    verdict: Verdict = "passed"
    advice = ""
    try:
        seen = await (_moot(exam) if exam.silent_since and theme not in _ALWAYS else rule.check(exam))
    except BrokenRuleError as error:
        verdict, seen, advice = "failed", error.seen, error.advice
        await exam.rest()
        await exam.listens(rule.id)
    except UntriedRuleError as error:
        verdict, seen = "skipped", str(error)
    return Finding(rule.id, theme.name, rule.title, rule.demand, verdict, seen, advice)


async def _moot(exam: Examination) -> str:
    raise UntriedRuleError(f"the device answers no more since {exam.silent_since}")


def _about(exam: Examination) -> dict[str, str]:
    try:
        said = exam.description
    except UntriedRuleError:
        return {}
    return {"kind": said.kind, "serial": said.serial, "driver": said.driver, "boot_id": said.boot_id}
