"""What ``labwright run`` does with its options: which laboratory, in which mode; nothing happens by mistake."""

from __future__ import annotations

import asyncio
import gc
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from rich.console import Console

from agent.core.messages import Mode
from agent.daemon import logs
from agent.daemon.config import LabConfig, load_lab, virtual_config
from agent.daemon.house import Launch
from agent.daemon.virtual_section import VIRTUAL_INSTRUMENTS
from agent.deciding.place import SignPost
from agent.identity import IdentityStore, People, Person, default_directory
from agent.registry import Registry
from envs.errors import UserError

_log = logs.get("starting")
STATE = Path("labwright-virtual")
LONGEST_H = 24.0 * 366


@dataclass(frozen=True)
class Request:
    """The command line's options as given."""

    file: Path | None = None
    virtual: bool = False
    live: bool = False
    shadow: bool = False
    dry_run: bool = False
    state: Path | None = None
    persons: tuple[str, ...] = ()
    approve: str = "people"
    speed: float = 3600.0
    seed: int = 0
    experiments: int | None = None
    strategy: str | None = None
    identities: Path | None = None
    http_port: int = 0
    instruments: tuple[str, ...] = ()


_VIRTUAL = Request()


def run(request: Request) -> None:
    """Run the daemon, or its dry run.

    Raises:
        UserError: the options contradict each other, or the laboratory's file.
    """
    console = Console(stderr=True)
    config, mode = choose(request)
    if mode == "dry-run":
        from agent.daemon.dry_run import dry_run

        gc.enable()
        if not asyncio.run(dry_run(config, console)):
            raise SystemExit(1)
        return
    if mode == "virtual" and request.file is None:
        _people_of_this_machine(request, config)
    warning = _nobody_decides(config, request)
    if warning and sys.stderr.isatty():
        console.print(f"[yellow]Nobody can decide here yet:[/] {warning}", soft_wrap=True)
    launch = Launch(
        config, mode, path=request.file, seed=request.seed, terminal=sys.stderr.isatty(),
        read=(lambda path: load_lab(path).in_shadow()) if mode == "shadow" else load_lab,
        up=lambda words: _up(words, warning, config, request, console),
    )  # fmt: skip
    from agent.daemon.lab_run import run_lab

    status = asyncio.run(run_lab(launch))
    if status:
        raise SystemExit(status)


def choose(request: Request) -> tuple[LabConfig, Mode]:
    """The laboratory and the mode.

    Raises:
        UserError: the options contradict each other, or the laboratory's file.
    """
    _no_contradiction(request)
    if request.file is None:
        if request.virtual:
            return _virtual(request), "virtual"
        raise UserError("which laboratory? Give its file, labwright run LAB.toml, or --virtual for a virtual one")
    config = load_lab(request.file)
    if request.virtual and config.virtual is None:
        raise UserError(
            f"--virtual brings its own laboratory: leave out {request.file}, leave out --virtual, or say by a table "
            "[virtual] in the file that its instruments are virtual ones"
        )
    if request.virtual:
        return config, "virtual"
    if request.dry_run:
        return config, "dry-run"
    if config.virtual is not None:
        raise UserError(f"{request.file} has a table [virtual], so its instruments are virtual ones: add --virtual")
    if not request.live:
        return config.in_shadow(), "shadow"
    if not config.lab.live:
        raise UserError(f"--live: {request.file} does not say live = true in [lab], and both are needed")
    return config, "live"


def _no_contradiction(request: Request) -> None:
    modes = {
        "--virtual": request.virtual, "--live": request.live, "--shadow": request.shadow, "--dry-run": request.dry_run,
    }  # fmt: skip
    given = [name for name, on in modes.items() if on]
    if len(given) > 1:
        raise UserError(f"{' and '.join(given)}: choose one of them")
    if request.approve not in {"people", "auto"}:
        raise UserError(f"--approve {request.approve}: people or auto")
    only = {
        "--state": request.state, "--person": request.persons, "--experiments": request.experiments,
        "--strategy": request.strategy, "--approve": request.approve != _VIRTUAL.approve,
        "--speed": request.speed != _VIRTUAL.speed, "--seed": request.seed, "--dir": request.identities,
        "--http-port": request.http_port, "--instruments": request.instruments,
    }  # fmt: skip
    wrong = [name for name, value in only.items() if value]
    if wrong and not (request.virtual and request.file is None):
        alone = " and no file" if request.virtual else ""
        raise UserError(f"{', '.join(wrong)}: only with --virtual{alone}; a laboratory's file says these itself")


def _virtual(request: Request) -> LabConfig:
    campaign: dict[str, Any] = {"id": "ceramics", "name": "hard ceramics", "seed": request.seed, "at_once": 3}
    campaign |= {
        k: v for k, v in {"experiments": request.experiments, "strategy": request.strategy}.items() if v is not None
    }
    return virtual_config(
        request.state or STATE,
        seed=request.seed,
        people=[p.name for p in _identities(request)],
        campaigns=[campaign],
        speed=request.speed,
        http_port=request.http_port,
        policy=_policy(request),
        identities=request.identities,
        instruments=request.instruments or VIRTUAL_INSTRUMENTS,
    )


def _policy(request: Request) -> dict[str, Any]:
    # People decide in their own time, however fast the laboratory's runs: an hour of theirs.
    policy: dict[str, Any] = {"expires_h": min(max(24.0, request.speed), LONGEST_H)}
    if request.approve == "auto":
        policy["auto"] = {"name": "virtual-lab", "factors": {"temperature": {"low": 0.0}}}
    return policy


def _store(request: Request) -> IdentityStore:
    return IdentityStore(request.identities or default_directory())


def _identities(request: Request) -> list[Person]:
    """Who decides: those named, or everybody with a key pair on this machine."""
    store = _store(request)
    return [store.person(name) for name in request.persons] if request.persons else store.persons()


def _people_of_this_machine(request: Request, config: LabConfig) -> None:
    """A virtual laboratory knows the keys of its own machine's people; a real one is given them one by one."""
    try:
        config.people.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"{config.state} cannot be the state directory ({error.strerror}): choose another with --state"
        ) from error
    store, registry = _store(request), Registry(config.people)
    known = {person.name for person in registry.people()}
    for person in _identities(request):
        if person.name not in known:
            registry.add(store.public_path(person.name))


def _nobody_decides(config: LabConfig, request: Request) -> str:
    """What to do where people shall decide, and the laboratory knows nobody; empty where it does."""
    try:
        config.people.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{config.people} cannot be made ({error.strerror}): make {config.state} writable") from error
    if request.approve != "people" or list(People.from_directory(config.people)):
        return ""
    words = f"there is no public key in {config.people}. Make a key pair with `labwright identity new NAME --role "
    if request.virtual and request.file is None:
        return f"{words}approver` and start again, or let a rule decide with --approve auto."
    return f"{words}approver`, then `labwright identity add NAME.public.json --people {config.people}`."


def sign_post(config: LabConfig) -> SignPost:
    """What everybody on this machine may know of how to get to the laboratory."""
    lab, broker = config.lab, config.broker
    url = urlsplit(broker.url)
    bare = "" if broker.embedded else url._replace(netloc=url.netloc.rpartition("@")[2]).geturl()
    return SignPost(
        lab=lab.name, broker=bare, root=lab.root, ca=str((config.home / broker.ca).absolute()) if broker.ca else "",
        users="@" in broker.url, people=str(config.people.absolute()),
        database=_without_secrets(lab.database), secrets=str(config.keys.absolute()),
    )  # fmt: skip


def _without_secrets(database: str) -> str:
    url = urlsplit(database)
    user, at, host = url.netloc.rpartition("@")
    query = urlencode([(name, value) for name, value in parse_qsl(url.query) if name not in {"password", "passfile"}])
    return url._replace(netloc=f"{user.partition(':')[0]}{at}{host}", query=query).geturl()


def _up(words: str, warning: str, config: LabConfig, request: Request, console: Console) -> None:
    """Tell people how they get here: at a terminal in words, elsewhere in the log, whose every line is JSON."""
    sign = sign_post(config)
    try:
        sign.write(config.state)
    except UserError as error:
        _log.warning(str(error))
    if sys.stderr.isatty():
        console.print(f"{words}\n{what_to_type(request, config, sign)}", highlight=False, soft_wrap=True)
        return
    if warning:
        _log.warning("nobody can decide here yet", todo=warning)
    _log.info("what people type", commands=what_to_type(request, config, sign).splitlines()[0])


def what_to_type(request: Request, config: LabConfig, sign: SignPost) -> str:
    """The commands by which people on this machine, or anywhere, decide and look."""
    usual = request.virtual and request.file is None and request.state is None
    state = "" if usual else f" --state {shlex.quote(str(config.state))}"
    there = f" {sign.options()}" if sign.broker else state
    return (
        f"See what waits for you: labwright proposals{there}   decide: labwright approve ID{there}   "
        f"how it stands: labwright status{state}\nStop it with Ctrl-C; nothing is lost."
    )
