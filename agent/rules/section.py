"""Tables of the rules in a TOML file: validated, and in a canonical form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

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
    """Frozen parts in a form for canonical JSON; infinite bounds are left out."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, str | bool | int | float) or value is None:
        return value
    if isinstance(value, Sequence):
        return [plain(v) for v in value]
    fields = {k: plain(v) for k, v in vars(value).items()}
    return {k: v for k, v in fields.items() if not (isinstance(v, float) and abs(v) == float("inf"))}
