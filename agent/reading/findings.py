"""What ``labwright doctor`` finds: one line a check, and what to do where it is not well."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Health = Literal["ok", "warning", "problem"]


@dataclass(frozen=True)
class Finding:
    """One check.

    Args:
        check: what was looked at.
        health: a ``warning`` is worth a look; with a ``problem`` the agent does not run, or not as it should.
        words: what was found.
        todo: what to do about it; empty where it is well.
    """

    check: str
    health: Health
    words: str
    todo: str = ""


def ok(check: str, words: str) -> Finding:
    """It is well."""
    return Finding(check, "ok", words)


def warning(check: str, words: str, todo: str) -> Finding:
    """It is worth a look."""
    return Finding(check, "warning", words, todo)


def problem(check: str, words: str, todo: str) -> Finding:
    """It does not work like this."""
    return Finding(check, "problem", words, todo)
