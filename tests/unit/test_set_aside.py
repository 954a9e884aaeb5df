"""One who cannot write down what he was told keeps nobody else waiting, and hears everything in its order."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from quick_time import LoopClock, in_a_moment

from instruments.bus import delivery
from instruments.bus.delivery import Delivery
from instruments.bus.inbox import Arrival
from instruments.errors import SetAsideError
from instruments.transport import Message


class Post:
    """A delivery with one who writes down, where there is room, and one who only looks.

    Attributes:
        room: whether anything can be written down.
        tried: how often it was tried.
        written: what is written down.
        seen: what the other one saw.
        acknowledged: numbers of what was acknowledged.
    """

    def __init__(self) -> None:
        self.room = True
        self.tried = 0
        self.written: list[bytes] = []
        self.seen: list[bytes] = []
        self.acknowledged: list[int] = []
        self.delivery = Delivery(lambda arrival: self.acknowledged.append(arrival.mid))
        self.delivery.router.add("word/+", self.write)
        self.delivery.router.add("status", self.look)
        self.delivery.router.add("both", self.look)
        self.delivery.router.add("both", self.write)

    async def write(self, message: Message) -> None:
        self.tried += 1
        if not self.room:
            raise SetAsideError("the disk is full")
        self.written.append(message.payload)

    async def look(self, message: Message) -> None:
        self.seen.append(message.payload)

    def offer(self, mid: int, topic: str, payload: bytes = b"", connection: int = 0) -> None:
        self.delivery.offer(Arrival(Message(topic, payload), 1, mid, connection))


def play(story: Callable[[Post], Awaitable[None]]) -> None:
    async def whole() -> None:
        post = Post()
        post.delivery.start("post")
        try:
            await story(post)
        finally:
            await post.delivery.stop()
        assert not post.delivery._lanes

    in_a_moment(whole())


def test_what_others_get_goes_on_and_what_waited_comes_in_order_over_all_its_topics() -> None:
    async def story(post: Post) -> None:
        post.room = False
        post.offer(1, "word/clear", b"1")
        post.offer(2, "status", b"a")
        post.offer(3, "word/stop", b"2")
        post.offer(4, "both", b"3")
        await asyncio.sleep(100.0)
        assert (post.seen, post.written, post.acknowledged) == ([b"a", b"3"], [], [2])
        assert 5 < post.tried < 15  # later and later
        post.room = True
        await asyncio.sleep(31.0)
        assert (post.seen, post.written) == ([b"a", b"3"], [b"1", b"2", b"3"])
        assert post.acknowledged == [2, 1, 3, 4]
        post.offer(5, "word/clear", b"4")
        await asyncio.sleep(0.0)
        assert post.written[-1:] == [b"4"]

    play(story)


def test_what_the_broker_delivers_again_does_not_wait_twice() -> None:
    async def story(post: Post) -> None:
        post.room = False
        for connection in range(1, 6):  # over a line that comes and goes
            post.delivery.inbox.forget_unacknowledged()
            for mid in (1, 2):
                post.offer(mid, f"word/{mid}", str(mid).encode(), connection)
            await asyncio.sleep(10.0)
        assert post.delivery._n_aside == 2
        post.room = True
        await asyncio.sleep(31.0)
        assert post.written == [b"1", b"2"]
        assert post.acknowledged == [1, 2]

    play(story)


def test_only_so_much_is_set_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "ASIDE_LIMIT", 3)

    async def story(post: Post) -> None:
        post.room = False
        for number in range(10):
            post.offer(number, f"word/{number}", str(number).encode())
        post.offer(10, "status", b"a")
        await asyncio.sleep(60.0)
        assert (post.delivery._n_aside, len(post.delivery.inbox), post.seen) == (3, 8, [])
        post.room = True
        await asyncio.sleep(60.0)
        assert post.written == [str(number).encode() for number in range(10)]
        assert post.acknowledged == list(range(11))

    play(story)


def test_a_handler_may_stop_everything_also_when_it_is_called_again() -> None:
    async def story(post: Post) -> None:
        async def stop(_message: Message) -> None:
            if LoopClock().elapsed() < 1.0:
                raise SetAsideError("not yet")
            await post.delivery.stop()

        post.delivery.router.add("stop", stop)
        post.offer(1, "stop")
        await asyncio.sleep(10.0)
        assert not post.delivery.running

    play(story)
