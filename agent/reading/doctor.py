"""``labwright doctor``: everything that a run would stumble over, looked at one by one, with what to do.

It changes nothing: no file is made, no order given, and what it publishes to try its rights means nothing to anybody.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from agent.daemon.config import CampaignEntry, LabConfig, load_lab
from agent.daemon.credentials import SECRETS, without_password
from agent.daemon.porch import PREFIX
from agent.daemon.web_checks import web_faults
from agent.reading.doctor_limits import all_refused, not_given
from agent.reading.findings import Finding, ok, problem, warning
from agent.registry import Registry
from agent.roles import Role, may
from agent.rules.limits import Limits
from agent.rules.limits_config import read_limits
from agent.rules.recipe import Recipe, Step
from envs.design import Design
from envs.errors import ConfigError, LabwrightError
from instruments.broker import find_mosquitto, port_is_free

if TYPE_CHECKING:
    from agent.daemon.space_facts import SpaceFacts

LEAST = (3, 11)
_MODULES = ("torch", "sqlalchemy", "structlog", "prometheus_client", "uvicorn", "botorch")
_MODELS = ("crystal_embedding.safetensors", "micrograph.safetensors")
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def examine(path: Path, *, free: Callable[[Path], int] = lambda p: shutil.disk_usage(p).free) -> Iterator[Finding]:
    """Look at everything that is on this machine; ``doctor_bus.examine_broker`` looks at the broker.

    Args:
        path: the laboratory's file.
        free: bytes that are free on a directory's disk.
    """
    yield _python()
    yield _extras()
    yield _models()
    try:
        config = load_lab(path)
    except LabwrightError as error:
        yield problem("file", str(error), "correct it; docs/running-a-lab.md shows a whole one")
        return
    yield ok("file", f"{path}: laboratory {config.lab.name}, {len(config.campaign)} campaigns")
    yield from _campaigns(config)
    yield from _limits(config)
    yield from _people(config)
    yield from _secrets(config, path)
    yield from _writable(config)
    yield _disk(config, free)
    record = journal(config)
    yield record
    yield from http(config, held=record.health == "warning")
    yield from pages(config)


# ---- The installation


def _python() -> Finding:
    words = f"Python {sys.version_info.major}.{sys.version_info.minor}"
    if sys.version_info < LEAST:
        return problem("python", words, "use 3.11 or later")
    return ok("python", words)


def _extras() -> Finding:
    missing = [name for name in _MODULES if importlib.util.find_spec(name) is None]
    if missing:
        return problem("installation", f"not installed: {', '.join(missing)}", "pip install 'labwright[lab]'")
    return ok("installation", "everything that the agent imports is there")


def _models() -> Finding:
    directory = files("surrogates").joinpath("models")
    missing = [name for name in _MODELS if not directory.joinpath(name).is_file()]
    if missing:
        todo = "install the package again; labwright train makes them anew"
        return problem("models", f"missing: {', '.join(missing)}", todo)
    return ok("models", "crystal embedding and micrograph network are there")


# ---- What people fix


def _campaigns(config: LabConfig) -> Iterator[Finding]:
    if not config.campaign:
        yield warning("campaigns", "there is none", "add a [[campaign]] table: without one nothing is proposed")
    for entry in config.campaign:
        try:
            facts = _facts(entry)
            recipe_of(config, entry)
        except LabwrightError as error:
            yield problem(f"campaign {entry.id}", str(error), "correct the file")
            continue
        words = f"{facts.n_feasible:,.0f} designs are allowed, {entry.experiments} experiments to be made"
        yield ok(f"campaign {entry.id}", words)


def _facts(entry: CampaignEntry) -> SpaceFacts:
    try:
        return _built(entry.offline.model_dump_json())
    except ConfigError as error:
        raise ConfigError(f"campaign {entry.id}: {error.key}", error.value, error.allowed) from error


@lru_cache(maxsize=32)
def _built(settings: str) -> SpaceFacts:
    from agent.daemon.worker_side import facts

    return facts(json.loads(settings))


def recipe_of(config: LabConfig, entry: CampaignEntry) -> Recipe:
    """The steps of a campaign's experiments.

    Raises:
        ConfigError: something about the campaign is wrong.
    """
    from agent.daemon.rules_of import campaign_rules

    return campaign_rules(entry, _facts(entry), config).recipe


def _limits(config: LabConfig) -> Iterator[Finding]:
    """Whether each step of each campaign's recipe has an instrument that may be ordered to do it."""
    if not config.limits:
        todo = "add [limits.INSTRUMENT] tables: without any nothing is ordered, but in a virtual laboratory"
        yield warning("limits", "there are none", todo)
        return
    limits = read_limits(config.limits, source=config.source)
    for entry in config.campaign:
        try:
            steps = recipe_of(config, entry).steps
        except LabwrightError:
            continue  # said above
        bare = [s for s in steps if not able(limits, s, entry.instruments)]
        if bare:
            words = ", ".join(f"{s.command} of a {s.capability}" for s in bare)
            todo = "allow an instrument of that kind, with that command, in [limits]"
            yield problem(f"limits of {entry.id}", f"no instrument may do: {words}", todo)
        else:
            yield ok(f"limits of {entry.id}", f"each step has an instrument ({limits.version})")
            yield from not_given(entry.id, limits, steps, tuple(f.name for f in _facts(entry).factors))
            yield from all_refused(entry.id, limits, recipe_of(config, entry), _facts(entry))
        yield from _never(limits, config, entry)


def _never(limits: Limits, config: LabConfig, entry: CampaignEntry) -> Iterator[Finding]:
    """Levels of the design space that the limits never allow: the planner would propose them in vain."""
    facts, recipe = _facts(entry), recipe_of(config, entry)
    crystal = next(iter(facts.crystals), "")
    base = {f.name: f.levels[0] for f in facts.factors}
    shut: list[str] = []
    for factor in facts.factors:
        levels = []
        for level in factor.levels:
            design = Design(crystal, {**base, factor.name: level})
            refused = limits.refusals_of(recipe, design, facts.factors, "sample")
            if any(f": {factor.name} = " in reason for reason in refused):
                levels.append(level if isinstance(level, str) else f"{level:g}")
        if levels:
            shut.append(f"{factor.name} {', '.join(levels)} {factor.unit}".rstrip())
    if shut:
        todo = "leave them out of the campaign's space, or widen [limits]: proposals with them are refused"
        yield warning(f"limits of {entry.id}", f"never allowed: {'; '.join(shut)}", todo)


def able(limits: Limits, step: Step, own: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The instruments that the limits allow to carry out a step.

    Args:
        limits: of the laboratory.
        step: of a recipe.
        own: instruments that the campaign is kept to; empty for all.
    """
    found = []
    for iid, allowed in limits.instruments.items():
        tables = [t for t in (limits.kinds.get(allowed.kind), allowed.commands) if t]
        if allowed.kind == step.capability and tables and all(step.command in t for t in tables):
            found.append(iid)
    return tuple(iid for iid in found if not own or iid in own)


def _people(config: LabConfig) -> Iterator[Finding]:
    directory = config.people
    todo = f"labwright identity new NAME --role approver on their machine, and the public file into {directory}"
    try:
        people = list(Registry(directory).people()) if directory.is_dir() else []
    except LabwrightError as error:
        yield problem("people", str(error), "replace that file by the one that labwright identity new made")
        return
    active = [p for p in people if p.revoked is None]
    approvers = {p.name for p in active if may(p.role, "approve")}
    listed = ", ".join(sorted(f"{p.name} ({p.role})" for p in active)) or "nobody"
    if not approvers:
        yield problem("people", f"nobody may approve; there is {listed}", todo)
    elif len(approvers) < 2 and _two_needed(config):
        yield problem("people", f"two persons must approve some designs; there is {listed}", todo)
    else:
        yield ok("people", listed)
    if not any(p.role is Role.ADMIN for p in active):
        yield warning("admin", "nobody is admin: reload over the bus is nobody's", "make one, or use SIGHUP")
    if directory.is_dir() and directory.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        yield problem("keys", f"{directory} can be written by others: whoever does may approve", "chmod go-w on it")


def _two_needed(config: LabConfig) -> bool:
    return any("two_persons" in policy for policy in (config.policy, *(entry.policy for entry in config.campaign)))


# ---- The machine


def _secrets(config: LabConfig, path: Path) -> Iterator[Finding]:
    open_ = [p for p in _files(config.state / SECRETS) if p.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)]
    if open_:
        yield problem("secrets", f"others can read {', '.join(map(str, open_))}", "chmod 600 on each")
    else:
        yield ok("secrets", "nobody else can read them")
    named = [url for url in (config.lab.database, config.broker.url) if without_password(url) != url]
    if named and path.stat().st_mode & stat.S_IROTH:
        todo = "put it into LABWRIGHT_BROKER_PASSWORD, LABWRIGHT_DATABASE_PASSWORD or a credential of the service"
        yield warning("secrets", f"a password stands in {path}, which everybody can read", todo)


def _files(directory: Path) -> list[Path]:
    return sorted(p for p in directory.iterdir() if p.is_file()) if directory.is_dir() else []


def _writable(config: LabConfig) -> Iterator[Finding]:
    """Whether the state directory can be made or written; nothing is."""
    there = next(p for p in (config.state, *config.state.parents) if p.exists())
    todo = "give it to the user that the agent runs as, or choose another lab.state"
    if not there.is_dir():
        yield problem("state", f"{there} is a file: {config.state} cannot be the state directory", todo)
    elif not os.access(there, os.W_OK | os.X_OK) or os.statvfs(there).f_flag & os.ST_RDONLY:
        yield problem("state", f"{there} cannot be written by this user: the record goes there", todo)


def _disk(config: LabConfig, free: Callable[[Path], int]) -> Finding:
    there = next(p for p in (config.state, *config.state.parents) if p.exists())
    try:
        room = free(there) / 1e6
    except OSError as error:
        return problem("disk", f"{there} does not say how much room it has: {error}", "look at the disk")
    words = f"{room:,.0f} MB are free on the disk of {config.state}"
    if room < config.lab.free_disk_mb:
        return problem("disk", f"{words}, {config.lab.free_disk_mb:,.0f} MB are kept", "make room: nothing would begin")
    if room < 10 * config.lab.free_disk_mb:
        return warning("disk", words, "make room: it will not last for long")
    return ok("disk", words)


@dataclass(frozen=True)
class _Journal:
    """What opening a journal showed."""

    name: str
    seq: int
    holder: str


def journal(config: LabConfig) -> Finding:
    """Whether the journal can be opened, is of a release that this one knows, and who writes to it."""
    place = config.journal()
    if isinstance(place, Path) and not (place / "journal.sqlite").exists():
        return ok("journal", f"there is none in {place} yet: the first run makes it")
    try:
        found = _opened(place)
    except LabwrightError as error:
        if "there is none in it" in str(error):
            return ok("journal", "the database is there and empty: the first run makes the journal")
        todo = "start the server, correct lab.database, or restore a backup" if config.lab.database else "see above"
        return problem("journal", str(error), todo)
    words = f"{found.name}: {found.seq} events"
    if found.holder:
        return warning("journal", f"{words}, held by {found.holder}", "stop that one before another runs")
    return ok("journal", f"{words}, held by nobody")


def _opened(place: Path | str) -> _Journal:
    from agent.journal import Journal
    from agent.reading.lease import holder
    from agent.reading.lease_postgres import server_holder

    with Journal(place, write=False) as found:
        who = holder(place) if isinstance(place, Path) else server_holder(found)
        return _Journal(found.name, found.seq, who or "")


def http(config: LabConfig, *, held: bool) -> Iterator[Finding]:
    """Whether the HTTP port is free, and instruments elsewhere could reach it.

    Args:
        config: the laboratory's file.
        held: whether an agent runs, whose port it may be.
    """
    told = config.http
    if told.port and not port_is_free(told.port, told.host):
        say, words = (warning if held else problem), f"{told.host}:{told.port} cannot be listened on"
        yield say("http", words, "stop whoever listens there (an agent that runs?), or choose another http.port")
    else:
        yield ok("http", f"{told.host}:{told.port or 'a free port'} can be listened on")
    far = not config.broker.embedded and not config.address().on_loopback
    if far and told.host in _LOOPBACK and not told.public_url:
        todo = "set http.host with a certificate, or http.public_url to a proxy's address"
        yield warning("http", "instruments on other machines cannot bring their images to this one alone", todo)


def pages(config: LabConfig) -> Iterator[Finding]:
    """Whether the dashboard's pages can be there, and people log in to them."""
    if not config.dashboard.enabled:
        return
    faults = list(web_faults(config))
    for fault in faults:
        yield warning("dashboard", str(fault), "correct it; docs/dashboard.md says what each setting means")
    if importlib.util.find_spec("nicegui") is None:
        yield warning("dashboard", "NiceGUI is not installed: there are no pages", "pip install 'labwright[dashboard]'")
    elif not faults:
        yield ok("dashboard", f"its pages will be at {PREFIX}/ of the HTTP port")


def broker_installed(config: LabConfig) -> Finding | None:
    """Whether the embedded broker can be started; None where another one is configured."""
    if not config.broker.embedded:
        return None
    found = find_mosquitto()
    if found is None:
        return problem("broker", "Mosquitto is not installed", "install Mosquitto, or set broker.url")
    return ok("broker", f"{found} runs as a child of the agent")
