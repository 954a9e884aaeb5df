"""All faults at once, as they come in life: on a bad day one is the cause of the next."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

from .hostility import Attacker
from .kills import revive
from .outcome import Outcome
from .proxy import CUTS
from .workshop import Workshop, workshop


async def all_together(n: int, seed: int) -> Outcome:
    """``n`` rounds, each with every fault in random order, while messages come twice and late all the time."""
    outcome = Outcome("all together")
    struck: Counter[str] = Counter()
    async with workshop(seed, proxied=True, open_to_all=True) as shop:
        attacker = Attacker(shop)
        await attacker.leave_ghosts(5)
        await shop.start()
        await attacker.listen(1.0)
        await shop.agent.ask("drain")
        attacker.learn()
        for proxy in shop.proxies.values():
            proxy.doubled = proxy.delayed = 0.1
        await shop.agent.ask("go")
        for _ in range(n):
            faults = _faults(shop, attacker)
            names = list(faults)
            shop.rng.shuffle(names)
            for name in names:
                await asyncio.sleep(shop.rng.uniform(0.1, 0.4))
                await faults[name]()
                struck[name] += 1
        await attacker.leave()
        books = await shop.finish(strangers=tuple(attacker.grammar.strangers))
        outcome.at_least("hostile messages", attacker.sent.total(), 100 * n)
        for what in ("doubled", "reordered"):
            outcome.at_least(f"messages {what}", sum(p.counts[what] for p in shop.proxies.values()), 10 * n)
    outcome.counts["faults"] = dict(sorted(struck.items()))
    outcome.take(books, n_jobs=5 * n)
    return outcome


def _faults(shop: Workshop, attacker: Attacker) -> dict[str, Callable[[], Awaitable[None]]]:
    device, proxy = shop.rng.choice(list(shop.devices.values())), shop.rng.choice(list(shop.proxies.values()))

    async def device_kill() -> None:
        await device.kill()
        await revive(shop, device)

    async def agent_kill() -> None:
        await shop.agent.kill()
        await revive(shop, shop.agent)

    async def broker_kill() -> None:
        shop.kill_broker(memory=shop.rng.random() < 0.5)
        await asyncio.sleep(0.3)

    return {
        "device kill": device_kill,
        "agent kill": agent_kill,
        "broker kill": broker_kill,
        "cut": lambda: proxy.cut(shop.rng.choice(CUTS)),
        "hostile messages": lambda: attacker.attack(100),
    }
