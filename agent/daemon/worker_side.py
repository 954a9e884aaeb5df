"""What runs in the worker's process: everything that needs torch, pymatgen or scipy.

The process keeps planners and the image network between calls; every answer is nevertheless a function of what was
asked, so a worker that was killed is asked again.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import traceback
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from agent.daemon.children import die_with_parent
from agent.daemon.space_facts import RuleTable, SpaceFacts
from agent.minds import PlanAnswer, PlanRequest, PreviewAnswer, PreviewRequest
from envs.errors import ConfigError, InstrumentError, JournalError, LabwrightError, UserError

if TYPE_CHECKING:
    from agent import events as ev
    from agent.imaging import CampaignImageReader
    from agent.inline import InlineMinds
    from agent.planner import Planner
    from agent.wiring import Problem

NICENESS = 5
"""So that the daemon's loop answers while this process computes."""
_KINDS: dict[type[LabwrightError], str] = {UserError: "user", InstrumentError: "instrument", JournalError: "journal"}
_KEPT = 8
"""Campaigns whose planners are kept."""
T = TypeVar("T")


@dataclass(frozen=True)
class Answer(Generic[T]):
    """What a function returned."""

    value: T


@dataclass(frozen=True)
class Failure:
    """What it raised, in plain words: exceptions of libraries need not survive the way between processes.

    Args:
        kind: ``user``, ``instrument``, ``journal``, ``labwright`` or ``mistake`` (nobody foresaw it).
        message: for people.
        details: the traceback, of a mistake.
        setting: key, value, what is allowed and source, where a configuration is wrong.
    """

    kind: str
    message: str
    details: str = ""
    setting: tuple[str, object, str, str] | None = None


def begin(parent: int) -> None:
    """Make this process a quiet one that ends with its parent; runs before anything is imported that computes."""
    die_with_parent(parent)
    # What ends the daemon in order reaches all its processes where a terminal or a service manager sends it; the daemon
    # may still need this one, and ends it itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.nice(NICENESS)
    # One thread: sums come out the same on every machine, and so do the designs that follow from them.
    os.environ["OMP_NUM_THREADS"] = "1"


def carry_out(function: Callable[..., T], arguments: tuple[Any, ...]) -> Answer[T] | Failure:
    """Call a function, and put whatever comes of it into a form that every process can read."""
    try:
        return Answer(function(*arguments))
    except ConfigError as error:
        return Failure("user", str(error), setting=(error.key, error.value, error.allowed, error.source))
    except LabwrightError as error:
        return Failure(next((kind for cls, kind in _KINDS.items() if isinstance(error, cls)), "labwright"), str(error))
    except Exception as error:  # noqa: BLE001 - the daemon says what it was, and goes on
        return Failure("mistake", f"{type(error).__name__}: {error}", traceback.format_exc())


# ---- Planning


@dataclass
class _Mind:
    """One campaign's planner.

    Args:
        asked: digest of the configuration.
        problem: the campaign.
        planner: it.
        inline: asks it.
        checkpoint: where it stands, as it said itself.
    """

    asked: str
    problem: Problem
    planner: Planner
    inline: InlineMinds
    checkpoint: bytes = b""


_minds: OrderedDict[str, _Mind] = OrderedDict()


def plan(campaign: str, config: Mapping[str, Any], request: PlanRequest) -> PlanAnswer:
    """Plan one round.

    Raises:
        ConfigError: the configuration is wrong.
    """
    _compute_in_one_thread()
    mind = _mind(campaign, config, request.checkpoint)
    answer = mind.inline.plan_now(request)
    mind.checkpoint = answer.checkpoint or mind.checkpoint
    return answer


def preview(campaign: str, config: Mapping[str, Any], request: PreviewRequest) -> PreviewAnswer:
    """What the models expect of some designs.

    The planner of the campaign stays where it stands: its policy is neither asked nor restored.

    Raises:
        ConfigError: the configuration is wrong.
        InfeasibleDesignError: a design is not of the campaign's space.
    """
    _compute_in_one_thread()
    mind = _minds.get(campaign)
    if mind is None or mind.asked != digest_of(config):
        mind = _mind(campaign, config, b"")
    return mind.inline.preview_now(request)


def _mind(campaign: str, config: Mapping[str, Any], checkpoint: bytes) -> _Mind:
    """A campaign's planner, standing where the request says: what it learned at an answer that was lost is undone."""
    asked = digest_of(config)
    mind = _minds.pop(campaign, None)
    if mind is None or mind.asked != asked or (mind.checkpoint and not checkpoint):
        problem = _problem(config)
        planner = problem.planner(problem.config.campaign.strategy)
        mind = _Mind(asked, problem, planner, _inline(problem, planner, asked))
    elif mind.checkpoint != checkpoint:
        mind.inline = _inline(mind.problem, mind.planner, asked)  # which restores the planner when it is asked
    mind.checkpoint = checkpoint
    _minds[campaign] = mind
    while len(_minds) > _KEPT:
        _minds.popitem(last=False)
    return mind


def _inline(problem: Problem, planner: Planner, asked: str) -> InlineMinds:
    from agent.imaging import CampaignImageReader
    from agent.inline import InlineMinds
    from agent.store import ArtefactStore
    from surrogates.micrograph_reader import MicrographReader

    # Its reader is never asked: images are read whatever the campaign.
    reader = CampaignImageReader(ArtefactStore(Path()), MicrographReader.load)
    models = f"labwright-{version('labwright')}+{asked[:12]}"
    return InlineMinds(planner, problem.space.library, reader, model_version=models)


def digest_of(config: Mapping[str, Any]) -> str:
    """SHA-256 of a configuration."""
    return hashlib.sha256(json.dumps(config, sort_keys=True, default=str).encode()).hexdigest()


def _problem(config: Mapping[str, Any]) -> Problem:
    from agent.config import parse_config
    from agent.wiring import build_problem

    return build_problem(parse_config(dict(config)))


def facts(config: Mapping[str, Any]) -> SpaceFacts:
    """What is known of a campaign's design space; takes no torch.

    Raises:
        ConfigError: the configuration is wrong.
    """
    import numpy as np

    space = _problem(config).space
    return SpaceFacts(
        name=space.name,
        version=space.version,
        crystals={c.id: c.name for c in space.library},
        factors=space.factors,
        n_feasible=space.n_feasible,
        rules=tuple(
            RuleTable(name, scope, tuple(table.shape), np.packbits(table).tobytes())
            for name, scope, table in space.rule_tables
        ),
    )


# ---- Images

_readers: dict[Path, CampaignImageReader] = {}


def read_image(experiment: str, attempt: int, image: ev.ArtefactRecord, pixel_size: float, store: Path) -> ev.ImageRead:
    """Read a micrograph of the store; its overlay is put there.

    Raises:
        JournalError: the file is missing from the store, or changed there.
    """
    _compute_in_one_thread()
    from agent.imaging import CampaignImageReader
    from agent.store import ArtefactStore
    from surrogates.micrograph_reader import MicrographReader

    if store not in _readers:
        _readers[store] = CampaignImageReader(ArtefactStore(store), MicrographReader.load)
    return _readers[store].read(experiment, attempt, image, pixel_size)


_limited: list[object] = []


def _compute_in_one_thread() -> None:
    if not _limited:
        import torch
        from threadpoolctl import threadpool_limits

        torch.set_num_threads(1)
        _limited.append(threadpool_limits(1))
