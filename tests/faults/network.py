"""The network: connections that are cut in every way, and messages that come twice and out of order."""

from __future__ import annotations

import asyncio
from collections import Counter

from .outcome import Outcome
from .proxy import CUTS
from .workshop import workshop

_WARM_S = 1.5


async def cut_connections(n: int, seed: int) -> Outcome:
    """``n`` cuts, on the agent's and the devices' side in turn, in each of the ways in turn."""
    outcome = Outcome("cut connections")
    how: Counter[str] = Counter()
    async with workshop(seed, proxied=True) as shop:
        await shop.start()
        await asyncio.sleep(_WARM_S)
        before = await shop.rest()
        await shop.agent.ask("go")
        for index in range(n):
            await asyncio.sleep(shop.rng.uniform(1.0, 2.5))
            victim = "agent" if index % 2 else shop.rng.choice(list(shop.devices))
            cut = CUTS[index // 2 % len(CUTS)]
            await shop.proxies[victim].cut(cut)
            how[f"{cut}, {'agent' if victim == 'agent' else 'device'}"] += 1
        await asyncio.sleep(_WARM_S + 2.0)
        after = await shop.rest()
        outcome.note_agent(after["agent"])
        connections = sum(proxy.counts["connections"] for proxy in shop.proxies.values())
        books = await shop.finish()
    outcome.at_least("connections cut", how.total(), n)
    outcome.at_least("connections made anew", connections - 3, n)
    outcome.counts["kinds of cuts"] = dict(sorted(how.items()))
    outcome.take(books, n_jobs=5 * n)
    outcome.compare(before, after)
    return outcome


async def doubled_and_reordered(n: int, seed: int) -> Outcome:
    """At least ``n`` messages that arrive twice and ``n`` that arrive late, past later ones."""
    outcome = Outcome("duplicates, reorderings")
    async with workshop(seed, proxied=True) as shop:
        await shop.start()
        await asyncio.sleep(_WARM_S)
        before = await shop.rest()
        for proxy in shop.proxies.values():
            proxy.doubled = proxy.delayed = 0.3
        await shop.agent.ask("go")

        def counted(what: str) -> int:
            return sum(proxy.counts[what] for proxy in shop.proxies.values())

        async with asyncio.timeout(300):
            while min(counted("doubled"), counted("reordered")) < n:  # noqa: ASYNC110 - counters of the proxies
                await asyncio.sleep(0.1)
        after = await shop.rest()
        outcome.note_agent(after["agent"])
        books = await shop.finish()
        for what in ("doubled", "reordered"):
            outcome.at_least(f"messages {what}", counted(what), n)
    outcome.take(books, n_jobs=n // 50)
    outcome.compare(before, after)
    return outcome
