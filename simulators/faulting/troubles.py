"""What a fault does to the messages of one order: to the order itself, and to what its instrument says about it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from typing_extensions import override

from instruments.messages import JobState, MalformedMessageError
from simulators.faulting.kinds import Kind
from simulators.faulting.plan import Case
from simulators.faulting.wrong_units import in_other_units

LOST_ORDERS = (1, 6)
"""How many copies of an order are lost, at least and at most: three are sent before its instrument is asked."""
DEAF_ASKINGS = (1, 8)
"""How many questions and copies go by before an instrument whose answers are lost is heard again."""
LATE_S = (2.0, 400.0)
"""How late an order or an answer is, s, at least and at most: the longest are given up before they come."""
AWAY_S = (2.0, 120.0)
"""How long an instrument is off the bus, s."""
DOWN_S = (1.0, 30.0)
"""How long an instrument takes to start again, s."""


@dataclass(frozen=True)
class Post:
    """What an instrument says about a job.

    Args:
        payload: of the message.
        state: the same, read; None for what clears the topic, or cannot be read.
        send: sends a payload in its place.
    """

    payload: bytes
    state: JobState | None
    send: Callable[[bytes], Awaitable[None]]

    @property
    def terminal(self) -> bool:
        """Whether it is the job's end."""
        return self.state is not None and self.state.terminal


class Wire(Protocol):
    """The connection between an instrument and the bus, as a trouble handles it."""

    def later(self, seconds: float, act: Callable[[], Awaitable[None]]) -> None:
        """Do something after a while, where the connection still stands."""
        ...

    async def cut(self, seconds: float) -> None:
        """Lose the connection for a while; the last will is published."""
        ...

    async def die(self, seconds: float) -> None:
        """Have the instrument restart after a while, with no memory of its jobs."""
        ...

    async def haunt(self, state: JobState | None) -> str:
        """Bring something old back onto the bus, retained; says what.

        Args:
            state: an older state of the job at hand; an old status where there is none.
        """
        ...


class Trouble:
    """Nothing: order and answers pass.

    Args:
        case: whose.
        wire: between its instrument and the bus.
    """

    def __init__(self, case: Case, wire: Wire) -> None:
        self.case = case
        self.wire = wire

    async def order(self, deliver: Callable[[], Awaitable[None]]) -> None:
        """The order comes, perhaps again."""
        await deliver()

    def asked(self) -> None:
        """The instrument is asked where the job stands."""

    async def answer(self, post: Post) -> None:
        """The instrument says where the job stands."""
        await post.send(post.payload)


class Lost(Trouble):
    """The order or its answers do not arrive for a while."""

    def __init__(self, case: Case, wire: Wire) -> None:
        super().__init__(case, wire)
        self._of_orders = bool(case.rng.random() < 0.5)
        least, most = LOST_ORDERS if self._of_orders else DEAF_ASKINGS
        self._left = int(case.rng.integers(least, most + 1))
        self._seen = False

    @override
    async def order(self, deliver: Callable[[], Awaitable[None]]) -> None:
        if self._of_orders and self._left > 0:
            self._left -= 1
            self.case.happened("the order was lost")
            return
        if not self._of_orders and self._seen:
            self._left -= 1
        self._seen = True
        await deliver()

    @override
    def asked(self) -> None:
        if not self._of_orders:
            self._left -= 1

    @override
    async def answer(self, post: Post) -> None:
        if not self._of_orders and self._left > 0:
            self.case.happened("the answers were lost")
            return
        await super().answer(post)


class Late(Trouble):
    """The order comes late, or every answer does."""

    def __init__(self, case: Case, wire: Wire) -> None:
        super().__init__(case, wire)
        self._of_orders = bool(case.rng.random() < 0.5)
        # As many short delays as long ones, by ratio.
        self._by = float(LATE_S[0] * (LATE_S[1] / LATE_S[0]) ** case.rng.random())
        self._first = True

    @override
    async def order(self, deliver: Callable[[], Awaitable[None]]) -> None:
        if self._of_orders and self._first:
            self._first = False
            self.case.happened(f"the order came {self._by:.0f} s late")
            self.wire.later(self._by, deliver)
            return
        await deliver()

    @override
    async def answer(self, post: Post) -> None:
        if self._of_orders:
            await super().answer(post)
            return
        self.case.happened(f"the answers came {self._by:.0f} s late")
        self.wire.later(self._by, lambda: post.send(post.payload))


class Duplicate(Trouble):
    """Everything comes twice."""

    @override
    async def order(self, deliver: Callable[[], Awaitable[None]]) -> None:
        await deliver()
        self.case.happened("the order and its answers came twice")
        await deliver()

    @override
    async def answer(self, post: Post) -> None:
        await super().answer(post)
        await super().answer(post)


class Reordered(Trouble):
    """Of two answers the later one comes first."""

    def __init__(self, case: Case, wire: Wire) -> None:
        super().__init__(case, wire)
        self._held: Post | None = None

    @override
    async def answer(self, post: Post) -> None:
        held, self._held = self._held, None
        if held is None and not post.terminal:
            self._held = post
            return
        await super().answer(post)
        if held is not None:
            self.case.happened("an answer overtook the one before it")
            await super().answer(held)


class _Once(Trouble):
    """Something happens at one of the job's answers: at its beginning, in mid-job, or at its end."""

    def __init__(self, case: Case, wire: Wire) -> None:
        super().__init__(case, wire)
        self._left = int(case.rng.integers(1, 4))
        self.done = False

    def _is_time(self, post: Post) -> bool:
        if self.done or post.state is None:
            return False
        self._left -= 1
        if self._left > 0 and not post.terminal:
            return False
        self.done = True
        return True


class Disconnect(_Once):
    """The connection goes in mid-job, and comes back."""

    @override
    async def answer(self, post: Post) -> None:
        if self._is_time(post):
            away = float(self.case.rng.uniform(*AWAY_S))
            self.case.happened(f"off the bus for {away:.0f} s, as it said {_phase(post)}")
            await self.wire.cut(away)
        await super().answer(post)


class Restart(_Once):
    """The instrument restarts and has forgotten its jobs; what it was about to say nobody hears."""

    @override
    async def answer(self, post: Post) -> None:
        if self._is_time(post):
            down = float(self.case.rng.uniform(*DOWN_S))
            self.case.happened(f"restarted as it was to say {_phase(post)}, and forgot its jobs")
            await self.wire.die(down)
            return
        await super().answer(post)


class Stale(_Once):
    """Something old is on the bus again, retained."""

    def __init__(self, case: Case, wire: Wire) -> None:
        super().__init__(case, wire)
        self._of_jobs = bool(case.rng.random() < 0.5)
        self._oldest: JobState | None = None

    @override
    async def answer(self, post: Post) -> None:
        await super().answer(post)
        if post.state is not None and self._oldest is None and not post.terminal:
            self._oldest = post.state
        if self._is_time(post):
            self.case.happened(await self.wire.haunt(self._oldest if self._of_jobs else None))


class WrongUnit(Trouble):
    """What was measured comes once in a unit that nobody asked for; who asks again is told it as it is."""

    def __init__(self, case: Case, wire: Wire) -> None:
        super().__init__(case, wire)
        self._done = False

    @override
    async def answer(self, post: Post) -> None:
        if self._done or post.state is None or post.state.result is None:
            await super().answer(post)
            return
        self._done = True
        payload, words = in_other_units(post.payload, self.case.rng)
        if words:
            self.case.happened(words)
        await post.send(payload)


def read(payload: bytes) -> JobState | None:
    """A job's state; None for what is none."""
    try:
        return JobState.parse(payload) if payload else None
    except MalformedMessageError:
        return None


def _phase(post: Post) -> str:
    return post.state.state if post.state is not None else "something"


_TROUBLES: dict[Kind, type[Trouble]] = {
    Kind.NO_ANSWER: Lost,
    Kind.LATE: Late,
    Kind.DUPLICATE: Duplicate,
    Kind.REORDERED: Reordered,
    Kind.DISCONNECT: Disconnect,
    Kind.RESTART: Restart,
    Kind.WRONG_UNIT: WrongUnit,
    Kind.STALE: Stale,
}


def trouble(case: Case, wire: Wire) -> Trouble:
    """What a case does to its messages: nothing where its fault is inside the instrument, or there is none."""
    made = Trouble if case.kind is None else _TROUBLES.get(case.kind, Trouble)
    return made(case, wire)
