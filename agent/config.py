"""A campaign's configuration: TOML in, validated settings out, one clear message when a value is wrong."""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from envs.errors import ConfigError, UserError
from envs.objective import FLAGSHIP

WORDS = {
    **dict.fromkeys(("int_type", "int_from_float", "int_parsing", "int_parsing_size"), "a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "a number"),
    "finite_number": "a finite number",
    "string_type": "a text",
    "string_pattern_mismatch": "letters, digits, spaces and any of _ . : -",
}
"""Pydantic's kinds of error whose own words are about Python, to what is allowed."""


class _Section(BaseModel):
    # Strict: true is no number, and "12" is none either.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)


class CampaignSection(_Section):
    """Budget, strategy and seed.

    ``experiments`` counts the starting ones; ``labelled`` is the share of the library whose moduli the learner knows.
    """

    name: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[\w .:-]+$")] = "hard ceramics"
    experiments: Annotated[int, Field(ge=1, le=2000)] = 32
    initial: Annotated[int, Field(ge=1, le=200)] = 8
    batch: Annotated[int, Field(ge=1, le=32)] = 4
    strategy: Literal["random", "bo", "ppo", "hybrid"] = "hybrid"
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    labelled: Annotated[float, Field(ge=0.05, le=1.0)] = 0.25


class RecipeSection(_Section):
    """The recipe: load in N and number of indents, images before giving up, tries of a step."""

    indent_load: Annotated[float, Field(ge=0.5, le=100.0)] = 9.8
    n_indents: Annotated[int, Field(ge=2, le=50)] = 10
    max_images: Annotated[int, Field(ge=1, le=20)] = 4
    max_tries: Annotated[int, Field(ge=1, le=10)] = 3


class CampaignConfig(_Section):
    """All of a campaign's settings; ``space`` and ``objective`` are read by the problem itself."""

    campaign: CampaignSection = CampaignSection()
    recipe: RecipeSection = RecipeSection()
    space: dict[str, Any] = Field(default_factory=lambda: {"preset": "flagship"})
    objective: dict[str, Any] = Field(default_factory=FLAGSHIP.to_dict)


def load_config(path: Path | None, **overrides: object) -> CampaignConfig:
    """Read a configuration file, or take the defaults, and put the command line's values over it.

    Args:
        path: a TOML file, or ``None``.
        overrides: values of the ``[campaign]`` table; ``None`` leaves a value as it is.

    Raises:
        UserError: the file cannot be read or is no TOML.
        ConfigError: a key is unknown or a value outside its limits.
    """
    raw = {} if path is None else _read(path)
    given = {k: v for k, v in overrides.items() if v is not None}
    if given:
        table = raw.get("campaign", {})
        if not isinstance(table, dict):
            raise ConfigError("campaign", table, "a table: [campaign]", source=str(path))
        raw = {**raw, "campaign": {**table, **given}}
    return parse_config(raw, source=str(path or ""))


def parse_config(raw: dict[str, Any], *, source: str = "") -> CampaignConfig:
    """Validate what a TOML file holds.

    Raises:
        ConfigError: a key is unknown or a value outside its limits; names the key, the value and what is allowed.
    """
    try:
        return CampaignConfig.model_validate(raw)
    except ValidationError as error:
        raise _explain(error, source) from error


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as handle:
            return tomllib.load(handle)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    except RecursionError as error:
        raise UserError(f"{path} is not valid TOML: lists or tables nested too deeply") from error
    except ValueError as error:  # also of text that is no UTF-8, and of integers of thousands of digits
        raise UserError(f"{path} is not valid TOML: {error}") from error


def _explain(error: ValidationError, source: str) -> ConfigError:
    first = error.errors()[0]
    location = [str(part) for part in first["loc"]]
    key = ".".join(location)
    if first["type"] == "extra_forbidden":
        known = _keys_at(location[:-1])
        close = difflib.get_close_matches(location[-1], known, n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        return ConfigError(key, first["input"], f"the keys {', '.join(known)}{hint}", source=source)
    if first["type"] in {"model_type", "dict_type"}:
        return ConfigError(key, first["input"], f"a table [{key}]", source=source)
    allowed = WORDS.get(first["type"]) or first["msg"].removeprefix("Input should be ").removeprefix(
        "String should have "
    )
    return ConfigError(key, first["input"], allowed, source=source)


def _keys_at(location: list[str]) -> list[str]:
    model: type[BaseModel] = CampaignConfig
    for part in location:
        annotation = model.model_fields[part].annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            model = annotation
    return list(model.model_fields)
