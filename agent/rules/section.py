"""Tables of a TOML file: the base of their models, and one clear message when a value is wrong."""

from __future__ import annotations

import difflib
import typing
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from agent.config import WORDS
from envs.errors import ConfigError


class Section(BaseModel):
    """A table: closed, finite, and strict (true is no number, and "12" is none either)."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)


_Section = TypeVar("_Section", bound=BaseModel)


def read(model: type[_Section], raw: object, key: str, *, source: str = "") -> _Section:
    """Validate one table.

    Args:
        model: what it should be.
        raw: as the file has it.
        key: of the table, such as ``limits``.
        source: name of the file.

    Raises:
        ConfigError: a key is unknown or a value outside its limits; names the key, the value and what is allowed.
    """
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise explained(error, model, key, source=source) from error


def explained(error: ValidationError, model: type[BaseModel], key: str = "", *, source: str = "") -> ConfigError:
    """The first fault of a table, by the key that it stands under in the file."""
    first = error.errors()[0]
    location = [part for part in first["loc"] if part not in {"float", "str"}]
    path = ".".join(str(part) for part in ([key] if key else []) + list(location))
    given, kind = first["input"], first["type"]
    if kind == "extra_forbidden":
        known = _keys_at(model, location[:-1])
        close = difflib.get_close_matches(str(location[-1]), known, n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        return ConfigError(path, given, f"the keys {', '.join(known)}{hint}", source=source)
    if kind == "missing":
        return ConfigError(path, None, "a value: this key must be there", source=source)
    if kind in {"model_type", "dict_type"}:
        return ConfigError(path, given, f"a table [{path}]", source=source)
    words = first["msg"]
    for start in ("Input should be ", "String should have ", "Value error, "):
        words = words.removeprefix(start)
    return ConfigError(path, given, WORDS.get(kind) or words, source=source)


def _keys_at(model: type[BaseModel], location: Sequence[int | str]) -> list[str]:
    found: Any = model
    for part in location:
        if _is_model(found):
            fields = {(f.alias or name): f.annotation for name, f in found.model_fields.items()}
            found = fields.get(str(part), typing.get_type_hints(found).get("__pydantic_extra__"))
            found = _inner(found, _is_model(found))
        else:
            found = _inner(found, False)
    return [f.alias or name for name, f in found.model_fields.items()] if _is_model(found) else []


def _inner(annotation: Any, done: bool) -> Any:
    """The model that a list, a mapping or an optional value holds."""
    if done or annotation is None:
        return annotation
    models = [a for a in _arguments(annotation) if _is_model(a)]
    return models[0] if models else annotation


def _arguments(annotation: Any) -> list[Any]:
    inner = list(typing.get_args(annotation))
    return inner + [deep for a in inner for deep in _arguments(a)]


def _is_model(found: Any) -> bool:
    return isinstance(found, type) and issubclass(found, BaseModel)


def plain(value: object) -> object:
    """Frozen parts in a form for canonical JSON; infinite bounds are left out."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, str | bool | int | float) or value is None:
        return value
    if isinstance(value, Sequence):
        return [plain(v) for v in value]
    fields = {k: plain(v) for k, v in vars(value).items()}
    return {k: v for k, v in fields.items() if not (isinstance(v, float) and abs(v) == float("inf"))}
