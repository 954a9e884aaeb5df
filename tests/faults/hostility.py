"""Hostile messages."""

from tests.faults.outcome import Outcome


async def hostile_messages(n: int, seed: int) -> Outcome:
    raise NotImplementedError
