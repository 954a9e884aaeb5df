"""What ``labwright run`` does with its options: which laboratory, in which mode; nothing happens by mistake."""

from __future__ import annotations

import asyncio
import gc
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from agent.core.messages import Mode
from agent.daemon.config import LabConfig, load_lab, virtual_config
from agent.daemon.house import Launch
from agent.identity import IdentityStore, People, Person, default_directory
from agent.registry import Registry
from envs.errors import UserError

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
        asyncio.run(dry_run(config, console))
        return
    if mode == "virtual":
        _people_of_this_machine(request, config)
    _warn_without_people(config, request, console)
    launch = Launch(
        config, mode, path=request.file, seed=request.seed, terminal=sys.stderr.isatty(),
        read=(lambda path: load_lab(path).in_shadow()) if mode == "shadow" else load_lab,
        up=lambda words: console.print(f"{words}\n{_next(request, config)}", highlight=False, soft_wrap=True),
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
    if request.virtual:
        return _virtual(request), "virtual"
    if request.file is None:
        raise UserError("which laboratory? Give its file, labwright run LAB.toml, or --virtual for a virtual one")
    config = load_lab(request.file)
    if request.dry_run:
        return config, "dry-run"
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
    if request.virtual and request.file is not None:
        raise UserError(f"--virtual brings its own laboratory: leave out {request.file}, or leave out --virtual")
    if request.approve not in {"people", "auto"}:
        raise UserError(f"--approve {request.approve}: people or auto")
    only = {
        "--state": request.state, "--person": request.persons, "--experiments": request.experiments,
        "--strategy": request.strategy, "--approve": request.approve != _VIRTUAL.approve,
        "--speed": request.speed != _VIRTUAL.speed, "--seed": request.seed, "--dir": request.identities,
        "--http-port": request.http_port,
    }  # fmt: skip
    wrong = [name for name, value in only.items() if value]
    if wrong and not request.virtual:
        raise UserError(f"{', '.join(wrong)}: only with --virtual; a laboratory's file says these itself")


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
    config.people.mkdir(parents=True, exist_ok=True)
    store, registry = _store(request), Registry(config.people)
    known = {person.name for person in registry.people()}
    for person in _identities(request):
        if person.name not in known:
            registry.add(store.public_path(person.name))


def _warn_without_people(config: LabConfig, request: Request, console: Console) -> None:
    config.people.mkdir(parents=True, exist_ok=True)
    if request.approve == "people" and not list(People.from_directory(config.people)):
        console.print(
            f"[yellow]Nobody can decide here yet:[/] there is no public key in {config.people}. Make a key pair with "
            "`labwright identity new NAME --role approver` and start again"
            + (", or let a rule decide with --approve auto." if request.virtual else "."),
            soft_wrap=True,
        )


def _next(request: Request, config: LabConfig) -> str:
    state = "" if request.virtual and request.state is None else f" --state {config.state}"
    return (
        f"See what waits for you: labwright proposals{state}   decide: labwright approve ID{state}   "
        f"how it stands: labwright status{state}\nStop it with Ctrl-C; nothing is lost."
    )
