"""Faults of the agent's core, counted: the real code on a simulated clock, broker, disk, furnaces and people.

Usage::

    python -m tests.faults.core [--json] [--schedules N] [--seed S] [--only BUG|none] [--write FILE]
    python -m tests.faults.core --seed S --schedules 1 --trace

Each schedule follows from its seed alone. Prints a table, and with ``--json`` one line of JSON instead; the exit status
is 1 when a floor is missed: an invariant that does not hold, or a planted mistake that nobody sees.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from .simulation.bugs import BUGS
from .simulation.plan import draw
from .simulation.play import play, without_threads
from .simulation.ports import Outcome
from .simulation.real_disk import real_disk

SCHEDULES = 20_000
LIMIT, FEW = 400, 40
"""Schedules after which a planted mistake counts as not seen; the second where schedules provoke it."""
MANY = 5_000
"""From so many schedules on mistakes are planted into ordinary ones, below into such as provoke them."""
FEWEST_BUGS = 8
REAL_EVERY = 100
"""Of so many schedules one runs on the real journal, too, and has to take the same course to the last line."""
CHUNK = 100
_SHOWN = 20


@dataclass
class Found:
    """What came of some schedules."""

    n: int = 0
    n_real: int = 0
    broken: list[tuple[int, list[str]]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    blows: Counter[str] = field(default_factory=Counter)
    virtual_s: float = 0.0

    def add(self, other: Found) -> None:
        """Take in what another process found."""
        self.n += other.n
        self.n_real += other.n_real
        self.broken += other.broken
        self.counts.update(other.counts)
        self.blows.update(other.blows)
        self.virtual_s += other.virtual_s


@dataclass
class Caught:
    """What became of one planted mistake.

    Attributes:
        after: schedules that it took, 0 when it was not seen.
        seed: of the schedule that showed it.
        by: the invariant's sentence.
    """

    name: str
    after: int
    seed: int = 0
    by: str = ""


def schedules(first: int, n: int) -> Found:
    """Run schedules one after the other."""
    found = Found()
    with without_threads():
        for seed in range(first, first + n):
            outcome = play(seed)
            sentences = list(outcome.broken)
            if seed % REAL_EVERY == 0:
                found.n_real += 1
                sentences += _on_the_real_disk(seed, outcome)
            if sentences:
                found.broken.append((seed, sentences))
            found.n += 1
            found.counts.update(outcome.counts)
            found.blows.update(blow.kind for blow in draw(seed).blows)
            found.virtual_s += outcome.virtual_s
    return found


def _on_the_real_disk(seed: int, expected: Outcome) -> Iterator[str]:
    with real_disk() as disk:
        real = play(seed, disk=disk)
    yield from (f"on the real journal: {sentence}" for sentence in real.broken)
    if real.digest != expected.digest:
        yield "on the real journal: the schedule took another course"


def hunt(name: str, first: int, limit: int = LIMIT, *, provoked: bool = False) -> Caught:
    """Plant a mistake, and run schedules until the invariant that is meant to see it does.

    Args:
        name: of the mistake.
        first: first seed.
        limit: most schedules.
        provoked: in schedules in which what it takes happens often.
    """
    bug = BUGS[name]
    with without_threads():
        for n, seed in enumerate(range(first, first + limit), start=1):
            plan = bug.provoked(draw(seed)) if provoked else None
            with bug.plant():
                outcome = play(seed, plan=plan)
            fitting = [s for s in outcome.broken if s.startswith(bug.caught_by)]
            if fitting:
                return Caught(name, n, seed, fitting[0])
    return Caught(name, 0)


def misses_of(found: Found, caught: list[Caught], *, bugs: bool) -> list[str]:
    """The floors that were missed, in sentences."""
    misses = [f"seed {seed}: {sentences[0]}" for seed, sentences in found.broken[:_SHOWN]]
    if len(found.broken) > _SHOWN:
        misses.append(f"{len(found.broken) - _SHOWN} more schedules in which an invariant does not hold")
    misses += [f"the planted mistake {c.name} was not seen" for c in caught if not c.after]
    if bugs and len(caught) < FEWEST_BUGS:
        misses.append(f"{len(caught)} mistakes were planted, and {FEWEST_BUGS} are the least")
    return misses


def count(
    n: int, first: int, names: list[str], *, provoked: bool, processes: int, tell: Callable[[str, int, int], None]
) -> tuple[Found, list[Caught]]:
    """Run everything, in as many processes.

    Args:
        n: schedules without any mistake.
        first: their first seed, and that of each hunt.
        names: mistakes to plant.
        provoked: whether into schedules that provoke them.
        processes: at a time.
        tell: told of progress: what, done, of how many.
    """
    found, caught = Found(), list[Caught]()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        limit = FEW if provoked else LIMIT
        work: list[Future[Found | Caught]] = [
            pool.submit(hunt, name, first, limit, provoked=provoked) for name in names
        ]
        work += [pool.submit(schedules, at, min(CHUNK, first + n - at)) for at in range(first, first + n, CHUNK)]
        for done in as_completed(work):
            result = done.result()
            if isinstance(result, Caught):
                caught.append(result)
                tell("planted mistakes", len(caught), len(names))
                continue
            found.add(result)
            tell("schedules", found.n, n)
            for seed, sentences in result.broken:
                tell(f"seed {seed}: {sentences[0]}; see --seed {seed} --schedules 1 --trace", 0, 0)
    return found, sorted(caught, key=lambda c: list(BUGS).index(c.name))


def table_of(found: Found, caught: list[Caught], misses: list[str]) -> Table:
    """What a person reads."""
    table = Table("what", "count", "", title="Faults of the core, counted")
    table.add_row("schedules", f"{found.n:,}", f"{found.n_real:,} of them on the real journal, too")
    for what, number in found.counts.items():
        table.add_row("", f"{number:,}", what)
    for what, number in sorted(found.blows.items()):
        table.add_row("fault", f"{number:,}", what)
    for one in caught:
        seen = f"after {one.after}" if one.after else "not seen"
        table.add_row("planted", seen, f"{BUGS[one.name].text}: {one.by[:90]}")
    table.add_row("floors", "", "; ".join(misses) or "all held")
    return table


def as_json(options: argparse.Namespace, found: Found, caught: list[Caught], misses: list[str], seconds: float) -> Any:
    """The same for programs."""
    return {
        "command": f"python -m tests.faults.core --schedules {options.schedules} --seed {options.seed}",
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}",
        "python": platform.python_version(),
        "pydantic": version("pydantic"),
        "seconds": round(seconds, 1),
        "schedules": found.n,
        "schedules on the real journal": found.n_real,
        "schedules in which an invariant does not hold": len(found.broken),
        "virtual days": round(found.virtual_s / 86_400.0, 1),
        "counts": dict(found.counts),
        "faults": dict(sorted(found.blows.items())),
        "planted into": "schedules that provoke them" if options.schedules < MANY else "ordinary schedules",
        "planted mistakes": {
            c.name: {"what": BUGS[c.name].text, "seen after schedules": c.after, "seed": c.seed, "by": c.by[:200]}
            for c in caught
        },
        "misses": misses,
    }


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="faults of the agent's core, simulated and counted")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON, without the table")
    parser.add_argument("--schedules", type=int, default=SCHEDULES, metavar="N")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="of the first schedule")
    parser.add_argument("--only", choices=["none", *BUGS], help="this planted mistake alone, or none at all")
    parser.add_argument("--write", type=Path, metavar="FILE", help="also write the JSON to a file")
    parser.add_argument("--trace", action="store_true", help="show what happens in the schedules, in one process")
    parser.add_argument("--processes", type=int, default=min(2, os.cpu_count() or 1))
    return parser.parse_args(arguments)


def _trace(options: argparse.Namespace) -> int:
    broken = 0
    planted = BUGS[options.only].plant if options.only in BUGS else nullcontext
    with without_threads():
        for seed in range(options.seed, options.seed + options.schedules):
            with planted():
                outcome = play(seed, tell=print)
            print(f"seed {seed}: {outcome.digest}")
            for sentence in outcome.broken:
                print(f"  {sentence}")
            broken += bool(outcome.broken)
    return 1 if broken else 0


def main(arguments: list[str] | None = None) -> int:
    """Count and print."""
    options = parse(arguments)
    if options.trace:
        return _trace(options)
    names = [] if options.only == "none" else [options.only] if options.only else list(BUGS)
    n = 0 if options.only in BUGS else options.schedules
    began, console = time.monotonic(), Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console) as progress:
        bars = {
            what: progress.add_task(what, total=total)
            for what, total in (("schedules", n), ("planted mistakes", len(names)))
            if total
        }

        def tell(what: str, done: int, total: int) -> None:
            if what in bars:
                progress.update(bars[what], completed=done)
                if not console.is_terminal and done % 1000 == 0:
                    console.print(f"{done:,} of {total:,} {what}")
            else:
                console.print(what)

        found, caught = count(
            n, options.seed, names, provoked=options.schedules < MANY, processes=options.processes, tell=tell
        )
    misses = misses_of(found, caught, bugs=options.only is None)
    result = as_json(options, found, caught, misses, time.monotonic() - began)
    if options.write is not None:
        options.write.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    if options.json:
        print(json.dumps(result, ensure_ascii=False))
    else:
        Console().print(table_of(found, caught, misses))
    return 1 if misses else 0


if __name__ == "__main__":
    sys.exit(main())
