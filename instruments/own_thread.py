"""A thread of one's own for what may never come back: a share that hangs, a server that says nothing."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

T = TypeVar("T")


class OwnThread(threading.Thread):
    """Does what somebody in an event loop waits for: simulated time stands still as long as one of them works."""


async def run(function: Callable[[], T], *, name: str) -> T:
    """Run a function that may block for ever beside the loop; when this is cancelled the thread is left to itself.

    Not in the loop's own few threads: others wait for a turn in these, and a process does not end before they do.

    Args:
        function: what blocks.
        name: of the thread.

    Raises:
        Exception: what the function raises.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(done: Callable[[], None]) -> None:
        if not future.done():
            done()

    def work() -> None:
        try:
            done = partial(future.set_result, function())
        except BaseException as error:  # noqa: BLE001 - handed over whole to whoever awaits
            done = partial(future.set_exception, error)
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, done)

    OwnThread(target=work, name=name, daemon=True).start()
    return await future
