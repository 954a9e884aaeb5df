"""A new generated crystal takes the potential a second to a minute: it is computed beside the event loop."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial

from envs.errors import MissingExtraError
from envs.prototypes import is_generated
from instruments import own_thread
from instruments.device import DeviceFault


async def known(look_up: Callable[[str], object], crystal_id: str) -> None:
    """Wait until what is looked up about a crystal is known, with the loop free for heartbeats and other orders.

    Args:
        look_up: asks the truth for anything of a crystal; a KeyError is left for whoever asks again.
        crystal_id: any; of a compound of the library nothing is computed.

    Raises:
        DeviceFault: the potential is not installed.
        JournalError: what was computed cannot be kept.
    """
    if not is_generated(crystal_id):
        return
    with suppress(KeyError):
        try:
            await own_thread.run(partial(look_up, crystal_id), name="potential")
        except MissingExtraError as error:
            raise DeviceFault("no_potential", str(error)) from error
