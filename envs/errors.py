"""The one exception tree: "you asked wrongly" is kept apart from "the instrument failed"."""

from __future__ import annotations


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
    """

    def __init__(self, key: str, value: object, allowed: str, *, source: str = "") -> None:
        self.key = key
        self.value = value
        self.allowed = allowed
        where = f"{source}: " if source else ""
        super().__init__(f"{where}{key} = {value!r} is not valid; allowed: {allowed}")


class MissingExtraError(UserError):
    """A command needs an optional part of the distribution that is not installed."""

    def __init__(self, command: str, extra: str, missing: str) -> None:
        self.extra = extra
        super().__init__(
            f"'{command}' needs the extra '{extra}' ({missing} is not installed). "
            f"Install it with: pip install 'labwright[{extra}]'"
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


class JobRejectedError(InstrumentError):
    """An instrument refused a command.

    Attributes:
        code: machine-readable reason from the instrument profile, such as ``conflict``.
    """

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(f"rejected/{code}: {message}")


class JournalError(LabwrightError):
    """The record is damaged, belongs to another campaign, or is held by another process."""
