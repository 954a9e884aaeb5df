"""Calls what a driver's author wrote, be it ``async def`` or plain ``def``."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable

from instruments import own_thread


async def call(hook: Callable[[], Awaitable[None] | None]) -> None:
    """Call it in the event loop, or in a thread of its own when it is plain ``def``, where it may block."""
    if inspect.iscoroutinefunction(hook):
        await hook()
        return
    found = await own_thread.run(hook, name=f"driver {getattr(hook, '__name__', 'hook')}")
    if inspect.isawaitable(found):
        await found
