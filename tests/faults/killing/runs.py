"""The counts of real kills: several laboratories' lives on SQLite, and on PostgreSQL."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from postgres import POSTGRES_MISSING, cluster

from agent.crash_points import CRASH_POINTS
from agent.daemon.config import load_lab
from agent.daemon.rules_of import facts_of, lab_rules
from agent.identity import People
from agent.journal import FILE

from ..outcome import Outcome  # noqa: TID252 - run as part of tests.faults, never as faults
from .audit import Audit, audit
from .era import Break, Era, Tally
from .laboratory import Laboratory, StuckError, laboratory
from .plan import PENDING, Kill, What, at_point, plan
from .server import Server

Tell = Callable[[str], None]
A_LIFE = 30
"""Kills of one laboratory on SQLite: one at each crash point, and the others at random."""
A_POSTGRES_LIFE = 20
OTHERS: tuple[What, ...] = ("backend", "connections", "server")
FIRST_RELEASE = Path(__file__).parents[2] / "unit" / "first_release.sql"


def _shares(n: int, most: int) -> list[int]:
    """``n`` kills, spread over laboratories of about ``most``."""
    lives = max(1, round(n / most))
    return [n // lives + (i < n % lives) for i in range(lives)]


async def sqlite_kills(n: int, seed: int, tell: Tell, *, after: Callable[[Laboratory], None] | None = None) -> Outcome:
    """Kill the daemon ``n`` times on SQLite; each second laboratory begins with a database of the first release."""
    tally, books = Tally(), Audit()
    shares = _shares(n, A_LIFE)
    for index, share in enumerate(shares):
        rng = random.Random(f"{seed} sqlite {index}")
        kills = plan(share, rng)
        if share >= A_LIFE:  # on top of what was asked for, so that as many come at random
            for name in PENDING:
                kills.insert(rng.randint(1, len(kills)), at_point(name, rng))
        await _life(
            f"sqlite {index + 1}/{len(shares)}", seed + index, kills, tally, books, tell,
            old=index % 2 == 1, after=after or (lambda _lab: None),
        )  # fmt: skip
    return _outcome("sqlite", n, tally, books, each=len(shares) if n >= A_LIFE * len(shares) else 0)


async def postgres_kills(n: int, seed: int, tell: Tell) -> Outcome:
    """Kill the daemon ``n`` times on PostgreSQL, the server and its parts among them."""
    tally, books = Tally(), Audit()
    shares = _shares(n, A_POSTGRES_LIFE)
    names = [name for name in CRASH_POINTS if name != "during-migration"]
    with cluster() as running:
        server = Server(running)
        for index, share in enumerate(shares):
            rng = random.Random(f"{seed} postgres {index}")
            points = ("during-migration", *names[index :: len(shares)])
            others = OTHERS if share > len(OTHERS) + 2 else OTHERS[:1]
            chosen = points[: max(1, share - len(others) - 1)]
            kills = plan(share, rng, points=chosen, others=others)
            await _life(
                f"postgres {index + 1}/{len(shares)}", seed + index, kills, tally, books, tell,
                database=running.database(), broken=server.break_,
            )  # fmt: skip
        outcome = _outcome("postgres", n, tally, books, each=0)
        outcome.counts["backends killed amid a write"] = server.amid_writes
    return outcome


async def _life(
    name: str, seed: int, kills: list[Kill], tally: Tally, books: Audit, tell: Tell, *, old: bool = False,
    database: str = "", after: Callable[[Laboratory], None] = lambda _lab: None, broken: Break = lambda _what: None,
) -> None:  # fmt: skip
    """One laboratory from its first start to its audit."""
    with ExitStack() as stack:
        directory = Path(tempfile.mkdtemp(prefix="labwright-kill-"))
        stack.callback(_keep, directory)
        if old:
            first_release(directory / "state")
        async with laboratory(directory, seed, database=database) as lab:
            own = await Era(lab, kills, tell, after=after, broken=broken).run()
            retained = await lab.retained()
        config = load_lab(directory / "LAB.toml")
        facts = {entry.id: facts_of(entry) for entry in config.campaign}
        # The recipe that the file gives: all campaigns of it have the same.
        own_rules = lab_rules(config, People([]), facts, mode="live").campaigns[config.campaign[0].id]
        found = audit(lab.place, directory, retained, recipe=own_rules.recipe, factors=own_rules.factors)
        tally.add(own)
        books.add(found)
        tell(
            f"{name}: {sum(own.kills.values())} kills, {found.experiments} experiments, {found.acts} acts, "
            f"{found.events} events"
        )


async def one_life(
    name: str, seed: int, kills: list[Kill], tell: Tell, *, after: Callable[[Laboratory], None]
) -> None:  # fmt: skip
    """One laboratory on SQLite, for what its journal looks like after each kill.

    Raises:
        StuckError: its books are not in order.
    """
    tally, books = Tally(), Audit()
    await _life(name, seed, kills, tally, books, tell, after=after)
    if wrong := [*books.examples, *tally.by_itself, *tally.missed]:
        raise StuckError("; ".join(wrong[:3]))


def first_release(state: Path) -> None:
    """Put a database of the first release there, as it was killed amid a step."""
    state.mkdir(parents=True)
    database = sqlite3.connect(state / FILE)
    database.executescript(FIRST_RELEASE.read_text(encoding="utf-8"))
    database.close()


def _keep(directory: Path) -> None:
    """Remove a laboratory; it is kept where FAULTS_KEEP says so, for whoever looks into a failure."""
    if os.environ.get("FAULTS_KEEP"):
        shutil.copytree(directory, Path(os.environ["FAULTS_KEEP"]) / directory.name, dirs_exist_ok=True)
    shutil.rmtree(directory, ignore_errors=True)


def _outcome(name: str, n: int, tally: Tally, books: Audit, *, each: int) -> Outcome:
    """The floors."""
    found = Outcome(name)
    found.at_least("kills", sum(tally.kills.values()), n)
    found.counts["kills by point"] = dict(sorted(tally.kills.items()))
    if each:
        found.at_least("kills at each crash point", min(tally.kills[point] for point in CRASH_POINTS), each)
    # Without these the zeros below would say little: a kill tries only what was under way.
    few = n // 10 if n >= A_POSTGRES_LIFE else 0
    found.at_least("kills with a proposal or an outcome untold", tally.with_untold, few)
    found.at_least("kills with an order under way", tally.with_orders, few)
    found.counts["starts"] = tally.starts
    found.counts["starts put off by a lease or a server"] = tally.refused
    found.counts["instruments killed"] = tally.shop_kills
    found.counts["experiments"] = books.experiments
    found.counts["ends"] = dict(sorted(books.ends.items()))
    found.counts["physical acts"] = books.acts
    found.counts["events"] = books.events
    found.counts["images stored"] = books.images
    found.counts["envelopes refused"] = dict(sorted(books.refused.items()))
    for what, count in (
        ("duplicate acts", books.duplicates),
        ("acts without approval", books.unapproved),
        ("results lost", books.lost),
        ("succeeded undone", books.undone),
        ("experiments without exactly one end", books.not_once),
        ("untold or wrong at the broker", books.untold),
        ("journals that do not verify", books.broken),
        ("restarts that did not come up", tally.not_up),
        ("ends by itself", len(tally.by_itself)),
    ):
        found.at_most(what, count, 0)
    found.at_least("acts", books.acts, n)
    if tally.up_s:
        found.counts["restart, mean s"] = round(sum(tally.up_s) / len(tally.up_s), 2)
        found.counts["restart, slowest s"] = round(max(tally.up_s), 2)
    if tally.cold_s:
        found.counts["start of a new interpreter, mean s"] = round(sum(tally.cold_s) / len(tally.cold_s), 2)
    found.misses += [f"{name}: {text}" for text in (*books.examples, *tally.by_itself[:5])]
    found.misses += [f"{name}: the crash point {point} was not reached" for point in tally.missed]
    return found


__all__ = ["POSTGRES_MISSING", "first_release", "one_life", "postgres_kills", "sqlite_kills"]
