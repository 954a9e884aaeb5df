"""Reads a design space from a configuration table (TOML already parsed), with one clear error for what is wrong."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from envs.crystals import HAZARDOUS, CrystalLibrary, ceramics
from envs.elements import check_elements
from envs.errors import ConfigError
from envs.factors import Factor, as_float, grid
from envs.rules import rule_from_dict
from envs.space import DesignSpace, flagship

LIBRARIES = ("ceramics", "all", "none")
SPACE_KEYS = ("preset", "name", "library", "crystals", "exclude_elements", "unavailable", "factors", "rules")
FACTOR_KEYS = ("name", "unit", "levels", "start", "stop", "step", "ordinal")


def space_from_config(data: Mapping[str, Any], *, source: str = "") -> DesignSpace:
    """A design space from a ``[space]`` table.

    Args:
        data: either ``preset = "flagship"`` (with ``unavailable`` as its only option), or ``name``, ``library``
            (``ceramics``, ``all`` or ``none``), optionally ``crystals`` (identifiers) and ``exclude_elements``,
            ``factors`` (each ``name``, ``unit`` and ``levels`` or ``start``, ``stop``, ``step``) and ``rules`` (each
            ``rule`` and its parameters).
        source: file name to show in messages.

    Raises:
        ConfigError: names the key, its value and what is allowed.
    """
    try:
        return _space(data)
    except ConfigError as error:
        raise error.at(source) from error


def _space(data: Mapping[str, Any]) -> DesignSpace:
    _known(data, SPACE_KEYS, "space")
    if "preset" in data:
        return _preset(data)
    factors = [_factor(f, i) for i, f in enumerate(_tables(data.get("factors", ()), "space.factors"))]
    rules = [rule_from_dict(r) for r in _tables(data.get("rules", ()), "space.rules")]
    name = _text(data.get("name", "custom"), "space.name")
    return DesignSpace(_library(data), factors, rules, name)


def _preset(data: Mapping[str, Any]) -> DesignSpace:
    if data["preset"] != "flagship":
        raise ConfigError("space.preset", data["preset"], "'flagship'")
    for key in data:
        if key not in {"preset", "unavailable"}:
            raise ConfigError(f"space.{key}", data[key], "a preset takes only 'unavailable'")
    return flagship(unavailable=_elements(data.get("unavailable", ()), "space.unavailable"))


def _library(data: Mapping[str, Any]) -> CrystalLibrary:
    kind = data.get("library", "none")
    if kind not in LIBRARIES:
        raise ConfigError("space.library", kind, f"one of {', '.join(LIBRARIES)}")
    if "unavailable" in data:
        raise ConfigError("space.unavailable", data["unavailable"], "only beside preset; here use exclude_elements")
    if kind == "none":
        for key in ("crystals", "exclude_elements"):
            if key in data:
                raise ConfigError(f"space.{key}", data[key], "only beside library = 'ceramics' or 'all'")
        return CrystalLibrary(())
    excluded = frozenset(_elements(data.get("exclude_elements", sorted(HAZARDOUS)), "space.exclude_elements"))
    library = CrystalLibrary.builtin()
    if kind == "ceramics":
        library = ceramics(library, exclude=excluded)
    elif excluded:
        library = CrystalLibrary(c for c in library if not excluded.intersection(c.elements))
    return _chosen(library, data["crystals"], kind) if "crystals" in data else library


def _chosen(library: CrystalLibrary, value: object, kind: str) -> CrystalLibrary:
    ids = _names(value, "space.crystals")
    if not ids:
        raise ConfigError("space.crystals", ids, "at least one identifier, or no such key for the whole library")
    for position, crystal_id in enumerate(ids):
        if crystal_id not in library:
            raise ConfigError("space.crystals", crystal_id, f"identifiers in the library {kind!r}")
        if crystal_id in ids[:position]:
            raise ConfigError("space.crystals", crystal_id, "each identifier once")
    return library.subset(ids)


def _factor(data: Mapping[str, Any], position: int) -> Factor:
    name = _text(data.get("name", ""), f"space.factors[{position}].name")
    if not name:
        raise ConfigError(f"space.factors[{position}].name", name, "a factor needs a name")
    key = f"space.factors.{name}"
    _known(data, FACTOR_KEYS, key)
    if ("levels" in data) == ("start" in data):
        raise ConfigError(key, dict(data), "either levels, or start, stop and step")
    ordinal = data.get("ordinal", True)
    if not isinstance(ordinal, bool):
        raise ConfigError(f"{key}.ordinal", ordinal, "true or false")
    unit = _text(data.get("unit", ""), f"{key}.unit")
    if "levels" in data:
        levels = data["levels"]
        if not isinstance(levels, Sequence) or isinstance(levels, str):
            raise ConfigError(f"{key}.levels", levels, "a list of numbers or names")
        ordinal = ordinal if "ordinal" in data else not any(isinstance(v, str) for v in levels)
        return Factor(name, unit, tuple(levels), ordinal)
    start, stop, step = (_number(data.get(k), f"{key}.{k}") for k in ("start", "stop", "step"))
    return Factor(name, unit, grid(start, stop, step, key=f"{key}.step"), ordinal)


def _known(data: Mapping[str, Any], allowed: Sequence[str], key: str) -> None:
    for name in data:
        if name not in allowed:
            close = difflib.get_close_matches(name, allowed, n=1)
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            raise ConfigError(f"{key}.{name}", data[name], f"the keys {', '.join(allowed)}{hint}")


def _tables(value: object, key: str) -> list[Mapping[str, Any]]:
    if not isinstance(value, Sequence) or not all(isinstance(v, Mapping) for v in value):
        raise ConfigError(key, value, f"a list of tables: [[{key}]]")
    return list(value)


def _elements(value: object, key: str) -> list[str]:
    symbols = _names(value, key)
    check_elements(symbols, key)
    return symbols


def _names(value: object, key: str) -> list[str]:
    if not isinstance(value, Sequence) or isinstance(value, str) or not all(isinstance(v, str) for v in value):
        raise ConfigError(key, value, "a list of names")
    return list(value)


def _text(value: object, key: str) -> str:
    if not isinstance(value, str):
        raise ConfigError(key, value, "a text")
    return value


def _number(value: object, key: str) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ConfigError(key, value, "a number")
    return as_float(value)
