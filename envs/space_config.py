"""Reads a design space from a configuration table (TOML already parsed), with one clear error for what is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from envs.crystals import HAZARDOUS, CrystalLibrary, ceramics
from envs.errors import ConfigError
from envs.factors import Factor, grid
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
    _known(data, SPACE_KEYS, "space", source)
    if "preset" in data:
        return _preset(data, source)
    factors = [_factor(f, i, source) for i, f in enumerate(_tables(data.get("factors", ()), "space.factors", source))]
    rules = [rule_from_dict(r, source=source) for r in _tables(data.get("rules", ()), "space.rules", source)]
    name = _text(data.get("name", "custom"), "space.name", source)
    return DesignSpace(_library(data, source), factors, rules, name)


def _preset(data: Mapping[str, Any], source: str) -> DesignSpace:
    if data["preset"] != "flagship":
        raise ConfigError("space.preset", data["preset"], "'flagship'", source=source)
    for key in data:
        if key not in {"preset", "unavailable"}:
            raise ConfigError(f"space.{key}", data[key], "a preset takes only 'unavailable'", source=source)
    return flagship(unavailable=_names(data.get("unavailable", ()), "space.unavailable", source))


def _library(data: Mapping[str, Any], source: str) -> CrystalLibrary:
    kind = data.get("library", "none")
    if kind not in LIBRARIES:
        raise ConfigError("space.library", kind, f"one of {', '.join(LIBRARIES)}", source=source)
    if kind == "none":
        return CrystalLibrary(())
    excluded = frozenset(_names(data.get("exclude_elements", sorted(HAZARDOUS)), "space.exclude_elements", source))
    library = CrystalLibrary.builtin()
    if kind == "ceramics":
        library = ceramics(library, exclude=excluded)
    elif excluded:
        library = CrystalLibrary(c for c in library if not excluded.intersection(c.elements))
    if "crystals" not in data:
        return library
    ids = _names(data["crystals"], "space.crystals", source)
    for crystal_id in ids:
        if crystal_id not in library:
            raise ConfigError("space.crystals", crystal_id, f"identifiers in the library {kind!r}", source=source)
    return library.subset(ids)


def _factor(data: Mapping[str, Any], position: int, source: str) -> Factor:
    name = _text(data.get("name", ""), f"space.factors[{position}].name", source)
    key = f"space.factors.{name}"
    _known(data, FACTOR_KEYS, key, source)
    if ("levels" in data) == ("start" in data):
        raise ConfigError(key, dict(data), "either levels, or start, stop and step", source=source)
    ordinal = data.get("ordinal", True)
    if not isinstance(ordinal, bool):
        raise ConfigError(f"{key}.ordinal", ordinal, "true or false", source=source)
    if "levels" in data:
        levels = data["levels"]
        if not isinstance(levels, Sequence) or isinstance(levels, str):
            raise ConfigError(f"{key}.levels", levels, "a list of numbers or names", source=source)
        ordinal = ordinal if "ordinal" in data else not any(isinstance(v, str) for v in levels)
        return Factor(name, _text(data.get("unit", ""), f"{key}.unit", source), tuple(levels), ordinal)
    start, stop, step = (_number(data.get(k), f"{key}.{k}", source) for k in ("start", "stop", "step"))
    if step <= 0 or stop < start:
        raise ConfigError(f"{key}.step", step, "step > 0 and stop >= start", source=source)
    return Factor(name, _text(data.get("unit", ""), f"{key}.unit", source), grid(start, stop, step), ordinal)


def _known(data: Mapping[str, Any], allowed: Sequence[str], key: str, source: str) -> None:
    for name in data:
        if name not in allowed:
            raise ConfigError(f"{key}.{name}", data[name], f"a known key: {', '.join(allowed)}", source=source)


def _tables(value: object, key: str, source: str) -> list[Mapping[str, Any]]:
    if not isinstance(value, Sequence) or not all(isinstance(v, Mapping) for v in value):
        raise ConfigError(key, value, "a list of tables", source=source)
    return list(value)


def _names(value: object, key: str, source: str) -> list[str]:
    if not isinstance(value, Sequence) or isinstance(value, str) or not all(isinstance(v, str) for v in value):
        raise ConfigError(key, value, "a list of names", source=source)
    return list(value)


def _text(value: object, key: str, source: str) -> str:
    if not isinstance(value, str):
        raise ConfigError(key, value, "a text", source=source)
    return value


def _number(value: object, key: str, source: str) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ConfigError(key, value, "a number", source=source)
    return float(value)
