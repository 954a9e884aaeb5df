"""What is wrong with a laboratory's file that no single key shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from agent.daemon.credentials import database_url
from agent.events.base import CAMPAIGN, LAB
from agent.rules.budgets import read_budgets
from agent.rules.hazards import read_hazards
from agent.rules.limits_config import read_limits
from agent.rules.policy_config import PolicySection
from agent.rules.section import read
from envs.errors import ConfigError
from instruments.address import without_secrets

if TYPE_CHECKING:
    from agent.daemon.config import CampaignEntry, LabConfig


def contradictions(config: LabConfig) -> Iterator[ConfigError]:
    """Everything that is wrong between keys, and in the rules' own tables."""
    yield from _of_campaigns(config.campaign)
    yield from _of_broker(config)
    yield from _of_rules(config)
    if bool(config.http.certificate) != bool(config.http.key):
        yield ConfigError("http.certificate", config.http.certificate, "a certificate and its key come together")
    if config.lab.database:
        try:
            database_url(config.lab.database, None)
        except ConfigError as error:
            yield error
    if config.lab.live and config.virtual is not None:
        yield ConfigError("lab.live", True, "false where there is a [virtual] table: nothing there is real")
    if config.lab.live and config.lab.speed != 1.0:
        yield ConfigError("lab.speed", config.lab.speed, "1 where live = true: instruments keep people's time")


def _of_campaigns(entries: Sequence[CampaignEntry]) -> Iterator[ConfigError]:
    ids = [entry.id for entry in entries]
    for position, entry in enumerate(entries):
        key = f"campaign[{position}]"
        if entry.id in {CAMPAIGN, LAB}:
            yield ConfigError(f"{key}.id", entry.id, f"any other word than {CAMPAIGN!r} and {LAB!r}")
        if entry.id in ids[:position]:
            yield ConfigError(f"{key}.id", entry.id, "each campaign once")
        if "initial" in entry.model_fields_set and entry.initial > entry.experiments:
            yield ConfigError(f"{key}.initial", entry.initial, f"at most its experiments, {entry.experiments}")


def _of_broker(config: LabConfig) -> Iterator[ConfigError]:
    broker = config.broker
    if broker.embedded:
        if broker.url:
            yield ConfigError("broker.url", without_secrets(broker.url), "no url beside embedded = true")
        return
    for name in ("instruments", "people"):
        if getattr(broker, name):
            yield ConfigError(f"broker.{name}", list(getattr(broker, name)), "only beside embedded = true")
    if not broker.url:
        yield ConfigError("broker.url", "", "the broker's address, or embedded = true")
        return
    try:
        config.address({})
    except ConfigError as error:
        yield error


def _of_rules(config: LabConfig) -> Iterator[ConfigError]:
    entries = [{"budgets": entry.budgets, "policy": entry.policy} for entry in config.campaign]
    names = ("limits", "budgets", "hazards", "policy")
    yield from of_tables({**{name: getattr(config, name) for name in names}, "campaign": entries})


def of_tables(raw: Mapping[str, Any]) -> Iterator[ConfigError]:
    """What the rules' own tables say against themselves; what needs the design space to be known comes later.

    Args:
        raw: of a laboratory's file, of which other tables may be anything.
    """
    limits, hazards, campaigns = raw.get("limits", {}), raw.get("hazards", {}), raw.get("campaign", [])
    tables: list[tuple[str, Any]] = [("", raw)]
    tables += [(f"campaign[{n}].", entry) for n, entry in enumerate(campaigns if isinstance(campaigns, list) else [])]
    checks: list[Callable[[], object]] = []
    if limits and isinstance(limits, Mapping):
        checks.append(partial(read_limits, limits))
    if isinstance(hazards, Mapping):
        checks.append(partial(read_hazards, hazards, None, {}))
    for place, table in tables:
        budgets, policy = (_table(table, name) for name in ("budgets", "policy"))
        checks += [
            partial(read_budgets, budgets, key=f"{place}budgets"),
            partial(read, PolicySection, policy, f"{place}policy"),
        ]
    for check in checks:
        try:
            check()
        except ConfigError as error:
            yield error


def _table(within: object, name: str) -> Mapping[str, Any]:
    found = within.get(name) if isinstance(within, Mapping) else None
    return found if isinstance(found, Mapping) else {}
