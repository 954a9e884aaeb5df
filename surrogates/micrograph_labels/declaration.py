"""What the values of a mask mean, as said in ``classes.toml`` beside the images or on the command line."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envs.errors import UserError
from surrogates.micrograph_cnn import CHANNELS

FILES = ("classes.toml", "classes.json")
BACKGROUND = frozenset({"background", "matrix", "none"})
"""Names for what is of no channel."""
IGNORE = "ignore"
"""Name for pixels of which nothing is known."""
HOW = (
    'say what each value means, in classes.toml beside the images (lines such as 1 = "phase") or with '
    f"--labels 1=phase,2=crack; names: {', '.join(CHANNELS)}, background, ignore, or one of your own"
)
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_COLOUR = re.compile(r"#[0-9a-f]{6}")

Value = int | tuple[int, int, int]
"""A grey value or index of a mask, or a colour."""


@dataclass(frozen=True)
class Declaration:
    """What each value, or colour, of a mask means.

    Args:
        meanings: the name of each value.
        source: where it was said, for messages.
    """

    meanings: Mapping[Value, str]
    source: str

    @property
    def channels(self) -> tuple[str, ...]:
        """The channels that are told of, in the order they were named."""
        names = (name for name in self.meanings.values() if name not in BACKGROUND and name != IGNORE)
        return tuple(dict.fromkeys(names))

    @property
    def coloured(self) -> bool:
        """Whether it speaks of colours."""
        return any(isinstance(value, tuple) for value in self.meanings)


def declared(folder: Path, given: str) -> Declaration | None:
    """What was said on the command line, else in the folder; None where nobody said anything.

    Raises:
        UserError: when it cannot be understood.
    """
    if given.strip():
        pairs = dict(_pair(each) for each in given.split(",") if each.strip())
        return _checked(pairs, "--labels")
    for name in FILES:
        path = folder / name
        if path.is_file():
            return _checked(_loaded(path), str(path))
    return None


def renamed(folder: Path, given: str) -> dict[str, str]:
    """For labels that have names of their own (COCO): what channel each name is, as ``declared`` finds it.

    Raises:
        UserError: when it cannot be understood.
    """
    if given.strip():
        pairs, source = dict(_pair(each) for each in given.split(",") if each.strip()), "--labels"
    else:
        path = next((folder / name for name in FILES if (folder / name).is_file()), None)
        if path is None:
            return {}
        pairs, source = _loaded(path), str(path)
    return {key.strip().lower(): channel_name(str(value), source) for key, value in pairs.items()}


def channel_name(text: str, source: str) -> str:
    """A name as channels have them: small letters, digits, ``_`` and ``-``.

    Raises:
        UserError: when no such name can be made of it.
    """
    name = re.sub(r"\s+", "_", text.strip().lower())
    if not _NAME.fullmatch(name):
        raise UserError(
            f"{source}: {text!r} is no name for a channel; take a letter, then up to 39 letters, digits, _ or -"
        )
    return name


def _pair(text: str) -> tuple[str, str]:
    value, sign, name = text.partition("=")
    if not sign or not value.strip() or not name.strip():
        raise UserError(f"--labels: {text.strip()!r} is not VALUE=NAME; write, say, --labels 1=phase,2=crack")
    return value.strip(), name.strip()


def _loaded(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        data = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except (OSError, ValueError) as error:
        raise UserError(f'{path}: cannot be read ({error}); write lines such as 1 = "phase"') from error
    if isinstance(data, dict) and set(data) == {"classes"}:
        data = data["classes"]
    if not isinstance(data, dict) or not all(isinstance(value, str) for value in data.values()):
        raise UserError(f'{path}: must give a name for each value, such as 1 = "phase"')
    return data


def _checked(pairs: Mapping[str, str], source: str) -> Declaration:
    meanings = {_value(key, source): channel_name(name, source) for key, name in pairs.items()}
    if len({type(value) for value in meanings}) > 1:
        raise UserError(f"{source}: grey values and colours cannot be mixed; take one kind")
    declaration = Declaration(meanings, source)
    if not declaration.channels:
        raise UserError(f"{source}: names nothing to learn; {HOW}")
    return declaration


def _value(text: str, source: str) -> Value:
    key = text.strip().lower()
    if _COLOUR.fullmatch(key):
        return int(key[1:3], 16), int(key[3:5], 16), int(key[5:7], 16)
    if key.isdecimal() and int(key) < 65536:
        return int(key)
    raise UserError(f"{source}: {text!r} is neither a value of a mask (0 to 65535) nor a colour such as #ff0000")
