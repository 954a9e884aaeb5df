"""Settings of a training as a file: read from TOML, and written beside the weights."""

from __future__ import annotations

import tomllib
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from envs.errors import ConfigError, UserError
from surrogates.micrograph_training import TrainingConfig

WIDTHS = ("fine", "middle", "coarse")
SECTION = "train.sem"


def configured(
    default: TrainingConfig, path: Path | None, *, steps: int | None, seed: int | None, widths: bool = True
) -> TrainingConfig:
    """The settings of a file over the default ones, and the options over both.

    Args:
        default: settings that neither names.
        path: TOML file with a table ``[train.sem]``; None for none.
        steps: option of the command line; None for none.
        seed: likewise.
        widths: whether the file may choose the network's widths; given weights have theirs.

    Raises:
        UserError: when the file cannot be read.
        ConfigError: when a key is unknown or its value out of range.
    """
    values = {} if path is None else _table(path)
    source = "" if path is None else str(path)
    network = default.network
    for name in [key for key in WIDTHS if key in values]:
        width = _of_type(name, values.pop(name), 0, source)
        if widths:
            if not 1 <= width <= 1024:
                raise ConfigError(f"{SECTION}.{name}", width, "1 to 1024", source=source)
            network = replace(network, **{name: width})
    known = {each.name for each in fields(TrainingConfig)} - {"network"}
    for key in values:
        if key not in known:
            raise ConfigError(f"{SECTION}.{key}", values[key], f"one of {', '.join(sorted(known))}", source=source)
    chosen = {key: _of_type(key, value, getattr(default, key), source) for key, value in values.items()}
    chosen |= {key: value for key, value in (("steps", steps), ("seed", seed)) if value is not None}
    try:
        return replace(default, network=network, **chosen)
    except ConfigError as error:
        raise error.at(source) from error


def write_config(path: Path, config: TrainingConfig) -> None:
    """Write the settings so that ``configured`` reads the same again."""
    lines = ["# Settings of this training; `labwright train sem --config` takes them.", f"[{SECTION}]"]
    values = asdict(config)
    network = values.pop("network")
    values |= {name: network[name] for name in WIDTHS}
    lines += [f"{key} = {_written(value)}" for key, value in values.items()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _table(path: Path) -> dict[str, Any]:
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: settings that cannot be read ({error})") from error
    table = data.get("train", {}).get("sem") if isinstance(data.get("train"), dict) else None
    if not isinstance(table, dict):
        raise UserError(f"{path}: has no table [{SECTION}]; see the training.toml of any training")
    return dict(table)


def _of_type(key: str, value: Any, like: Any, source: str) -> Any:
    kind = type(like)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not kind:
        words = {int: "a whole number", float: "a number", bool: "true or false"}
        raise ConfigError(f"{SECTION}.{key}", value, words[kind], source=source)
    return value


def _written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)
