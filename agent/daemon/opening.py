"""Opening the journal at a start: a database that is not up yet is waited for where nobody sits at a terminal."""

from __future__ import annotations

import asyncio
import fcntl
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import OperationalError

from agent.daemon.systemd import Notifier, Sleeper
from agent.journal import Journal
from envs.errors import JournalError

_log = logging.getLogger(__name__)

FORWARD_S = 3600.0
"""How long bringing a journal to this release's form may take, before a service manager thinks it stuck."""
AGAIN_S = 5.0
LOCK = "agent.lock"

Open = Callable[[Path | str], Journal]


def _open(place: Path | str) -> Journal:
    return Journal(place, write=True)


async def opened(
    place: Path | str, notifier: Notifier, *, opens: Open = _open, sleep: Sleeper = asyncio.sleep
) -> Journal:
    """The journal, open for writing.

    Under a service manager a database server that does not answer is waited for: after a power cut it may take longer
    to come up than this does. At a terminal somebody reads what is wrong.

    Args:
        place: of the journal.
        notifier: tells the service manager what is waited for, and asks it for time.
        opens: opens it.
        sleep: waits, s.

    Raises:
        JournalError: another process writes here, it cannot be read, or nobody would wait for the database.
    """
    notifier.extend(FORWARD_S)
    try:
        return opens(place)
    except JournalError as error:
        if not (notifier.told and _is_away(error)):
            raise
        _log.warning("waiting for the database: %s", error)
        said = str(error)
    async with notifier.waiting(f"waits for the database: {said}"):
        while True:
            await sleep(AGAIN_S)
            notifier.extend(FORWARD_S)
            try:
                return opens(place)
            except JournalError as error:
                if not _is_away(error):
                    raise


@contextmanager
def only_agent(state: Path) -> Iterator[None]:
    """Hold the laboratory while the context lasts: live and in shadow have records of their own, and one voice.

    Raises:
        JournalError: another agent of it runs on this machine.
    """
    try:
        state.mkdir(parents=True, exist_ok=True)
        lock = (state / LOCK).open("ab")
    except OSError as error:
        raise JournalError(f"{state} cannot be written ({error.strerror}): make it writable") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise JournalError(
                f"{state}: another agent of this laboratory runs here, live or in shadow: both would propose under the "
                "same ids; stop it first"
            ) from error
        yield


def _is_away(error: JournalError) -> bool:
    """Whether it is about the connection; that another process writes, or what is written, is not."""
    cause = error.__cause__
    return isinstance(cause, OperationalError) and getattr(cause.orig, "sqlite_errorcode", None) is None
