"""The guide to the profile: its table and its example of one job's messages are what the code says.

``python -m tests.unit.test_profile_document`` writes the example anew.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
from datetime import UTC, datetime
from pathlib import Path

from instruments import asyncapi
from instruments.asyncapi import COMMAND, replaced, table
from instruments.client import InstrumentClient
from instruments.clock import SimClock, wait_forever
from instruments.device import Device, JobContext, JobResult, Parameter, Quantity, Returns, command
from instruments.ids import SeededIds
from instruments.local import LocalBus
from instruments.messages import Command, JobState
from instruments.session import DEVICE_STEPS
from instruments.topics import Lab
from instruments.transport import Message

PROFILE = Path(__file__).resolve().parents[2] / "docs" / "profile.md"
MEND = "python -m tests.unit.test_profile_document"
LAB = Lab("labwright", "demo")


class Furnace(Device):
    kind = "furnace"

    @command(
        summary="Sinter one pellet in argon",
        parameters={
            "temperature": Parameter(unit="Cel", low=20, high=1700),
            "hold": Parameter(unit="h", low=0.1, high=24),
        },
        results={"peak": Returns(unit="Cel")},
    )
    async def sinter(self, job: JobContext, *, temperature: float, hold: float) -> JobResult:
        await job.progress(0.5, remaining_s=hold * 3600)
        job.spend(2 * hold * 3600)
        return JobResult(values={"peak": Quantity(value=temperature, unit="Cel", std=2.0)})


async def _one_job() -> list[Message]:
    """Everything that is said about one job, from the order to its end."""
    clock, bus = SimClock(datetime(2026, 3, 1, 12, tzinfo=UTC)), LocalBus()
    ids = SeededIds(clock, random.Random(7))
    heard: list[Message] = []

    async def note(message: Message) -> None:
        heard.append(message)

    ear = bus.transport()
    await ear.connect()
    await ear.subscribe(LAB.pattern("cmd"), note)
    await ear.subscribe(LAB.pattern("job"), note)
    furnace = Furnace("furnace-1", bus.transport(), lab="demo", clock=clock, ids=ids, sleeper=wait_forever)
    agent = InstrumentClient(bus.transport(), lab="demo", agent="agent-1", clock=clock, ids=ids, sleeper=wait_forever)
    await furnace.start()
    await agent.start()
    await agent.wait_for(["furnace-1"])
    order = {"temperature": Quantity(value=1550, unit="Cel"), "hold": Quantity(value=120, unit="min")}
    await agent.execute("furnace-1", "sinter", order, job=ids.new(), approval="P012")
    await agent.close()
    await furnace.stop()
    await ear.close()
    return heard


def _in_words(messages: list[Message]) -> str:
    parts = []
    for message in messages:
        parsed = LAB.parse(message.topic)
        text = json.dumps(json.loads(message.payload), indent=2, ensure_ascii=False)
        parts.append(f"On `{parsed.row.fill(parsed.levels)}`:\n\n```json\n{text}\n```\n")
    return "\n" + "\n".join(parts)


def test_the_example_is_what_a_furnace_and_an_agent_say() -> None:
    text = PROFILE.read_text(encoding="utf-8")
    fresh = replaced(text, "one job", _in_words(asyncio.run(_one_job())))
    assert fresh == text, f"the example in docs/profile.md is stale. Mend it with: {MEND}"


def test_the_examples_order_and_states_belong_together() -> None:
    messages = asyncio.run(_one_job())
    topics = [LAB.parse(message.topic) for message in messages]
    assert [topic.channel for topic in topics] == ["cmd", *["job"] * (len(topics) - 1)]
    order = Command.parse(messages[0].payload)
    states = [JobState.parse(message.payload) for message in messages[1:]]
    assert {state.job for state in states} == {order.job} == {topic.name for topic in topics}
    assert {state.digest for state in states} == {order.digest}
    assert [state.state for state in states][:1] == ["accepted"]
    assert states[-1].state == "succeeded"
    assert [state.seq for state in states] == sorted({state.seq for state in states})


def test_the_table_is_the_codes() -> None:
    text = PROFILE.read_text(encoding="utf-8")
    assert replaced(text, "topics", table()) == text, f"the table of topics is stale. Mend it with: {COMMAND}"
    assert PROFILE.name == asyncapi.PROFILE


def test_the_diagram_of_states_has_every_step_of_the_rules() -> None:
    """Each line of the guide's list of steps is a row of the table by which devices are checked."""
    text = PROFILE.read_text(encoding="utf-8")
    rows = re.findall(r"^(new|\w+) +-> +(.+)$", text, re.MULTILINE)
    told = {None if was == "new" else was: set(re.findall(r"\w+", then)) for was, then in rows}
    assert told == {was: set(then) for was, then in DEVICE_STEPS.items() if then}


def test_every_error_code_of_a_device_is_explained() -> None:
    """Codes that the device side writes by itself, found in its sources, stand in the guide's list and no others."""
    sources = [
        (PROFILE.parents[1] / "instruments" / f"{name}.py").read_text()
        for name in ("session", "commands", "driving/parameters", "device", "driving/job_desk")
    ]
    named = (
        r'\b(?:code=|UNKNOWN_JOB = |CONFLICT = |MALFORMED = |STORAGE, NO_JOURNAL = |TOO_LARGE = )"(\w+)"(?:, "(\w+)")?'
    )
    written = {code for text in sources for found in re.findall(named, text) for code in found if code}
    listed = set(re.findall(r"^\| `(\w+)` \| (?:rejected|failed|answer)", PROFILE.read_text(), re.MULTILINE))
    assert written | {"error", "maintenance"} == listed


def main() -> None:
    text = replaced(PROFILE.read_text(encoding="utf-8"), "one job", _in_words(asyncio.run(_one_job())))
    PROFILE.write_text(replaced(text, "topics", table()), encoding="utf-8")


if __name__ == "__main__":
    main()
