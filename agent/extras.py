"""What a command needs that is not in every installation."""

from __future__ import annotations

import importlib
from typing import Any

from envs.errors import MissingExtraError


def needs(extra: str, command: str, module: str) -> Any:
    """Import a module of ours that needs an extra.

    Args:
        extra: of the distribution.
        command: what the person typed, for the message.
        module: of ours.

    Raises:
        MissingExtraError: when the extra is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        missing = (error.name or "").split(".")[0]
        if missing in {"agent", "envs", "surrogates", "instruments", "simulators"}:
            raise
        raise MissingExtraError(command, extra, missing) from error
