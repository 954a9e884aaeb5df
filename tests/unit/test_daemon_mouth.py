"""What the agent says again after a start does not hold up what is new, and only the newest outcomes stay."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from patience import until

from agent.core import CampaignState, LabState, ProposalState
from agent.core.messages import Effect
from agent.daemon import publish
from agent.daemon.publish import Mouth
from envs.design import Design
from envs.errors import InstrumentError, JournalError
from instruments.topics import Lab

TOPICS = Lab("labwright", "hall-3")
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


async def _soon(_seconds: float) -> None:
    await asyncio.sleep(0)


class Bench:
    """A mouth whose bus, shelf and outbox are lists."""

    def __init__(self, waiting: int = 0, decided: int = 0) -> None:
        self.said: list[tuple[str, bool]] = []
        self.settled: list[tuple[str, str]] = []
        self.queries = 0
        self.on_publish: Callable[[], None] = lambda: None
        self.rows = {f"P{n}": self._row("proposed") for n in range(waiting)}
        self.rows |= {f"D{n}": self._row("approved") for n in range(decided)}
        campaign = CampaignState("hard", waiting=dict.fromkeys(f"P{n}" for n in range(waiting)))
        proposals = {pid: ProposalState(pid, "hard", Design("mp-988", {})) for pid in campaign.waiting}
        self.seq, self.wake = 1, list[Callable[[Sequence[Effect]], None]]()
        desk = SimpleNamespace(
            state=LabState(campaigns={"hard": campaign}, proposals=proposals),
            rules=SimpleNamespace(lab="hall-3", campaigns={}),
            on_change=self.wake.append,
        )  # fmt: skip
        parts: Any = (desk, self, self, self, TOPICS)
        self.mouth = Mouth(*parts, agent="agent", boot="b1", clock=SimpleNamespace(now=lambda: NOW), sleeper=_soon)

    @staticmethod
    def _row(phase: str) -> dict[str, Any]:
        return {
            "phase": phase, "body": "{}", "digest": 64 * "a", "revision": 1, "decided_by": "anna",
            "reason": "", "decided_at": NOW.isoformat(), "audit": 64 * "b", "experiment": None,
        }  # fmt: skip

    def decide(self, pid: str) -> None:
        """The desk has a decision."""
        self.rows = {k: v for k, v in self.rows.items() if k != pid} | {pid: self._row("approved")}
        self.seq += 1
        self.wake[0]([Effect("outcome", pid), Effect("proposal", pid)])

    # The journal's side

    def outbox(self) -> list[Effect]:
        return []

    def settle(self, done: Sequence[tuple[str, str]], *, upto: int | None = None) -> None:
        assert upto is not None
        self.settled += done

    def proposal(self, pid: str) -> dict[str, Any] | None:
        self.queries += 1
        return self.rows.get(pid)

    def proposals(self, pids: Sequence[str]) -> dict[str, dict[str, Any]]:
        self.queries += 1
        return {pid: self.rows[pid] for pid in pids if pid in self.rows}

    def decided(self, newest: int) -> list[str]:
        return [pid for pid, row in reversed(self.rows.items()) if row["phase"] != "proposed"][:newest]

    # The bus

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        await asyncio.sleep(0)
        self.said.append((topic, bool(payload)))
        self.on_publish()

    def retained(self, channel: str) -> set[str]:
        """Ids of what stands on the bus."""
        last = {topic.rsplit("/", 1)[1]: there for topic, there in self.said if f"/{channel}/" in topic}
        return {pid for pid, there in last.items() if there}

    async def until_quiet(self) -> None:
        """Let it speak until it has nothing more to say."""
        run = asyncio.create_task(self.mouth.run())
        before = -1
        while before != len(self.said):
            before = len(self.said)
            for _ in range(50):
                await asyncio.sleep(0)
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)


def test_a_decision_is_told_before_the_rest_of_what_is_told_again() -> None:
    bench = Bench(waiting=300)

    def decided_in_between() -> None:
        if len(bench.said) == 20:
            bench.decide("P250")

    bench.on_publish = decided_in_between
    bench.mouth.everything()
    asyncio.run(bench.until_quiet())
    place = bench.said.index((TOPICS.outcome("P250"), True))
    assert place <= 22
    assert bench.retained("proposal") == {f"P{n}" for n in range(300)} - {"P250"}
    assert bench.settled == [("outcome", "P250"), ("proposal", "P250")]
    assert bench.queries < 30


def test_only_the_newest_outcomes_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish, "KEPT_OUTCOMES", 5)
    bench = Bench(waiting=8, decided=7)
    bench.mouth.everything()
    asyncio.run(bench.until_quiet())
    assert bench.retained("outcome") == {f"D{n}" for n in range(2, 7)}
    assert {(TOPICS.outcome("D0"), False), (TOPICS.outcome("D1"), False)} <= set(bench.said)
    for n in range(3):
        bench.decide(f"P{n}")
    asyncio.run(bench.until_quiet())
    assert bench.retained("outcome") == {"D5", "D6", "P0", "P1", "P2"}


class Aside:
    """Boards that only count."""

    def __init__(self, bench: Bench, again: int) -> None:
        self._bench, self._again, self.fresh = bench, again, False
        self.said = 0

    def on_due(self, ring: Callable[[], None]) -> None:
        self.ring = ring

    def everything(self) -> None:
        self.left = self._again

    async def say_next(self, *, again: bool = True) -> bool:
        if not self.fresh and not (again and self.left):
            return False
        if self.fresh:
            self.fresh = False
            await self._bench.publish("fresh", b"x", retain=True)
        else:
            self.left -= 1
            await self._bench.publish("again", b"x", retain=True)
        return True


def test_what_people_wait_for_comes_before_the_boards_and_what_is_new_before_what_is_said_again() -> None:
    bench = Bench(waiting=50)
    aside = Aside(bench, again=100)
    bench.mouth._aside = aside
    aside.on_due(bench.mouth._bell.set)

    def happens() -> None:
        if len(bench.said) == 20:
            aside.fresh = True
            aside.ring()
        if len(bench.said) == 80:
            bench.decide("P25")

    bench.on_publish = happens
    bench.mouth.everything()
    asyncio.run(bench.until_quiet())
    topics = [topic for topic, _ in bench.said]
    assert topics.index("fresh") <= 21
    assert topics.index("again") >= 51
    assert topics.index(TOPICS.outcome("P25")) <= 82
    assert topics.count("again") == 100


def test_between_two_things_said_aside_others_have_their_turn() -> None:
    bench, rests = Bench(), list[float]()
    aside = Aside(bench, again=3)
    bench.mouth._aside = aside

    async def sleeper(seconds: float) -> None:
        rests.append(seconds)
        await asyncio.sleep(0)

    bench.mouth._sleeper = sleeper
    bench.mouth.everything()
    asyncio.run(bench.until_quiet())
    assert rests == 3 * [publish.BREATH_S]


@pytest.mark.parametrize("fault", [InstrumentError("it is too long"), JournalError("unreadable"), KeyError("phase")])
def test_boards_that_cannot_be_told_keep_nothing_else_waiting(fault: Exception) -> None:
    bench = Bench(waiting=5, decided=2)
    aside = Aside(bench, again=0)
    tries: list[bool] = []

    async def never(*, again: bool = True) -> bool:
        tries.append(again)
        raise fault

    aside.say_next, aside.fresh = never, True  # type: ignore[method-assign]
    bench.mouth._aside = aside

    async def story() -> None:
        gate = asyncio.Event()

        async def sleeper(seconds: float) -> None:
            await (gate.wait() if seconds == publish.PAUSE_S else asyncio.sleep(0))

        bench.mouth._sleeper = sleeper
        run = asyncio.create_task(bench.mouth.run())
        bench.mouth.everything()
        await until(lambda: bench.retained("outcome") == {"D0", "D1"})
        assert bench.retained("proposal") == {f"P{n}" for n in range(5)}
        tried = len(tries)
        assert tried == 1, "they are tried once between two pauses"
        bench.decide("P3")
        await until(lambda: "P3" in bench.retained("outcome"))
        assert not run.done()
        gate.set()
        await until(lambda: len(tries) > tried + 1)
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)

    asyncio.run(story())


def test_boards_that_cannot_be_gathered_are_no_reason_not_to_begin() -> None:
    bench = Bench(waiting=3)
    aside = Aside(bench, again=0)
    aside.left = 0

    def broken() -> None:
        raise KeyError("E001")

    aside.everything = broken  # type: ignore[method-assign]
    bench.mouth._aside = aside
    bench.mouth.everything()
    asyncio.run(bench.until_quiet())
    assert bench.retained("proposal") == {"P0", "P1", "P2"}


def test_what_the_bus_did_not_take_is_told_again() -> None:
    bench = Bench(waiting=10)
    broken = [True]

    def fails_once() -> None:
        if len(bench.said) == 4 and broken:
            broken.clear()
            bench.said.pop()
            raise InstrumentError("the broker is away")

    async def sleeper(_seconds: float) -> None:
        await asyncio.sleep(0)

    bench.mouth._sleeper = sleeper
    bench.on_publish = fails_once
    bench.mouth.everything()
    asyncio.run(bench.until_quiet())
    assert bench.retained("proposal") == {f"P{n}" for n in range(10)}
