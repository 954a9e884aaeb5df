"""The doctor at the broker: is it there, may the agent do what it must, who is there, what do their clocks say."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from agent.daemon.config import LabConfig
from agent.reading.answers import STALE_S, age_words
from agent.reading.doctor import able, recipe_of
from agent.reading.findings import Finding, ok, problem, warning
from agent.rules.limits_config import read_limits
from envs.errors import LabwrightError
from instruments.bus.waiting import Bell
from instruments.clock import Sleeper
from instruments.messages import Control, Description, MalformedMessageError, Status
from instruments.topics import Lab
from instruments.transport import Message, Transport

ECHO_S = 3.0
QUIET_S = 0.3
SKEW_S = 2.0
"""Seconds by which two clocks may differ (the instrument profile)."""


def _now() -> datetime:
    return datetime.now(UTC)


async def examine_broker(
    config: LabConfig,
    transport: Transport,
    name: str,
    *,
    now: Callable[[], datetime] = _now,
    sleeper: Sleeper = asyncio.sleep,
) -> list[Finding]:
    """Look at the broker and at who is there.

    Args:
        config: the laboratory's file.
        transport: not connected yet, with the agent's credentials.
        name: of this connection, as nobody else is called.
        now: the machine's own time.
        sleeper: waits.
    """
    try:
        await transport.connect()
    except LabwrightError as error:
        return [problem("broker", str(error), "start it, or correct broker.url and the password")]
    where = "the embedded one" if config.broker.embedded else config.address().url
    findings = [ok("broker", f"{where} answers")]
    try:
        refused = await _rights(config.topics, transport, name, sleeper)
        seen = await _presence(config.topics, transport, sleeper)
    except LabwrightError as error:
        return [*findings, problem("rights", str(error), "let the agent read and write all of its laboratory's tree")]
    if refused:
        todo = f"let this user read and write {config.topics.everything}"
        findings.append(problem("rights", f"the broker passes nothing on in: {', '.join(refused)}", todo))
    else:
        findings.append(ok("rights", "the agent may say and hear what it must"))
    findings += _agent(config, seen, now())
    findings += _instruments(config, seen, now())
    return findings


async def _rights(topics: Lab, transport: Transport, name: str, sleeper: Sleeper) -> list[str]:
    """The channels in which a message does not come back; empty messages say nothing to anybody who reads them."""
    tried = {
        "instruments' orders": (topics.control(name), Control(op="republish").to_bytes()),
        "campaigns": (topics.campaign_state(name), b""),
        "proposals": (topics.proposal(name), b""),
        "outcomes": (topics.outcome(name), b""),
        "decisions": (topics.decision(name, name), b""),
        "events": (topics.agent_event(name), b""),
    }
    came: set[str] = set()
    bell = Bell(sleeper)

    async def note(message: Message) -> None:
        came.add(message.topic)
        bell.ring()

    for topic, payload in tried.values():
        await transport.subscribe(topic, note)
        await transport.publish(topic, payload)
    await bell.until(lambda: len(came) == len(tried), ECHO_S)
    for topic, _ in tried.values():
        await transport.unsubscribe(topic, note)
    return [channel for channel, (topic, _) in tried.items() if topic not in came]


class _Seen:
    """Who is there: descriptions, the last statuses, and whether these were said just now."""

    def __init__(self, topics: Lab) -> None:
        self.n = 0
        self.descriptions: dict[str, Description] = {}
        self.statuses: dict[str, Status] = {}
        self.fresh: set[str] = set()
        self.agents: dict[str, Status] = {}
        self._topics = topics

    async def note(self, message: Message) -> None:
        self.n += 1
        if not message.payload:
            return
        try:
            self._take(message)
        except MalformedMessageError:
            return

    def _take(self, message: Message) -> None:
        topic = self._topics.read(message.topic)
        iid, aid = getattr(topic, "iid", ""), getattr(topic, "aid", "")
        if aid:
            self.agents[aid] = Status.parse(message.payload)
        elif message.topic == self._topics.desc(iid):
            self.descriptions[iid] = Description.parse(message.payload)
        else:
            self.statuses[iid] = Status.parse(message.payload)
            if not message.retained:
                self.fresh.add(iid)


async def _presence(topics: Lab, transport: Transport, sleeper: Sleeper) -> _Seen:
    seen = _Seen(topics)
    for pattern in (topics.every("desc"), topics.every("status"), topics.pattern("agentStatus")):
        await transport.subscribe(pattern, seen.note)
    await _quiet(seen, sleeper)
    for iid in seen.descriptions:
        await transport.publish(topics.control(iid), Control(op="republish").to_bytes())
    await sleeper(QUIET_S)
    await _quiet(seen, sleeper)
    return seen


async def _quiet(seen: _Seen, sleeper: Sleeper) -> None:
    n = -1
    while seen.n > n:
        n = seen.n
        await sleeper(QUIET_S)


def _agent(config: LabConfig, seen: _Seen, now: datetime) -> Iterator[Finding]:
    status = seen.agents.get(config.lab.agent)
    if status is None or status.state == "offline":
        return
    age = (now - status.ts).total_seconds()
    if abs(age) <= STALE_S or config.lab.speed != 1.0:
        words = f"an agent {config.lab.agent!r} is online there already"
        yield warning("agent", words, "it is this laboratory's own, or another one has its name: stop one of them")


def _instruments(config: LabConfig, seen: _Seen, now: datetime) -> Iterator[Finding]:
    for iid, description in sorted(seen.descriptions.items()):
        yield _instrument(iid, description, seen, now)
    present = {i: d.kind for i, d in seen.descriptions.items() if _there(seen.statuses.get(i))}
    if not config.limits:
        return
    limits = read_limits(config.limits, source=config.source)
    for entry in config.campaign:
        try:
            steps = recipe_of(config, entry).steps
        except LabwrightError:
            continue  # what is wrong was said where the file was looked at
        bare = {s.capability: None for s in steps if not set(able(limits, s, entry.instruments)) & set(present)}
        if bare:
            words = f"no {' and no '.join(bare)} that it may use is there"
            yield warning(f"instruments of {entry.id}", words, "start them: until then its experiments wait")
        else:
            yield ok(f"instruments of {entry.id}", "each step has an instrument that is there")
        yield from _other_kinds(entry.id, limits.instruments, present)


def _other_kinds(campaign: str, allowed: Mapping[str, object], present: Mapping[str, str]) -> Sequence[Finding]:
    wrong = [
        f"{iid} says that it is a {present[iid]}, the limits call it a {kind}"
        for iid, entry in allowed.items()
        if iid in present and (kind := getattr(entry, "kind", "")) != present[iid]
    ]
    return [problem(f"instruments of {campaign}", w, "correct its kind in [limits]") for w in wrong]


def _there(status: Status | None) -> bool:
    return status is not None and status.state != "offline"


def _instrument(iid: str, description: Description, seen: _Seen, now: datetime) -> Finding:
    status = seen.statuses.get(iid)
    if status is None or status.state == "offline":
        words = f"a {description.kind}, offline"
        return warning(f"instrument {iid}", words, "start its driver, or labwright instrument forget it")
    ahead = (status.ts - now).total_seconds()
    if iid not in seen.fresh:
        words = f"a {description.kind} that said {status.state} {age_words(-ahead)} and does not answer now"
        return warning(f"instrument {iid}", words, "look at its driver")
    if abs(ahead) > SKEW_S:
        words = f"a {description.kind}, {status.state}; its clock is {ahead:+.0f} s from this machine's"
        return warning(f"instrument {iid}", words, "set both by NTP: orders count until a time")
    return ok(f"instrument {iid}", f"a {description.kind}, {status.state}")
