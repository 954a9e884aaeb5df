"""Design spaces that were worked out before: a restart needs neither the worker nor the periodic table."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from agent.daemon import logs
from agent.daemon.config import CampaignEntry
from agent.daemon.space_facts import RuleTable, SpaceFacts
from envs.errors import ConfigError
from envs.factors import Factor
from instruments.artefacts import write_durably

_log = logs.get("spaces")
CACHE = "cache"
"""Of the state directory; whoever deletes it loses nothing but time."""
Ask = Callable[[Mapping[str, Any]], Awaitable[SpaceFacts]]


class KnownSpaces:
    """Facts of design spaces, kept in files.

    Args:
        directory: of the files; made when the first is written.
        ask: works out what is not known, such as ``Worker.facts``.
        software: release that works them out: another one may come to other facts.
    """

    def __init__(self, directory: Path, ask: Ask, *, software: str = "") -> None:
        self._directory = directory
        self._ask = ask
        self._software = software or version("labwright")

    async def of(self, entry: CampaignEntry, *, source: str = "") -> SpaceFacts:
        """The facts of a campaign's design space.

        Raises:
            ConfigError: the space or the objective is wrong.
            WorkerError: it could not be worked out.
        """
        config = entry.offline.model_dump(mode="json")
        path = self._directory / f"space-{self._key(config)}.json"
        if (known := _read(path)) is not None:
            return known
        try:
            facts = await self._ask(config)
        except ConfigError as error:
            raise ConfigError(f"campaign {entry.id}: {error.key}", error.value, error.allowed, source=source) from error
        _keep(path, facts)
        return facts

    def _key(self, config: Mapping[str, Any]) -> str:
        asked = json.dumps([self._software, config], sort_keys=True, default=str)
        return hashlib.sha256(asked.encode()).hexdigest()


def _keep(path: Path, facts: SpaceFacts) -> None:
    content = json.dumps(_plain(facts), ensure_ascii=False)
    digest = hashlib.sha256(content.encode()).hexdigest()
    try:
        path.parent.mkdir(exist_ok=True)
        write_durably(path, f"{digest}\n{content}\n".encode())
    except OSError as error:
        _log.warning("the next start works out a design space again", path=str(path), reason=str(error))


def _read(path: Path) -> SpaceFacts | None:
    """What was kept; None where there is nothing, or something damaged."""
    try:
        digest, content = path.read_text(encoding="utf-8").splitlines()
        if hashlib.sha256(content.encode()).hexdigest() != digest:
            return None
        return _facts(json.loads(content))
    except (OSError, ValueError, KeyError, TypeError, ConfigError, binascii.Error):
        return None


def _plain(facts: SpaceFacts) -> dict[str, object]:
    return {
        "name": facts.name,
        "version": facts.version,
        "crystals": list(facts.crystals.items()),
        "factors": [factor.to_dict() for factor in facts.factors],
        "n_feasible": facts.n_feasible,
        "rules": [[r.name, r.scope, r.sizes, base64.b64encode(r.bits).decode()] for r in facts.rules],
    }


def _facts(plain: Mapping[str, Any]) -> SpaceFacts:
    return SpaceFacts(
        name=plain["name"],
        version=plain["version"],
        crystals=dict(plain["crystals"]),
        factors=tuple(Factor(f["name"], f["unit"], tuple(f["levels"]), f["ordinal"]) for f in plain["factors"]),
        n_feasible=plain["n_feasible"],
        rules=tuple(
            RuleTable(name, tuple(scope), tuple(sizes), base64.b64decode(bits, validate=True))
            for name, scope, sizes, bits in plain["rules"]
        ),
    )


__all__ = ["CACHE", "KnownSpaces"]
