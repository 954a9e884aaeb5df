"""What people fix beforehand, made of the laboratory's file: the rules that the core decides by, and what may change.

What follows from a campaign's design space (``SpaceFacts``) is told by the worker, which has the periodic table, or was
kept from an earlier start (``known_spaces``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from agent.config import together
from agent.core.messages import Mode
from agent.core.state import CampaignRules, LabRules
from agent.daemon.config import CampaignEntry, LabConfig
from agent.daemon.space_facts import SpaceFacts
from agent.rules.budgets import read_budgets
from agent.rules.hazards import read_hazards
from agent.rules.limits import Limits
from agent.rules.limits_config import read_limits
from agent.rules.policy_config import read_policy
from agent.rules.recipe_config import RecipeTable
from envs.errors import ConfigError
from envs.objective import Objective

if TYPE_CHECKING:
    from agent.identity import People


def facts_of(entry: CampaignEntry, *, source: str = "") -> SpaceFacts:
    """A campaign's design space, built in this process, which then has the periodic table; the daemon asks its worker.

    Raises:
        ConfigError: the space or the objective is wrong.
    """
    from agent.daemon.worker_side import facts

    try:
        return facts(entry.offline.model_dump(mode="json"))
    except ConfigError as error:
        raise ConfigError(f"campaign {entry.id}: {error.key}", error.value, error.allowed, source=source) from error


def campaign_rules(entry: CampaignEntry, facts: SpaceFacts, config: LabConfig) -> CampaignRules:
    """The rules of one campaign.

    Args:
        entry: of the laboratory's file.
        facts: of its design space, which the worker tells.
        config: the laboratory's file, whose policy holds where the campaign says nothing.

    Raises:
        ConfigError: its policy or its budgets name what there is not.
    """
    key, source = f"campaign {entry.id}: ", config.source
    recipe, costs = entry.recipe.build(
        facts.factors,
        Objective.from_dict(entry.objective),
        crystals=bool(facts.crystals),
        source=source,
        key=f"{key}recipe",
    )
    policy = read_policy(
        _over(config.policy, entry.policy),
        facts.factors,
        facts.crystals,
        costs=costs.names,
        source=source,
        key=f"{key}policy",
    )
    return CampaignRules(
        experiments=entry.experiments,
        batch=entry.batch,
        initial=entry.initial,
        recipe=recipe,
        factors=facts.factors,
        priority=entry.priority,
        at_once=entry.at_once,
        policy=policy,
        budgets=read_budgets(entry.budgets, source=source, key=f"{key}budgets"),
        crystals=facts.crystals,
        admits=facts.admits,
        costs=costs,
        # Without factors: campaigns with other factors than a note is about share the table.
        hazards=read_hazards(config.hazards, None, facts.crystals, source=source),
        instruments=frozenset(entry.instruments) or None,
    )


def _over(under: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """A table over another one, key by key at every depth.

    A campaign that adds a threshold of its own must not lose those of the laboratory by it.
    """
    merged = {**under, **own}
    for key in under.keys() & own.keys():
        if isinstance(under[key], Mapping) and isinstance(own[key], Mapping):
            merged[key] = _over(under[key], own[key])
    return merged


def limits_of(config: LabConfig, mode: Mode) -> Limits:
    """What may be ordered; in a virtual laboratory without a table of its own everything, for nothing is real there.

    Raises:
        ConfigError: the table is wrong.
    """
    if mode == "virtual" and not config.limits:
        return Limits.permissive()
    return read_limits(config.limits, source=config.source)


def lab_rules(config: LabConfig, people: People, facts: Mapping[str, SpaceFacts], *, mode: Mode) -> LabRules:
    """The rules of the laboratory with all its campaigns.

    Args:
        config: the laboratory's file.
        people: who may decide.
        facts: of each campaign, by id.
        mode: whether orders reach instruments.

    Raises:
        ConfigError: limits, budgets or policies are wrong.
    """
    return LabRules(
        {entry.id: campaign_rules(entry, facts[entry.id], config) for entry in config.campaign},
        lab=config.lab.name,
        mode=mode,
        instruments=frozenset(config.broker.instruments),
        limits=limits_of(config, mode),
        budgets=read_budgets(config.budgets, source=config.source),
        people=people,
    )


# ---- What may change while it runs

_RESTART = "as it was: this needs a restart of the agent"
_HISTORY = "as it was: what was done so far was done under it; begin another campaign with a new id"
_LAB_MAY = frozenset({"people", "log_level", "free_disk_mb"})
_CAMPAIGN_MAY = frozenset(
    {"name", "experiments", "batch", "priority", "at_once", "instruments", "policy", "budgets", "file"}
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
            *(key for key in ("limits", "budgets", "hazards", "policy") if getattr(old, key) != getattr(new, key)),
        ),
        campaigns={cid: keys for cid, keys in known.items() if keys},
        added=tuple(entry.id for entry in new.campaign if entry.id not in before),
    )


def changed(recorded: Mapping[str, Any], entry: CampaignEntry) -> str:
    """What differs between a campaign as it was recorded and as the file has it, in words; empty where nothing does.

    Raises:
        ConfigError: something changed that may not.
    """
    try:
        before = CampaignEntry.model_validate(dict(recorded))
    except ValidationError:
        return "its recorded form is of another release"
    if wrong := list(_fixed_in(before, entry)):
        raise together(wrong)
    return ", ".join(_different(before, entry))


def _fixed_in_lab(old: LabConfig, new: LabConfig) -> Iterator[ConfigError]:
    for key in _different(old.lab, new.lab):
        if key not in _LAB_MAY:
            yield ConfigError(f"lab.{key}", getattr(new.lab, key), f"{getattr(old.lab, key)!r}, {_RESTART}")
    if old.virtual != new.virtual:
        yield ConfigError("virtual", None if new.virtual is None else new.virtual.model_dump(mode="json"), _RESTART)
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
        yield from _fixed_in(entry, now)


def _fixed_in(entry: CampaignEntry, now: CampaignEntry) -> Iterator[ConfigError]:
    for key in _different(entry, now):
        if key not in _CAMPAIGN_MAY and not (key == "recipe" and _same_steps(entry.recipe, now.recipe)):
            yield ConfigError(f"campaign {entry.id}: {key}", getattr(now, key), _HISTORY)


def _same_steps(old: RecipeTable, new: RecipeTable) -> bool:
    """Whether two recipes order the same; what they are thought to cost may change."""
    without: Any = {"cost": True, "steps": {"__all__": {"cost"}}}
    return bool(old.model_dump(exclude=without) == new.model_dump(exclude=without))


def _different(old: object, new: object) -> tuple[str, ...]:
    before, after = dict(old), dict(new)  # type: ignore[call-overload]  # pydantic models are iterable
    return tuple(key for key in before if before[key] != after[key])
