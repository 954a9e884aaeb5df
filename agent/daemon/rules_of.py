"""What people fix beforehand, made of the laboratory's file: the rules that the core decides by, and what may change.

What a campaign's design space is takes a periodic table to find out: ``facts_of`` does it, in another process if need
be, for what it gives can be pickled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agent.config import together
from agent.core.messages import Mode
from agent.core.state import CampaignRules, LabRules
from agent.daemon.config import CampaignEntry, LabConfig
from agent.rules.limits import Limits
from agent.rules.limits_config import read_limits
from agent.rules.recipe import RecipeSettings, flagship
from envs.design import Design
from envs.errors import ConfigError
from envs.factors import Factor

if TYPE_CHECKING:
    from agent.identity import People


@dataclass(frozen=True)
class Facts:
    """What follows from a campaign's design space and objective.

    Args:
        factors: of the process.
        crystals: formulas of the compounds, by id.
        admits: why a design is outside the space; empty when it is inside.
        space_version: SHA-256 of everything that defines the space.
        n_feasible: designs that are allowed.
    """

    factors: tuple[Factor, ...]
    crystals: Mapping[str, str]
    admits: Callable[[Design], tuple[str, ...]]
    space_version: str
    n_feasible: float = field(default=0.0, compare=False)


def facts_of(entry: CampaignEntry, *, source: str = "") -> Facts:
    """Build a campaign's design space and check its objective.

    Raises:
        ConfigError: either is wrong.
    """
    from envs.objective import Objective
    from envs.space import DesignSpace

    try:
        Objective.from_dict(entry.objective)
        space = DesignSpace.from_config(entry.space)
    except ConfigError as error:
        raise ConfigError(f"campaign {entry.id}: {error.key}", error.value, error.allowed, source=source) from error
    names = {c.id: c.formula for c in space.library}
    return Facts(space.factors, names, space.violations, space.version, space.n_feasible)


def campaign_rules(entry: CampaignEntry, facts: Facts) -> CampaignRules:
    """The rules of one campaign.

    Raises:
        ConfigError: its approval or its budgets contradict themselves.
    """
    recipe = entry.recipe
    settings = RecipeSettings(recipe.indent_load, recipe.n_indents, recipe.max_images, recipe.max_tries)
    return CampaignRules(
        experiments=entry.experiments,
        batch=entry.batch,
        initial=entry.initial,
        recipe=flagship(settings),
        factors=facts.factors,
        priority=entry.priority,
        at_once=entry.at_once,
        crystals=facts.crystals,
        admits=facts.admits,
        instruments=frozenset(entry.instruments) or None,
    )


def limits_of(config: LabConfig, mode: Mode) -> Limits:
    """What may be ordered; in a virtual laboratory without a table of its own everything, for nothing is real there.

    Raises:
        ConfigError: the table is wrong.
    """
    if mode == "virtual" and not config.limits:
        return Limits.permissive()
    return read_limits(config.limits, source=config.source)


def lab_rules(config: LabConfig, people: People, facts: Mapping[str, Facts], *, mode: Mode) -> LabRules:
    """The rules of the laboratory with all its campaigns.

    Args:
        config: the laboratory's file.
        people: who may decide.
        facts: of each campaign, by id.
        mode: whether orders reach instruments.

    Raises:
        ConfigError: limits, budgets or policies are wrong.
    """
    campaigns = {entry.id: campaign_rules(entry, facts[entry.id]) for entry in config.campaign}
    return LabRules(campaigns, lab=config.lab.name, mode=mode, limits=limits_of(config, mode), people=people)


# ---- What may change while it runs

_RESTART = "as it was: this needs a restart of the agent"
_HISTORY = "as it was: what was done so far was done under it; begin another campaign with a new id"
_LAB_MAY = frozenset({"people", "log_level", "free_disk_mb"})
_CAMPAIGN_MAY = frozenset(
    {"name", "experiments", "batch", "priority", "at_once", "instruments", "approval", "budgets", "file"}
)


@dataclass(frozen=True)
class Changes:
    """What a reload changes.

    Args:
        lab: keys outside of campaigns, such as ``limits``.
        campaigns: keys that changed, by campaign.
        added: campaigns that are new.
    """

    lab: tuple[str, ...] = ()
    campaigns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    added: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """The same for people."""
        parts = [*self.lab, *(f"campaign {c}: {', '.join(keys)}" for c, keys in self.campaigns.items())]
        parts += [f"new campaign {c}" for c in self.added]
        return "; ".join(parts) or "nothing changed"


def changes(old: LabConfig, new: LabConfig) -> Changes:
    """What differs between two readings of the laboratory's file.

    Budgets, priorities, policies, limits and people may change while campaigns run. What an experiment is, and how
    designs are chosen, may not: the record would compare what cannot be compared.

    Raises:
        ConfigError: something changed that may not; names each key, its new value and why.
    """
    wrong = [*_fixed_in_lab(old, new), *_fixed_in_campaigns(old, new)]
    if wrong:
        raise together([error.at(new.source) for error in wrong])
    before = {entry.id: entry for entry in old.campaign}
    known = {e.id: _different(before[e.id], e) for e in new.campaign if e.id in before}
    return Changes(
        lab=(
            *(f"lab.{key}" for key in _different(old.lab, new.lab)),
            *(key for key in ("limits", "budgets", "hazards", "approval") if getattr(old, key) != getattr(new, key)),
        ),
        campaigns={cid: keys for cid, keys in known.items() if keys},
        added=tuple(entry.id for entry in new.campaign if entry.id not in before),
    )


def _fixed_in_lab(old: LabConfig, new: LabConfig) -> Iterator[ConfigError]:
    for key in _different(old.lab, new.lab):
        if key not in _LAB_MAY:
            yield ConfigError(f"lab.{key}", getattr(new.lab, key), f"{getattr(old.lab, key)!r}, {_RESTART}")
    for name in ("broker", "http"):
        for key in _different(getattr(old, name), getattr(new, name)):
            yield ConfigError(f"{name}.{key}", _shown(name, key, getattr(getattr(new, name), key)), _RESTART)


def _shown(table: str, key: str, value: object) -> object:
    from instruments.address import without_secrets

    return without_secrets(str(value)) if (table, key) == ("broker", "url") else value


def _fixed_in_campaigns(old: LabConfig, new: LabConfig) -> Iterator[ConfigError]:
    there = {entry.id: entry for entry in new.campaign}
    for entry in old.campaign:
        now = there.get(entry.id)
        if now is None:
            yield ConfigError(f"campaign {entry.id}", None, f"to be there: stop it with labwright stop {entry.id}")
            continue
        for key in _different(entry, now):
            if key not in _CAMPAIGN_MAY:
                yield ConfigError(f"campaign {entry.id}: {key}", getattr(now, key), _HISTORY)


def _different(old: object, new: object) -> tuple[str, ...]:
    before, after = dict(old), dict(new)  # type: ignore[call-overload]  # pydantic models are iterable
    return tuple(key for key in before if before[key] != after[key])
