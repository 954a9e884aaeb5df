"""The composition root: the one module that chooses implementations.

It alone of the agent may import the simulators, with ``agent.wiring_reader``, which wires what a reader of micrographs
is trained on. What it hands to the planner holds no truth: structures, and the labels that a campaign is given.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from agent.config import CampaignConfig
from agent.core import CampaignRules
from agent.remote_broker import ROOT, RemoteBroker
from agent.rules.recipe import RecipeSettings, flagship
from envs.crystals import CrystalLibrary
from envs.errors import ConfigError
from envs.firing_limits import FIRING
from envs.moduli import Moduli
from envs.objective import FLAGSHIP, Objective
from envs.space import DesignSpace
from instruments.bulk.fetch import Sources
from instruments.client import InstrumentClient
from instruments.clock import Clock, wait_forever
from instruments.ids import Ids, SeededIds, SystemIds
from instruments.topics import Lab
from instruments.transport import Transport
from surrogates.datasets import elastic

if TYPE_CHECKING:
    # Checking a campaign file takes no model: torch is loaded by what needs it.
    from agent.planner import Planner
    from simulators.faulting.virtual_time import VirtualTime
    from simulators.faults import Faults
    from simulators.lab import Entry, VirtualLab
    from surrogates.design_features import DesignFeatures

Broker = Literal["none", "embedded"] | RemoteBroker
"""Where the instruments are: in process, at a broker that ends with the campaign, or at one that others run."""
AGENT = "agent"
LAB = "virtual"
"""Name of the virtual laboratory in the topics, where nobody chooses another."""
FAULTY_SPEED = 60.0
"""Seconds of lab time in one that is waited for in a campaign with faults: a firing of hours is eight minutes of beats
and questions, and a message that is sent again after 5 s costs the laboratory five minutes."""
START = datetime(2026, 1, 1, tzinfo=UTC)
"""When every simulated campaign begins."""


@dataclass(frozen=True)
class Problem:
    """A configured campaign: its space, its rules, and what the learner is told at the start."""

    config: CampaignConfig
    space: DesignSpace
    rules: CampaignRules

    @cached_property
    def library(self) -> CrystalLibrary:
        """All compounds whose structures are known."""
        return CrystalLibrary.builtin()

    @cached_property
    def labels(self) -> dict[str, Moduli]:
        """The moduli that the learner knows: a share of the library, drawn with the campaign's seed."""
        table = elastic.load()
        order = np.random.default_rng([self.config.campaign.seed, 17]).permutation(len(self.library))
        n = round(self.config.campaign.labelled * len(self.library))
        return {self.library.ids[i]: table[self.library.ids[i]] for i in sorted(order[:n])}

    def planner(self, strategy: str) -> Planner:
        """A planner that fits the crystal surrogate when it first needs it."""
        from agent.planner import Planner, Strategy

        return Planner(self.space, Strategy(strategy), self._features, seed=self.config.campaign.seed)

    def _features(self) -> DesignFeatures:
        from surrogates.crystal_gnn import CrystalSurrogate
        from surrogates.design_features import DesignFeatures
        from surrogates.pretrained import CrystalEmbedding

        seed = self.config.campaign.seed
        surrogate = CrystalSurrogate(CrystalEmbedding.shipped(self.library), seed=seed)
        surrogate.fit([self.library[i] for i in self.labels], list(self.labels.values()))
        return DesignFeatures(self.space, surrogate, self.labels, seed=seed)


def build_problem(config: CampaignConfig, *, source: str = "") -> Problem:
    """Check a configuration against the virtual laboratory and build its design space.

    Raises:
        ConfigError: the space, the objective or a kind of fault is wrong, or asks for what the virtual laboratory
            cannot do.
    """
    _check_objective(config, source)
    _check_faults(config, source)
    space = DesignSpace.from_config(config.space, source=source)
    _check_against_furnace(space, source)
    campaign, recipe = config.campaign, config.recipe
    settings = RecipeSettings(recipe.indent_load, recipe.n_indents, recipe.max_images, recipe.max_tries)
    rules = CampaignRules(campaign.experiments, campaign.batch, campaign.initial, flagship(settings), space.factors)
    return Problem(config, space, rules)


def _check_faults(config: CampaignConfig, source: str) -> None:
    if not config.faults.kinds:
        return
    from simulators.faulting.kinds import KINDS

    if unknown := [kind for kind in config.faults.kinds if kind not in set(KINDS)]:
        raise ConfigError("faults.kinds", ", ".join(unknown), f"some of {', '.join(KINDS)}", source=source)


def _check_objective(config: CampaignConfig, source: str) -> None:
    try:
        objective = Objective.from_dict(config.objective)
    except ConfigError as error:
        raise error.at(source) from error
    if objective != FLAGSHIP:
        allowed = f"{FLAGSHIP.to_dict()}: what the virtual laboratory measures"
        raise ConfigError("objective", objective.to_dict(), allowed, source=source)


def _check_against_furnace(space: DesignSpace, source: str) -> None:
    if not len(space.library):
        raise ConfigError(
            "space.library", "none", "the virtual laboratory sinters crystals: choose a library", source=source
        )
    names = [f.name for f in space.factors]
    if sorted(names) != sorted(FIRING):
        raise ConfigError(
            "space.factors", names, f"the virtual furnace takes exactly {', '.join(FIRING)}", source=source
        )
    for factor in space.factors:
        limit = FIRING[factor.name]
        if not limit.options and factor.unit != limit.unit:
            raise ConfigError(
                f"space.factors.{factor.name}.unit", factor.unit, f"the furnace's unit {limit.unit!r}", source=source
            )
        for level in factor.levels:
            if not limit.allows(level):
                raise ConfigError(f"space.factors.{factor.name}.levels", level, limit.words, source=source)


class VirtualLaboratory:
    """The virtual instruments of a campaign with a client connected to them.

    Args:
        problem: the campaign.
        directory: where samples, images and job journals persist.
        clock: simulated.
        n_past: number of events already in the journal: ids of a resumed run differ from those it used before.
        broker: where the instruments meet their client.
        faults: what goes wrong; then jobs last, and the clock is one of ``virtual_time``.
    """

    def __init__(
        self,
        problem: Problem,
        directory: Path,
        clock: Clock,
        n_past: int,
        broker: Broker,
        faults: Faults | None = None,
    ) -> None:
        from simulators.lab import VirtualLab

        seed = problem.config.campaign.seed
        self._clock = clock
        self._broker = broker
        self._faulty = faults is not None
        remote = isinstance(broker, RemoteBroker)
        # A broker of others remembers an earlier campaign of this seed: its boots and jobs must not be taken for ours.
        self.ids: Ids = SystemIds() if remote else SeededIds(clock, random.Random(f"{seed}/{n_past}"))
        self._name = broker.lab if isinstance(broker, RemoteBroker) else LAB
        self._lab = VirtualLab(
            seed, problem.library, elastic.load(), directory=directory, clock=clock, ids=self.ids, lab=self._name,
            speed=FAULTY_SPEED if self._faulty else 0.0, faults=faults,
        )  # fmt: skip

    @property
    def sources(self) -> Sources:
        """Where the instruments leave their images: nothing else of this machine is read for them."""
        return Sources(directories=[self._lab.images])

    @property
    def instruments(self) -> tuple[str, ...]:
        """The ids that a campaign here may order from: a simulation moves nobody's hardware."""
        from simulators.lab import INSTRUMENTS

        return INSTRUMENTS

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[InstrumentClient]:
        """Start the instruments and connect to them: in process, or each over a connection of its own to a broker."""
        from simulators.lab import INSTRUMENTS

        with ExitStack() as stack:
            connect = self._connections(stack, INSTRUMENTS)
            # Where nothing is lost nothing is waited for; with faults it is, in a time that costs none.
            sleeper = wait_forever if self._broker == "none" and not self._faulty else asyncio.sleep
            client = InstrumentClient(
                connect(AGENT), lab=self._name, agent=AGENT, clock=self._clock, ids=self.ids, sleeper=sleeper,
                judge_clocks=False,
            )  # fmt: skip
            try:
                await self._lab.start(connect)
                await client.start()
                await client.wait_for(INSTRUMENTS)
                async with self._beating():
                    yield client
            finally:
                await client.close()
                await self._lab.close()

    @asynccontextmanager
    async def _beating(self) -> AsyncIterator[None]:
        """Have the instruments beat where time passes: by their beats one that is away is known."""
        if not self._faulty:
            yield
            return
        beats = asyncio.create_task(self._lab.run(), name="beats")
        try:
            yield
        finally:
            beats.cancel()
            await asyncio.gather(beats, return_exceptions=True)

    def _connections(self, stack: ExitStack, iids: tuple[str, ...]) -> Callable[[str], Transport]:
        """Gives each instrument, and the agent, a connection."""
        if isinstance(self._broker, RemoteBroker):
            return self._broker.transport
        if self._broker == "none":
            from instruments.local import LocalBus

            bus = LocalBus()
            return lambda _name: bus.transport()
        from instruments.broker import local_broker
        from instruments.brokers.access import Access
        from instruments.mqtt import MqttTransport

        access = Access.new(Lab(ROOT, self._name), agents=(AGENT,), instruments=iids)
        broker = stack.enter_context(local_broker(access))
        return lambda name: MqttTransport(broker.address(name), client_id=name)


def campaign_faults(problem: Problem, directory: Path) -> Faults | None:
    """The faults of a campaign, counted in its directory; None where it is to have none.

    Raises:
        ConfigError: a kind of fault is unknown.
        JournalError: the count cannot be read.
    """
    from simulators.faults import KINDS, Faults

    wanted = problem.config.faults
    seed = problem.config.campaign.seed if wanted.seed is None else wanted.seed
    kinds = wanted.kinds or KINDS
    return Faults(wanted.rate, seed, kinds=kinds, directory=directory) if wanted.rate > 0.0 else None


def injected_faults(directory: Path) -> dict[str, int]:
    """How many faults took place in a campaign, by kind, as its directory tells.

    Raises:
        JournalError: the count cannot be read.
    """
    from simulators.faults import FILE, FaultLedger

    return FaultLedger(directory / FILE).injected


def virtual_time(start: datetime) -> VirtualTime:
    """The clock of a campaign with faults: it moves while ``run_virtually`` waits."""
    from simulators.faulting.virtual_time import VirtualTime

    return VirtualTime(start, FAULTY_SPEED)


def run_virtually(work: Coroutine[Any, Any, None], time: VirtualTime) -> None:
    """Like ``asyncio.run``, but what is waited for costs no real time."""
    from simulators.faulting.virtual_time import run

    run(work, time)


async def check_broker(broker: RemoteBroker) -> None:
    """Prove that the virtual laboratory can be at a broker of others.

    Raises:
        TransportError: when the broker is not there, or refuses.
        UserError: when it passes nothing on in this laboratory, or instruments of the same ids are there already.
    """
    from agent import remote_broker
    from simulators.lab import INSTRUMENTS

    await remote_broker.check_broker(broker, INSTRUMENTS)


def virtual_catalogue() -> tuple[Entry, ...]:
    """What virtual instruments there are, and what each can do."""
    from simulators.lab import catalogue

    return catalogue()


def virtual_instruments(wanted: Iterable[str] = ()) -> tuple[str, ...]:
    """Ids of the wanted virtual instruments, of all where none is named.

    Raises:
        ConfigError: there is none of an id.
    """
    from simulators.lab import MAKERS, chosen

    return chosen(tuple(wanted) or MAKERS)


def virtual_lab(
    seed: int,
    directory: Path,
    *,
    clock: Clock,
    ids: Ids,
    lab: str,
    root: str,
    speed: float = 0.0,
    instruments: Sequence[str] = (),
    fault_rate: float = 0.0,
    fault_seed: int = 0,
) -> VirtualLab:
    """A virtual laboratory on its own, to be put on a bus: instruments around one hidden truth.

    Args:
        seed: of the truth.
        directory: where samples, images and job journals persist.
        clock: the devices' clocks.
        ids: gives their boot ids.
        lab: the laboratory's id on the bus.
        root: first level of all topics.
        speed: seconds of lab time in a real one, at which jobs last; 0 does everything at once.
        instruments: ids of those that it has; all where none is named.
        fault_rate: share of orders that meet a fault, 0 to 1.
        fault_seed: of the draws of faults.

    Raises:
        ConfigError: when the speed is neither 0 nor 1 or more, the rate is beyond its range, or there is no instrument
            of an id.
        JournalError: when the directory belongs to a laboratory of another seed.
    """
    from simulators.faults import Faults
    from simulators.lab import VirtualLab

    return VirtualLab(
        seed,
        CrystalLibrary.builtin(),
        elastic.load(),
        directory=directory,
        clock=clock,
        ids=ids,
        lab=lab,
        root=root,
        speed=speed,
        instruments=virtual_instruments(instruments),
        faults=Faults(fault_rate, fault_seed, directory=directory) if fault_rate else None,
    )
