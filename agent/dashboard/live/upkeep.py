"""Work that must go on while the dashboard does: where it fails that is logged, and it is begun again."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from instruments.clock import Sleeper

AGAIN_S = 1.0
"""Between a failure and the next beginning."""
_log = logging.getLogger(__name__)


async def kept_up(work: Callable[[], Awaitable[None]], what: str, sleeper: Sleeper) -> None:
    """Do something until it comes to its end or is cancelled; where it fails it is begun again.

    Args:
        work: that is done.
        what: of the dashboard it is, for the log.
        sleeper: waits before it is begun again.
    """
    while True:
        try:
            await work()
        except Exception:  # noqa: BLE001 - whatever it is, it is logged whole, and the pages live on it
            _log.exception("%s of the dashboard failed and is begun again", what)
            await sleeper(AGAIN_S)
        else:
            return
