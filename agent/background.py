"""Long computations beside the event loop, in a thread that an interruption leaves behind instead of waiting for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from instruments.own_thread import OwnThread

P = ParamSpec("P")
T = TypeVar("T")
PREFIX = "background"
"""Begins the names of the threads."""


async def in_background(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What ``function`` returns or raises.

    ``asyncio.to_thread`` would make Ctrl-C wait for the end of the computation, which may take minutes: its threads
    are joined when the loop closes. This one is a daemon, and what it finds after a cancellation is dropped.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def post(settle: Callable[..., None], value: object) -> None:
        def settle_once() -> None:
            if not future.done():
                settle(value)

        if not loop.is_closed():
            loop.call_soon_threadsafe(settle_once)

    def work() -> None:
        try:
            result = function(*args, **kwargs)
        except BaseException as error:  # noqa: BLE001 - handed over whole to whoever awaits
            post(future.set_exception, error)
        else:
            post(future.set_result, result)

    OwnThread(target=work, name=f"{PREFIX} {getattr(function, '__name__', '')}", daemon=True).start()
    return await future
