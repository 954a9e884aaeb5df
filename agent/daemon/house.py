"""What the daemon has before it is on any bus: its journal, its clock, its desk, its worker, its files."""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from agent import events as ev
from agent.core.messages import Mode
from agent.crash_points import reached
from agent.daemon import logs
from agent.daemon.board_shelf import BoardShelf
from agent.daemon.boards import Shelf
from agent.daemon.config import LabConfig, load_lab
from agent.daemon.disk import DiskWatch
from agent.daemon.known_spaces import CACHE, KnownSpaces
from agent.daemon.lab_clock import LabClock, LabTime
from agent.daemon.metrics import Metrics
from agent.daemon.opening import only_agent, opened
from agent.daemon.rules_of import lab_rules
from agent.daemon.shelf import JournalShelf
from agent.daemon.space_facts import SpaceFacts
from agent.daemon.systemd import Notifier
from agent.daemon.worker import Worker
from agent.desk import Desk, Named
from agent.identity import People
from agent.journal import Journal, Stored
from agent.minds import Minds
from agent.record import ARTEFACTS
from agent.store import ArtefactStore
from envs.errors import JournalError, UserError
from instruments.artefacts import write_durably
from instruments.ids import Ids, SystemIds

_log = logs.get("house")
CLOCK = Path("virtual", "clock.json")
SECRETS, SECRET = "secrets", 32
MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Launch:
    """How the daemon shall run.

    Args:
        config: the laboratory's file.
        mode: whether orders reach instruments.
        path: of the file, to be read again on a reload; None where there is none.
        seed: of the virtual laboratory's hidden truth.
        terminal: whether people read the log as it is written.
        up: told in words as soon as it runs.
        minds: plans and reads; None for a worker process.
        read: reads the file again.
    """

    config: LabConfig
    mode: Mode
    path: Path | None = None
    seed: int = 0
    terminal: bool = True
    up: Callable[[str], None] = field(default=lambda _words: None)
    minds: Minds | None = None
    read: Callable[[Path], LabConfig] = load_lab


@dataclass
class House:
    """The parts, open."""

    launch: Launch
    config: LabConfig
    journal: Journal
    record: Timed
    shelf: JournalShelf
    board_shelf: Shelf
    clock: LabClock
    keep_time: Callable[[], None]
    desk: Desk
    facts: dict[str, SpaceFacts]
    spaces: KnownSpaces
    minds: Minds
    configs: dict[str, dict[str, object]]
    store: ArtefactStore
    disk: DiskWatch
    metrics: Metrics
    log: logs.Logs
    ids: Ids
    boot: str


@asynccontextmanager
async def open_house(launch: Launch, notifier: Notifier | None = None) -> AsyncIterator[House]:
    """Open everything that needs no bus; it is closed with the context.

    Args:
        launch: how it shall run.
        notifier: told what a start waits for; nobody where it is None.

    Raises:
        ConfigError: the laboratory's file is wrong.
        JournalError: another process writes here, or the record cannot be read.
    """
    config = launch.config
    _make_directory(config.state)
    with await opened(config.journal(), notifier or Notifier()) as journal, only_agent(config.keys):
        clock, keep_time = _clock(launch, journal)
        with _logs(launch, clock) as log:
            _warn_of_a_late_clock(clock)
            configs = {entry.id: entry.offline.model_dump(mode="json") for entry in config.campaign}
            worker = Worker(configs)
            spaces = KnownSpaces(config.state / CACHE, worker.facts)
            try:
                facts = {entry.id: await spaces.of(entry, source=config.source) for entry in config.campaign}
                yield _house(launch, journal, clock, keep_time, log, configs, worker, facts, spaces)
            finally:
                await worker.close()


def _house(
    launch: Launch,
    journal: Journal,
    clock: LabClock,
    keep_time: Callable[[], None],
    log: logs.Logs,
    configs: dict[str, dict[str, object]],
    worker: Worker,
    facts: dict[str, SpaceFacts],
    spaces: KnownSpaces,
) -> House:
    config, ids = launch.config, SystemIds()
    rules = lab_rules(config, People.from_directory(config.people), facts, mode=launch.mode)
    metrics = Metrics(version=version("labwright"), mode=launch.mode)
    metrics.clock_speed.set(clock.speed)
    record = Timed(journal, metrics)
    desk = Desk(record, rules, clock)
    metrics.follow(lambda: desk.state)
    desk.observe(lambda event, state, replayed: None if replayed else metrics.note(event, state))
    reserve = int(config.lab.free_disk_mb * MEGABYTE)
    return House(
        launch=launch,
        config=config,
        journal=journal,
        record=record,
        shelf=JournalShelf(journal),
        board_shelf=BoardShelf(journal),
        clock=clock,
        keep_time=keep_time,
        desk=desk,
        facts=facts,
        spaces=spaces,
        minds=launch.minds or worker,
        configs=configs,
        store=ArtefactStore(config.state / ARTEFACTS, reserve=reserve),
        disk=DiskWatch(config.state, reserve),
        metrics=metrics,
        log=log,
        ids=ids,
        boot=ids.new(),
    )


def _make_directory(state: Path) -> None:
    try:
        state.mkdir(parents=True, exist_ok=True)
        (state / SECRETS).mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise UserError(f"{state} cannot be the state directory ({error.strerror}): choose another") from error


def _clock(launch: Launch, journal: Journal) -> tuple[LabClock, Callable[[], None]]:
    """The laboratory's time, and what writes it down: a virtual laboratory goes on where it stood."""
    config = launch.config
    if launch.mode != "virtual":
        return LabClock.system(journal=journal.last_at), lambda: None
    kept = LabTime(config.state / CLOCK)
    clock = kept.resumed(config.lab.speed, journal=journal.last_at)
    return clock, lambda: kept.keep(clock)


def _warn_of_a_late_clock(clock: LabClock) -> None:
    if clock.behind > 0.0:
        _log.warning(
            "the machine's clock is behind the journal's last entry: lab time goes on from there; set the clock, or "
            "what people sign is refused",
            seconds=round(clock.behind, 1),
        )


@contextmanager
def _logs(launch: Launch, clock: LabClock) -> Iterator[logs.Logs]:
    lab = launch.config.lab
    with logs.configure(
        launch.config.state / "logs",
        level=lab.log_level,
        terminal=launch.terminal,
        max_bytes=int(lab.log_mb * MEGABYTE),
        keep=lab.log_files,
        lab_time=clock.now if launch.mode == "virtual" else None,
    ) as log:
        yield log


class Timed:
    """A journal whose commits are timed, with the moments around them at which a fault run ends the process."""

    def __init__(self, journal: Journal, metrics: Metrics) -> None:
        self._journal = journal
        self._metrics = metrics

    def scan(self) -> Iterator[Stored]:
        """All events in order, a few at a time."""
        return self._journal.scan(checked=True)

    @property
    def seq(self) -> int:
        """Number of the last event."""
        return self._journal.seq

    def append(
        self,
        happened: Sequence[ev.Event],
        at: datetime,
        *,
        outbox: Sequence[Named] = (),
        done: Sequence[tuple[str, str]] = (),
        inbox: tuple[str, str] | None = None,
    ) -> Sequence[Stored]:
        """Write all of it in one transaction, or nothing."""
        reached("before-commit")
        with self._metrics.timing("journal_commit"):
            stored = self._journal.append(happened, at, outbox=outbox, done=done, inbox=inbox)
        reached("after-commit")
        return stored

    def outbox(self) -> Sequence[Named]:
        """What has not been told yet, oldest first."""
        return self._journal.outbox()

    def settle(self, done: Sequence[tuple[str, str]], *, upto: int | None = None) -> None:
        """Take what has been told out of the outbox."""
        reached("before-settle")
        self._journal.settle(done, upto=upto)
        reached("after-settle")


def secret(path: Path) -> bytes:
    """The bytes of a secret of ours, made at its first use; only its owner may read it.

    Raises:
        JournalError: it can be neither read nor made.
    """
    try:
        if path.exists() and len(known := path.read_bytes()) >= SECRET:
            return known
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = secrets.token_bytes(SECRET)
        before = os.umask(0o077)
        try:
            write_durably(path, made)
        finally:
            os.umask(before)
    except OSError as error:
        raise JournalError(f"{path} cannot be used ({error.strerror}): it holds a secret of the agent") from error
    return made


def tickets_secret(config: LabConfig) -> bytes:
    """What signs upload tickets: instruments may bring what they were asked for before a restart."""
    return secret(config.state / SECRETS / "tickets")
