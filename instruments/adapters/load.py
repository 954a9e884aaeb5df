"""Reads an adapter's file and builds its device: which adapter, which instrument, and the adapter's own settings."""

from __future__ import annotations

import difflib
import importlib
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from typing_extensions import override

from envs.errors import ConfigError
from instruments.address import without_secrets
from instruments.device import Device
from instruments.transport import Transport

ADAPTERS = {
    "folder": "instruments.adapters.folder",
    "scpi": "instruments.adapters.scpi",
    "serial": "instruments.adapters.serial_line",
    "sdl-demo": "instruments.adapters.sdl_demo",
}
"""Module of each adapter: it has ``Settings`` and ``build(settings, iid, transport, **base)``; imported when used."""

_SECRET = re.compile("passw|secret|token|credential|api_?key", re.IGNORECASE)
"""Keys whose value is not repeated, also where the key is none that is known."""
_WORDS = {
    **dict.fromkeys(("int_type", "int_from_float", "int_parsing"), "a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "a number"),
    **dict.fromkeys(("string_type", "string_too_short"), "a text that is not empty"),
    **dict.fromkeys(("model_type", "dict_type", "model_attributes_type"), "a table"),
    **dict.fromkeys(("list_type", "tuple_type"), "a list"),
    "bool_type": "true or false",
    "too_short": "at least one entry",
    "missing": "a value: this key is required",
    "finite_number": "a finite number",
    "union_tag_not_found": "a table with one of write, query, wait, delay, check or block",
}
"""Pydantic's kinds of error whose own words are about Python, to what is allowed."""


@dataclass(frozen=True)
class AdapterFile:
    """What a file says, checked.

    Attributes:
        adapter: name of the adapter.
        iid: the instrument's id.
        settings: the adapter's own.
        source: the file's name.
    """

    adapter: str
    iid: str
    settings: BaseModel
    source: str

    def build(self, transport: Transport, **base: Any) -> Device:
        """The device; nothing is opened yet.

        Args:
            transport: its connection to the bus.
            base: what every ``Device`` takes: lab, clock, ids, journal, root, serial, artefacts, sleeper.

        Raises:
            ConfigError: when settings do not go together.
            MissingExtraError: when the adapter needs an extra that is not installed.
        """
        try:
            device: Device = _module(self.adapter).build(self.settings, self.iid, transport, **base)
        except ConfigError as error:
            raise error.at(self.source) from error
        return device


def read_adapter(path: Path) -> AdapterFile:
    """Read and check a file, without touching the instrument.

    Raises:
        ConfigError: names the file, the key, its value and what is allowed.
    """
    source = str(path)
    raw = _read(path)
    adapter = raw.pop("adapter", None)
    if not isinstance(adapter, str) or adapter not in ADAPTERS:
        raise ConfigError("adapter", adapter, f"one of {', '.join(ADAPTERS)}{_hint(adapter, ADAPTERS)}", source=source)
    iid = raw.pop("iid", None)
    if not isinstance(iid, str) or not re.fullmatch(r"[A-Za-z0-9_.\-]{1,64}", iid):
        allowed = "a name of at most 64 letters, digits, '_', '.' or '-', unique in the laboratory"
        raise ConfigError("iid", iid, allowed, source=source)
    model: type[BaseModel] = _module(adapter).Settings
    try:
        # A relative path in a file is meant from where the file lies.
        settings = model.model_validate(raw, context={"directory": path.resolve().parent})
    except ValidationError as error:
        raise _explain(error, model, raw, source) from error
    except ConfigError as error:
        raise error.at(source) from error
    return AdapterFile(adapter, iid, settings, source)


def _module(adapter: str) -> ModuleType:
    return importlib.import_module(ADAPTERS[adapter])


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as handle:
            return tomllib.load(handle)
    except OSError as error:
        allowed = f"a file that can be read ({error.strerror})"
        raise ConfigError("file", path.name, allowed, source=str(path)) from error
    except RecursionError as error:
        raise ConfigError("file", path.name, "TOML that is not nested so deeply", source=str(path)) from error
    except ValueError as error:  # also of text that is no UTF-8, and of integers of thousands of digits
        raise ConfigError("file", path.name, f"valid TOML ({error})", source=str(path)) from error


def _explain(error: ValidationError, model: type[BaseModel], raw: dict[str, Any], source: str) -> ConfigError:
    """The first fault in the words of the file."""
    first = error.errors()[0]
    key = ".".join(_in_file(raw, [part for part in first["loc"] if part != "[key]"])) or "the file"
    value = (
        None if first["type"] == "missing" else _shown(str(first["loc"][-1]) if first["loc"] else "", first["input"])
    )
    if first["type"] == "extra_forbidden":
        known = _keys_at(model, first["loc"][:-1])
        allowed = f"the keys {', '.join(known)}{_hint(first['loc'][-1], known)}"
        if len(first["loc"]) > 1 and first["loc"][-1] in model.model_fields:
            allowed += "; it belongs above the first [table] of the file"
        return ConfigError(key, value, allowed, source=source)
    words = first["msg"].removeprefix("Value error, ").removeprefix("Input should be ").removeprefix("String should ")
    words = re.sub("^match pattern", "a text that matches", words)
    return ConfigError(key, value, _WORDS.get(first["type"], words), source=source)


class _Unshown:
    """Stands in a message for a value that it does not repeat."""

    def __init__(self, words: str) -> None:
        self._words = words

    @override
    def __repr__(self) -> str:
        return self._words


def _shown(key: str, value: Any) -> Any:
    """What of a wrong value may be repeated: a message ends in logs, and a file may hold what does not belong there."""
    if isinstance(value, dict):
        return _Unshown(f"a table with {', '.join(map(str, value)) or 'nothing'}")
    if isinstance(value, list):
        return _Unshown(f"a list of {len(value)}")
    if _SECRET.search(key):
        return _Unshown("***")
    return without_secrets(value) if isinstance(value, str) and "@" in value and "://" in value else value


def _in_file(container: Any, location: list[int | str]) -> list[str]:
    """A location without what stands in no file: pydantic also names the variant of a union that it tried."""
    if not location:
        return []
    part, rest = location[0], location[1:]
    try:
        inner = container[part]
    except (KeyError, IndexError, TypeError):
        return _in_file(container, rest) if rest else [str(part)]
    if rest and not isinstance(inner, dict | list):
        return _in_file(container, rest)
    return [str(part), *_in_file(inner, rest)]


def _keys_at(model: type[BaseModel], location: Iterable[int | str]) -> list[str]:
    """The keys of the table at a location."""
    found = [model]
    for part in location:
        holding = [candidate for candidate in found if part in candidate.model_fields]
        inner = [m for candidate in holding for m in _models(candidate.model_fields[str(part)].annotation)]
        found = inner or holding or found
    return list(dict.fromkeys(name for candidate in found for name in candidate.model_fields))


def _models(annotation: Any) -> list[type[BaseModel]]:
    """The models in an annotation, however deep."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]


def _hint(wrong: object, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(str(wrong), list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
