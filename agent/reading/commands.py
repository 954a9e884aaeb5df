"""What the reading commands do, from the question to the answer."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeVar

from rich.console import RenderableType

from agent.deciding.entrance import with_credentials
from agent.deciding.place import SHADOW, Place, find_place
from agent.deciding.session import connection, enter
from agent.extras import needs
from agent.reading import logs, tables
from agent.reading.answers import LabAnswer, together
from agent.reading.bus_view import BusView
from agent.reading.source import BusSource, JournalSource
from envs.errors import JournalError, LabwrightError, UserError
from instruments.ids import SystemIds
from instruments.mqtt import MqttTransport

Source = JournalSource | BusSource
T = TypeVar("T")
JOURNAL = "journal.sqlite"
PRESENCE_S = 3.0
"""How long a broker may take, where the journal has said everything else already."""


def print_status(source: Source, *, as_json: bool) -> None:
    """Where the laboratory stands."""
    answer = _answer(source, "labwright status")
    _print(answer.to_dict(), lambda: tables.status(answer), as_json=as_json)


def print_campaigns(source: Source, *, as_json: bool) -> None:
    """Where each campaign stands."""
    answer = _answer(source, "labwright campaigns")
    plain = [asdict(campaign) for campaign in answer.campaigns]
    _print(plain, lambda: tables.campaigns(answer.campaigns), as_json=as_json)


def print_experiments(source: Source, campaign: str, phase: str, *, as_json: bool) -> None:
    """Experiments by campaign and phase.

    Raises:
        UserError: there is no such campaign.
    """
    with _journal(source, "labwright experiments") as view:
        rows = view.experiments(campaign, phase)
    _print(rows, lambda: tables.experiments(rows), as_json=as_json)


def print_experiment(source: Source, experiment: str, *, as_json: bool) -> None:
    """All that led to one experiment and came of it.

    Raises:
        UserError: there is none of this id.
    """
    with _journal(source, "labwright experiment") as view:
        found = view.experiment(experiment)
    _print(found, lambda: tables.experiment(found), as_json=as_json)


def print_samples(source: Source, *, as_json: bool) -> None:
    """Where each sample is."""
    with _journal(source, "labwright samples") as view:
        rows = view.samples()
    _print(rows, lambda: tables.samples(rows), as_json=as_json)


def print_logs(source: Source, *, level: str, last: int, follow: bool, as_json: bool) -> None:
    """The agent's log; at a broker what agents tell it, as it happens.

    Raises:
        UserError: there is no log.
    """
    console = tables.console()
    plain = as_json or not sys.stdout.isatty()

    def put(entry: logs.Entry) -> None:
        if plain:
            sys.stdout.write(json.dumps(entry, ensure_ascii=False) + "\n")
            sys.stdout.flush()
        else:
            console.print(logs.shown(entry))

    try:
        if isinstance(source, BusSource):
            asyncio.run(_follow_events(source, level, put))
        else:
            _from_file(source.state, level, last, put, follow=follow)
    except BrokenPipeError:
        # Whoever reads left, as head does; what is still buffered has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _from_file(state: Path, level: str, last: int, put: Callable[[logs.Entry], None], *, follow: bool) -> None:
    # From before what was written is read: a line may be shown twice, none is missed.
    comes = logs.following(state, level=level)
    new = next(comes) if follow else None
    for entry in logs.written(state, level=level, last=last):
        put(entry)
    while follow:
        if new is not None:
            put(new)
        new = next(comes)


def verify_audit(source: Source, *, as_json: bool) -> None:
    """Check the record whole.

    Raises:
        JournalError: something is wrong; says what is the first.
        SystemExit: the same with status 1, where the answer is JSON.
    """
    try:
        _verify(source, as_json=as_json)
    except JournalError as error:
        if not as_json:
            raise
        _print({"ok": False, "error": str(error)}, str, as_json=True)
        raise SystemExit(1) from error


def _verify(source: Source, *, as_json: bool) -> None:
    audit = needs("lab", "labwright audit verify", "agent.reading.audit")
    with _journal(source, "labwright audit verify") as view:
        report, name = audit.verify(view, audit.people_of(_local(source).people)), view.journal.name
    words = f"{name}: {report.events} events, the chain holds, the tables say what the events say; "
    words += f"{report.signatures} signatures are people's own"
    words += f", {report.unknown} are of keys that nobody here has" if report.unknown else ""
    _print({"ok": True, "name": name, "intact": True, **asdict(report)}, lambda: words, as_json=as_json)


def show_audit(source: Source, *, person: str, refused: bool, as_json: bool) -> None:
    """Who decided what and when, and what was refused."""
    audit = needs("lab", "labwright audit show", "agent.reading.audit")
    with _journal(source, "labwright audit show") as view:
        found = view.decisions(person=person, refused=refused)
        rows = audit.shown(view, found, audit.people_of(_local(source).people))
    _print(rows, lambda: tables.decisions(rows) if rows else "Nothing of the kind is on record.", as_json=as_json)


def _answer(source: Source, command: str) -> LabAnswer:
    if isinstance(source, BusSource):
        return asyncio.run(_with_bus(source, BusView.status))
    with _journal(source, command) as view:
        answer: LabAnswer = view.status()
    broker = _local(source).broker
    return asyncio.run(_with_presence(answer, broker)) if broker and answer.agent.life == "running" else answer


async def _with_presence(answer: LabAnswer, broker: Place) -> LabAnswer:
    """The same with how the instruments are now, which the broker alone knows; as it was where that is away."""
    transport = MqttTransport(
        broker.address, client_id=f"reader-{SystemIds().new()}", connect_timeout_s=PRESENCE_S
    )  # fmt: skip
    try:
        await transport.connect()
        there = {one.id: one for one in await BusView(broker, transport).instruments()}
    except LabwrightError:
        return answer
    finally:
        await transport.close()
    known = {one.id: one for one in answer.instruments}
    merged = [together(known.get(iid), there.get(iid)) for iid in sorted(known | there)]
    return replace(answer, instruments=tuple(one for one in merged if one is not None))


def _journal(source: Source, command: str) -> Any:
    """A view of the journal; annotated loosely, for its module needs a database that not every installation has."""
    local = _local(source)
    if local.place == local.state and not (local.state / JOURNAL).exists():
        shadow = local.state / SHADOW
        raise UserError(
            f"{local.state} holds no {JOURNAL}: "
            + (
                f"an agent ran in shadow, say --state {shadow}"
                if (shadow / JOURNAL).exists()
                else "no agent ran with it yet, or its record is in a database; then say --lab-file LAB.toml"
            )
        )
    module = needs("lab", command, "agent.reading.journal_view")
    try:
        return module.JournalView(local.place, lab=local.lab)
    except JournalError as error:
        if "password" not in str(error):
            raise
        raise JournalError(f"{error}: set LABWRIGHT_DATABASE_PASSWORD to the one of the database") from error


def _local(source: Source) -> JournalSource:
    if isinstance(source, BusSource):
        raise UserError("a broker keeps no experiments and no audit: ask on the agent's machine, with --state DIR")
    return source


async def _with_bus(source: BusSource, ask: Callable[[BusView], Coroutine[Any, Any, T]]) -> T:
    async with _at_the_bus(source) as view:
        return await ask(view)


@asynccontextmanager
async def _at_the_bus(source: BusSource) -> AsyncIterator[BusView]:
    place = with_credentials(find_place(source.asked, ()))
    transport = connection(place)
    try:
        await enter(transport, place)
        yield BusView(place, transport)
    finally:
        await transport.close()


async def _follow_events(source: BusSource, level: str, put: Callable[[logs.Entry], None]) -> None:
    async with _at_the_bus(source) as view:
        async for event in view.events():
            if logs.wanted(entry := logs.of_event(event), level):
                put(entry)


def _print(plain: object, table: Callable[[], RenderableType], *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(plain, default=str, ensure_ascii=False) + "\n")
    else:
        tables.console().print(table())


def state_of(source: Source) -> Path:
    """The state directory of a source on this machine.

    Raises:
        UserError: it is a broker.
    """
    return _local(source).state
