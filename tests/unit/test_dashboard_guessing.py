"""Whoever has found an open browser guesses at its person's password: each further try waits, and hinders nobody."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable

import pytest
from people_bench import PASSWORD, PEOPLE
from typing_extensions import override

from agent.dashboard.door.keys import BusyError
from agent.dashboard.door.throttle import FREE_BY_SESSION, LONGEST_BY_NAME_S, SigningThrottle
from agent.dashboard.door.visitor import Visitor
from agent.dashboard.live.watch import Watch
from agent.dashboard.voice import Voice
from agent.identity import IdentityStore, SigningKey
from envs.errors import UserError
from instruments.clock import SystemClock
from instruments.local import LocalBus
from instruments.topics import Lab

LAB = Lab("labwright", "hall-3")
DESK = Visitor("anna", PEOPLE["anna"], "the browser that stands open")
PHONE = Visitor("anna", PEOPLE["anna"], "anna's own phone")
NEXT = Visitor("clara", PEOPLE["anna"], "somebody else")


class Hand(SystemClock):
    """A clock that a test moves."""

    at = 1000.0

    @override
    def elapsed(self) -> float:
        return self.at


class Keys:
    """Knows one password; says how often it was tried."""

    def __init__(self, store: IdentityStore) -> None:
        self._store = store
        self.tried = 0
        self.held = threading.Event()
        self.held.set()
        self.busy = False

    def open(self, visitor: Visitor, password: str) -> SigningKey:
        self.tried += 1
        if self.busy:
            raise BusyError
        if visitor == DESK:
            assert self.held.wait(10)
        return self._store.open(visitor.name, password)


class Bench:
    """A voice at a broker where no agent answers."""

    def __init__(self, store: IdentityStore) -> None:
        self.keys, self.clock = Keys(store), Hand()
        transport = LocalBus().transport()
        self.watch = Watch(transport, LAB, clock=self.clock)
        self.voice = Voice(transport, LAB, self.watch, self.keys, clock=self.clock, wait_s=0.01)

    async def signs(self, visitor: Visitor, password: str) -> str:
        """What is said of it; empty where it was sent."""
        try:
            await self.voice.ask(visitor, password, "stop-lab")
        except UserError as error:
            return str(error)
        return ""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> IdentityStore:
    made = IdentityStore(tmp_path_factory.mktemp("identities"), cost=2**4)
    for name in ("anna", "clara"):
        made.create(name, PEOPLE["anna"], PASSWORD)
    return made


def during(store: IdentityStore, act: Callable[[Bench], Awaitable[None]]) -> None:
    async def run() -> None:
        bench = Bench(store)
        async with bench.watch.running():
            await asyncio.sleep(0.01)
            await act(bench)

    asyncio.run(run())


def test_after_some_wrong_passwords_each_further_one_waits_longer_and_says_so(
    store: IdentityStore, caplog: pytest.LogCaptureFixture
) -> None:
    async def act(bench: Bench) -> None:
        said = [await bench.signs(DESK, f"guess {n}") for n in range(100)]
        assert bench.keys.tried == FREE_BY_SESSION
        assert "wrong password for anna" in said[0]
        assert "wait" not in said[FREE_BY_SESSION - 2]
        assert said[FREE_BY_SESSION - 1].endswith("please wait 1 s before the next try. Nothing was sent.")
        assert said[-1] == "too many wrong passwords: please wait 1 s before the next try. Nothing was sent."
        waits: list[int] = []
        for _ in range(8):
            bench.clock.at += (waits or [1])[-1]
            waits.append(int((await bench.signs(DESK, "another guess")).split(" s before")[0].rsplit(" ", 1)[-1]))
        assert waits == [2, 4, 8, 16, 32, 60, 60, 60]
        assert max(waits) == LONGEST_BY_NAME_S

    during(store, act)
    assert len(caplog.records) == FREE_BY_SESSION + 8  # each try leaves a trace


def test_the_right_password_has_to_wait_as_well_and_then_all_is_forgotten(store: IdentityStore) -> None:
    async def act(bench: Bench) -> None:
        for _ in range(FREE_BY_SESSION):
            await bench.signs(DESK, "a guess")
        assert "please wait" in await bench.signs(DESK, PASSWORD)
        bench.clock.at += 1
        assert await bench.signs(DESK, PASSWORD) == ""
        assert "please wait" not in await bench.signs(DESK, "mistyped once")

    during(store, act)


def test_the_person_can_stop_the_laboratory_from_another_browser_meanwhile(store: IdentityStore) -> None:
    async def act(bench: Bench) -> None:
        for _ in range(FREE_BY_SESSION + 3):
            await bench.signs(DESK, "a guess")
        assert await bench.signs(PHONE, PASSWORD) == ""

    during(store, act)


def test_others_sign_while_a_guess_is_judged(store: IdentityStore) -> None:
    async def act(bench: Bench) -> None:
        bench.keys.held.clear()
        guessing = asyncio.create_task(bench.signs(DESK, "a guess"))
        try:
            async with asyncio.timeout(5):
                assert await bench.signs(NEXT, PASSWORD) == ""
            assert not guessing.done()
        finally:
            bench.keys.held.set()
            await guessing

    during(store, act)


def test_many_guesses_at_once_are_no_more_than_one_after_the_other(store: IdentityStore) -> None:
    async def act(bench: Bench) -> None:
        await asyncio.gather(*(bench.signs(DESK, f"guess {n}") for n in range(30)))
        assert bench.keys.tried == FREE_BY_SESSION

    during(store, act)


def test_that_too_many_sign_at_this_moment_is_no_wrong_password(store: IdentityStore) -> None:
    async def act(bench: Bench) -> None:
        bench.keys.busy = True
        said = [await bench.signs(DESK, PASSWORD) for _ in range(20)]
        assert all("too many people are signing" in one for one in said)

    during(store, act)


def test_a_person_with_guesses_in_many_sessions_waits_too() -> None:
    hand = [0.0]
    tries = SigningThrottle(lambda: hand[0])
    waits = [tries.wrong("anna", f"session {n}") for n in range(22)]
    assert waits[:19] == [0.0] * 19
    assert waits[19:] == [1.0, 2.0, 4.0]
    assert tries.wait_s("anna", "a new one") == 4.0
    assert tries.wait_s("ben", "a new one") == 0.0
