"""The one exception tree: "you asked wrongly" is kept apart from "the instrument failed"."""

from __future__ import annotations

MAX_SHOWN = 200
"""Characters of a value that a message repeats."""


class LabwrightError(Exception):
    """Base of every error that Labwright raises on purpose."""


class UserError(LabwrightError):
    """The request was wrong: the message says what, where, and what to do. The command line exits with code 2."""


class ConfigError(UserError):
    """A configuration value is unknown or outside its limits.

    Attributes:
        key: dotted path of the key, such as ``space.temperature``.
        value: the offending value as given.
        allowed: what would have been accepted, in words.
        source: name of the file it stands in, ``""`` when there is none.
    """

    def __init__(self, key: str, value: object, allowed: str, *, source: str = "") -> None:
        self.key = key
        self.value = value
        self.allowed = allowed
        self.source = source
        where = f"{source}: " if source else ""
        super().__init__(f"{where}{key} = {_shown(value)} is not valid; allowed: {allowed}")

    def at(self, source: str) -> ConfigError:
        """The same error with the file named that it stands in."""
        return ConfigError(self.key, self.value, self.allowed, source=source)


class MissingExtraError(UserError):
    """A command needs an optional part of the distribution that is not installed."""

    def __init__(self, command: str, extra: str, missing: str) -> None:
        self.extra = extra
        super().__init__(
            f"'{command}' needs the extra '{extra}' ({missing} is not installed). "
            f"Install it with: pip install 'labwright[{extra}]', or from a clone: pip install '.[{extra}]'"
        )


class InfeasibleDesignError(UserError):
    """A design breaks a rule of its design space.

    Attributes:
        rule: name of the broken rule.
    """

    def __init__(self, rule: str, message: str) -> None:
        self.rule = rule
        super().__init__(f"{rule}: {message}")


class InstrumentError(LabwrightError):
    """An instrument or its connection failed; nothing was wrong with the request."""


class JournalError(LabwrightError):
    """The record is damaged, belongs to another campaign, or is held by another process."""


def _shown(value: object) -> str:
    """A value as it was written, shortened where it would drown the message."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # integers of thousands of digits, lists in lists without end
        return f"a {type(value).__name__} too long to show"
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."
