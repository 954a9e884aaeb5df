"""Tables of the rules in a TOML file: validated, and in a canonical form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from agent.config import Section, explain
from envs.errors import ConfigError

__all__ = ["ConfigError", "Section", "plain", "read"]
_Section = TypeVar("_Section", bound=BaseModel)


def read(model: type[_Section], raw: object, key: str, *, source: str = "") -> _Section:
    """Validate one table.

    Args:
        model: what it should be.
        raw: as the file has it.
        key: of the table, such as ``limits``.
        source: name of the file.

    Raises:
        ConfigError: keys are unknown or values outside their limits; names each key, its value and what is allowed.
    """
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise explain(error, model, source, below=key) from error


def plain(value: object) -> object:
    """Frozen parts in a form for canonical JSON, without what is as it is by default.

    So a release that adds a field with a default gives the same form of what was there before.
    """
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, str | bool | int | float) or value is None:
        return value
    if isinstance(value, Sequence):
        return [plain(v) for v in value]
    if not is_dataclass(value):
        raise TypeError(f"a {type(value).__name__} has no canonical form")
    return {f.name: plain(getattr(value, f.name)) for f in fields(value) if getattr(value, f.name) != _default(f)}


def _default(field: Field[Any]) -> object:
    return field.default if field.default_factory is MISSING else field.default_factory()
