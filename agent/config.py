"""A campaign's configuration: TOML in, validated settings out, clear messages when values are wrong.

``Section``, ``read_toml`` and ``explain`` serve every configuration file.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from typing_extensions import override

from agent.daemon.redaction import redacted
from envs.errors import ConfigError, UserError
from envs.objective import FLAGSHIP

WORDS = {
    **dict.fromkeys(("int_type", "int_from_float", "int_parsing", "int_parsing_size"), "a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "a number"),
    "finite_number": "a finite number",
    "string_type": "a text",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "string_pattern_mismatch": "letters, digits, spaces and any of _ . : -",
}
"""Pydantic's kinds of error whose own words are about Python, to what is allowed."""


class SeveralConfigError(ConfigError):
    """Several things are wrong in one file; ``key``, ``value`` and ``allowed`` are those of the first.

    Attributes:
        errors: all of them.
    """

    def __init__(self, errors: Sequence[ConfigError]) -> None:
        first = errors[0]
        super().__init__(first.key, first.value, first.allowed, source=first.source)
        self.errors = tuple(errors)
        self.args = ("\n".join(str(error) for error in errors),)

    @override
    def at(self, source: str) -> SeveralConfigError:
        return SeveralConfigError([error.at(source) for error in self.errors])


class MissingKeyError(ConfigError):
    """A key that must be there is not."""

    def __init__(self, key: str, *, source: str = "") -> None:
        super().__init__(key, None, "this key must be there", source=source)
        self.args = (f"{source}: {key} is missing" if source else f"{key} is missing",)

    @override
    def at(self, source: str) -> MissingKeyError:
        return MissingKeyError(self.key, source=source)


def together(errors: Sequence[ConfigError]) -> ConfigError:
    """One error that says all of them; there is at least one."""
    each = [one for error in errors for one in (error.errors if isinstance(error, SeveralConfigError) else (error,))]
    return each[0] if len(each) == 1 else SeveralConfigError(each)


class Section(BaseModel):
    """A table of a configuration file. Strict: true is no number, and "12" is none either."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)


class CampaignSection(Section):
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


class RecipeSection(Section):
    """The recipe: load in N and number of indents, images before giving up, tries of a step."""

    indent_load: Annotated[float, Field(ge=0.5, le=100.0)] = 9.8
    n_indents: Annotated[int, Field(ge=2, le=50)] = 10
    max_images: Annotated[int, Field(ge=1, le=20)] = 4
    max_tries: Annotated[int, Field(ge=1, le=10)] = 3


class FaultsSection(Section):
    """Faults of the virtual laboratory.

    ``rate`` is the share of orders that meet one; ``kinds`` those that it may be, all where none is named; ``seed``
    that of the draws, the campaign's where none is given.
    """

    rate: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0
    kinds: list[str] = Field(default_factory=list)
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None


class CampaignConfig(Section):
    """All of a campaign's settings; ``space`` and ``objective`` are read by the problem itself.

    ``compare`` says what an offline campaign is compared with, at the same budget.
    """

    campaign: CampaignSection = CampaignSection()
    recipe: RecipeSection = RecipeSection()
    space: dict[str, Any] = Field(default_factory=lambda: {"preset": "flagship"})
    objective: dict[str, Any] = Field(default_factory=FLAGSHIP.to_dict)
    faults: FaultsSection = FaultsSection()
    compare: Literal["random", "none"] = "random"


def load_config(
    path: Path | None, *, fault_rate: float | None = None, compare: str | None = None, **overrides: object
) -> CampaignConfig:
    """Read a configuration file, or take the defaults, and put the command line's values over it.

    Args:
        path: a TOML file, or ``None``.
        fault_rate: ``rate`` of the ``[faults]`` table; ``None`` leaves it as it is.
        compare: ``random`` or ``none``; ``None`` leaves it as it is.
        overrides: values of the ``[campaign]`` table; ``None`` leaves a value as it is.

    Raises:
        UserError: the file cannot be read or is no TOML.
        ConfigError: a key is unknown or a value outside its limits.
    """
    raw = {} if path is None else read_toml(path)
    raw = _over(raw, "campaign", overrides, path)
    raw = _over(raw, "faults", {"rate": fault_rate}, path)
    if compare is not None:
        raw = {**raw, "compare": compare}
    return parse_config(raw, source=str(path or ""))


def _over(raw: dict[str, Any], name: str, values: Mapping[str, object], path: Path | None) -> dict[str, Any]:
    """The tables of a file with some values over those of one of them."""
    given = {k: v for k, v in values.items() if v is not None}
    table = raw.get(name, {})
    if not given:
        return raw
    if not isinstance(table, dict):
        raise ConfigError(name, table, f"a table: [{name}]", source=str(path))
    return {**raw, name: {**table, **given}}


def parse_config(raw: dict[str, Any], *, source: str = "") -> CampaignConfig:
    """Validate what a TOML file holds.

    Raises:
        ConfigError: keys are unknown or values outside their limits; names each key, its value and what is allowed.
    """
    try:
        return CampaignConfig.model_validate(raw)
    except ValidationError as error:
        raise explain(error, CampaignConfig, source) from error


def read_toml(path: Path) -> dict[str, Any]:
    """What a TOML file holds.

    Raises:
        UserError: the file cannot be read or is no TOML.
    """
    try:
        with path.open("rb") as handle:
            return tomllib.load(handle)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    except RecursionError as error:
        raise UserError(f"{path} is not valid TOML: lists or tables nested too deeply") from error
    except ValueError as error:  # also of text that is no UTF-8, and of integers of thousands of digits
        raise UserError(f"{path} is not valid TOML: {error}") from error


def explain(error: ValidationError, model: type[BaseModel], source: str, *, below: str = "") -> ConfigError:
    """Everything that is wrong, in words.

    Args:
        error: of the validation.
        model: that was validated against; its fields are the keys that are allowed.
        source: name of the file.
        below: dotted path of the table that was validated, where it was not the whole file.
    """
    return together([_explained(dict(one), model, source, below) for one in error.errors(include_url=False)])


def _explained(one: dict[str, Any], model: type[BaseModel], source: str, below: str) -> ConfigError:
    location, kind = one["loc"], one["type"]
    key, value = dotted(location, below), _shown(location, one["input"])
    if kind == "extra_forbidden":
        known = _keys_at(model, location[:-1])
        return ConfigError(
            key, value, f"the keys {', '.join(known)}{did_you_mean(str(location[-1]), known)}", source=source
        )
    if kind == "missing":
        return MissingKeyError(key, source=source)
    if kind in {"model_type", "dict_type"}:
        form = f"tables [[{dotted(location[:-1], below)}]]" if isinstance(location[-1], int) else f"a table [{key}]"
        return ConfigError(key, value, form, source=source)
    words = one["msg"]
    for opening in ("Input should be ", "String should have ", "Value error, "):
        words = words.removeprefix(opening)
    return ConfigError(key, value, WORDS.get(kind) or words, source=source)


def _shown(location: Sequence[int | str], value: Any) -> Any:
    """A value as it may be said: under a key that is misspelt there may stand an address with its password."""
    if not isinstance(value, str | dict | list | tuple):
        return value
    name = next((part for part in reversed(location) if isinstance(part, str)), "")
    return redacted({name: value})[name]


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """A hint in brackets where a word is nearly one that is known; else nothing."""
    close = difflib.get_close_matches(word, known, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def dotted(location: Sequence[int | str], below: str = "") -> str:
    """A place in a file, such as ``campaign[0].recipe.max_tries``."""
    text = below
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _keys_at(model: type[BaseModel], location: Sequence[int | str]) -> list[str]:
    for part in location:
        if isinstance(part, str) and part in model.model_fields:
            model = next(_models(model.model_fields[part].annotation), model)
    return [field.alias or name for name, field in model.model_fields.items()]


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The tables that a field may hold, lists and alternatives opened."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)
