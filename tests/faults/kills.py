"""kill -9: of the agent and the devices in the middle of jobs, one or both, and of the broker."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

from .outcome import Outcome
from .workshop import Child, Workshop, workshop

_WARM_S = 1.5
_FEW = 5
"""So few faults are a test, which nobody wants to wait for."""


async def subscriber_kills(n: int, seed: int) -> Outcome:
    """``n`` kills, half of them the agent's, half the devices'."""
    outcome = Outcome("subscriber kills")
    how: Counter[str] = Counter()
    async with workshop(seed) as shop:
        await shop.start()
        for plan in plans(n // 2, n - n // 2, shop.rng):
            await asyncio.sleep(shop.rng.uniform(0.4, 1.2))
            await _strike(shop, plan)
            how[plan] += 1
        await asyncio.sleep(_WARM_S if n > _FEW else 0.3)
        # The last incarnations are compared with what they hold after some more work.
        before = await shop.rest()
        await shop.agent.ask("go")
        await asyncio.sleep(_WARM_S if n > _FEW else 0.3)
        after = await shop.rest()
        outcome.note_agent(after["agent"])
        books = await shop.finish()
        outcome.at_least("agent kills", shop.agent.n_kills, n // 2)
        outcome.at_least("device kills", sum(device.n_kills for device in shop.devices.values()), n - n // 2)
    outcome.counts["kinds of kills"] = dict(sorted(how.items()))
    outcome.take(books, n_jobs=10 * n)
    outcome.at_least("jobs interrupted", books.ends["failed/interrupted"], max(1, n // 5))
    outcome.compare(before, after)
    return outcome


def plans(n_agent: int, n_device: int, rng: random.Random) -> list[str]:
    """A mixed order of kills: of one side alone, of both at once, and of one while the other is away."""
    together = min(n_agent, n_device)
    kinds = ["both at once", "device while the agent is away", "agent while the device is away"]
    mixed = [kinds[index % 3] for index in range(together * 3 // 5)]
    found = mixed + ["agent"] * (n_agent - len(mixed)) + ["device"] * (n_device - len(mixed))
    rng.shuffle(found)
    return found


async def _strike(shop: Workshop, plan: str) -> None:
    device = shop.rng.choice(list(shop.devices.values()))
    if plan == "both at once":
        await asyncio.gather(shop.agent.kill(), device.kill())
        await asyncio.gather(revive(shop, device), revive(shop, shop.agent))
    elif plan == "device while the agent is away":
        await shop.agent.kill()
        await device.kill()
        await revive(shop, device)
        await revive(shop, shop.agent)
    elif plan == "agent while the device is away":
        await device.kill()
        await shop.agent.kill()
        await revive(shop, shop.agent)
        await revive(shop, device)
    else:
        victim = shop.agent if plan == "agent" else device
        await victim.kill()
        await revive(shop, victim)


async def revive(shop: Workshop, child: Child) -> None:
    """Start a killed process again, after a moment; the agent goes on working."""
    await asyncio.sleep(shop.rng.uniform(0.0, 0.5))
    await child.start()
    if child is shop.agent:
        await child.ask("go")


async def broker_kills(n: int, seed: int) -> Outcome:
    """``n`` kills of Mosquitto while jobs are done; at every other one it forgets all that it retained."""
    outcome = Outcome("broker kills")
    async with workshop(seed) as shop:
        await shop.start()
        await asyncio.sleep(_WARM_S)
        before = await shop.rest()
        await shop.agent.ask("go")
        for index in range(n):
            # A life of less than a second would count as a crash loop; a second more lets everybody come back.
            await asyncio.sleep(shop.rng.uniform(1.2, 3.2))
            shop.kill_broker(memory=index % 2 == 0)
        await asyncio.sleep(_WARM_S + 1.0)
        after = await shop.rest()
        outcome.note_agent(after["agent"])
        books = await shop.finish()
        outcome.at_least("broker kills", shop.n_broker_kills, n)
        outcome.counts["of them with its memory lost"] = n // 2
    outcome.take(books, n_jobs=5 * n)
    outcome.compare(before, after)
    return outcome
