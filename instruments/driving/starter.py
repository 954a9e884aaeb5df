"""Writes the file with which a new instrument begins: a Python driver, or the settings of an adapter."""

from __future__ import annotations

import builtins
import keyword
import re
from importlib import resources
from pathlib import Path

from envs.errors import UserError

STARTERS = ("python", "folder", "scpi", "serial", "sdl-demo")
"""What a new instrument can be made from."""
SIMULATED = "scpi-sim.yaml"
"""What the SCPI starting file talks to until it is given a real instrument."""
_NAME = re.compile(r"[A-Za-z0-9_.\-]{1,64}")


def write_starter(name: str, starter: str, directory: Path) -> Path:
    """Write a commented starting file that works as it stands.

    Args:
        name: the instrument's id.
        starter: one of ``STARTERS``.
        directory: where; made when it does not exist.

    Returns:
        The file's path.

    Raises:
        UserError: when the name cannot be an instrument's id, the starter is not known, or the file is there already.
    """
    if not _NAME.fullmatch(name):
        raise UserError(f"{name!r} cannot be an instrument's id: use 1 to 64 of letters, digits, '_', '.' and '-'")
    if starter not in STARTERS:
        raise UserError(f"{starter!r} is no starting file: one of {', '.join(STARTERS)}")
    path = directory / f"{name}.{'py' if starter == 'python' else 'toml'}"
    shelf = resources.files("instruments") / "starters"
    if starter == "python":
        text = (shelf / "python.txt").read_text(encoding="utf-8")
        for mark, word in {"@IID@": name, "@FILE@": path.name, "@CLASS@": _class_name(name, text)}.items():
            text = text.replace(mark, word)
    else:
        text = (shelf / f"{starter}.toml").read_text(encoding="utf-8")
        text = re.sub(r'^iid = "[^"]*"', f'iid = "{name}"', text, count=1, flags=re.MULTILINE)
        text = text.replace(f"instrument run {starter}.toml", f"instrument run {path.name}")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
        if starter == "scpi" and not (simulated := directory / SIMULATED).exists():
            simulated.write_bytes((shelf / SIMULATED).read_bytes())
    except FileExistsError as error:
        raise UserError(f"{path} is there already: choose another name, or move it away") from error
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror or error}") from error
    return path


def _class_name(name: str, text: str) -> str:
    """A name for the class that hides nothing which the file imports or Python has."""
    made = "".join(part[:1].upper() + part[1:] for part in re.split(r"[_.\-]", name) if part)
    made = made if made.isidentifier() else f"Instrument{made}"
    taken = {*re.findall(r"\w+", text), *keyword.kwlist, *dir(builtins)}
    while made in taken:
        made += "Device"
    return made
