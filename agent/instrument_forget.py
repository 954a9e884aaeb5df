"""What ``labwright instrument forget`` does."""

from __future__ import annotations

import asyncio

from agent.instrument_look import Look
from envs.errors import UserError
from instruments.address import BrokerAddress
from instruments.ids import SystemIds
from instruments.mqtt import MqttTransport
from instruments.topics import Lab


def forget_instrument(iid: str, address: BrokerAddress, *, lab: str, root: str) -> int:
    """Clear from a broker what it retains of an instrument that has left: description, status, states of jobs.

    Returns:
        How many messages were cleared.

    Raises:
        UserError: it is online, nothing of it is there, or this user may not clear it.
        TransportError: when there is no broker, or it refuses.
    """
    return asyncio.run(_forget(iid, address, Lab(root, lab)))


async def _forget(iid: str, address: BrokerAddress, topics: Lab) -> int:
    name = f"forget-{SystemIds().new()}"
    topics.desc(iid)  # a name that cannot be a topic is said before anything is asked
    transport = MqttTransport(address, client_id=name)
    await transport.connect()
    try:
        look = Look(transport, topics, iid, name)
        await look.around()
        if look.answered:
            raise UserError(f"{iid} is online: stop it first; only what has left the bus can be forgotten")
        if not look.kept:
            raise UserError(
                f"the broker at {address.url} keeps nothing of {iid} in the laboratory {topics.lab!r}: are its name "
                "and --lab right, and may this user read there?"
            )
        n, n_cleared = len(look.kept), await look.clear()
    finally:
        await transport.close()
    if n_cleared < n:
        raise UserError(
            f"{n - n_cleared} of {n} messages of {iid} were not cleared: log in as an agent, who may do that"
        )
    return n_cleared
