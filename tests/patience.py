"""What tests on a bus, with threads or with brokers share: waiting for a thing to come about, and being left out."""

import asyncio
from collections.abc import Callable

import pytest

from instruments.broker import find_mosquitto

NO_MOSQUITTO = "Mosquitto is not installed"
needs_mosquitto = pytest.mark.skipif(find_mosquitto() is None, reason=NO_MOSQUITTO)
"""Marks what is about Mosquitto alone."""


def require_broker(kind: str) -> None:
    """Skip where a broker is not installed: ``mosquitto`` or ``amqtt``."""
    if kind == "mosquitto" and find_mosquitto() is None:
        pytest.skip(NO_MOSQUITTO)
    if kind == "amqtt":
        pytest.importorskip("amqtt", reason="amqtt is not installed")


async def until(true: Callable[[], bool], *, within_s: float = 20.0) -> None:
    """Wait for something that a thread, a bus or another process brings about."""
    async with asyncio.timeout(within_s):
        while not true():  # noqa: ASYNC110 - any condition, of anything
            await asyncio.sleep(0.001)
